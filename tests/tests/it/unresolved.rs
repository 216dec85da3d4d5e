//! A text that nobody knows the fate of when its life ends: not told to have failed, and held against
//! its sender like one that arrived.

use std::time::Duration;

use peyk_tests::{
    aging::pass_seconds,
    fake::{Behaviour, FakeKavenegar},
    harness::{MessageRow, Peyk, PeykBuilder, fresh_mobile, wait_for},
};

use crate::{limit_steps::ask, login_steps::count};

/// Hundredths of the sends that are held against our address.
const HELD: &str = "SELECT coalesce(sum(used), 0)::bigint FROM send_counters
    WHERE scope = 'guard:i:127.0.0.1'";

fn peyk() -> PeykBuilder {
    Peyk::builder().hasty(300).set("HTTP__WAIT_MS", "0")
}

fn silence() -> Behaviour {
    Behaviour::HangAfterRead { effect: true }
}

/// Waits until an attempt was written so: `a send unknown http.timeout`.
async fn wait_for_attempt(peyk: &Peyk, mobile: &str, attempt: &str) {
    wait_for("the attempt", || async {
        let row = peyk.database.message_to(mobile).await?;
        peyk.database.history(row.id).await.iter().any(|it| it.starts_with(attempt)).then_some(())
    })
    .await;
}

/// Lets the life of the code end and waits for the end of its text.
async fn outlive(peyk: &Peyk, mobile: &str) -> MessageRow {
    pass_seconds(&peyk.database.pool, mobile, 900).await;
    peyk.database.settled_message_to(mobile).await
}

fn end(row: &MessageRow) -> (&str, Option<&str>, Option<f64>) {
    (&row.status, row.reason.as_deref(), row.due_in)
}

#[tokio::test]
async fn a_code_nobody_can_tell_of_ends_unknown_and_counts_as_sent() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk().provider("a", &fake.url()).start().await;
    let (open, refused) = (fresh_mobile(), fresh_mobile());
    fake.behave_always(silence());
    assert_eq!(ask(&peyk, 0, &open, None).await.status, 202);
    wait_for_attempt(&peyk, &open, "a send unknown").await;
    let row = outlive(&peyk, &open).await;
    assert_eq!(end(&row), ("unknown", Some("sms.unresolved"), None));
    assert_eq!(fake.effects_to(&open).len(), 1, "it did arrive");
    // What surely reached nobody is given back, behind whatever was to be given back before.
    fake.behave_always(Behaviour::Error(411));
    assert_eq!(ask(&peyk, 0, &refused, None).await.status, 202);
    assert_eq!(peyk.database.settled_message_to(&refused).await.status, "failed");
    wait_for("the refused one to be given back", async || {
        (count(&peyk, HELD).await < 200).then_some(())
    })
    .await;
    assert_eq!(count(&peyk, HELD).await, 100);
}

#[tokio::test]
async fn a_second_send_that_fails_says_nothing_of_the_first() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let builder = peyk().provider("a", &a.url()).provider("b", &b.url());
    let peyk = builder.set("SMS__ORDER", "a,b").start().await;
    a.behave_always(silence());
    let [waiting, refused] = [(); 2].map(|()| fresh_mobile());
    // Still waiting for another try when its life ends, and refused by the last one there is.
    b.behave_to(&waiting, Behaviour::RateLimited { retry_after_secs: 100 });
    b.behave_to(&refused, Behaviour::Error(411));
    for mobile in [&waiting, &refused] {
        assert_eq!(ask(&peyk, 0, mobile, None).await.status, 202);
    }
    wait_for_attempt(&peyk, &waiting, "b send retry_later").await;
    let row = outlive(&peyk, &waiting).await;
    assert_eq!(end(&row), ("unknown", Some("sms.unresolved"), None));
    let row = peyk.database.settled_message_to(&refused).await;
    assert_eq!(end(&row), ("unknown", Some("kavenegar.411"), None));
    peyk.database.all_settled(Duration::from_secs(10)).await;
    for mobile in [&waiting, &refused] {
        assert_eq!((a.effects_to(mobile).len(), b.effects_to(mobile).len()), (1, 0));
    }
}

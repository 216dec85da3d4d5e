//! Two providers: what one cannot carry the other does, soon, and nobody gets two different texts.

use std::time::{Duration, Instant};

use peyk_tests::{
    fake::{Behaviour, FakeKavenegar, http::closed_port_url},
    harness::{Peyk, PeykBuilder, fresh_mobile, wait_for},
};

/// Milliseconds a call may take.
const BUDGET_MS: u64 = 900;
/// From the request until the code is with the second provider when the first one says no: far
/// less on an idle machine, and on a busy one still less than any silence costs.
const AT_ONCE: Duration = Duration::from_millis(BUDGET_MS + 1_000);
/// The same when the first one says nothing: its budget, a second for it to notice what it did, a
/// sweep, and the budget of the question. The rest is room for a busy machine.
const AFTER_SILENCE: Duration = Duration::from_millis(BUDGET_MS + 1_000 + 100 + BUDGET_MS + 3_000);

fn peyk(a: &str, b: &str) -> PeykBuilder {
    Peyk::builder()
        .provider("a", a)
        .provider("b", b)
        .set("SMS__ORDER", "a,b")
        .hasty(BUDGET_MS)
        .set("HTTP__WAIT_MS", "5000")
}

/// Sends to a fresh number and says how long it took until `b` had carried the text.
async fn time_through_b(peyk: &Peyk, b: &FakeKavenegar, mobile: &str) -> Duration {
    let begun = Instant::now();
    let answer = peyk.send_otp(mobile);
    let arrived = wait_for("the text through b", || async {
        (!b.effects_to(mobile).is_empty()).then(|| begun.elapsed())
    });
    let (answer, arrived) = tokio::join!(answer, arrived);
    assert_eq!(answer.status, 200, "{answer:?}");
    arrived
}

async fn history(peyk: &Peyk, mobile: &str) -> Vec<String> {
    let row = peyk.database.settled_message_to(mobile).await;
    assert_eq!((row.status.as_str(), row.provider.as_deref()), ("sent", Some("b")), "{row:?}");
    peyk.database.history(row.id).await
}

#[tokio::test]
async fn what_the_first_provider_refuses_or_puts_off_goes_through_the_second_at_once() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let mut peyk = peyk(&a.url(), &b.url()).workers(0).start().await;
    let cases = [
        (Behaviour::Error(418), "rejected_account kavenegar.418", true),
        (Behaviour::Error(403), "rejected_account kavenegar.403", true),
        (Behaviour::Error(424), "rejected_account kavenegar.424", true),
        (Behaviour::Error(413), "rejected_request kavenegar.413", false),
        (Behaviour::RateLimited { retry_after_secs: 600 }, "retry_later kavenegar.429", false),
    ];
    for (behaviour, attempt, taken_out) in cases {
        // A worker that has not heard of A's troubles.
        peyk.start_worker().await;
        let [first, second] = [(); 2].map(|()| fresh_mobile());
        a.behave_to(&first, behaviour);
        let took = time_through_b(&peyk, &b, &first).await;
        assert!(took < AT_ONCE, "{attempt}: {took:?}");
        let expected = [format!("a send {attempt}"), "b send accepted".to_owned()];
        assert_eq!(history(&peyk, &first).await, expected);
        assert_eq!((a.effects_to(&first).len(), b.effects_to(&first).len()), (0, 1));
        // Who refuses the account refuses everything: nobody else is kept waiting for it.
        peyk.send_otp(&second).await;
        let row = peyk.database.settled_message_to(&second).await;
        let carrier = if taken_out { "b" } else { "a" };
        assert_eq!(row.provider.as_deref(), Some(carrier), "after {attempt}");
        assert_eq!(row.attempt, 1);
        peyk.kill_worker().await;
        peyk.database.execute("DELETE FROM sms_provider_states").await;
    }
}

#[tokio::test]
async fn a_refused_recipient_is_not_tried_elsewhere() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let peyk = peyk(&a.url(), &b.url()).start().await;
    let mobile = fresh_mobile();
    a.behave_to(&mobile, Behaviour::Error(411));
    assert_eq!(peyk.send_otp(&mobile).await.status, 502);
    let row = peyk.database.settled_message_to(&mobile).await;
    assert_eq!((row.status.as_str(), row.attempt), ("failed", 1));
    assert_eq!(b.calls().len(), 0);
}

#[tokio::test]
async fn a_provider_that_is_down_costs_no_time() {
    let (a, b) = (closed_port_url().await, FakeKavenegar::start().await);
    let peyk = peyk(&a, &b.url()).start().await;
    let mobile = fresh_mobile();
    let took = time_through_b(&peyk, &b, &mobile).await;
    assert!(took < AT_ONCE, "{took:?}");
    let expected = ["a send retry_later http.connect", "b send accepted"];
    assert_eq!(history(&peyk, &mobile).await, expected);
    assert_eq!(b.effects_to(&mobile).len(), 1);
}

/// Every call to `a` ends so, also questions; whether `a` carried the text nobody can know.
async fn a_falls_silent(behaviour: Behaviour, template: bool, code: &str) {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let mut builder = peyk(&a.url(), &b.url());
    if template {
        builder = builder.set("OTP__TEMPLATE", "login");
    }
    let peyk = builder.start().await;
    a.behave_always(behaviour);
    let mobile = fresh_mobile();
    let took = time_through_b(&peyk, &b, &mobile).await;
    assert!(took < AFTER_SILENCE, "{took:?}");
    let expected = [format!("a send unknown {code}"), "b send accepted".to_owned()];
    assert_eq!(history(&peyk, &mobile).await, expected);
    let through_b = b.effects_to(&mobile);
    assert_eq!(through_b.len(), 1);
    // At most one more text, and only with the same code.
    let through_a = a.effects_to(&mobile);
    assert!(through_a.len() <= 1, "{}", through_a.len());
    assert!(through_a.iter().all(|text| text.content == through_b[0].content), "two codes");
}

#[tokio::test]
async fn a_silent_provider_costs_its_budget_and_the_other_sends_the_same_code() {
    let hang = Behaviour::HangAfterRead { effect: true };
    tokio::join!(
        a_falls_silent(hang.clone(), true, "http.timeout"),
        a_falls_silent(hang, false, "http.timeout"),
    );
}

#[tokio::test]
async fn a_failing_provider_costs_a_second_and_the_other_sends_the_same_code() {
    let error = Behaviour::HttpStatus { status: 500, headers: vec![], body: "Oops".to_owned() };
    tokio::join!(
        a_falls_silent(error.clone(), true, "http.500"),
        a_falls_silent(error, false, "http.500"),
    );
}

#[tokio::test]
async fn a_text_the_first_provider_says_it_has_is_not_sent_through_the_second() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let peyk = peyk(&a.url(), &b.url()).start().await;
    let mobile = fresh_mobile();
    a.behave_to(&mobile, Behaviour::ResetAfterRead { effect: true });
    assert_eq!(peyk.send_otp(&mobile).await.status, 200);
    let row = peyk.database.settled_message_to(&mobile).await;
    let expected = ["a send unknown http.reset", "a lookup found"];
    assert_eq!(peyk.database.history(row.id).await, expected);
    assert_eq!((a.effects_to(&mobile).len(), b.calls().len()), (1, 0));
}

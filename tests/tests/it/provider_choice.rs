//! The choice of provider: by weights, and in every kind of trouble the right one each time, with no
//! second text after an unknown outcome unless it is the same code.

use std::collections::BTreeMap;

use peyk_tests::{
    fake::{Behaviour, FakeKavenegar, http::closed_port_url},
    harness::{Peyk, PeykBuilder, fresh_mobile, wait_for},
};
use serde_json::json;
use shared::sms::routing;

/// Milliseconds a call may take.
const BUDGET_MS: u64 = 700;

/// Two accounts, `a` first; nobody waits for outcomes.
pub(crate) fn two(a: &str, b: &str) -> PeykBuilder {
    Peyk::builder()
        .provider("a", a)
        .provider("b", b)
        .set("SMS__ORDER", "a,b")
        .hasty(BUDGET_MS)
        .set("HTTP__WAIT_MS", "0")
}

/// Sends so many codes and waits for their end.
pub(crate) async fn send_codes(peyk: &Peyk, count: usize) {
    let mobiles: Vec<_> = (0..count).map(|_| fresh_mobile()).collect();
    for mobile in &mobiles {
        // The end may be there as soon as the answer.
        let answer = peyk.send_otp(mobile).await;
        assert!([200, 202].contains(&answer.status), "{answer:?}");
    }
    for mobile in &mobiles {
        let row = peyk.database.settled_message_to(mobile).await;
        assert_eq!(row.status, "sent", "{row:?}");
    }
}

#[tokio::test]
async fn weights_spread_first_attempts_and_a_second_one_goes_elsewhere() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let builder = two(&a.url(), &b.url()).workers(2);
    let peyk = builder.set("SMS__WEIGHTS__A", "70").set("SMS__WEIGHTS__B", "30").start().await;
    send_codes(&peyk, 60).await;
    b.behave_always(Behaviour::Error(413));
    send_codes(&peyk, 20).await;
    let weights = BTreeMap::from([("a".to_owned(), 70), ("b".to_owned(), 30)]);
    let rows: Vec<(i64, Vec<String>)> = sqlx::query_as(
        "SELECT m.local_id, array_agg(concat_ws(' ', a.provider, a.outcome) ORDER BY a.attempt)
         FROM sms_messages m JOIN sms_attempts a ON a.message_id = m.id GROUP BY m.id ORDER BY m.id",
    )
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap();
    for (at, (local_id, attempts)) in rows.iter().enumerate() {
        let first = routing::spread(&["a", "b"], &weights, *local_id)[0];
        let expected = match first {
            "b" if at >= 60 => vec!["b rejected_request".to_owned(), "a accepted".to_owned()],
            first => vec![format!("{first} accepted")],
        };
        assert_eq!(attempts, &expected, "message {at}");
    }
    let (to_a, to_b) = (a.effects().len(), b.effects().len());
    assert!(to_a > to_b && to_b > 0 && to_a + to_b == 80, "{to_a} and {to_b}");
}

#[tokio::test]
async fn a_provider_that_is_down_is_passed_over_and_said_to_be_failing() {
    let (a, b) = (closed_port_url().await, FakeKavenegar::start().await);
    let peyk = two(&a, &b.url()).start().await;
    let shown = async || peyk.run("worker", &["providers"]).await.1;
    assert!(!shown().await.contains("state: failing"));
    send_codes(&peyk, 6).await;
    assert_eq!(b.effects().len(), 6);
    wait_for("a word of it", || async {
        let output = shown().await;
        output.contains("1 of 2)\n  state: failing").then_some(())
    })
    .await;
}

/// What happens at `a` to one text.
struct Case {
    name: &'static str,
    /// To the call that hands the text over, or (`true`) to every call.
    at_a: (Behaviour, bool),
    /// Texts at `a` and at `b`, and how the message ends: of a code …
    code: (usize, usize, &'static str),
    /// … and of any other text.
    text: (usize, usize, &'static str),
}

fn cases() -> Vec<Case> {
    let once = |behaviour| (behaviour, false);
    let always = |behaviour| (behaviour, true);
    let both = |name, at_a, expected| Case { name, at_a, code: expected, text: expected };
    let error = Behaviour::HttpStatus { status: 500, headers: vec![], body: "Oops".to_owned() };
    vec![
        both("takes it", once(Behaviour::Ok), (1, 0, "sent")),
        both("out of credit", once(Behaviour::Error(418)), (0, 1, "sent")),
        both("wrong credentials", once(Behaviour::Error(403)), (0, 1, "sent")),
        both("refuses the text", once(Behaviour::Error(413)), (0, 1, "sent")),
        both("refuses the number", once(Behaviour::Error(411)), (0, 0, "failed")),
        both("is busy", once(Behaviour::RateLimited { retry_after_secs: 600 }), (0, 1, "sent")),
        both(
            "is silent, and has it",
            once(Behaviour::HangAfterRead { effect: true }),
            (1, 0, "sent"),
        ),
        both(
            "is silent, and does not have it",
            once(Behaviour::HangAfterRead { effect: false }),
            (0, 1, "sent"),
        ),
        Case {
            name: "is silent for good, and has it",
            at_a: always(Behaviour::HangAfterRead { effect: true }),
            code: (1, 1, "sent"),
            text: (1, 0, "unknown"),
        },
        Case {
            name: "is silent for good, and does not have it",
            at_a: always(Behaviour::HangAfterRead { effect: false }),
            code: (0, 1, "sent"),
            text: (0, 0, "unknown"),
        },
        Case { name: "fails", at_a: always(error), code: (0, 1, "sent"), text: (0, 0, "unknown") },
    ]
}

#[tokio::test]
async fn in_every_trouble_each_kind_of_text_goes_where_it_should_and_no_text_twice() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let peyk = two(&a.url(), &b.url()).set("SMS__BULK_OPT_OUT", "").start().await;
    let (_, output) = peyk.run("api", &["keys", "create", "shop", "--scope", "sms:send"]).await;
    let key = output.lines().next().unwrap().to_owned();
    for case in cases() {
        // It has just taken a text: what it does now is its first trouble.
        all_is_well(&peyk).await;
        let before = a.effects().len();
        send_codes(&peyk, 1).await;
        assert_eq!(a.effects().len(), before + 1, "before {}", case.name);
        let [code, text, bulk] = [(); 3].map(|()| fresh_mobile());
        let (behaviour, always) = &case.at_a;
        if *always {
            a.behave_always(behaviour.clone());
        } else {
            for mobile in [&code, &text, &bulk] {
                a.behave_to(mobile, behaviour.clone());
            }
        }
        peyk.send_otp(&code).await;
        send_text(&peyk, &key, "send", &json!({"mobile_number": text, "message_text": "x"})).await;
        let numbers = json!({"mobile_numbers": [bulk], "message_text": "x"});
        send_text(&peyk, &key, "bulk", &numbers).await;
        for (kind, mobile, (at_a, at_b, status)) in
            [("code", &code, case.code), ("text", &text, case.text), ("bulk", &bulk, case.text)]
        {
            wait_for(&format!("{status} of {kind} when a {}", case.name), || async {
                let row = peyk.database.message_to(mobile).await?;
                let asked = status != "unknown" || row.attempt >= 3;
                (row.status == status && asked).then_some(())
            })
            .await;
            let (of_a, of_b) = (a.effects_to(mobile), b.effects_to(mobile));
            let counts = (of_a.len(), of_b.len());
            assert_eq!(counts, (at_a, at_b), "{kind} when a {}", case.name);
            let texts: Vec<_> = of_a.iter().chain(&of_b).map(|it| &it.content).collect();
            let one = texts.iter().all(|text| *text == texts[0]);
            assert!(one, "two different texts: {kind} when a {}", case.name);
        }
        a.behave_always(Behaviour::Ok);
    }
    assert!(a.duplicates().is_empty() && b.duplicates().is_empty());
}

async fn send_text(peyk: &Peyk, key: &str, what: &str, body: &serde_json::Value) {
    let request = peyk.client().post(peyk.url(&format!("/api/message/{what}/")));
    let answer = peyk.send(request.header("X-API-Key", key).json(body)).await;
    assert!([200, 202, 502].contains(&answer.status), "{answer:?}");
}

/// Forgets every outage and waits until the worker has.
async fn all_is_well(peyk: &Peyk) {
    wait_for("an end of all outages", || async {
        // Again and again: a worker may have been about to say something.
        peyk.database.execute("DELETE FROM sms_provider_states").await;
        let breaker = peyk.worker_metric(r#"peyk_provider_breaker_state{provider="a"}"#).await;
        (breaker.as_deref() == Some("0")).then_some(())
    })
    .await;
}

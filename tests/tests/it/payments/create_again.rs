//! A payment that is asked for again under the same `Idempotency-Key`.

use peyk_tests::{
    fake::{Behaviour, RecordedZarinPal},
    harness::{Answer, Peyk, TestDatabase, wait_for},
};
use serde_json::{Value, json};

use super::steps::{CREATE, at, begin_under, states, written};
use crate::people::Person;

#[tokio::test]
async fn the_same_request_under_the_same_key_is_one_payment() {
    let gateway = RecordedZarinPal::start().await;
    let peyk = at(&gateway).apis(2).start().await;
    let (sara, omid) = (Person::new(&peyk).await, Person::new(&peyk).await);
    let body = json!({"amount": 1000.0, "order_id": "7"});
    let first = begin_under(&peyk, 0, &sara, "k", &body).await;
    assert_eq!(first.status, 200, "{first:?}");
    let same = json!({"order_id": "7", "amount": "1000"});
    let again = begin_under(&peyk, 1, &sara, "k", &same).await;
    assert_eq!((again.status, &again.json), (200, &first.json));
    assert_eq!((written(&peyk).await, gateway.opened().len()), ((1, 1), 1));
    for other in [
        json!({"amount": 1001, "order_id": "7"}),
        json!({"amount": 1000}),
        json!({"amount": 1000, "order_id": "7", "pay_mode": 2}),
    ] {
        let other = begin_under(&peyk, 0, &sara, "k", &other).await;
        assert_eq!((other.status, &other.json["code"]), (422, &json!("idempotency_mismatch")));
    }
    // Keys are their callers'.
    let others = begin_under(&peyk, 0, &omid, "k", &body).await;
    assert_eq!(others.status, 200);
    assert_ne!(others.json["id"], first.json["id"]);
    // What the repeat is told is how the payment stands now.
    peyk.database
        .execute("UPDATE payments SET state = 'paid', paid_at = now() WHERE order_id = '7'")
        .await;
    let paid = begin_under(&peyk, 0, &sara, "k", &body).await;
    assert_eq!((&paid.json["status"], &paid.json["state"]), (&json!("paid"), &json!("paid")));
    assert_eq!(paid.json["details"], first.json["details"]);
}

#[tokio::test]
async fn of_many_at_once_one_begins_and_the_others_are_told_to_wait_or_what_came_of_it() {
    let gateway = RecordedZarinPal::start().await;
    let peyk = at(&gateway).apis(2).start().await;
    let sara = Person::new(&peyk).await;
    let body = json!({"amount": 5000});
    gateway.behave(Behaviour::SlowDrip { effect: true });
    let requests = (0..20).map(|i| begin_under(&peyk, i % 2, &sara, "k", &body));
    let answers = futures_util::future::join_all(requests).await;
    for answer in &answers {
        assert!([200, 409].contains(&answer.status), "{answer:?}");
        if answer.status == 409 {
            assert_eq!(answer.json["code"], "idempotency_in_flight", "{answer:?}");
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    assert!(answers.iter().any(|answer| answer.status == 409));
    assert_eq!(written(&peyk).await.0, 1);
}

#[tokio::test]
async fn what_no_gateway_answered_goes_on_under_its_key_with_the_same_payment() {
    let gateway = RecordedZarinPal::start().await;
    let peyk = at(&gateway).start().await;
    let sara = Person::new(&peyk).await;
    let body = json!({"amount": 5000});
    gateway.set_mode("drop");
    assert_eq!(begin_under(&peyk, 0, &sara, "k", &body).await.status, 502);
    gateway.set_mode("ok");
    let begun = begin_under(&peyk, 0, &sara, "k", &body).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    assert_eq!(written(&peyk).await, (1, 3));
    let (payments, pages) = states(&peyk).await;
    assert_eq!(
        (payments[0].as_str(), pages),
        ("redirected", ["unknown", "unknown", "open"].map(str::to_owned).to_vec())
    );
    // A refusal is no answer to keep either.
    gateway.set_mode("reject");
    assert_eq!(begin_under(&peyk, 0, &sara, "l", &body).await.status, 503);
    gateway.set_mode("ok");
    assert_eq!(begin_under(&peyk, 0, &sara, "l", &body).await.status, 200);
    assert_eq!(written(&peyk).await.0, 2);
}

/// Refused while the lease of the dead process lives, and then not.
async fn repeat_after_the_lease(peyk: &Peyk, payer: &Person, body: &Value) -> Answer {
    let early = begin_under(peyk, 1, payer, "k", body).await;
    assert_eq!((early.status, &early.json["code"]), (409, &json!("idempotency_in_flight")));
    peyk.database.execute("UPDATE idempotency_keys SET lease_until = now()").await;
    begin_under(peyk, 1, payer, "k", body).await
}

/// Statements of the api that wait for a lock.
async fn waiting(database: &TestDatabase) -> i64 {
    database
        .count(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await
}

#[tokio::test]
async fn an_api_killed_while_the_gateway_thinks_leaves_a_payment_that_the_repeat_goes_on_with() {
    let gateway = RecordedZarinPal::start().await;
    let mut peyk = at(&gateway).start().await;
    let sara = Person::new(&peyk).await;
    gateway.behave(Behaviour::HangAfterRead { effect: true });
    let request = peyk.client().post(peyk.url(&format!("/api/{CREATE}"))).bearer_auth(&sara.token);
    let request = request.header("Idempotency-Key", "k").json(&json!({"amount": 5000}));
    tokio::spawn(request.send());
    wait_for("the gateway to be asked", async || (!gateway.opened().is_empty()).then_some(()))
        .await;
    peyk.apis[0].kill().await;
    assert_eq!(written(&peyk).await, (1, 1));
    peyk.start_api().await;
    let body = json!({"amount": 5000});
    let repeat = repeat_after_the_lease(&peyk, &sara, &body).await;
    assert_eq!(repeat.status, 200, "{repeat:?}");
    assert_eq!(written(&peyk).await, (1, 2), "the same payment with another page");
    assert_eq!(begin_under(&peyk, 1, &sara, "k", &body).await.json, repeat.json);
}

#[tokio::test]
async fn an_api_killed_before_the_payment_is_written_leaves_nothing_and_the_repeat_begins_it() {
    let gateway = RecordedZarinPal::start().await;
    let mut peyk = at(&gateway).start().await;
    let sara = Person::new(&peyk).await;
    let mut lock = peyk.database.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE payments IN EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let request = peyk.client().post(peyk.url(&format!("/api/{CREATE}"))).bearer_auth(&sara.token);
    let request = request.header("Idempotency-Key", "k").json(&json!({"amount": 5000}));
    tokio::spawn(request.send());
    wait_for("the insert to wait", async || (waiting(&peyk.database).await > 0).then_some(()))
        .await;
    peyk.apis[0].kill().await;
    peyk.database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await;
    lock.rollback().await.unwrap();
    peyk.start_api().await;
    let body = json!({"amount": 5000});
    // On a slow machine its statement has given up waiting, and the lease, before it was killed.
    peyk.database.execute("UPDATE idempotency_keys SET lease_until = now()").await;
    let repeat = begin_under(&peyk, 1, &sara, "k", &body).await;
    assert_eq!(repeat.status, 200, "{repeat:?}");
    assert_eq!((written(&peyk).await, gateway.opened().len()), ((1, 1), 1));
}

//! Faults that people plan for the sandbox provider, to see what Peyk makes of them.

use std::time::{Duration, Instant};

use peyk_tests::harness::{Peyk, fresh_mobile};
use serde_json::{Value, json};

use crate::login_steps::patient;

const BUDGET_MS: u64 = 800;

async fn start() -> Peyk {
    patient().hasty(BUDGET_MS).start().await
}

async fn plan(peyk: &Peyk, wanted: Value) -> Value {
    let answer = peyk.post("/sandbox/faults", &wanted).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["results"][0].clone()
}

/// Sends a code; the status of the answer and what was tried.
async fn send(peyk: &Peyk) -> (u16, Vec<String>) {
    let mobile = fresh_mobile();
    let status = peyk.send_otp(&mobile).await.status;
    let row = peyk.database.settled_message_to(&mobile).await;
    (status, peyk.database.history(row.id).await)
}

#[tokio::test]
async fn a_refusal_is_for_as_many_texts_as_was_said() {
    let peyk = start().await;
    let planned = plan(&peyk, json!({"fault": "refuse", "count": 2})).await;
    assert_eq!(planned, json!({"provider": "sandbox", "fault": "refuse", "remaining": 2}));
    let refused = "sandbox send rejected_request sandbox.fault_refuse".to_owned();
    for _ in 0..2 {
        let (status, tried) = send(&peyk).await;
        assert_eq!((status, &tried[0]), (502, &refused));
    }
    assert_eq!(send(&peyk).await, (200, vec!["sandbox send accepted".to_owned()]));
    let over = peyk.get("/sandbox/faults").await;
    assert_eq!(
        over.json["results"][0],
        json!({"provider": "sandbox", "fault": "none", "remaining": null})
    );
    assert_eq!(over.json["faults"], json!(["refuse", "slow", "time_out"]));
}

#[tokio::test]
async fn a_text_that_was_carried_and_not_answered_for_is_found_and_not_sent_again() {
    let peyk = start().await;
    plan(&peyk, json!({"fault": "time_out", "count": 1})).await;
    let (status, tried) = send(&peyk).await;
    assert_eq!(status, 200);
    assert_eq!(tried, ["sandbox send unknown sandbox.fault_time_out", "sandbox lookup found"]);
}

#[tokio::test]
async fn a_slow_provider_is_slow_until_somebody_says_otherwise() {
    let peyk = start().await;
    assert_eq!(plan(&peyk, json!({"fault": "slow"})).await["remaining"], Value::Null);
    for _ in 0..2 {
        let began = Instant::now();
        assert_eq!(send(&peyk).await, (200, vec!["sandbox send accepted".to_owned()]));
        assert!(began.elapsed() > Duration::from_millis(BUDGET_MS / 2), "{:?}", began.elapsed());
    }
    assert_eq!(plan(&peyk, json!({"fault": "none"})).await["fault"], "none");
    assert_eq!(send(&peyk).await.0, 200);
    for wrong in [
        json!({"fault": "burn"}),
        json!({"fault": "slow", "count": 0}),
        json!({"fault": "slow", "provider": "kavenegar"}),
    ] {
        assert_eq!(peyk.post("/sandbox/faults", &wrong).await.status, 400, "{wrong}");
    }
}

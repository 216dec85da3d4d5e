//! What staff do with events at their endpoints.

use peyk_tests::{fake::Receiver, harness::Peyk};
use serde_json::json;

use super::steps::{act, actions, refusal, staff};
use crate::{
    login_steps::patient,
    webhooks::steps::{SECRET, emit, endpoint, event, numbers, wait_for_status},
};

const OF_THEM: &str = "SELECT count(*) FROM webhook_deliveries WHERE subject IN ('a', 'b')";

#[tokio::test]
async fn what_was_given_up_is_told_again_and_what_waits_is_given_up() {
    let shop = Receiver::start(SECRET).await;
    let builder = endpoint(patient(), "SHOP", &shop.url())
        .set("WEBHOOKS__MAX_ATTEMPTS", "1")
        .set("WEBHOOKS__ENDPOINTS__SHOP__EVENTS", "sms.*");
    let peyk = builder.start().await;
    let support = staff(&peyk, "support").await;
    shop.answer_with(400);
    emit(&peyk, &[event("a", 1)]).await;
    wait_for_status(&peyk, "failed", 1).await;
    let failed = support.get(&peyk, "admin/webhooks/?status=failed").await;
    let row = &failed.json["results"][0];
    assert_eq!((&row["kind"], &row["reason"]), (&json!("sms.sent"), &json!("http.400")));
    let id = row["id"].as_i64().unwrap();
    shop.answer_with(204);
    let retried = act(&peyk, &support, &format!("admin/webhooks/{id}/retry/")).await;
    assert_eq!(retried.status, 200, "{retried:?}");
    assert_eq!(retried.json["data"]["subject"], "a");
    wait_for_status(&peyk, "sent", 1).await;
    assert_eq!(numbers(&shop), ["a 1"]);
    assert_eq!(actions(&peyk, "webhook").await[1..3], ["webhook.retried", "webhook.viewed"]);

    later(&peyk).await;
    let path = format!("admin/webhooks/{id}/give_up/");
    let given_up = act(&peyk, &support, &path).await;
    assert_eq!(
        (given_up.status, &given_up.json["status"]),
        (200, &json!("failed")),
        "{given_up:?}"
    );
    assert_eq!(given_up.json["reason"], "staff.given_up");
    assert_eq!(refusal(&act(&peyk, &support, &path).await), (409, "conflict"));
    for what in ["retry", "give_up"] {
        let nobody = act(&peyk, &support, &format!("admin/webhooks/999/{what}/")).await;
        assert_eq!(nobody.status, 404, "{what}");
    }
    let viewer = staff(&peyk, "viewer").await;
    let seen = viewer.get(&peyk, &format!("admin/webhooks/{id}/")).await;
    assert_eq!((seen.status, seen.json.get("data")), (200, None), "{seen:?}");
    let refused = act(&peyk, &viewer, &format!("admin/webhooks/{id}/retry/")).await;
    assert_eq!(refusal(&refused), (403, "permission_denied"));
    assert_eq!(peyk.database.count(OF_THEM).await, 1);
}

/// As if it waited for its next attempt.
async fn later(peyk: &Peyk) {
    peyk.database
        .execute(
            "UPDATE webhook_deliveries SET status = 'queued', settled_at = NULL,
                 next_attempt_at = now() + interval '1 hour',
                 give_up_at = now() + interval '2 hours'",
        )
        .await;
}

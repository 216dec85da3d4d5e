//! What staff do with single messages, and what comes of it.

use peyk_tests::harness::{Peyk, fresh_mobile, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use super::steps::{act, actions, audited, message, refusal, staff};
use crate::{
    login_steps::{patient, send},
    people::Person,
};

async fn at(peyk: &Peyk, by: &Person, id: i64, what: &str) -> (u16, Value) {
    let answer = act(peyk, by, &format!("admin/messages/{id}/{what}/")).await;
    (answer.status, answer.json)
}

/// Waits until a message is in this state.
async fn becomes(peyk: &Peyk, by: &Person, id: i64, status: &str) -> Value {
    wait_for(&format!("message {id} to be {status}"), || async {
        let seen = by.get(peyk, &format!("admin/messages/{id}/")).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        (seen.json["status"] == status).then_some(seen.json)
    })
    .await
}

#[tokio::test]
async fn a_message_that_failed_is_tried_again_as_if_it_never_was() {
    let peyk = patient().start().await;
    let support = staff(&peyk, "support").await;
    for was in ["failed", "expired", "unknown"] {
        let id = message(&peyk, &fresh_mobile(), was, "Once more").await;
        let (status, retried) = at(&peyk, &support, id, "retry").await;
        assert_eq!(status, 200, "{was}: {retried}");
        let sent = becomes(&peyk, &support, id, "sent").await;
        let outcomes: Vec<_> =
            sent["attempts"].as_array().unwrap().iter().map(|it| &it["outcome"]).collect();
        assert_eq!(outcomes, ["rejected_request", "accepted"], "{was}");
        assert!(sent["latency_ms"].is_i64() && sent["attempts"][1]["duration_ms"].is_i64());
        let (status, again) = at(&peyk, &support, id, "retry").await;
        assert_eq!((status, &again["code"]), (409, &json!("conflict")), "{was}");
        let of_it: Vec<_> = audited(&peyk, "message").await;
        let of_it = of_it
            .iter()
            .find(|(action, row, _)| (action.as_str(), *row) == ("message.retried", Some(id)));
        assert_eq!(of_it.unwrap().2, json!({"was": was}));
    }
    assert_eq!(at(&peyk, &support, 999, "retry").await.0, 404);
    // What is asked about is not tried at the same time.
    let id = message(&peyk, &fresh_mobile(), "unknown", "x").await;
    let waits = "UPDATE sms_messages SET next_attempt_at = now() + interval '1 hour' WHERE id = $1";
    sqlx::query(waits).bind(id).execute(&peyk.database.pool).await.unwrap();
    assert_eq!(at(&peyk, &support, id, "retry").await.0, 409);
}

#[tokio::test]
async fn a_code_is_tried_again_only_while_it_can_be_used() {
    let peyk = patient().start().await;
    let support = staff(&peyk, "support").await;
    let mobile = fresh_mobile();
    let (request, code) = send(&peyk, &mobile).await;
    let sql = "UPDATE sms_messages SET status = 'failed', delivery = NULL WHERE phone = $1
        RETURNING id";
    let phone = format!("+98{}", &mobile[1..]);
    let fail = async || -> i64 {
        sqlx::query_scalar(sql).bind(&phone).fetch_one(&peyk.database.pool).await.unwrap()
    };
    let id = fail().await;
    let (status, retried) = at(&peyk, &support, id, "retry").await;
    assert_eq!(status, 200, "{retried}");
    let sent = becomes(&peyk, &support, id, "sent").await;
    assert_eq!(sent.get("text"), None);
    assert!(!sent.to_string().contains(&code), "{sent}");
    let (status, refused) = at(&peyk, &support, id, "resend").await;
    assert_eq!(status, 409, "{refused}");
    assert_eq!(at(&peyk, &support, id, "cancel").await.0, 409);
    // The same code still opens the account; then it is over.
    assert_eq!(peyk.authenticate(&mobile, &code, Some(&request)).await.status, 200);
    assert_eq!(fail().await, id);
    let (status, over) = at(&peyk, &support, id, "retry").await;
    assert_eq!(status, 409, "{over}");
    assert!(over["message"].as_str().unwrap().contains("code"), "{over}");
}

#[tokio::test]
async fn a_message_is_sent_once_more_as_its_owners_and_once_under_one_key() {
    let peyk = patient().start().await;
    let (sara, support) = (Person::new(&peyk).await, staff(&peyk, "support").await);
    let mobile = fresh_mobile();
    let first = message(&peyk, &mobile, "sent", "Your parcel is here").await;
    let own = "UPDATE sms_messages SET user_id = 1 WHERE id = $1";
    sqlx::query(own).bind(first).execute(&peyk.database.pool).await.unwrap();
    assert_eq!(sara.id, 1);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let url = peyk.url(&format!("/api/admin/messages/{first}/resend/"));
        let request = peyk.client().post(url).bearer_auth(&support.token);
        let sent = peyk.send(request.header("Idempotency-Key", "again-1")).await;
        assert_eq!(sent.status, 200, "{sent:?}");
        ids.push(sent.json["id"].as_i64().unwrap());
        assert_eq!(sent.json["text"], "Your parcel is here");
        assert_eq!((&sent.json["user_id"], &sent.json["kind"]), (&json!(1), &json!("text")));
    }
    assert!(ids[0] == ids[1] && ids[0] != first, "{ids:?}");
    becomes(&peyk, &support, ids[0], "sent").await;
    let other = at(&peyk, &support, first, "resend").await.1["id"].as_i64().unwrap();
    assert!(other != ids[0] && other != first, "without a key each is another one");
    let resent = actions(&peyk, "message").await;
    assert_eq!(resent.iter().filter(|action| *action == "message.resent").count(), 2);
    // Not while it is on its way.
    let waits = message(&peyk, &mobile, "queued", "x").await;
    let later = "UPDATE sms_messages SET next_attempt_at = now() + interval '1 hour',
        settled_at = NULL WHERE id = $1";
    sqlx::query(later).bind(waits).execute(&peyk.database.pool).await.unwrap();
    assert_eq!(at(&peyk, &support, waits, "resend").await.0, 409);
}

#[tokio::test]
async fn what_waits_is_taken_back_or_given_up_and_stays_so() {
    let peyk = patient().start().await;
    let support = staff(&peyk, "support").await;
    let waiting = async |status: &str| {
        let id = message(&peyk, &fresh_mobile(), status, "x").await;
        let later = "UPDATE sms_messages SET next_attempt_at = now() + interval '1 hour',
            settled_at = NULL WHERE id = $1";
        sqlx::query(later).bind(id).execute(&peyk.database.pool).await.unwrap();
        id
    };
    for (status, what, becomes, reason, action) in [
        ("queued", "cancel", "cancelled", "sandbox.refused", "message.cancelled"),
        ("queued", "give_up", "failed", "staff.given_up", "message.given_up"),
        ("unknown", "give_up", "unknown", "sms.unresolved", "message.given_up"),
    ] {
        let id = waiting(status).await;
        let (answered, now) = at(&peyk, &support, id, what).await;
        assert_eq!(answered, 200, "{what}: {now}");
        assert_eq!((&now["status"], &now["reason"]), (&json!(becomes), &json!(reason)), "{what}");
        assert_eq!(now.get("next_attempt_at"), None, "{what}");
        assert_eq!(at(&peyk, &support, id, what).await.0, 409, "{what} twice");
        let events = audited(&peyk, "message").await;
        assert!(events.iter().any(|(it, row, _)| it == action && *row == Some(id)), "{events:?}");
    }
    let sent = message(&peyk, &fresh_mobile(), "sent", "x").await;
    for what in ["cancel", "give_up", "retry"] {
        assert_eq!(at(&peyk, &support, sent, what).await.0, 409, "{what}");
    }
}

#[tokio::test]
async fn those_who_only_look_do_nothing_with_messages() {
    let peyk = patient().start().await;
    let id = message(&peyk, &fresh_mobile(), "failed", "x").await;
    for role in ["viewer", "finance"] {
        let by = staff(&peyk, role).await;
        for what in ["retry", "resend", "cancel", "give_up"] {
            let path = format!("admin/messages/{id}/{what}/");
            let answer = by.ask(&peyk, Method::POST, &path, None).await;
            assert_eq!(refusal(&answer), (403, "permission_denied"), "{role} {what}");
        }
    }
    let left = "SELECT count(*) FROM sms_messages WHERE status = 'failed' AND attempts_before = 0";
    assert_eq!(peyk.database.count(left).await, 1);
}

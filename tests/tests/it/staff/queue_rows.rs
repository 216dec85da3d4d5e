//! Many rows of a queue at once: tried again, given up.

use std::time::Duration;

use peyk_tests::{
    fake::Receiver,
    harness::{Peyk, wait_for, wait_within},
};
use serde_json::{Value, json};

use super::queues::staff;
use crate::{
    login_steps::patient,
    people::{Person, column},
};

/// 1,100 texts that a provider refused, each after its only attempt, three that another one did, and
/// one that was sent.
const REFUSED: &str = "
    WITH texts AS (
        INSERT INTO sms_messages (kind, phone, local_id, body, status, attempt, reason, created_at,
            expires_at, settled_at)
        SELECT 'text', '+98912' || 1000010 + n, n + 1, 'hello', CASE WHEN n = 0 THEN 'sent' ELSE 'failed' END,
            1, CASE WHEN n > 1100 THEN 'b.refused' ELSE 'a.refused' END, now() - interval '2 hours',
            now() - interval '1 hour', now() - interval '1 hour'
        FROM generate_series(0, 1103) n RETURNING id, status)
    INSERT INTO sms_attempts (message_id, attempt, provider, action, finished_at, outcome)
    SELECT id, 1, 'sandbox', 'send', now(),
        CASE status WHEN 'sent' THEN 'accepted' ELSE 'rejected_recipient' END FROM texts";

async fn change(peyk: &Peyk, by: &Person, what: &str, body: &Value) -> (i64, bool) {
    let answer = by.post(peyk, &format!("admin/queues/{what}/"), body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (answer.json["changed"].as_i64().unwrap(), answer.json["more"].as_bool().unwrap())
}

#[tokio::test]
async fn texts_that_failed_for_a_reason_are_tried_again_a_thousand_at_a_time() {
    let peyk = patient().start().await;
    let admin = staff(&peyk, "admin").await;
    peyk.database.execute(REFUSED).await;
    let count = |sql| peyk.database.count(sql);
    let failed = json!({"state": "failed", "reason": "a.refused"});
    assert_eq!(change(&peyk, &admin, "sms/retry", &failed).await, (1_000, true));
    wait_for("the first thousand", || async {
        (count("SELECT count(*) FROM sms_messages WHERE status = 'sent' AND kind = 'text'").await
            >= 1_001)
            .then_some(())
    })
    .await;
    assert_eq!(change(&peyk, &admin, "sms/retry", &failed).await, (100, false));
    peyk.database.all_settled(Duration::from_mins(1)).await;
    // Each went out once, as if it were new; the one that was sent, and the other reason, stay.
    let sent = "SELECT count(*) FROM sms_messages m WHERE kind = 'text' AND status = 'sent'
        AND attempt = 2 AND (SELECT count(*) FROM sms_attempts a WHERE a.message_id = m.id) = 2";
    assert_eq!(count(sent).await, 1_100);
    let left = "SELECT count(*) FROM sms_messages WHERE reason = 'b.refused' AND status = 'failed'";
    assert_eq!(count(left).await, 3);
    let log = admin.get(&peyk, "admin/audit/?action=queue.retried").await;
    let detail = &log.json["results"][0]["detail"];
    assert_eq!((&detail["queue"], &detail["reason"]), (&json!("sms"), &json!("a.refused")));
    let rows: Vec<i64> = serde_json::from_str(detail["rows"].as_str().unwrap()).unwrap();
    assert_eq!(rows.len(), 100);
}

/// A text for later, one that waits to be asked about, and one that waits after an attempt.
const WAITING: &str = "
    INSERT INTO sms_messages (kind, phone, local_id, body, status, created_at, expires_at,
        next_attempt_at)
    SELECT 'text', '+98912' || 2000010 + n, 5000 + n, 'hello',
        CASE n WHEN 2 THEN 'unknown' ELSE 'queued' END, now(), now() + interval '1 day',
        now() + interval '1 hour'
    FROM generate_series(1, 4) n";

#[tokio::test]
async fn what_waits_is_given_up_or_hastened_by_its_ids() {
    let peyk = patient().start().await;
    let admin = staff(&peyk, "admin").await;
    peyk.database.execute(WAITING).await;
    let ids: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM sms_messages WHERE kind = 'text' ORDER BY id")
            .fetch_all(&peyk.database.pool)
            .await
            .unwrap();
    let some = json!({"ids": [ids[0], ids[1], 999_999]});
    assert_eq!(change(&peyk, &admin, "bulk/give_up", &some).await, (0, false), "another queue's");
    assert_eq!(change(&peyk, &admin, "sms/give_up", &some).await, (2, false));
    assert_eq!(change(&peyk, &admin, "sms/give_up", &some).await, (0, false));
    let states: Vec<(String, bool)> = sqlx::query_as(
        "SELECT status, settled_at IS NOT NULL FROM sms_messages WHERE kind = 'text' ORDER BY id",
    )
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap();
    let row = |status: &str, over| (status.to_owned(), over);
    // Nobody knows that the second one reached nobody.
    assert_eq!(
        states,
        [row("failed", true), row("unknown", true), row("queued", false), row("queued", false)]
    );
    assert_eq!(change(&peyk, &admin, "sms/retry", &json!({"ids": [ids[2]]})).await, (1, false));
    let all = json!({"state": "scheduled"});
    assert_eq!(change(&peyk, &admin, "sms/retry", &all).await, (1, false));
    let sent = "SELECT count(*) FROM sms_messages WHERE kind = 'text' AND status = 'sent'";
    wait_within(Duration::from_mins(1), "both texts", || async {
        (peyk.database.count(sent).await == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_for_is_checked_and_payments_are_not_given_up() {
    let peyk = patient().start().await;
    let admin = staff(&peyk, "admin").await;
    let ask = async |path: &str, body: Value| {
        let answer = admin.post(&peyk, &format!("admin/queues/{path}/"), &body).await;
        let named = answer.json["errors"][0]["field"].as_str().unwrap_or_default().to_owned();
        (answer.status, named)
    };
    let field = |name: &str| (400, name.to_owned());
    assert_eq!(ask("sms/retry", json!({})).await, field("ids"));
    assert_eq!(ask("sms/retry", json!({"ids": []})).await, field("ids"));
    assert_eq!(ask("sms/retry", json!({"ids": ["x"]})).await, field("ids"));
    assert_eq!(ask("sms/retry", json!({"ids": vec![1; 1001]})).await, field("ids"));
    assert_eq!(ask("sms/retry", json!({"state": "running"})).await, field("state"));
    assert_eq!(ask("sms/pause", json!({"reason": " "})).await, field("reason"));
    assert_eq!(ask("payments/give_up", json!({"state": "due"})).await.0, 409);
    assert_eq!(ask("returns/give_up", json!({"state": "due"})).await.0, 409);
    assert_eq!(ask("letters/retry", json!({"state": "due"})).await.0, 404);
}

/// A delivery that was given up, and one that waits.
const OTHERS: &str = "
    INSERT INTO webhook_events (id, kind, subject, data, created_at)
    SELECT repeat(n::text, 32), 'webhook.test', 'test:' || n, '{}', now() FROM generate_series(1, 2) n;
    INSERT INTO webhook_deliveries (event_id, endpoint, subject, status, attempt, next_attempt_at,
        give_up_at, reason, settled_at)
    VALUES (repeat('1', 32), 'shop', 'test:1', 'failed', 20, NULL, now(), 'http.500', now()),
        (repeat('2', 32), 'shop', 'test:2', 'queued', 3, now() + interval '1 h', now() + interval '1 d',
         'http.500', NULL)";

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test]
async fn webhooks_that_were_given_up_are_told_again_and_those_that_wait_are_given_up() {
    let shop = Receiver::start(SECRET).await;
    let peyk = patient()
        .set("WEBHOOKS__ENDPOINTS__SHOP__URL", shop.url())
        .set("WEBHOOKS__ENDPOINTS__SHOP__SECRETS", SECRET)
        // What else happens here is not told.
        .set("WEBHOOKS__ENDPOINTS__SHOP__EVENTS", "webhook.*")
        .start()
        .await;
    let admin = staff(&peyk, "admin").await;
    peyk.database.execute(OTHERS).await;
    let failed = json!({"state": "failed"});
    assert_eq!(change(&peyk, &admin, "webhooks/retry", &failed).await, (1, false));
    assert_eq!(shop.wait_for_told(1).await[0].id, "1".repeat(32));
    let scheduled = json!({"state": "scheduled", "reason": "http.500"});
    assert_eq!(change(&peyk, &admin, "webhooks/give_up", &scheduled).await, (1, false));
    let given_up = "SELECT count(*) FROM webhook_deliveries WHERE status = 'failed'
        AND event_id = repeat('2', 32) AND next_attempt_at IS NULL";
    assert_eq!(peyk.database.count(given_up).await, 1);
    // It is not told by and by.
    assert_eq!(change(&peyk, &admin, "webhooks/retry", &scheduled).await, (0, false));
    let page = admin.get(&peyk, "admin/queues/").await;
    let place = column(&page, "queue").iter().position(|name| **name == "webhooks").unwrap();
    let seen = &page.json["results"][place];
    assert_eq!(seen["failed"]["count"], 1);
    assert_eq!(seen["kinds"], json!([{"kind": "shop", "due": 0}]));
}

#[tokio::test]
async fn payments_of_a_queue_are_looked_at_now() {
    let peyk = patient().start().await;
    let (admin, payer) = (staff(&peyk, "admin").await, Person::new(&peyk).await);
    let begun = payer.post(&peyk, "payment/create/", &json!({"amount": 5000})).await;
    let id = begun.json["id"].as_i64().unwrap();
    peyk.database.execute("UPDATE payments SET next_attempt_at = now() + interval '1 hour'").await;
    assert_eq!(
        change(&peyk, &admin, "payments/retry", &json!({"ids": [id, id + 7]})).await,
        (1, false)
    );
    wait_for("a look", || async {
        let looks = "SELECT count(*) FROM payment_attempts WHERE action = 'inquire'";
        (peyk.database.count(looks).await > 0).then_some(())
    })
    .await;
}

/// The ids of all pages of the rows of a queue that stand so, in their order.
async fn listed(peyk: &Peyk, by: &Person, queue: &str, state: &str) -> Vec<i64> {
    let mut path = format!("admin/queues/{queue}/items/?state={state}&limit=100");
    let mut ids = Vec::new();
    loop {
        let page = by.get(peyk, &path).await;
        ids.extend(column(&page, "id").into_iter().filter_map(Value::as_i64));
        let Some(next) = page.json["next"].as_str() else { return ids };
        next.split_once("/api/").unwrap().1.clone_into(&mut path);
    }
}

#[tokio::test]
async fn rows_of_a_queue_are_listed_by_how_they_stand_each_once() {
    let peyk = patient().start().await;
    let viewer = staff(&peyk, "viewer").await;
    peyk.database.execute(REFUSED).await;
    peyk.database.execute(WAITING).await;
    peyk.database.execute(OTHERS).await;
    // Many ended in the same moment.
    let failed = listed(&peyk, &viewer, "sms", "failed").await;
    let mut once = failed.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!((failed.len(), once.len()), (1_103, 1_103));
    let soonest = "UPDATE sms_messages SET next_attempt_at = now() + interval '1 min'
        WHERE id = (SELECT max(id) FROM sms_messages)";
    peyk.database.execute(soonest).await;
    let scheduled = listed(&peyk, &viewer, "sms", "scheduled").await;
    assert_eq!((scheduled.len(), scheduled[0]), (4, *scheduled.iter().max().unwrap()));
    for (queue, state, rows) in [
        ("sms", "running", 0),
        ("sms", "due", 0),
        ("sms", "unknown", 0),
        ("bulk", "failed", 0),
        ("otp", "scheduled", 0),
        ("webhooks", "failed", 1),
        ("webhooks", "scheduled", 1),
        ("webhooks", "unknown", 0),
        ("payments", "unknown", 0),
        ("returns", "failed", 0),
    ] {
        let ids = listed(&peyk, &viewer, queue, state).await;
        assert_eq!(ids.len(), rows, "{queue} {state}");
    }
    let page = viewer.get(&peyk, "admin/queues/sms/items/?state=failed&limit=1").await;
    let row = &page.json["results"][0];
    assert_eq!(
        (&row["kind"], &row["status"], &row["attempt"]),
        (&json!("text"), &json!("failed"), &json!(1))
    );
    assert_eq!((&row["subject"], &row["subject_id"]), (&json!("message"), &row["id"]));
    assert!(!page.json.to_string().contains("+98912"), "nothing of anybody: {page:?}");
    assert_eq!(viewer.get(&peyk, "admin/queues/sms/items/?state=lost").await.status, 400);
    assert_eq!(viewer.get(&peyk, "admin/queues/sms/items/").await.status, 400);
}

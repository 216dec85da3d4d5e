//! What the tests of staff do again and again.

use peyk_tests::harness::{Answer, Peyk};
use reqwest::Method;
use serde_json::Value;

use crate::people::Person;

/// Somebody on the staff.
pub(super) async fn staff(peyk: &Peyk, role: &str) -> Person {
    let person = Person::new(peyk).await;
    person.join_staff(peyk, role).await;
    person
}

/// `POST` without a body.
pub(super) async fn act(peyk: &Peyk, by: &Person, path: &str) -> Answer {
    by.ask(peyk, Method::POST, path, None).await
}

/// The status and the code of a refusal.
pub(super) fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["code"].as_str().unwrap_or_default())
}

/// A message in this state that nobody works on, with what it costs to have tried it once in vain;
/// its id.
pub(super) async fn message(peyk: &Peyk, mobile: &str, status: &str, text: &str) -> i64 {
    let insert = "WITH made AS (
            INSERT INTO sms_messages (kind, phone, local_id, status, created_at, expires_at, attempt,
                reason, settled_at, body)
            VALUES ('text', $1, (random() * 1e15)::bigint + 1, $2, now(), now() + interval '1 hour',
                1, 'sandbox.refused', now(), $3)
            RETURNING id),
        tried AS (
            INSERT INTO sms_attempts (message_id, attempt, provider, action, finished_at, outcome,
                code)
            SELECT id, 1, 'sandbox', 'send', now(), 'rejected_request', 'sandbox.refused' FROM made)
        SELECT id FROM made";
    let query = sqlx::query_scalar(insert).bind(format!("+98{}", &mobile[1..]));
    query.bind(status).bind(text).fetch_one(&peyk.database.pool).await.unwrap()
}

/// The actions about a kind of thing in the audit log, oldest first, with the row and the detail.
pub(super) async fn audited(peyk: &Peyk, subject: &str) -> Vec<(String, Option<i64>, Value)> {
    let events = "SELECT action, subject_id, detail FROM audit_events
        WHERE subject = $1 AND request_id IS NOT NULL AND ip IS NOT NULL ORDER BY id";
    sqlx::query_as(events).bind(subject).fetch_all(&peyk.database.pool).await.unwrap()
}

/// Their names alone.
pub(super) async fn actions(peyk: &Peyk, subject: &str) -> Vec<String> {
    audited(peyk, subject).await.into_iter().map(|(action, ..)| action).collect()
}

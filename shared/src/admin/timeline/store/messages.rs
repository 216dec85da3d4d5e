//! Texts and the calls about them.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, types::ipnetwork::IpNetwork};

use crate::{
    phone::PhoneNumber,
    sms::{MessageKind, MessageStatus},
};

/// A text, with the send it carries a code of.
pub(in crate::admin::timeline) struct MessageRow {
    pub(in crate::admin::timeline) id: i64,
    pub(in crate::admin::timeline) kind: MessageKind,
    pub(in crate::admin::timeline) phone: String,
    pub(in crate::admin::timeline) status: MessageStatus,
    pub(in crate::admin::timeline) created_at: DateTime<Utc>,
    pub(in crate::admin::timeline) expires_at: DateTime<Utc>,
    pub(in crate::admin::timeline) call_started_at: Option<DateTime<Utc>>,
    pub(in crate::admin::timeline) settled_at: Option<DateTime<Utc>>,
    pub(in crate::admin::timeline) reason: Option<String>,
    pub(in crate::admin::timeline) provider: Option<String>,
    pub(in crate::admin::timeline) delivery: Option<String>,
    pub(in crate::admin::timeline) delivery_code: Option<String>,
    pub(in crate::admin::timeline) delivery_at: Option<DateTime<Utc>>,
    pub(in crate::admin::timeline) verified_at: Option<DateTime<Utc>>,
    /// Of a code, while its request is kept.
    pub(in crate::admin::timeline) purpose: Option<String>,
    pub(in crate::admin::timeline) request_id: Option<String>,
    pub(in crate::admin::timeline) ip: Option<IpNetwork>,
}

macro_rules! messages {
    ($where:literal, $($parameter:expr),*) => {
        sqlx::query_as!(
            MessageRow,
            r#"SELECT m.id, m.kind AS "kind: MessageKind", m.phone,
                 m.status AS "status: MessageStatus", m.created_at, m.expires_at,
                 m.call_started_at, m.settled_at, m.reason, m.provider, m.delivery,
                 m.delivery_code, m.delivery_at, m.verified_at,
                 r.purpose AS "purpose?", r.id AS "request_id?", r.ip AS "ip?"
               FROM sms_messages m LEFT JOIN otp_requests r ON r.local_id = m.local_id "#
                + $where,
            $($parameter),*
        )
    };
}

/// Texts to a number, the latest first. `sms_messages_phone_idx`.
pub(in crate::admin::timeline) async fn messages_to(
    pool: &PgPool,
    phone: &PhoneNumber,
    before: DateTime<Utc>,
    rows: i64,
) -> Result<Vec<MessageRow>, sqlx::Error> {
    messages!(
        "WHERE m.phone = $1 AND m.created_at <= $2 ORDER BY m.id DESC LIMIT $3",
        phone.as_e164(),
        before,
        rows
    )
    .fetch_all(pool)
    .await
}

/// These texts.
pub(in crate::admin::timeline) async fn messages(
    pool: &PgPool,
    ids: &[i64],
    before: DateTime<Utc>,
) -> Result<Vec<MessageRow>, sqlx::Error> {
    messages!("WHERE m.id = ANY($1) AND m.created_at <= $2 ORDER BY m.id DESC", ids, before)
        .fetch_all(pool)
        .await
}

/// A call to a provider.
pub(in crate::admin::timeline) struct AttemptRow {
    pub(in crate::admin::timeline) message_id: i64,
    pub(in crate::admin::timeline) attempt: i32,
    pub(in crate::admin::timeline) provider: String,
    pub(in crate::admin::timeline) action: String,
    pub(in crate::admin::timeline) started_at: DateTime<Utc>,
    pub(in crate::admin::timeline) finished_at: Option<DateTime<Utc>>,
    pub(in crate::admin::timeline) outcome: Option<String>,
    pub(in crate::admin::timeline) code: Option<String>,
}

/// The calls about these texts. The primary key.
pub(in crate::admin::timeline) async fn attempts(
    pool: &PgPool,
    messages: &[i64],
) -> Result<Vec<AttemptRow>, sqlx::Error> {
    sqlx::query_as!(
        AttemptRow,
        "SELECT message_id, attempt, provider, action, started_at, finished_at, outcome, code
         FROM sms_attempts WHERE message_id = ANY($1) ORDER BY message_id DESC, attempt LIMIT 2000",
        messages,
    )
    .fetch_all(pool)
    .await
}

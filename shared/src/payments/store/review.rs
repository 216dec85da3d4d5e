//! Payments that a person decides.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::payments::{Purpose, State};

/// What follows from a decision, and why it was needed.
pub(in crate::payments) struct Decided {
    pub(in crate::payments) user_id: i64,
    pub(in crate::payments) order_id: String,
    pub(in crate::payments) amount_rials: i64,
    pub(in crate::payments) currency: String,
    pub(in crate::payments) gateway: String,
    pub(in crate::payments) purpose: Purpose,
    pub(in crate::payments) gateway_ref_id: Option<i64>,
    pub(in crate::payments) reason: Option<String>,
}

/// The gateway of a payment; empty if there is no such payment.
pub(in crate::payments) async fn gateway(pool: &PgPool, id: i64) -> Result<String, sqlx::Error> {
    let found = sqlx::query_scalar!("SELECT gateway FROM payments WHERE id = $1", id);
    Ok(found.fetch_optional(pool).await?.unwrap_or_default())
}

/// Writes what a person decided, if the payment waits for one; why it did.
pub(in crate::payments) async fn decide(
    connection: &mut PgConnection,
    id: i64,
    state: State,
    note: &str,
    now: DateTime<Utc>,
) -> Result<Option<Decided>, sqlx::Error> {
    sqlx::query_as!(
        Decided,
        r#"WITH before AS (
               SELECT id, reason FROM payments
               WHERE id = $1 AND state = 'needs_review' FOR UPDATE)
           UPDATE payments p
           SET state = $2, reason = 'staff', settled_note = $4, updated_at = $3,
               paid_at = CASE WHEN $2 = 'paid' THEN $3 ELSE p.paid_at END,
               next_attempt_at = CASE WHEN $2 = 'paid' THEN NULL ELSE p.next_attempt_at END
           FROM before WHERE p.id = before.id
           RETURNING p.user_id, p.order_id, p.amount_rials, p.currency, p.gateway,
               p.purpose AS "purpose: Purpose", p.gateway_ref_id, before.reason"#,
        id,
        state.as_str(),
        now,
        note,
    )
    .fetch_optional(connection)
    .await
}

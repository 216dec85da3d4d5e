//! Payments that are looked at.

use sqlx::PgPool;

use crate::{
    money::Currency,
    payments::{Attempt, Page, Payment, Purpose, Search, StaffPayment, State, Status},
};

/// Payments with their page: that which was paid, else the latest. What they are found by comes first,
/// so that whatever plan is kept for it begins there; everything else is a filter on that.
macro_rules! payments {
    ($rest:literal, $($parameter:expr),+) => {
        sqlx::query_as!(
            Payment,
            r#"SELECT p.id, p.handle, p.user_id, p.order_id, p.description, p.mobile, p.email,
                 p.amount, p.currency AS "currency: Currency", p.amount_rials,
                 p.purpose AS "purpose: Purpose", p.gateway, p.state AS "state: State", p.reason,
                 s.authority AS "authority?", p.ref_id, p.card_pan, p.created_at, p.updated_at,
                 p.paid_at
             FROM payments p
             LEFT JOIN LATERAL (
                 SELECT authority FROM payment_sessions
                 WHERE payment_id = p.id AND state = 'open'
                 ORDER BY (id = p.paid_session_id) DESC NULLS LAST, id DESC LIMIT 1) s ON true
             WHERE "#
                + $rest,
            $($parameter),+
        )
    };
}

/// Somebody's payments, newest first.
pub(in crate::payments) async fn list(
    pool: &PgPool,
    user_id: i64,
    search: &Search,
    limit: i64,
) -> Result<Vec<Payment>, sqlx::Error> {
    let states: Vec<_> = search.states.iter().map(|state| state.as_str().to_owned()).collect();
    let before = search.before.unwrap_or(i64::MAX);
    if let Some(order_id) = search.order_id.as_ref().filter(|it| !it.is_empty()) {
        payments!(
            "p.order_id = $5 AND p.order_id <> '' AND p.user_id = $1 AND p.id < $2
             AND (cardinality($3::text[]) = 0 OR p.state = ANY($3)) ORDER BY p.id DESC LIMIT $4",
            user_id,
            before,
            &states,
            limit,
            order_id
        )
        .fetch_all(pool)
        .await
    } else {
        payments!(
            "p.user_id = $1 AND p.id < $2 AND (cardinality($3::text[]) = 0 OR p.state = ANY($3))
             ORDER BY p.id DESC LIMIT $4",
            user_id,
            before,
            &states,
            limit
        )
        .fetch_all(pool)
        .await
    }
}

/// One payment.
pub(in crate::payments) async fn find(
    pool: &PgPool,
    id: i64,
) -> Result<Option<Payment>, sqlx::Error> {
    payments!("p.id = $1", id).fetch_optional(pool).await
}

/// How a payment stands.
pub(in crate::payments) async fn status(
    pool: &PgPool,
    handle: &str,
) -> Result<Option<Status>, sqlx::Error> {
    sqlx::query_as!(
        Status,
        r#"SELECT state AS "state: State", order_id, amount, currency AS "currency: Currency", ref_id
         FROM payments WHERE handle = $1"#,
        handle,
    )
    .fetch_optional(pool)
    .await
}

/// One payment with everything that happened to it.
pub(in crate::payments) async fn story(
    pool: &PgPool,
    id: i64,
) -> Result<Option<StaffPayment>, sqlx::Error> {
    let Some(payment) = find(pool, id).await? else { return Ok(None) };
    let said = sqlx::query!(
        "SELECT gateway_code, gateway_message, gateway_answer, settled_note
         FROM payments WHERE id = $1",
        id
    );
    let said = said.fetch_one(pool).await?;
    let pages = sqlx::query_as!(
        Page,
        "SELECT id, state, authority, code, reason, message, answer, created_at, opened_at
         FROM payment_sessions WHERE payment_id = $1 ORDER BY id LIMIT 100",
        id,
    );
    let attempts = sqlx::query_as!(
        Attempt,
        "SELECT id, session_id AS page_id, action, outcome, code, started_at, ended_at
         FROM payment_attempts WHERE payment_id = $1 ORDER BY id LIMIT 500",
        id,
    );
    Ok(Some(StaffPayment {
        payment,
        gateway_code: said.gateway_code,
        gateway_message: said.gateway_message,
        gateway_answer: said.gateway_answer,
        settled_note: said.settled_note,
        pages: pages.fetch_all(pool).await?,
        attempts: attempts.fetch_all(pool).await?,
    }))
}

/// Takes out of a person's payments what names them. The rows stay: the money was real.
pub(in crate::payments) async fn forget(
    connection: &mut sqlx::PgConnection,
    user_id: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE payments SET mobile = '', email = ''
         WHERE user_id = $1 AND (mobile <> '' OR email <> '')",
        user_id,
    )
    .execute(connection)
    .await
    .map(drop)
}

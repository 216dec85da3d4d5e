//! Payments that are looked at.

use sqlx::PgPool;

use crate::{
    money::Currency,
    payments::{Attempt, Page, Payment, Purpose, Search, StaffPayment, State, Status},
};

/// Payments with their page: that which was paid, else the latest. `$where` is what they are found
/// by first, so that whatever plan is kept for it begins there; everything else is a filter on that.
macro_rules! payments {
    ($where:literal, $search:ident, $ids:ident, $limit:ident) => {{
        let states: Vec<_> = $search.states.iter().map(|state| state.as_str().to_owned()).collect();
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
                + $where
                + " AND p.id < $1
             AND ($3::bigint IS NULL OR p.user_id = $3)
             AND (cardinality($4::text[]) = 0 OR p.state = ANY($4))
             AND ($5::text IS NULL OR p.gateway = $5)
             AND ($6::text IS NULL OR p.order_id = $6)
             AND ($7::bigint[] IS NULL OR p.id = ANY($7))
             ORDER BY p.id DESC LIMIT $2",
            $search.before.unwrap_or(i64::MAX),
            $limit,
            $search.user_id,
            &states,
            $search.gateway,
            $search.order_id,
            $ids as Option<&[i64]>,
        )
    }};
}

/// Payments, newest first.
pub(in crate::payments) async fn list(
    pool: &PgPool,
    search: &Search,
    limit: i64,
) -> Result<Vec<Payment>, sqlx::Error> {
    let ids = named(pool, search).await?;
    let ids = ids.as_deref();
    if ids.is_some() {
        payments!("p.id = ANY($7)", search, ids, limit).fetch_all(pool).await
    } else if search.order_id.as_ref().is_some_and(|order_id| !order_id.is_empty()) {
        payments!("p.order_id = $6 AND p.order_id <> ''", search, ids, limit).fetch_all(pool).await
    } else if search.user_id.is_some() {
        payments!("p.user_id = $3", search, ids, limit).fetch_all(pool).await
    } else if search.states.len() == 1 {
        payments!("p.state = ($4::text[])[1]", search, ids, limit).fetch_all(pool).await
    } else {
        payments!("true", search, ids, limit).fetch_all(pool).await
    }
}

/// The rows that gateways' own names point to, if the search has any.
async fn named(pool: &PgPool, search: &Search) -> Result<Option<Vec<i64>>, sqlx::Error> {
    if search.authority.is_none() && search.ref_id.is_none() {
        return Ok(None);
    }
    let mut ids = Vec::new();
    if let Some(authority) = &search.authority {
        ids = sqlx::query_scalar!(
            "SELECT payment_id FROM payment_sessions WHERE authority = $1 LIMIT 100",
            authority,
        )
        .fetch_all(pool)
        .await?;
    }
    if let Some(ref_id) = search.ref_id {
        let asked =
            sqlx::query_scalar!("SELECT id FROM payments WHERE ref_id = $1 LIMIT 100", ref_id);
        let named = asked.fetch_all(pool).await?;
        let both = search.authority.is_some();
        ids = if both { ids.into_iter().filter(|id| named.contains(id)).collect() } else { named };
    }
    Ok(Some(ids))
}

/// One payment.
pub(in crate::payments) async fn find(
    pool: &PgPool,
    id: i64,
) -> Result<Option<Payment>, sqlx::Error> {
    let (search, ids, limit) = (Search::default(), Some(&[id][..]), 1);
    payments!("p.id = ANY($7)", search, ids, limit).fetch_optional(pool).await
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

//! All SQL of the part on Peyk's side.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::judge::Payment;
use crate::ids;

/// Keeps everybody else from making or changing payments until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let lock = sqlx::query!("LOCK TABLE payments IN SHARE ROW EXCLUSIVE MODE");
    lock.execute(connection).await.map(drop)
}

/// How many payments have ids up to `greatest`.
pub(super) async fn up_to(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM payments WHERE id <= $1"#, greatest)
        .fetch_one(connection)
        .await
}

/// Makes payments that are made from now on have ids above `greatest`. The table is locked.
pub(super) async fn take_ids(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<(), sqlx::Error> {
    let take = sqlx::query!(
        "SELECT setval('payments_id_seq', greatest($1, (SELECT last_value FROM payments_id_seq)))",
        greatest,
    );
    take.fetch_one(connection).await.map(drop)
}

/// What is here of some payments.
#[derive(Debug, Default)]
pub(super) struct Here {
    /// Those with the ids, and when they were made.
    pub(super) by_id: BTreeMap<i64, DateTime<Utc>>,
    /// Which users there are.
    pub(super) users: HashSet<i64>,
    /// Whose the gateways' pages are.
    pub(super) pages: HashMap<(String, String), i64>,
    /// Whose the gateways' references are.
    pub(super) references: HashMap<(String, i64), i64>,
}

/// Looks, and locks users and payments against changes, in this order, as everywhere.
pub(super) async fn here(
    connection: &mut PgConnection,
    ids: &[i64],
    payments: &[Payment],
) -> Result<Here, sqlx::Error> {
    let users = sqlx::query_scalar!(
        "SELECT id FROM users WHERE id = ANY($1) AND erased_at IS NULL ORDER BY id FOR KEY SHARE",
        &column(payments, |payment| payment.user_id),
    )
    .fetch_all(&mut *connection)
    .await?;
    lock(connection).await?;
    let by_id = sqlx::query!("SELECT id, created_at FROM payments WHERE id = ANY($1)", ids)
        .fetch_all(&mut *connection)
        .await?;
    let gateways = column(payments, |payment| payment.gateway.as_str());
    let pages = sqlx::query!(
        r#"SELECT s.gateway, s.authority AS "authority!", s.payment_id
           FROM unnest($1::text[], $2::text[]) w (gateway, authority)
           JOIN payment_sessions s ON s.gateway = w.gateway AND s.authority = w.authority"#,
        &gateways as _,
        &column(payments, |payment| payment.authority.as_deref()) as _,
    )
    .fetch_all(&mut *connection)
    .await?;
    let references = sqlx::query!(
        r#"SELECT p.gateway, p.ref_id AS "ref_id!", p.id
           FROM unnest($1::text[], $2::bigint[]) w (gateway, ref_id)
           JOIN payments p ON p.gateway = w.gateway AND p.ref_id = w.ref_id"#,
        &gateways as _,
        &column(payments, |payment| payment.ref_id) as _,
    )
    .fetch_all(connection)
    .await?;
    let page = pages.into_iter().map(|row| ((row.gateway, row.authority), row.payment_id));
    let reference = references.into_iter().map(|row| ((row.gateway, row.ref_id), row.id));
    Ok(Here {
        by_id: by_id.into_iter().map(|row| (row.id, row.created_at)).collect(),
        users: users.into_iter().collect(),
        pages: page.collect(),
        references: reference.collect(),
    })
}

/// Makes payments with the ids they had, and their pages. All have the reason `imported`: their money
/// is not in the ledger under their own keys.
pub(super) async fn insert(
    connection: &mut PgConnection,
    payments: &[Payment],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO payments (id, handle, user_id, order_id, description, mobile, email, amount,
             currency, amount_rials, purpose, gateway, callback_url, frontend_callback_url, state,
             reason, gateway_code, gateway_message, ref_id, card_pan, card_hash, created_at,
             updated_at, paid_at, watch_until)
         OVERRIDING SYSTEM VALUE
         SELECT i.id, i.handle, i.user_id, i.order_id, i.description, i.mobile, i.email, i.amount,
             i.currency, i.amount_rials, i.purpose, i.gateway, i.callback_url, i.frontend, i.state,
             'imported', i.code, i.message, i.ref_id, i.card_pan, i.card_hash, i.created_at,
             i.updated_at,
             CASE WHEN i.state IN ('paid', 'reversed', 'refunded') THEN i.updated_at END,
             i.updated_at
         FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
             $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::text[],
             $13::text[], $14::text[], $15::text[], $16::int[], $17::text[], $18::bigint[],
             $19::text[], $20::text[], $21::timestamptz[], $22::timestamptz[])
             AS i (id, handle, user_id, order_id, description, mobile, email, amount, currency,
                 amount_rials, purpose, gateway, callback_url, frontend, state, code, message,
                 ref_id, card_pan, card_hash, created_at, updated_at)",
        &column(payments, |payment| payment.id),
        &column(payments, |_| ids::random_handle(&mut rand::rng())),
        &column(payments, |payment| payment.user_id),
        &column(payments, |payment| payment.order_id.as_str()) as _,
        &column(payments, |payment| payment.description.as_str()) as _,
        &column(payments, |payment| payment.mobile.as_str()) as _,
        &column(payments, |payment| payment.email.as_str()) as _,
        &column(payments, |payment| payment.amount.value()),
        &column(payments, |payment| payment.amount.currency().as_str()) as _,
        &column(payments, |payment| payment.amount.rials().get()),
        &column(payments, |payment| payment.purpose.as_str()) as _,
        &column(payments, |payment| payment.gateway.as_str()) as _,
        &column(payments, |payment| payment.callback_url.as_str()) as _,
        &column(payments, |payment| payment.frontend_callback_url.as_deref()) as _,
        &column(payments, |payment| payment.state.as_str()) as _,
        &column(payments, |payment| payment.gateway_code) as _,
        &column(payments, |payment| payment.gateway_message.as_deref()) as _,
        &column(payments, |payment| payment.ref_id) as _,
        &column(payments, |payment| payment.card_pan.as_deref()) as _,
        &column(payments, |payment| payment.card_hash.as_deref()) as _,
        &column(payments, |payment| payment.created_at),
        &column(payments, |payment| payment.updated_at),
    )
    .execute(&mut *connection)
    .await?;
    insert_pages(connection, payments).await
}

async fn insert_pages(
    connection: &mut PgConnection,
    payments: &[Payment],
) -> Result<(), sqlx::Error> {
    let with_page = |payment: &&Payment| payment.authority.is_some();
    let pages: Vec<&Payment> = payments.iter().filter(with_page).collect();
    sqlx::query!(
        "WITH pages AS (
             INSERT INTO payment_sessions (payment_id, gateway, state, authority, url, created_at,
                 opened_at)
             SELECT i.payment_id, i.gateway, 'open', i.authority, i.url, i.created_at, i.created_at
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
                 AS i (payment_id, gateway, authority, url, created_at)
             RETURNING id, payment_id)
         UPDATE payments p SET paid_session_id = pages.id FROM pages
         WHERE p.id = pages.payment_id AND p.paid_at IS NOT NULL",
        &column(&pages, |payment| payment.id),
        &column(&pages, |payment| payment.gateway.as_str()) as _,
        &column(&pages, |payment| payment.authority.as_deref()) as _,
        &column(&pages, |payment| payment.page_url.as_deref()) as _,
        &column(&pages, |payment| payment.created_at),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// One column of all rows.
fn column<'a, R, T>(rows: &'a [R], cell: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(cell).collect()
}

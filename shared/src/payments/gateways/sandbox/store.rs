//! All SQL of the sandbox bank.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{Imitation, bank::BankPage, bank::PageState};

/// A page that is to be kept.
pub(super) struct NewRow<'a> {
    pub(super) gateway: &'a str,
    pub(super) imitates: Imitation,
    pub(super) authority: &'a str,
    pub(super) amount_rials: i64,
    pub(super) callback_url: &'a str,
    pub(super) client_ref: &'a str,
    pub(super) description: &'a str,
}

/// Whether it is kept: not if something else has its authority.
pub(super) async fn insert(pool: &PgPool, row: &NewRow<'_>) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "INSERT INTO sandbox_pages
             (gateway, imitates, authority, amount_rials, callback_url, client_ref, description)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (authority) DO NOTHING",
        row.gateway,
        row.imitates.as_str(),
        row.authority,
        row.amount_rials,
        row.callback_url,
        row.client_ref,
        row.description,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A page and the moment it was read at.
pub(super) async fn find(pool: &PgPool, authority: &str) -> Result<Option<BankPage>, sqlx::Error> {
    sqlx::query_as!(
        BankPage,
        r#"SELECT gateway, imitates AS "imitates: Imitation", authority, amount_rials, callback_url,
               client_ref, description, state AS "state: PageState", ref_id, created_at, paid_at,
               verified_at, returned_at, now() AS "now!"
           FROM sandbox_pages WHERE authority = $1"#,
        authority,
    )
    .fetch_optional(pool)
    .await
}

/// Pays an open page: its reference is no other page's.
pub(super) async fn pay(pool: &PgPool, authority: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE sandbox_pages SET state = 'paid', paid_at = now(), ref_id = 1000000000 + id
         WHERE authority = $1 AND state = 'open'",
        authority,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Ends an open page unpaid.
pub(super) async fn give_up(
    pool: &PgPool,
    authority: &str,
    state: PageState,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE sandbox_pages SET state = $2 WHERE authority = $1 AND state = 'open'",
        authority,
        state.as_str(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Whether this was the first time that somebody verified it.
pub(super) async fn verify(pool: &PgPool, authority: &str) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE sandbox_pages SET verified_at = now()
         WHERE authority = $1 AND state = 'paid' AND verified_at IS NULL",
        authority,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether this was the first time that the money of a verified page was given back.
pub(super) async fn give_back(pool: &PgPool, authority: &str) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE sandbox_pages SET returned_at = now()
         WHERE authority = $1 AND verified_at IS NOT NULL AND returned_at IS NULL",
        authority,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A page that was paid and not verified.
pub(super) struct UnverifiedRow {
    pub(super) authority: String,
    pub(super) amount_rials: i64,
    pub(super) paid_at: DateTime<Utc>,
}

/// The latest of a gateway that were paid in so many seconds, and not verified.
pub(super) async fn unverified(
    pool: &PgPool,
    gateway: &str,
    seconds: i64,
    limit: i64,
) -> Result<Vec<UnverifiedRow>, sqlx::Error> {
    sqlx::query_as!(
        UnverifiedRow,
        r#"SELECT authority, amount_rials, paid_at AS "paid_at!" FROM sandbox_pages
           WHERE gateway = $1 AND state = 'paid' AND verified_at IS NULL
             AND paid_at > now() - $2::bigint * interval '1 second'
           ORDER BY paid_at DESC LIMIT $3"#,
        gateway,
        seconds,
        limit,
    )
    .fetch_all(pool)
    .await
}

crate::purge_table!(pub(super) purge, count_purgeable, "sandbox_pages", "created_at", "");

//! All SQL of the `api_keys` and `used_refresh_tokens` tables.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool, types::ipnetwork::IpNetwork};

use super::{
    api_keys::{ApiKey, NewApiKey, Scope},
    legacy::Spent,
};

struct Row {
    id: i64,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    allowed_ips: Vec<IpNetwork>,
    daily_sends: Option<i64>,
    daily_spend_rials: Option<i64>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            prefix: row.prefix,
            settings: NewApiKey {
                name: row.name,
                scopes: row.scopes.iter().filter_map(|word| Scope::parse(word)).collect(),
                allowed_ips: row.allowed_ips,
                daily_sends: row.daily_sends,
                daily_spend_rials: row.daily_spend_rials,
                expires_at: row.expires_at,
            },
            created_at: row.created_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
        }
    }
}

pub(super) async fn insert_api_key(
    executor: impl PgExecutor<'_>,
    new: &NewApiKey,
    prefix: &str,
    hash: &[u8],
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    let scopes: Vec<_> = new.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    sqlx::query_scalar!(
        "INSERT INTO api_keys (name, prefix, hash, scopes, allowed_ips, daily_sends,
             daily_spend_rials, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5::inet[]::cidr[], $6, $7, $8, $9) RETURNING id",
        new.name,
        prefix,
        hash,
        &scopes,
        &new.allowed_ips,
        new.daily_sends,
        new.daily_spend_rials,
        now,
        new.expires_at,
    )
    .fetch_one(executor)
    .await
}

pub(super) async fn find_api_key(
    pool: &PgPool,
    hash: &[u8],
) -> Result<Option<ApiKey>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, name, prefix, scopes, allowed_ips AS "allowed_ips: Vec<IpNetwork>",
               daily_sends, daily_spend_rials, created_at, expires_at, revoked_at, last_used_at
           FROM api_keys WHERE hash = $1"#,
        hash,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(ApiKey::from))
}

pub(super) async fn list_api_keys(pool: &PgPool) -> Result<Vec<ApiKey>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, name, prefix, scopes, allowed_ips AS "allowed_ips: Vec<IpNetwork>",
               daily_sends, daily_spend_rials, created_at, expires_at, revoked_at, last_used_at
           FROM api_keys ORDER BY id DESC"#,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

pub(super) async fn touch_api_key(
    pool: &PgPool,
    id: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE api_keys SET last_used_at = $2 WHERE id = $1", id, now)
        .execute(pool)
        .await
        .map(drop)
}

pub(super) async fn revoke_api_key(
    executor: impl PgExecutor<'_>,
    id: i64,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let revoked = sqlx::query!(
        "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        id,
        now,
    )
    .execute(executor)
    .await?;
    Ok(revoked.rows_affected() == 1)
}

/// `false`: it was there. Waits for a transaction that is about to take the same one.
pub(super) async fn spend_refresh_token(
    connection: &mut PgConnection,
    fingerprint: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let spent = sqlx::query!(
        "INSERT INTO used_refresh_tokens (fingerprint, expires_at) VALUES ($1, $2)
         ON CONFLICT (fingerprint) DO NOTHING",
        fingerprint,
        expires_at,
    )
    .execute(connection)
    .await?;
    Ok(spent.rows_affected() == 1)
}

/// Notes what a token that was spent in this transaction became.
pub(super) async fn note_exchange(
    connection: &mut PgConnection,
    fingerprint: &[u8],
    session_id: i64,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE used_refresh_tokens SET session_id = $2, exchanged_at = $3 WHERE fingerprint = $1",
        fingerprint,
        session_id,
        at,
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn spent_refresh_token(
    pool: &PgPool,
    fingerprint: &[u8],
) -> Result<Option<Spent>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT session_id, exchanged_at FROM used_refresh_tokens WHERE fingerprint = $1",
        fingerprint,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| match (row.session_id, row.exchanged_at) {
        (Some(session_id), Some(at)) => Spent::Exchanged { session_id, at },
        _ => Spent::Ended,
    }))
}

crate::purge_table!(pub(super) purge_used_refresh_tokens, count_used_refresh_tokens,
    "used_refresh_tokens", "expires_at", "");

//! Which refresh tokens of the system Peyk replaces were used already.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::{store, verify::Legacy};
use crate::purge::{Purged, Slice};

/// Takes a token out of use, inside the caller's transaction. `false`: somebody was first.
pub(super) async fn spend(
    connection: &mut PgConnection,
    token: &Legacy,
) -> Result<bool, sqlx::Error> {
    store::spend_refresh_token(connection, &token.fingerprint, token.expires_at).await
}

/// Whether a token is out of use.
pub(super) async fn is_spent(pool: &PgPool, token: &Legacy) -> Result<bool, sqlx::Error> {
    store::is_refresh_token_spent(pool, &token.fingerprint).await
}

/// Deletes what is known of tokens that have expired, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge_used_refresh_tokens(pool, slice).await
}

/// How many tokens of which something is known expired before `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_expired(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_used_refresh_tokens(pool, before).await
}

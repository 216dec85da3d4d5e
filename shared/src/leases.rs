//! Leadership: one holder per duty at a time, decided by PostgreSQL's clock.
//!
//! A holder may be frozen at any moment and go on when it leads no more. What must not happen
//! then is done in a statement that checks holder, term and expiry of the lease. Rows of `leases`
//! are never deleted: a term must not begin anew.

use std::time::Duration;

use sqlx::PgPool;

use crate::telemetry::LEADER;

/// Held leadership of one duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term(
    /// Grows with every change of holder.
    pub i64,
);

/// Takes or renews the lease `name` for `holder`. `None` while someone else holds it.
///
/// # Errors
/// When the database cannot be asked; the caller then has no lease.
pub async fn acquire(
    pool: &PgPool,
    name: &str,
    holder: &str,
    ttl: Duration,
) -> Result<Option<Term>, sqlx::Error> {
    let seconds = i32::try_from(ttl.as_secs()).unwrap_or(i32::MAX);
    let term = sqlx::query_scalar!(
        "INSERT INTO leases AS l (name, holder, expires_at)
         VALUES ($1, $2, now() + make_interval(secs => $3))
         ON CONFLICT (name) DO UPDATE
         SET holder = excluded.holder,
             expires_at = excluded.expires_at,
             term = l.term + CASE WHEN l.holder = excluded.holder THEN 0 ELSE 1 END
         WHERE l.holder = excluded.holder OR l.expires_at < now()
         RETURNING term",
        name,
        holder,
        f64::from(seconds),
    )
    .fetch_optional(pool)
    .await;
    let leads = matches!(term, Ok(Some(_)));
    LEADER.with_label_values(&[name]).set(i64::from(leads));
    term.map(|term| term.map(Term))
}

/// Gives the lease back, so that a successor need not wait for it to run out.
///
/// # Errors
/// When the database cannot be asked.
pub async fn release(pool: &PgPool, name: &str, holder: &str) -> Result<(), sqlx::Error> {
    LEADER.with_label_values(&[name]).set(0);
    sqlx::query!(
        "UPDATE leases SET expires_at = now() - interval '1 second' WHERE name = $1 AND holder = $2",
        name,
        holder,
    )
    .execute(pool)
    .await
    .map(drop)
}

//! All SQL of the `idempotency_keys` table.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, postgres::types::PgInterval};

use super::Keyed;

/// A key that is not over.
pub(super) struct KeyRow {
    pub(super) fingerprint: Vec<u8>,
    pub(super) reference: String,
    /// Whole seconds of the lease that are left, of work that goes on.
    pub(super) lease_left: Option<i32>,
}

/// A lease that is over without an end is no standing: the next one takes the work up.
pub(super) async fn find(
    pool: &PgPool,
    now: DateTime<Utc>,
    keyed: &Keyed,
) -> Result<Option<KeyRow>, sqlx::Error> {
    sqlx::query_as!(
        KeyRow,
        "SELECT fingerprint, reference,
             ceil(extract(epoch FROM lease_until - now()))::integer AS lease_left
         FROM idempotency_keys
         WHERE caller = $1 AND key_hash = $2 AND expires_at > $3
           AND (lease_until IS NULL OR lease_until > now() OR fingerprint <> $4)",
        keyed.caller,
        &keyed.key_hash[..],
        now,
        &keyed.fingerprint[..],
    )
    .fetch_optional(pool)
    .await
}

/// Writes the keys nobody has, those that are over, and those that are to be replaced; the
/// references of those. Locks their rows, in the order given, and waits for whoever holds them.
pub(super) async fn claim(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    requests: &[(&Keyed, String)],
) -> Result<Vec<String>, sqlx::Error> {
    let callers: Vec<_> = requests.iter().map(|(keyed, _)| keyed.caller.clone()).collect();
    let keys: Vec<_> = requests.iter().map(|(keyed, _)| keyed.key_hash.to_vec()).collect();
    let operations: Vec<_> = requests.iter().map(|(keyed, _)| keyed.operation.to_owned()).collect();
    let prints: Vec<_> = requests.iter().map(|(keyed, _)| keyed.fingerprint.to_vec()).collect();
    let references: Vec<_> = requests.iter().map(|(_, reference)| reference.clone()).collect();
    // Random, so that the reference of one request means nothing to another.
    let replaced: Vec<_> =
        requests.iter().filter_map(|(keyed, _)| keyed.instead_of.clone()).collect();
    sqlx::query_scalar!(
        "INSERT INTO idempotency_keys AS k
             (caller, key_hash, operation, fingerprint, reference, created_at, expires_at)
         SELECT r.caller, r.key_hash, r.operation, r.fingerprint, r.reference, $6, $7
         FROM unnest($1::text[], $2::bytea[], $3::text[], $4::bytea[], $5::text[])
             AS r(caller, key_hash, operation, fingerprint, reference)
         ON CONFLICT (caller, key_hash) DO UPDATE SET
             operation = excluded.operation, fingerprint = excluded.fingerprint,
             reference = excluded.reference, lease_until = NULL,
             created_at = excluded.created_at, expires_at = excluded.expires_at
         WHERE k.expires_at <= $6
            OR (k.reference = ANY($8::text[]) AND k.fingerprint = excluded.fingerprint)
         RETURNING k.reference",
        &callers,
        &keys,
        &operations,
        &prints,
        &references,
        now,
        expires_at,
        &replaced,
    )
    .fetch_all(connection)
    .await
}

/// Deletes keys whose rows this transaction wrote.
pub(super) async fn release(
    connection: &mut PgConnection,
    keys: &[&Keyed],
) -> Result<(), sqlx::Error> {
    let callers: Vec<_> = keys.iter().map(|keyed| keyed.caller.clone()).collect();
    let hashes: Vec<_> = keys.iter().map(|keyed| keyed.key_hash.to_vec()).collect();
    sqlx::query!(
        "DELETE FROM idempotency_keys k USING unnest($1::text[], $2::bytea[]) AS r(caller, key_hash)
         WHERE k.caller = r.caller AND k.key_hash = r.key_hash",
        &callers,
        &hashes,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Takes a key nobody has, or that is over, or whose lease is; the reference to go on with.
pub(super) async fn begin(
    pool: &PgPool,
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
    keyed: &Keyed,
    reference: &str,
    lease: Duration,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO idempotency_keys AS k
             (caller, key_hash, operation, fingerprint, reference, lease_until, created_at,
              expires_at)
         VALUES ($1, $2, $3, $4, $5, now() + $6::interval, $7, $8)
         ON CONFLICT (caller, key_hash) DO UPDATE SET
             operation = excluded.operation, fingerprint = excluded.fingerprint,
             lease_until = excluded.lease_until,
             reference = CASE WHEN k.expires_at <= $7 THEN excluded.reference ELSE k.reference END,
             created_at =
                 CASE WHEN k.expires_at <= $7 THEN excluded.created_at ELSE k.created_at END,
             expires_at =
                 CASE WHEN k.expires_at <= $7 THEN excluded.expires_at ELSE k.expires_at END
         WHERE k.expires_at <= $7
            OR (k.lease_until <= now() AND k.fingerprint = excluded.fingerprint)
         RETURNING reference",
        keyed.caller,
        &keyed.key_hash[..],
        keyed.operation,
        &keyed.fingerprint[..],
        reference,
        PgInterval::try_from(lease).map_err(sqlx::Error::Encode)?,
        now,
        expires_at,
    )
    .fetch_optional(pool)
    .await
}

/// Whoever took the work up meanwhile goes on with the same reference; done is done for both.
pub(super) async fn end(
    pool: &PgPool,
    keyed: &Keyed,
    reference: &str,
    done: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE idempotency_keys SET lease_until = CASE WHEN NOT $4 THEN now() END
         WHERE caller = $1 AND key_hash = $2 AND reference = $3 AND lease_until IS NOT NULL",
        keyed.caller,
        &keyed.key_hash[..],
        reference,
        done,
    )
    .execute(pool)
    .await
    .map(drop)
}

crate::purge_table!(pub(super) purge, count_purgeable, "idempotency_keys", "expires_at", "");

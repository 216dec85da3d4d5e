//! All SQL of the `phone_changes` table.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::BeginPhoneChange;
use crate::phone::PhoneNumber;

/// A later note of the account replaces an earlier one.
pub(super) async fn note(
    pool: &PgPool,
    begin: &BeginPhoneChange<'_>,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO phone_changes (user_id, session_id, phone, asked_at, expires_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id) DO UPDATE SET
             session_id = excluded.session_id, phone = excluded.phone,
             asked_at = excluded.asked_at, expires_at = excluded.expires_at",
        begin.user_id,
        begin.session_id,
        begin.phone.as_e164(),
        now,
        expires_at,
    )
    .execute(pool)
    .await
    .map(drop)
}

/// The number this session of the account asked for.
pub(super) async fn noted(
    pool: &PgPool,
    (user_id, session_id): (i64, i64),
    now: DateTime<Utc>,
) -> Result<Option<PhoneNumber>, sqlx::Error> {
    let phone = sqlx::query_scalar!(
        "SELECT phone FROM phone_changes
         WHERE user_id = $1 AND session_id = $2 AND expires_at > $3",
        user_id,
        session_id,
        now,
    )
    .fetch_optional(pool)
    .await?;
    read(phone.as_deref())
}

/// Removes the note of this number; `false` if it is not there any more.
pub(super) async fn take(
    connection: &mut PgConnection,
    (user_id, session_id): (i64, i64),
    phone: &PhoneNumber,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query!(
        "DELETE FROM phone_changes
         WHERE user_id = $1 AND session_id = $2 AND phone = $3 AND expires_at > $4",
        user_id,
        session_id,
        phone.as_e164(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() == 1)
}

pub(super) async fn asked(
    connection: &mut PgConnection,
    user_id: i64,
) -> Result<Option<PhoneNumber>, sqlx::Error> {
    let phone = sqlx::query_scalar!("SELECT phone FROM phone_changes WHERE user_id = $1", user_id)
        .fetch_optional(connection)
        .await?;
    read(phone.as_deref())
}

pub(super) async fn forget(connection: &mut PgConnection, user_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM phone_changes WHERE user_id = $1", user_id)
        .execute(connection)
        .await
        .map(drop)
}

fn read(phone: Option<&str>) -> Result<Option<PhoneNumber>, sqlx::Error> {
    let phone = phone.map(PhoneNumber::from_e164).transpose();
    phone.map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

crate::purge_table!(pub(super) purge, count_purgeable, "phone_changes", "expires_at", "");

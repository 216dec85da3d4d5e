//! SQL of `sms_blocklist`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::{
    super::blocklist::{BlockReason, Blocked},
    stored_phone,
};
use crate::phone::PhoneNumber;

pub(in crate::sms) async fn block_as_operator(
    pool: &PgPool,
    phone: &PhoneNumber,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let blocked = sqlx::query!(
        "INSERT INTO sms_blocklist AS b (phone, reason, created_at) VALUES ($1, 'operator', $2)
         ON CONFLICT (phone) DO UPDATE SET reason = 'operator', created_at = $2
         WHERE b.reason <> 'operator'",
        phone.as_e164(),
        now,
    )
    .execute(pool)
    .await?;
    Ok(blocked.rows_affected() == 1)
}

pub(in crate::sms) async fn unblock(
    pool: &PgPool,
    phone: &PhoneNumber,
) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query!("DELETE FROM sms_blocklist WHERE phone = $1", phone.as_e164())
        .execute(pool)
        .await?;
    Ok(gone.rows_affected() == 1)
}

pub(in crate::sms) async fn list_blocked(
    pool: &PgPool,
    after: Option<&PhoneNumber>,
    limit: i64,
) -> Result<Vec<Blocked>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT phone, reason AS "reason: BlockReason", created_at FROM sms_blocklist
           WHERE phone > coalesce($1, '') ORDER BY phone LIMIT $2"#,
        after.map(PhoneNumber::as_e164),
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let phone = stored_phone(&row.phone)?;
            Ok(Blocked { phone, reason: row.reason, created_at: row.created_at })
        })
        .collect()
}

/// The number's owner wants no texts. What an operator blocked stays as it is.
pub(in crate::sms) async fn block_as_owner(
    connection: &mut PgConnection,
    phone: &PhoneNumber,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO sms_blocklist (phone, reason, created_at) VALUES ($1, 'stop', $2)
         ON CONFLICT (phone) DO NOTHING",
        phone.as_e164(),
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The number's owner wants texts again. What an operator blocked stays blocked.
pub(in crate::sms) async fn unblock_as_owner(
    connection: &mut PgConnection,
    phone: &PhoneNumber,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM sms_blocklist WHERE phone = $1 AND reason = 'stop'", phone.as_e164(),)
        .execute(connection)
        .await
        .map(drop)
}

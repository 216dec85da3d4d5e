//! SQL of the `sms_provider_states` table.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::super::{
    providers::Balance,
    standing::{Credit, Outage, Pause, Standing},
};

pub(in crate::sms) async fn standings(pool: &PgPool) -> Result<Vec<Standing>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT provider, out_since, out_until, out_code, failing_at, balance, balance_unit,
               balance_at, low_since, paused_at, paused_by, pause_reason,
               coalesce(out_until <= now() AND (probe_until IS NULL OR probe_until <= now()), false)
               AS "is_due!"
           FROM sms_provider_states ORDER BY provider"#,
    )
    .fetch_all(pool)
    .await?;
    let standing = rows.into_iter().map(|row| {
        let credit = row.balance.zip(row.balance_unit).zip(row.balance_at);
        Standing {
            provider: row.provider,
            out: row.out_since.zip(row.out_until).map(|(since, until)| Outage {
                since,
                until,
                code: row.out_code,
                is_due: row.is_due,
            }),
            failing_at: row.failing_at,
            paused: row.paused_at.zip(row.pause_reason).map(|(at, reason)| Pause {
                at,
                by: row.paused_by,
                reason,
            }),
            credit: credit.map(|((amount, unit), at)| Credit {
                balance: Balance::in_unit(amount, &unit),
                at,
                low_since: row.low_since,
            }),
        }
    });
    Ok(standing.collect())
}

/// Begins an outage, or makes the pause of one longer when a probe was refused; calls that began
/// before change nothing. Whether it has begun with this.
pub(in crate::sms) async fn take_out(
    connection: &mut PgConnection,
    provider: &str,
    code: &str,
    probe: bool,
    (first, longest): (i32, i32),
) -> Result<bool, sqlx::Error> {
    let code: String = code.chars().take(64).collect();
    sqlx::query_scalar!(
        r#"INSERT INTO sms_provider_states AS s
               (provider, out_since, out_until, out_pause_seconds, out_code)
           VALUES ($1, now(), now() + make_interval(secs => $2::int), $2, $3)
           ON CONFLICT (provider) DO UPDATE SET
               out_since = coalesce(s.out_since, now()),
               out_code = $3,
               out_pause_seconds = CASE WHEN s.out_since IS NULL THEN $2
                   WHEN $4 THEN least(s.out_pause_seconds * 2, $5)
                   ELSE s.out_pause_seconds END,
               out_until = CASE WHEN s.out_since IS NULL THEN now() + make_interval(secs => $2::int)
                   WHEN $4 THEN now()
                       + make_interval(secs => least(s.out_pause_seconds * 2, $5)::int)
                   ELSE s.out_until END,
               probe_until = CASE WHEN $4 THEN NULL ELSE s.probe_until END
           RETURNING out_since = now() AS "begun!""#,
        provider,
        first,
        code,
        probe,
        longest,
    )
    .fetch_one(connection)
    .await
}

/// Ends an outage. Whether there was one.
pub(in crate::sms) async fn bring_back(
    connection: &mut PgConnection,
    provider: &str,
) -> Result<bool, sqlx::Error> {
    let back = sqlx::query!(
        "UPDATE sms_provider_states
         SET out_since = NULL, out_until = NULL, out_pause_seconds = NULL, out_code = NULL,
             probe_until = NULL
         WHERE provider = $1 AND out_since IS NOT NULL",
        provider,
    )
    .execute(connection)
    .await?;
    Ok(back.rows_affected() == 1)
}

pub(in crate::sms) async fn put_off_probe(
    connection: &mut PgConnection,
    provider: &str,
    pause: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE sms_provider_states
         SET out_until = now() + make_interval(secs => $2::int), probe_until = NULL
         WHERE provider = $1 AND out_since IS NOT NULL",
        provider,
        pause,
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(in crate::sms) async fn note_failing(
    connection: &mut PgConnection,
    provider: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO sms_provider_states (provider, failing_at) VALUES ($1, now())
         ON CONFLICT (provider) DO UPDATE SET failing_at = now()",
        provider,
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(in crate::sms) async fn take_probe(
    pool: &PgPool,
    provider: &str,
    length: Duration,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query!(
        "UPDATE sms_provider_states SET probe_until = now() + make_interval(secs => $2)
         WHERE provider = $1 AND out_until <= now()
           AND (probe_until IS NULL OR probe_until <= now())",
        provider,
        length.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(taken.rows_affected() == 1)
}

pub(in crate::sms) async fn end_pause(pool: &PgPool, provider: &str) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        "UPDATE sms_provider_states SET out_until = least(out_until, now())
         WHERE provider = $1 AND out_since IS NOT NULL",
        provider,
    )
    .execute(pool)
    .await?;
    Ok(ended.rows_affected() == 1)
}

pub(in crate::sms) async fn pause_provider(
    connection: &mut PgConnection,
    provider: &str,
    by: Option<i64>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let paused = sqlx::query!(
        "INSERT INTO sms_provider_states AS s (provider, paused_at, paused_by, pause_reason)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (provider) DO UPDATE
         SET paused_at = excluded.paused_at, paused_by = excluded.paused_by,
             pause_reason = excluded.pause_reason
         WHERE s.paused_at IS NULL",
        provider,
        now,
        by,
        reason,
    )
    .execute(connection)
    .await?;
    Ok(paused.rows_affected() == 1)
}

pub(in crate::sms) async fn resume_provider(
    connection: &mut PgConnection,
    provider: &str,
) -> Result<bool, sqlx::Error> {
    let resumed = sqlx::query!(
        "UPDATE sms_provider_states SET paused_at = NULL, paused_by = NULL, pause_reason = NULL
         WHERE provider = $1 AND paused_at IS NOT NULL",
        provider,
    )
    .execute(connection)
    .await?;
    Ok(resumed.rows_affected() == 1)
}

/// Writes a balance; whether the one before it was low.
pub(in crate::sms) async fn record_balance(
    connection: &mut PgConnection,
    provider: &str,
    balance: &Balance,
    is_low: bool,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH before AS (SELECT low_since FROM sms_provider_states WHERE provider = $1)
           INSERT INTO sms_provider_states AS s
               (provider, balance, balance_unit, balance_at, low_since)
           VALUES ($1, $2, $3, now(), CASE WHEN $4 THEN now() END)
           ON CONFLICT (provider) DO UPDATE SET
               balance = $2, balance_unit = $3, balance_at = now(),
               low_since = CASE WHEN $4 THEN coalesce(s.low_since, now()) END,
               out_until = CASE
                   WHEN s.out_since IS NOT NULL AND s.balance_unit = $3 AND $2 > s.balance
                   THEN least(s.out_until, now()) ELSE s.out_until END
           RETURNING EXISTS (SELECT FROM before WHERE low_since IS NOT NULL) AS "was_low!""#,
        provider,
        balance.amount(),
        balance.unit(),
        is_low,
    )
    .fetch_one(connection)
    .await
}

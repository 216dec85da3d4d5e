//! SQL of the claim / call / settle protocol: `sms_messages` and `sms_attempts`.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use sqlx::{PgConnection, PgPool, postgres::types::PgInterval, types::Json};

use super::{
    super::{
        MessageKind, MessageStatus,
        deliveries::{Action, AttemptResult, Claim, Next, PastAttempt, Settle, Settlement, Start},
        templates::Wording,
    },
    stored_phone,
};
use crate::{config::Quiet, due, jobs::Backlog};

#[derive(Debug, Deserialize)]
struct HistoryRow {
    provider: String,
    action: String,
    outcome: Option<String>,
}

/// Claims those of the rows that are due, alive and nobody else's; in quiet hours only those that
/// are to be asked about. Locks them.
pub(in crate::sms) async fn claim(
    connection: &mut PgConnection,
    ids: &[i64],
    lease: Duration,
    now: DateTime<Utc>,
    quiet: bool,
) -> Result<HashMap<i64, Claim>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"UPDATE sms_messages AS m
           SET status = 'sending', attempt = attempt + 1, call_started_at = NULL,
               lease_until = now() + make_interval(secs => $2)
           WHERE id = ANY($1) AND status IN ('queued', 'unknown')
             AND next_attempt_at <= now() AND expires_at > $3
             AND NOT ($4 AND status = 'queued')
           RETURNING id, attempt, kind AS "kind: MessageKind", phone, local_id, created_at,
               expires_at, reply_to, body, template,
               (kind <> 'otp' AND EXISTS (
                   SELECT 1 FROM sms_blocklist b WHERE b.phone = m.phone)
                OR EXISTS (SELECT FROM blocks WHERE kind <> 'ip') AND EXISTS (
                   SELECT FROM blocks b
                   WHERE b.value IN (SELECT left(m.phone, n) FROM generate_series(4, 16) AS n)
                     AND (b.kind = 'prefix' OR b.kind = 'number' AND b.value = m.phone)
                     AND (b.expires_at IS NULL OR b.expires_at > $3))) AS "blocked!",
               variables AS "variables: Json<Vec<(String, String)>>",
               (SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'provider', a.provider, 'action', a.action, 'outcome', a.outcome)
                    ORDER BY a.attempt), '[]')
                FROM sms_attempts a
                WHERE a.message_id = m.id AND a.attempt > m.attempts_before)
               AS "history!: Json<Vec<HistoryRow>>""#,
        ids,
        lease.as_secs_f64(),
        now,
        quiet,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let variables = row.variables.map(|Json(variables)| variables).unwrap_or_default();
            let template = row.template.map(|name| (name, variables));
            let claim = Claim {
                id: row.id,
                attempt: row.attempt,
                kind: row.kind,
                wording: Wording { text: row.body, template },
                phone: stored_phone(&row.phone)?,
                local_id: row.local_id,
                created_at: row.created_at,
                expires_at: row.expires_at,
                reply_to: row.reply_to,
                blocked: row.blocked,
                history: row.history.0.into_iter().map(PastAttempt::from).collect(),
            };
            Ok((row.id, claim))
        })
        .collect()
}

impl From<HistoryRow> for PastAttempt {
    fn from(row: HistoryRow) -> Self {
        Self {
            provider: row.provider,
            action: if row.action == Action::Lookup.as_str() {
                Action::Lookup
            } else {
                Action::Send
            },
            result: AttemptResult::from_word(row.outcome.as_deref()),
        }
    }
}

/// Writes the beginning of calls; the ids of those whose lease still holds. An attempt is its
/// claimer's alone, so one that is there already was written by the same call, whose answer was lost.
pub(in crate::sms) async fn start_calls(
    connection: &mut PgConnection,
    starts: &[Start],
    lease: Duration,
) -> Result<HashSet<i64>, sqlx::Error> {
    let ids: Vec<_> = starts.iter().map(|start| start.id).collect();
    let attempts: Vec<_> = starts.iter().map(|start| start.attempt).collect();
    let providers: Vec<_> = starts.iter().map(|start| start.provider.clone()).collect();
    let actions: Vec<_> = starts.iter().map(|start| start.action.as_str().to_owned()).collect();
    let started = sqlx::query_scalar!(
        "WITH r AS (
             SELECT * FROM unnest($1::bigint[], $2::int[], $3::text[], $4::text[])
                 AS r(id, attempt, provider, action)),
         mine AS (
             UPDATE sms_messages m
             SET call_started_at = now(),
                 lease_until = greatest(m.lease_until, now() + make_interval(secs => $5))
             FROM r
             WHERE m.id = r.id AND m.attempt = r.attempt AND m.status = 'sending'
               AND m.lease_until > now()
             RETURNING m.id)
         INSERT INTO sms_attempts (message_id, attempt, provider, action)
         SELECT r.id, r.attempt, r.provider, r.action FROM r JOIN mine ON mine.id = r.id
         ON CONFLICT (message_id, attempt) DO UPDATE SET provider = excluded.provider
         RETURNING message_id",
        &ids,
        &attempts,
        &providers,
        &actions,
        // What a claim has left when its call begins at once; then the row keeps its value.
        lease.saturating_sub(Duration::from_secs(1)).as_secs_f64(),
    )
    .fetch_all(connection)
    .await?;
    Ok(started.into_iter().collect())
}

/// Writes the end of attempts: each attempt's row always, its message only if no later attempt
/// has begun. The ids of the messages that were settled.
pub(in crate::sms) async fn settle(
    connection: &mut PgConnection,
    settlements: &[Settle],
) -> Result<HashSet<i64>, sqlx::Error> {
    let each = |text: fn(&Settlement) -> Option<String>| -> Vec<Option<String>> {
        settlements.iter().map(|settle| text(&settle.settlement)).collect()
    };
    let ids: Vec<_> = settlements.iter().map(|settle| settle.id).collect();
    let attempts: Vec<_> = settlements.iter().map(|settle| settle.attempt).collect();
    let reports: Vec<_> = settlements.iter().map(|settle| settle.settlement.reports).collect();
    let (states, pauses): (Vec<_>, Vec<_>) = settlements
        .iter()
        .map(|settle| match settle.settlement.next {
            Next::Done(status) => (status, None),
            Next::Retry(pause) => (MessageStatus::Queued, Some(pause.as_secs_f64())),
            Next::Resolve(pause) => {
                (MessageStatus::Unknown, pause.map(|pause| pause.as_secs_f64()))
            }
        })
        .map(|(status, pause)| (status.as_str().to_owned(), pause))
        .unzip();
    let settled = sqlx::query_scalar!(
        "WITH r AS (
             SELECT * FROM unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::text[],
                     $6::text[], $7::float8[], $8::bool[])
                 AS r(id, attempt, outcome, code, provider_message_id, status, pause, reports)),
         attempt AS (
             UPDATE sms_attempts a
             SET finished_at = now(), outcome = r.outcome, code = r.code,
                 provider_message_id = r.provider_message_id
             FROM r WHERE a.message_id = r.id AND a.attempt = r.attempt
             RETURNING a.message_id, a.provider)
         UPDATE sms_messages m
         SET status = r.status, reason = r.code, lease_until = NULL, pushed_until = NULL,
             next_attempt_at = now() + make_interval(secs => r.pause),
             settled_at = CASE WHEN r.pause IS NULL THEN now() END,
             poll_at = CASE WHEN r.status = 'sent' AND r.provider_message_id IS NOT NULL
                 AND r.reports THEN now() + interval '1 minute' END,
             provider = CASE WHEN r.status = 'sent' THEN attempt.provider END,
             provider_message_id = CASE WHEN r.status = 'sent' THEN r.provider_message_id END
         FROM r JOIN attempt ON attempt.message_id = r.id
         WHERE m.id = r.id AND m.attempt = r.attempt
           AND (m.status = 'sending' OR m.status = 'unknown'
                AND (r.status <> 'unknown' OR m.next_attempt_at IS NOT NULL))
         RETURNING m.id",
        &ids,
        &attempts,
        &each(|settlement| Some(settlement.result.as_str().to_owned())) as &[Option<String>],
        &each(|settlement| settlement.code.clone()) as &[Option<String>],
        &each(|settlement| settlement.provider_message_id.clone()) as &[Option<String>],
        &states,
        &pauses as &[Option<f64>],
        &reports,
    )
    .fetch_all(connection)
    .await?;
    Ok(settled.into_iter().collect())
}

pub(in crate::sms) async fn abandon(
    connection: &mut PgConnection,
    id: i64,
    attempt: i32,
    status: MessageStatus,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        "UPDATE sms_messages
         SET status = $3, reason = $4, lease_until = NULL, pushed_until = NULL,
             next_attempt_at = NULL, settled_at = now()
         WHERE id = $1 AND attempt = $2 AND status = 'sending'",
        id,
        attempt,
        status as MessageStatus,
        reason,
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() == 1)
}

pub(in crate::sms) async fn postpone(
    pool: &PgPool,
    id: i64,
    attempt: i32,
    pause: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE sms_messages
         SET status = 'queued', lease_until = NULL, pushed_until = NULL,
             next_attempt_at = now() + make_interval(secs => $3)
         WHERE id = $1 AND attempt = $2 AND status = 'sending' AND call_started_at IS NULL",
        id,
        attempt,
        pause.as_secs_f64(),
    )
    .execute(pool)
    .await
    .map(drop)
}

/// A message whose life is over.
pub(in crate::sms) struct Expired {
    pub(in crate::sms) id: i64,
    /// Its idempotency key if it is a code's that surely nobody got.
    pub(in crate::sms) code: Option<i64>,
}

/// Rows that nobody works on and that outlived their use, except texts to many that wait since
/// `quiet_since`. One that a provider may have taken stays `unknown`, for good: it is not known to
/// have reached nobody. Bounded; the next sweep goes on.
pub(in crate::sms) async fn expire(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    quiet_since: Option<DateTime<Utc>>,
) -> Result<Vec<Expired>, sqlx::Error> {
    sqlx::query_as!(
        Expired,
        "WITH dead AS (
             SELECT id, status = 'unknown' OR EXISTS (
                 SELECT FROM sms_attempts a
                 WHERE a.message_id = sms_messages.id AND a.action = 'send'
                   AND a.attempt > sms_messages.attempts_before
                   AND coalesce(a.outcome, 'unknown') = 'unknown'
                   AND NOT EXISTS (
                       SELECT FROM sms_attempts l
                       WHERE l.message_id = a.message_id AND l.attempt > a.attempt
                         AND l.provider = a.provider AND l.outcome = 'not_found')) AS in_doubt
             FROM sms_messages
             WHERE status IN ('queued', 'unknown') AND next_attempt_at IS NOT NULL
               AND expires_at <= $1
               AND ($2::timestamptz IS NULL OR kind <> 'bulk' OR status <> 'queued'
                    OR expires_at <= $2)
             ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
         UPDATE sms_messages m
         SET status = CASE WHEN in_doubt THEN 'unknown' ELSE 'expired' END,
             reason = CASE WHEN in_doubt THEN 'sms.unresolved' ELSE coalesce(reason, 'expired') END,
             next_attempt_at = NULL, pushed_until = NULL, settled_at = now()
         FROM dead WHERE m.id = dead.id
         RETURNING m.id, CASE WHEN kind = 'otp' AND NOT in_doubt THEN local_id END AS code",
        now,
        quiet_since,
    )
    .fetch_all(connection)
    .await
}

/// Texts to many that are due in quiet hours and were alive when these began.
pub(in crate::sms) async fn put_off_bulk(
    pool: &PgPool,
    quiet: Quiet,
    spread: TimeDelta,
    life: TimeDelta,
) -> Result<u64, sqlx::Error> {
    let interval = |time: TimeDelta| PgInterval {
        months: 0,
        days: 0,
        microseconds: time.num_microseconds().unwrap_or(i64::MAX),
    };
    let put_off = sqlx::query!(
        "UPDATE sms_messages
         SET next_attempt_at = $1::timestamptz + random() * $3::interval, pushed_until = NULL,
             expires_at = $1::timestamptz + $3::interval + $4::interval
         WHERE id IN (
             SELECT id FROM sms_messages
             WHERE kind = 'bulk' AND status = 'queued' AND next_attempt_at <= now()
               AND expires_at > $2
             ORDER BY next_attempt_at LIMIT 5000 FOR UPDATE SKIP LOCKED)",
        quiet.ends,
        quiet.began,
        interval(spread),
        interval(life),
    )
    .execute(pool)
    .await?;
    Ok(put_off.rows_affected())
}

/// Leases of workers that died: surely not called → due again; perhaps called, now or in an earlier
/// attempt that was being asked about → unknown.
pub(in crate::sms) async fn reclaim(pool: &PgPool) -> Result<u64, sqlx::Error> {
    due::reclaim!(
        pool,
        "sms_messages",
        "next_attempt_at = now(), status = CASE WHEN call_started_at IS NULL AND NOT EXISTS (
             SELECT FROM sms_attempts a
             WHERE a.message_id = sms_messages.id AND a.action = 'send'
               AND a.attempt > sms_messages.attempts_before
               AND coalesce(a.outcome, 'unknown') = 'unknown') THEN 'queued' ELSE 'unknown' END",
        "status = 'sending'"
    )
}

pub(in crate::sms) async fn take_due(
    pool: &PgPool,
    kind: MessageKind,
    room: i64,
    now: DateTime<Utc>,
) -> Result<Vec<i64>, sqlx::Error> {
    due::take_due!(
        pool,
        room,
        "sms_messages",
        "kind = $3 AND status IN ('queued', 'unknown') AND expires_at > $4",
        kind.as_str(),
        now
    )
}

/// As [`take_due`], but only what is to be asked about: asking wakes nobody. Those that wait to be
/// sent, perhaps a great many, are not read (`sms_messages_unknown_idx`).
pub(in crate::sms) async fn take_unknown(
    pool: &PgPool,
    kind: MessageKind,
    room: i64,
    now: DateTime<Utc>,
) -> Result<Vec<i64>, sqlx::Error> {
    due::take_due!(
        pool,
        room,
        "sms_messages",
        "kind = $3 AND status = 'unknown' AND expires_at > $4",
        kind.as_str(),
        now
    )
}

pub(in crate::sms) async fn backlog(
    pool: &PgPool,
    kind: MessageKind,
) -> Result<Backlog, sqlx::Error> {
    due::backlog!(
        pool,
        "sms_messages",
        "kind = $2 AND status IN ('queued', 'unknown')",
        kind.as_str()
    )
}

crate::purge_table!(pub(in crate::sms) purge, count_purgeable, "sms_messages", "expires_at",
    "AND status <> 'sending' AND next_attempt_at IS NULL");

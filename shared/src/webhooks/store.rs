//! All SQL of the feature.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor, PgPool};

use super::{
    Stamped,
    deliveries::{Claim, Next, Settle},
    history::{Past, Replay},
};
use crate::{due, jobs::Backlog};

pub(super) async fn insert(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    give_up_after: Duration,
    stamped: &[Stamped<'_>],
    deliveries: &[(usize, &str)],
) -> Result<Vec<i64>, sqlx::Error> {
    let each = |at: &usize| &stamped[*at];
    let ids: Vec<_> = stamped.iter().map(|one| one.id.clone()).collect();
    let kinds: Vec<_> = stamped.iter().map(|one| one.event.kind.as_str().to_owned()).collect();
    let subjects: Vec<_> = stamped.iter().map(|one| one.event.subject.clone()).collect();
    let data: Vec<_> = stamped.iter().map(|one| one.event.data.clone()).collect();
    let event_ids: Vec<_> = deliveries.iter().map(|(at, _)| each(at).id.clone()).collect();
    let of: Vec<_> = deliveries.iter().map(|(at, _)| each(at).event.subject.clone()).collect();
    let endpoints: Vec<_> = deliveries.iter().map(|(_, name)| (*name).to_owned()).collect();
    // Sorted, so that ids grow in the order of the events.
    sqlx::query_scalar!(
        "WITH events AS (
             INSERT INTO webhook_events (id, kind, subject, data, created_at)
             SELECT e.id, e.kind, e.subject, e.data, $5
             FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[])
                 AS e(id, kind, subject, data))
         INSERT INTO webhook_deliveries (event_id, endpoint, subject, next_attempt_at, give_up_at)
         SELECT d.event_id, d.endpoint, d.subject, now(), now() + make_interval(secs => $6)
         FROM unnest($7::text[], $8::text[], $9::text[])
             WITH ORDINALITY AS d(event_id, endpoint, subject, place)
         ORDER BY d.place
         RETURNING id",
        &ids,
        &kinds,
        &subjects,
        &data,
        now,
        give_up_after.as_secs_f64(),
        &event_ids,
        &endpoints,
        &of,
    )
    .fetch_all(connection)
    .await
}

/// Claims those of the rows that are due, nobody else's, and first of their subject. Locks them.
pub(super) async fn claim(
    connection: &mut PgConnection,
    ids: &[i64],
    endpoints: &[String],
    lease: Duration,
) -> Result<HashMap<i64, Claim>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"UPDATE webhook_deliveries d
           SET status = 'sending', attempt = d.attempt + 1,
               lease_until = now() + make_interval(secs => $3)
           FROM webhook_events e
           WHERE d.id = ANY($1) AND d.status = 'queued' AND d.next_attempt_at <= now()
             AND d.give_up_at > now() AND d.endpoint = ANY($2) AND e.id = d.event_id
             AND NOT EXISTS (
                 SELECT FROM webhook_deliveries p
                 WHERE p.endpoint = d.endpoint AND p.subject = d.subject AND p.id < d.id
                   AND p.status IN ('queued', 'sending'))
           RETURNING d.id, d.attempt, d.attempt - d.attempts_before AS "tries!", d.endpoint,
               d.event_id, e.kind, e.created_at, e.data"#,
        ids,
        endpoints,
        lease.as_secs_f64(),
    )
    .fetch_all(connection)
    .await?;
    let claims = rows.into_iter().map(|row| Claim {
        id: row.id,
        attempt: row.attempt,
        tries: row.tries,
        endpoint: row.endpoint,
        event_id: row.event_id,
        kind: row.kind,
        created_at: row.created_at,
        data: row.data,
    });
    Ok(claims.map(|claim| (claim.id, claim)).collect())
}

/// What becomes of due rows that were not claimed. One that stands behind an earlier event of its
/// subject is put off until that one is due, so that it is not asked for again and again. One of
/// an endpoint that is not `out` may be pushed again at once.
pub(super) async fn hand_back(
    connection: &mut PgConnection,
    ids: &[i64],
    out: &[String],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE webhook_deliveries d
         SET pushed_until = NULL, next_attempt_at = coalesce(left_over.due, d.next_attempt_at)
         FROM (
             SELECT h.id, (
                 SELECT greatest(p.next_attempt_at, now() + interval '1 second')
                 FROM webhook_deliveries p
                 WHERE p.endpoint = h.endpoint AND p.subject = h.subject AND p.id < h.id
                   AND p.status IN ('queued', 'sending')
                 ORDER BY p.id LIMIT 1) AS due
             FROM webhook_deliveries h
             WHERE h.id = ANY($1) AND h.status = 'queued'
               AND h.next_attempt_at <= now()) left_over
         WHERE d.id = left_over.id AND d.status = 'queued'
           AND (left_over.due IS NOT NULL OR d.endpoint <> ALL($2))",
        ids,
        out,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Writes the end of attempts, of those rows of which no later attempt has begun; their ids. What
/// an attempt came to that lost its lease still counts while nobody made another one.
pub(super) async fn settle(
    connection: &mut PgConnection,
    settlements: &[Settle],
) -> Result<HashSet<i64>, sqlx::Error> {
    let ids: Vec<_> = settlements.iter().map(|settle| settle.id).collect();
    let attempts: Vec<_> = settlements.iter().map(|settle| settle.attempt).collect();
    let answers: Vec<_> = settlements
        .iter()
        .map(|settle| settle.settlement.response_status.and_then(|status| status.try_into().ok()))
        .collect();
    let reasons: Vec<_> =
        settlements.iter().map(|settle| settle.settlement.reason.clone()).collect();
    let (states, pauses): (Vec<_>, Vec<_>) = settlements
        .iter()
        .map(|settle| match settle.settlement.next {
            Next::Sent => ("sent".to_owned(), None),
            Next::GiveUp => ("failed".to_owned(), None),
            Next::Retry(pause) => ("queued".to_owned(), Some(pause.as_secs_f64())),
        })
        .unzip();
    let settled = sqlx::query_scalar!(
        "UPDATE webhook_deliveries d
         SET status = r.status, response_status = r.answer, reason = r.reason,
             lease_until = NULL, pushed_until = NULL,
             next_attempt_at = now() + make_interval(secs => r.pause),
             settled_at = CASE WHEN r.pause IS NULL THEN now() END
         FROM unnest($1::bigint[], $2::int[], $3::smallint[], $4::text[], $5::text[],
                 $6::float8[]) AS r(id, attempt, answer, reason, status, pause)
         WHERE d.id = r.id AND d.attempt = r.attempt AND d.status IN ('sending', 'queued')
         RETURNING d.id",
        &ids,
        &attempts,
        &answers as &[Option<i16>],
        &reasons as &[Option<String>],
        &states,
        &pauses as &[Option<f64>],
    )
    .fetch_all(connection)
    .await?;
    Ok(settled.into_iter().collect())
}

/// Makes due what waits behind these rows and was never tried, and leaves it an hour at least.
pub(super) async fn release_followers(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE webhook_deliveries d
         SET next_attempt_at = least(d.next_attempt_at, now()),
             give_up_at = greatest(d.give_up_at, now() + interval '1 hour')
         FROM webhook_deliveries over
         WHERE over.id = ANY($1) AND d.endpoint = over.endpoint AND d.subject = over.subject
           AND d.id > over.id AND d.status = 'queued' AND d.attempt = 0
           AND (d.next_attempt_at > now() OR d.give_up_at < now() + interval '1 hour')",
        ids,
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn postpone(
    pool: &PgPool,
    id: i64,
    attempt: i32,
    pause: Duration,
) -> Result<(), sqlx::Error> {
    // The attempt keeps its number and does not count.
    sqlx::query!(
        "UPDATE webhook_deliveries
         SET status = 'queued', lease_until = NULL, pushed_until = NULL,
             attempts_before = attempts_before + 1,
             next_attempt_at = now() + make_interval(secs => $3)
         WHERE id = $1 AND attempt = $2 AND status = 'sending'",
        id,
        attempt,
        pause.as_secs_f64(),
    )
    .execute(pool)
    .await
    .map(drop)
}

/// Rows that nobody works on and that were tried for long enough; not those that only stood behind
/// an earlier event. Bounded.
pub(super) async fn give_up(connection: &mut PgConnection) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE webhook_deliveries
         SET status = 'failed', reason = coalesce(reason, 'expired'), next_attempt_at = NULL,
             pushed_until = NULL, settled_at = now()
         WHERE id IN (
             SELECT d.id FROM webhook_deliveries d
             WHERE d.status = 'queued' AND d.give_up_at <= now()
               AND NOT (d.attempt = 0 AND EXISTS (
                   SELECT FROM webhook_deliveries earlier
                   WHERE earlier.endpoint = d.endpoint AND earlier.subject = d.subject
                     AND earlier.id < d.id AND earlier.status IN ('queued', 'sending')))
             ORDER BY d.give_up_at LIMIT 1000 FOR UPDATE OF d SKIP LOCKED)
         RETURNING id",
    )
    .fetch_all(connection)
    .await
}

pub(super) async fn data(pool: &PgPool, event_id: &str) -> Result<Option<Value>, sqlx::Error> {
    sqlx::query_scalar!("SELECT data FROM webhook_events WHERE id = $1", event_id)
        .fetch_optional(pool)
        .await
}

/// Leases of workers that died: due again.
pub(super) async fn reclaim(pool: &PgPool) -> Result<u64, sqlx::Error> {
    due::reclaim!(
        pool,
        "webhook_deliveries",
        "status = 'queued', next_attempt_at = now()",
        "status = 'sending'"
    )
}

pub(super) async fn take_due(
    pool: &PgPool,
    endpoint: &str,
    room: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    due::take_due!(
        pool,
        room,
        "webhook_deliveries",
        "endpoint = $3 AND status = 'queued'",
        endpoint
    )
}

pub(super) async fn backlog(pool: &PgPool, endpoint: &str) -> Result<Backlog, sqlx::Error> {
    due::backlog!(pool, "webhook_deliveries", "endpoint = $2 AND status = 'queued'", endpoint)
}

pub(super) async fn list(
    pool: &PgPool,
    only_failed: bool,
    limit: i64,
) -> Result<Vec<Past>, sqlx::Error> {
    sqlx::query_as!(
        Past,
        r#"SELECT d.event_id, e.kind, e.subject, e.created_at, d.endpoint, d.status, d.attempt,
                  d.response_status, d.reason, d.next_attempt_at
           FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
           WHERE NOT $1 OR d.status = 'failed'
           ORDER BY d.id DESC LIMIT $2"#,
        only_failed,
        limit,
    )
    .fetch_all(pool)
    .await
}

pub(super) async fn of_event(pool: &PgPool, event_id: &str) -> Result<Vec<Past>, sqlx::Error> {
    sqlx::query_as!(
        Past,
        r#"SELECT d.event_id, e.kind, e.subject, e.created_at, d.endpoint, d.status, d.attempt,
                  d.response_status, d.reason, d.next_attempt_at
           FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
           WHERE d.event_id = $1 ORDER BY d.id"#,
        event_id,
    )
    .fetch_all(pool)
    .await
}

/// The deliveries a replay looks at: those after the first id, up to the second. What is emitted
/// later is told anyway.
pub(super) async fn replay_range(
    pool: &PgPool,
    since: Option<DateTime<Utc>>,
) -> Result<(i64, i64), sqlx::Error> {
    let row = sqlx::query!(
        r#"WITH first AS MATERIALIZED (
               SELECT id FROM webhook_events WHERE created_at >= $1
               ORDER BY created_at LIMIT 1000),
           last AS MATERIALIZED (
               SELECT coalesce(max(id), 0) AS id FROM webhook_deliveries)
           SELECT last.id AS "until!",
               CASE WHEN $1::timestamptz IS NULL THEN 0
                   ELSE coalesce((
                       SELECT min(d.id) - 1
                       FROM first JOIN webhook_deliveries d ON d.event_id = first.id), last.id)
               END AS "after!"
           FROM last"#,
        since,
    )
    .fetch_one(pool)
    .await?;
    Ok((row.after, row.until))
}

/// Makes deliveries due that nobody works on, in the order of their ids after `after` up to
/// `until`, 1000 at most; how many, and the last id that was looked at.
pub(super) async fn replay(
    executor: impl PgExecutor<'_>,
    replay: &Replay,
    give_up_after: Duration,
    (after, until): (i64, i64),
) -> Result<(i64, Option<i64>), sqlx::Error> {
    let row = sqlx::query!(
        r#"WITH chosen AS (
               SELECT d.id FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
               WHERE d.id > $1 AND d.id <= $7 AND ($2::text IS NULL OR d.event_id = $2)
                 AND ($3::text IS NULL OR d.endpoint = $3)
                 AND ($4::timestamptz IS NULL OR e.created_at >= $4)
                 AND (d.status = 'failed' OR (NOT $5 AND d.status IN ('sent', 'queued')))
               ORDER BY d.id LIMIT 1000 FOR UPDATE OF d),
           again AS (
               UPDATE webhook_deliveries d
               SET status = 'queued', attempts_before = attempt, next_attempt_at = now(),
                   pushed_until = NULL, settled_at = NULL, reason = NULL, response_status = NULL,
                   give_up_at = now() + make_interval(secs => $6)
               FROM chosen WHERE d.id = chosen.id
               RETURNING d.id)
           SELECT count(*) AS "rows!", max(id) AS reached FROM again"#,
        after,
        replay.event_id.as_deref(),
        replay.endpoint.as_deref(),
        replay.since,
        replay.only_failed,
        give_up_after.as_secs_f64(),
        until,
    )
    .fetch_one(executor)
    .await?;
    Ok((row.rows, row.reached))
}

pub(super) async fn give_up_these(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE webhook_deliveries
         SET status = 'failed', reason = 'staff.given_up', next_attempt_at = NULL, pushed_until = NULL,
             settled_at = now()
         WHERE id = ANY($1) AND status = 'queued'
         RETURNING id",
        ids,
    )
    .fetch_all(connection)
    .await
}

crate::purge_table!(pub(super) purge, count_purgeable, "webhook_events", "created_at",
    "AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.event_id = webhook_events.id
        AND d.status IN ('queued', 'sending'))");

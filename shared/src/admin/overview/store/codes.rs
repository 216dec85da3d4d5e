//! What became of codes.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::admin::overview::{Bucket, Failure, Times};

/// One query over the latest calls with codes since a moment (`$1`), so many at most (`$2`):
/// `sms_attempts_started_idx`, then their texts by the primary key.
macro_rules! calls {
    ($query:ident!($($row:ty,)? $rest:literal, $since:expr, $calls:expr $(, $parameter:expr)*)) => {
        sqlx::$query!(
            $($row,)?
            r#"WITH calls AS (
                   SELECT a.provider, a.started_at, a.finished_at, a.outcome, a.code,
                          m.created_at, m.delivery, m.verified_at
                   FROM (SELECT * FROM sms_attempts WHERE started_at >= $1 AND action = 'send'
                         ORDER BY started_at DESC LIMIT $2) a
                   JOIN sms_messages m ON m.id = a.message_id
                   WHERE m.kind = 'otp') "#
                + $rest,
            $since,
            $calls
            $(, $parameter)*
        )
    };
}

/// By five minutes and provider.
pub(in crate::admin::overview) async fn buckets_of_hour(
    pool: &PgPool,
    since: DateTime<Utc>,
    calls: i64,
) -> Result<Vec<Bucket>, sqlx::Error> {
    calls!(query_as!(
        Bucket,
        r#"SELECT date_bin('5 minutes', started_at, $1) AS "at!", provider,
                  count(*) FILTER (WHERE outcome = 'accepted') AS "sent!",
                  count(*) FILTER (WHERE outcome = 'accepted' AND delivery = 'delivered')
                      AS "delivered!",
                  count(*) FILTER (WHERE outcome = 'accepted' AND verified_at IS NOT NULL)
                      AS "verified!",
                  count(*) FILTER (WHERE outcome <> 'accepted') AS "failed!"
           FROM calls GROUP BY 1, 2 ORDER BY 1, 2"#,
        since,
        calls
    ))
    .fetch_all(pool)
    .await
}

/// By hour and provider, as cron counts them every few minutes. The primary key of
/// `sms_provider_hours`.
pub(in crate::admin::overview) async fn buckets_of_day(
    pool: &PgPool,
    since: DateTime<Utc>,
) -> Result<Vec<Bucket>, sqlx::Error> {
    sqlx::query_as!(
        Bucket,
        r#"SELECT hour AS at, provider, accepted AS sent, delivered, verified,
                  refused + put_off + unknown AS "failed!"
           FROM sms_provider_hours WHERE hour >= $1 AND kind = 'otp' ORDER BY 1, 2"#,
        since,
    )
    .fetch_all(pool)
    .await
}

/// When the earliest of the calls was that are counted, if others are not.
/// `sms_attempts_started_idx`.
pub(in crate::admin::overview) async fn looked_back_to(
    pool: &PgPool,
    since: DateTime<Utc>,
    calls: i64,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT started_at FROM sms_attempts WHERE started_at >= $1
         ORDER BY started_at DESC OFFSET $2 LIMIT 1",
        since,
        calls,
    )
    .fetch_optional(pool)
    .await
}

/// How long it took until a provider took a code, and until it was used.
pub(in crate::admin::overview) async fn times(
    pool: &PgPool,
    since: DateTime<Utc>,
    calls: i64,
) -> Result<(Times, Times), sqlx::Error> {
    let row = calls!(query!(
        r#", took AS (
               SELECT CASE WHEN finished_at IS NOT NULL
                      THEN extract(epoch FROM greatest(finished_at - created_at, '0')) * 1000 END AS taken,
                      CASE WHEN verified_at IS NOT NULL
                      THEN extract(epoch FROM greatest(verified_at - created_at, '0')) * 1000 END AS used
               FROM calls WHERE outcome = 'accepted')
           SELECT count(taken) AS "taken!", count(used) AS "used!",
                  (percentile_cont(0.5) WITHIN GROUP (ORDER BY taken::float8))::bigint AS taken_half,
                  (percentile_cont(0.95) WITHIN GROUP (ORDER BY taken::float8))::bigint AS taken_most,
                  (percentile_cont(0.5) WITHIN GROUP (ORDER BY used::float8))::bigint AS used_half,
                  (percentile_cont(0.95) WITHIN GROUP (ORDER BY used::float8))::bigint AS used_most
           FROM took"#,
        since,
        calls
    ))
    .fetch_one(pool)
    .await?;
    let taken = Times { count: row.taken, median_ms: row.taken_half, p95_ms: row.taken_most };
    let used = Times { count: row.used, median_ms: row.used_half, p95_ms: row.used_most };
    Ok((taken, used))
}

/// What providers answered in place of taking a code, and why sends were refused before
/// (`login_events_at_idx`, bounded per minute when it is written).
pub(in crate::admin::overview) async fn failures(
    pool: &PgPool,
    since: DateTime<Utc>,
    calls: i64,
    reasons: i64,
) -> Result<Vec<Failure>, sqlx::Error> {
    calls!(query_as!(
        Failure,
        r#"SELECT reason AS "reason!", provider, count(*) AS "count!"
           FROM (SELECT coalesce(code, outcome) AS reason, provider FROM calls
                 WHERE outcome <> 'accepted'
                 UNION ALL
                 (SELECT reason, NULL FROM login_events
                  WHERE at >= $1 AND kind = 'send_refused' AND reason IS NOT NULL
                  ORDER BY at DESC LIMIT $2)) failed
           GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT $3"#,
        since,
        calls,
        reasons
    ))
    .fetch_all(pool)
    .await
}

//! SQL of `cron_jobs`, `cron_requests`, and of `cron_runs` as others than the worker see it.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool, postgres::types::PgInterval};

use super::{Announced, CronRun};

pub(super) async fn last_runs(pool: &PgPool, jobs: &[String]) -> Result<Vec<CronRun>, sqlx::Error> {
    // A row that was finished by a worker of an earlier version has no outcome.
    sqlx::query_as!(
        CronRun,
        r#"SELECT r.job, r.fire_at, r.started_at,
                  (r.term IS NULL OR r.asked_by IS NOT NULL) AS "by_hand!", r.asked_by, r.rows,
                  r.took_ms, r.error,
                  coalesce(r.outcome, CASE
                      WHEN r.finished_at IS NULL AND r.running_until > now() THEN 'running'
                      WHEN r.finished_at IS NULL THEN 'died'
                      WHEN r.error IS NULL THEN 'ok' ELSE 'error' END) AS "state!",
                  (SELECT extract(epoch FROM now() - s.finished_at)::bigint FROM cron_runs s
                   WHERE s.job = r.job AND s.outcome = 'ok'
                   ORDER BY s.fire_at DESC LIMIT 1) AS success_age
           FROM unnest($1::text[]) AS jobs (name)
           CROSS JOIN LATERAL (
               SELECT * FROM cron_runs WHERE job = jobs.name ORDER BY fire_at DESC LIMIT 1) r"#,
        jobs,
    )
    .fetch_all(pool)
    .await
}

pub(super) async fn runs(
    pool: &PgPool,
    job: &str,
    before: Option<DateTime<Utc>>,
    limit: i64,
) -> Result<Vec<CronRun>, sqlx::Error> {
    sqlx::query_as!(
        CronRun,
        r#"SELECT job, fire_at, started_at, (term IS NULL OR asked_by IS NOT NULL) AS "by_hand!",
               asked_by, rows, took_ms, error,
               coalesce(outcome, CASE
                   WHEN finished_at IS NULL AND running_until > now() THEN 'running'
                   WHEN finished_at IS NULL THEN 'died'
                   WHEN error IS NULL THEN 'ok' ELSE 'error' END) AS "state!",
               NULL::bigint AS success_age
           FROM cron_runs
           WHERE job = $1 AND fire_at < coalesce($2, 'infinity'::timestamptz)
           ORDER BY fire_at DESC LIMIT $3"#,
        job,
        before,
        limit,
    )
    .fetch_all(pool)
    .await
}

pub(super) async fn announce(pool: &PgPool, jobs: &[Announced]) -> Result<(), sqlx::Error> {
    let names: Vec<_> = jobs.iter().map(|job| job.name.clone()).collect();
    let about: Vec<_> = jobs.iter().map(|job| job.about.clone()).collect();
    let schedules: Vec<_> = jobs.iter().map(|job| job.schedule.clone()).collect();
    let next: Vec<_> = jobs.iter().map(|job| job.next_at).collect();
    sqlx::query!(
        "INSERT INTO cron_jobs (name, about, schedule, next_at, seen_at)
         SELECT j.name, j.about, left(j.schedule, 200), j.next_at, now()
         FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
             AS j (name, about, schedule, next_at)
         ORDER BY j.name
         ON CONFLICT (name) DO UPDATE
         SET about = excluded.about, schedule = excluded.schedule, next_at = excluded.next_at,
             seen_at = excluded.seen_at",
        &names,
        &about,
        &schedules as &[Option<String>],
        &next as &[Option<DateTime<Utc>>],
    )
    .execute(pool)
    .await
    .map(drop)
}

pub(super) async fn asked(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT job FROM cron_requests WHERE asked_at > now() - interval '1 hour' ORDER BY asked_at",
    )
    .fetch_all(pool)
    .await
}

/// With since when somebody wants each run.
pub(super) async fn jobs(
    pool: &PgPool,
    shown_for: TimeDelta,
) -> Result<Vec<(Announced, Option<DateTime<Utc>>)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT c.name, c.about, c.schedule, c.next_at, q.asked_at AS "asked_at?"
           FROM cron_jobs c
           LEFT JOIN cron_requests q ON q.job = c.name AND q.asked_at > now() - interval '1 hour'
           WHERE c.seen_at > now() - $1::interval ORDER BY c.name"#,
        PgInterval::try_from(shown_for).map_err(sqlx::Error::Encode)?,
    )
    .fetch_all(pool)
    .await?;
    let jobs = rows.into_iter().map(|row| {
        let job = Announced {
            name: row.name,
            about: row.about,
            schedule: row.schedule,
            next_at: row.next_at,
        };
        (job, row.asked_at)
    });
    Ok(jobs.collect())
}

pub(super) async fn is_known(
    pool: &PgPool,
    job: &str,
    shown_for: TimeDelta,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM cron_jobs
               WHERE name = $1 AND seen_at > now() - $2::interval) AS "is!""#,
        job,
        PgInterval::try_from(shown_for).map_err(sqlx::Error::Encode)?,
    )
    .fetch_one(pool)
    .await
}

/// Whether nobody else had asked, and no run that lives is under way.
pub(super) async fn ask(
    connection: &mut PgConnection,
    job: &str,
    by: Option<i64>,
) -> Result<bool, sqlx::Error> {
    let asked = sqlx::query!(
        "INSERT INTO cron_requests AS q (job, asked_by)
         SELECT $1, $2
         WHERE NOT EXISTS (
             SELECT FROM cron_runs
             WHERE job = $1 AND finished_at IS NULL AND running_until > now())
         ON CONFLICT (job) DO UPDATE SET asked_at = now(), asked_by = excluded.asked_by
         WHERE q.asked_at <= now() - interval '1 hour'",
        job,
        by,
    )
    .execute(connection)
    .await?;
    Ok(asked.rows_affected() == 1)
}

//! SQL of the `cron_runs` table as the worker writes it; shared/src/cron reads it.

use chrono::{DateTime, Utc};
use shared::leases::Term;
use sqlx::PgPool;

use super::run::Run;

/// The duty's name in `leases`.
pub(super) const LEASE: &str = "cron";
/// Seconds after its last step that a run counts as dead. A step is one statement, which the
/// pool bounds, and a pause as long.
pub(super) const RUN_TTL_SECONDS: f64 = 30.0;

/// One firing, as a leader writes it down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Firing<'a> {
    pub(super) job: &'a str,
    pub(super) fire_at: DateTime<Utc>,
    pub(super) holder: &'a str,
    pub(super) term: Term,
}

/// What came of wanting to write a firing down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is written down, by this process and nobody else.
    Mine,
    /// Somebody made it already, or an earlier run of the job is still under way.
    Taken,
    /// This process does not lead, or not in this term.
    Fenced,
}

/// Begins a firing, or with `skip` only records that it is not made. The lease is looked at under
/// its row's lock, and it is not past its time when the firing is written: a leader that was
/// frozen past its lease writes nothing.
pub(super) async fn claim(
    pool: &PgPool,
    firing: Firing<'_>,
    skip: bool,
) -> Result<Claim, sqlx::Error> {
    let Firing { job, fire_at, holder, term } = firing;
    let done = sqlx::query!(
        r#"WITH lease AS MATERIALIZED (
               SELECT expires_at FROM leases
               WHERE name = $1 AND holder = $2 AND term = $3 FOR SHARE),
           valid AS MATERIALIZED (SELECT FROM lease WHERE expires_at > clock_timestamp()),
           written AS (
               INSERT INTO cron_runs
                   (job, fire_at, holder, term, running_until, finished_at, outcome)
               SELECT $4, $5, $2, $3, now() + make_interval(secs => $6),
                      CASE WHEN $7 THEN now() END, CASE WHEN $7 THEN 'skipped' END
               FROM valid
               ON CONFLICT DO NOTHING RETURNING job)
           SELECT EXISTS (SELECT FROM valid) AS "leads!",
                  EXISTS (SELECT FROM written) AS "written!""#,
        LEASE,
        holder,
        term.0,
        job,
        fire_at,
        RUN_TTL_SECONDS,
        skip,
    )
    .fetch_one(pool)
    .await?;
    Ok(match (done.leads, done.written) {
        (_, true) => Claim::Mine,
        (true, false) => Claim::Taken,
        (false, false) => Claim::Fenced,
    })
}

/// Begins a run that somebody asked for, as [`claim`] does a firing. One that is in the way of a run
/// under way stays asked for. `false`: nothing was begun.
pub(super) async fn claim_asked(pool: &PgPool, firing: Firing<'_>) -> Result<bool, sqlx::Error> {
    let Firing { job, fire_at, holder, term } = firing;
    sqlx::query_scalar!(
        r#"WITH lease AS MATERIALIZED (
               SELECT expires_at FROM leases
               WHERE name = $1 AND holder = $2 AND term = $3 FOR SHARE),
           valid AS MATERIALIZED (SELECT FROM lease WHERE expires_at > clock_timestamp()),
           asked AS MATERIALIZED (SELECT job, asked_by FROM cron_requests WHERE job = $4 FOR UPDATE),
           written AS (
               INSERT INTO cron_runs (job, fire_at, holder, term, running_until, asked_by)
               SELECT asked.job, $5, $2, $3, now() + make_interval(secs => $6), asked.asked_by
               FROM valid, asked
               ON CONFLICT DO NOTHING RETURNING job),
           heard AS (DELETE FROM cron_requests WHERE job IN (SELECT job FROM written))
           SELECT EXISTS (SELECT FROM written) AS "written!""#,
        LEASE,
        holder,
        term.0,
        job,
        fire_at,
        RUN_TTL_SECONDS,
    )
    .fetch_one(pool)
    .await
}

/// Begins a run by hand, which needs no lease. `false`: a run of the job is under way.
pub(super) async fn claim_by_hand(
    pool: &PgPool,
    job: &str,
    fire_at: DateTime<Utc>,
    holder: &str,
) -> Result<bool, sqlx::Error> {
    let begun = sqlx::query!(
        "INSERT INTO cron_runs (job, fire_at, holder, running_until)
         VALUES ($1, $2, $3, now() + make_interval(secs => $4)) ON CONFLICT DO NOTHING",
        job,
        fire_at,
        holder,
        RUN_TTL_SECONDS,
    )
    .execute(pool)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// Marks a run of the job whose process is gone as died; gives how many there were.
pub(super) async fn bury(pool: &PgPool, job: &str) -> Result<u64, sqlx::Error> {
    let buried = sqlx::query!(
        "UPDATE cron_runs SET finished_at = now(), outcome = 'died'
         WHERE job = $1 AND finished_at IS NULL AND running_until < now()",
        job,
    )
    .execute(pool)
    .await?;
    Ok(buried.rows_affected())
}

/// Says that a run lives, if it does and its leader still leads.
pub(super) async fn renew(run: &Run) -> Result<bool, sqlx::Error> {
    let renewed = sqlx::query!(
        "UPDATE cron_runs r SET running_until = now() + make_interval(secs => $5), rows = $4
         WHERE job = $1 AND fire_at = $2 AND holder = $3 AND finished_at IS NULL
           AND (term IS NULL OR EXISTS (
               SELECT FROM leases l WHERE l.name = $6 AND l.holder = r.holder
                 AND l.term = r.term AND l.expires_at > now()))",
        run.job,
        run.fire_at,
        run.holder,
        run.rows(),
        RUN_TTL_SECONDS,
        LEASE,
    )
    .execute(&run.pool)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    /// `ok`, `error` or `stopped`.
    pub(super) outcome: &'static str,
    pub(super) took_ms: i64,
    pub(super) error: Option<String>,
}

/// Writes how a run ended. `false`: it was taken for dead before.
pub(super) async fn finish(run: &Run, ending: &Ending) -> Result<bool, sqlx::Error> {
    let finished = sqlx::query!(
        "UPDATE cron_runs
         SET finished_at = now(), rows = $4, outcome = $5, took_ms = $6, error = left($7, 500)
         WHERE job = $1 AND fire_at = $2 AND holder = $3 AND finished_at IS NULL",
        run.job,
        run.fire_at,
        run.holder,
        run.rows(),
        ending.outcome,
        ending.took_ms,
        ending.error.as_deref(),
    )
    .execute(&run.pool)
    .await?;
    Ok(finished.rows_affected() == 1)
}

// The latest is asked for row by row with max(), which the primary key answers: a join could be
// planned as one over the whole table.
shared::purge_table!(pub(super) purge, count_purgeable, "cron_runs", "fire_at",
    "AND finished_at IS NOT NULL
     AND fire_at < (SELECT max(n.fire_at) FROM cron_runs n WHERE n.job = cron_runs.job)");

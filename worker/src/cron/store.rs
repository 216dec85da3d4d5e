//! All SQL of the `cron_runs` table.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// The latest firing of a job.
#[derive(Debug, Clone)]
pub struct LastRun {
    /// Which job.
    pub job: String,
    /// When it was due.
    pub fire_at: DateTime<Utc>,
    /// When it ended; empty while it runs or when its process died.
    pub finished_at: Option<DateTime<Utc>>,
    /// How many rows it changed.
    pub rows: Option<i64>,
    /// What went wrong.
    pub error: Option<String>,
}

/// The latest firing of every job that ever fired.
///
/// # Errors
/// When the database is away.
pub async fn last_runs(pool: &PgPool) -> Result<Vec<LastRun>, sqlx::Error> {
    sqlx::query_as!(
        LastRun,
        "SELECT DISTINCT ON (job) job, fire_at, finished_at, rows, error
         FROM cron_runs ORDER BY job, fire_at DESC",
    )
    .fetch_all(pool)
    .await
}

/// Claims one firing. `false`: somebody has it already.
pub(super) async fn begin(
    pool: &PgPool,
    job: &str,
    fire_at: DateTime<Utc>,
    holder: &str,
) -> Result<bool, sqlx::Error> {
    let begun = sqlx::query!(
        "INSERT INTO cron_runs (job, fire_at, holder) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        job,
        fire_at,
        holder,
    )
    .execute(pool)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// Writes how a firing ended.
pub(super) async fn finish(
    pool: &PgPool,
    job: &str,
    fire_at: DateTime<Utc>,
    rows: Option<i64>,
    error: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE cron_runs SET finished_at = now(), rows = $3, error = left($4, 500)
         WHERE job = $1 AND fire_at = $2",
        job,
        fire_at,
        rows,
        error,
    )
    .execute(pool)
    .await
    .map(drop)
}

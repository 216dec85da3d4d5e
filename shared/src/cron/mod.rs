//! Cron jobs as all processes see them: which there are and how their runs went, and that staff want
//! one run now. The jobs themselves are the worker's.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::{
    admin::Acting,
    audit::{self, Entry, Source, Subject},
    clock::Clock,
};

mod store;

/// How long a job is shown that no worker announces any more.
const SHOWN_FOR: TimeDelta = TimeDelta::days(1);

/// A job as the worker announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// What it is called.
    pub name: String,
    /// What it does.
    pub about: String,
    /// Six fields, UTC; `None`: it is switched off.
    pub schedule: Option<String>,
    /// When it fires next; `None`: it does not.
    pub next_at: Option<DateTime<Utc>>,
}

/// One firing of a job.
#[derive(Debug, Clone)]
pub struct CronRun {
    /// Which job.
    pub job: String,
    /// When it was to begin.
    pub fire_at: DateTime<Utc>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// `running`, or how it ended: `ok`, `error`, `skipped`, `stopped`, `died`.
    pub state: String,
    /// Whether the clock did not fire it: somebody asked, or ran a command.
    pub by_hand: bool,
    /// Who asked; `None`: the clock, or a command on the server.
    pub asked_by: Option<i64>,
    /// How many rows it changed, so far.
    pub rows: Option<i64>,
    /// How long it took.
    pub took_ms: Option<i64>,
    /// What went wrong.
    pub error: Option<String>,
    /// Seconds since the job's latest success, which may be an earlier firing.
    pub success_age: Option<i64>,
}

/// A job as staff see it.
#[derive(Debug, Clone)]
pub struct CronView {
    /// The job.
    pub job: Announced,
    /// Its latest firing; `None`: it never fired.
    pub last: Option<CronRun>,
    /// Since when somebody wants it run who has not been heard yet.
    pub asked_at: Option<DateTime<Utc>>,
}

/// Why no run is asked for.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No worker knows such a job.
    #[error("no such job")]
    NoSuchJob,
    /// A run of it is under way, or somebody has asked already.
    #[error("a run is under way")]
    UnderWay,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The latest firing of each of these jobs that ever fired.
///
/// # Errors
/// When the database is away.
pub async fn last_runs(pool: &PgPool, jobs: &[String]) -> Result<Vec<CronRun>, sqlx::Error> {
    store::last_runs(pool, jobs).await
}

/// Says which jobs there are.
///
/// # Errors
/// When the database is away.
pub async fn announce(pool: &PgPool, jobs: &[Announced]) -> Result<(), sqlx::Error> {
    store::announce(pool, jobs).await
}

/// The jobs that somebody wants run. What nobody did within an hour is not wanted any more.
///
/// # Errors
/// When the database is away.
pub async fn asked(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    store::asked(pool).await
}

/// Every job that a worker announced lately, and writes down who looked.
///
/// # Errors
/// When the database is away: nothing is shown then.
pub async fn list(
    pool: &PgPool,
    clock: &dyn Clock,
    source: &Source,
) -> Result<Vec<CronView>, sqlx::Error> {
    let views = known(pool).await?;
    let looked = Entry::new(source, "cron.listed", SUBJECT);
    audit::record(&mut *pool.acquire().await?, &looked, clock.now()).await?;
    Ok(views)
}

/// The same for whoever has written down that somebody looks.
pub(crate) async fn known(pool: &PgPool) -> Result<Vec<CronView>, sqlx::Error> {
    let jobs = store::jobs(pool, SHOWN_FOR).await?;
    let names: Vec<_> = jobs.iter().map(|(job, _)| job.name.clone()).collect();
    let mut runs = store::last_runs(pool, &names).await?;
    let views = jobs.into_iter().map(|(job, asked_at)| {
        let last = runs.iter().position(|run| run.job == job.name);
        CronView { last: last.map(|at| runs.swap_remove(at)), job, asked_at }
    });
    Ok(views.collect())
}

/// The firings of a job, latest first, those before `before` if given, and writes down who looked.
///
/// # Errors
/// When the database is away: nothing is shown then.
pub async fn runs(
    pool: &PgPool,
    clock: &dyn Clock,
    source: &Source,
    job: &str,
    (before, limit): (Option<DateTime<Utc>>, i64),
) -> Result<Vec<CronRun>, sqlx::Error> {
    let runs = store::runs(pool, job, before, limit).await?;
    let looked = Entry::new(source, "cron.runs_listed", SUBJECT).with("job", job);
    audit::record(&mut *pool.acquire().await?, &looked, clock.now()).await?;
    Ok(runs)
}

/// Whether a worker announced this job lately.
///
/// # Errors
/// When the database is away.
pub async fn is_known(pool: &PgPool, job: &str) -> Result<bool, sqlx::Error> {
    store::is_known(pool, job, SHOWN_FOR).await
}

/// Asks for a run of a job: the worker that leads begins it within a second.
///
/// # Errors
/// [`AskError`].
pub async fn ask(
    pool: &PgPool,
    clock: &dyn Clock,
    acting: &Acting,
    job: &str,
) -> Result<(), AskError> {
    if !store::is_known(pool, job, SHOWN_FOR).await? {
        return Err(AskError::NoSuchJob);
    }
    let mut tx = pool.begin().await?;
    if !store::ask(&mut tx, job, acting.account()).await? {
        return Err(AskError::UnderWay);
    }
    let entry = Entry::new(&acting.source, "cron.run_asked", SUBJECT).with("job", job);
    audit::record(&mut tx, &entry, clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

const SUBJECT: Subject = Subject { kind: "cron", id: None };

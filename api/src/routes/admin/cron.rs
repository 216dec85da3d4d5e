//! `admin/cron/…`: what runs by the clock, how it went, and running it now.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use shared::cron::{self, AskError, CronRun, CronView};

use super::{StaffListProblem, StaffLookProblem, queues::StaffOperateProblem};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem},
    routes::{
        Tag,
        paging::{Link, example_limit},
    },
    state::SharedState,
    timestamp::Timestamp,
};

/// Rows of a page unless asked otherwise, and at most.
const PAGE: i64 = 30;
const LONGEST_PAGE: i64 = 100;

/// How a run of a cron job went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum CronOutcome {
    /// It is under way.
    Running,
    /// It did all there was to do.
    Ok,
    /// It failed.
    Error,
    /// It was missed, and is not caught up.
    Skipped,
    /// It was told to stop; the next one goes on.
    Stopped,
    /// Its worker is gone.
    Died,
}

impl CronOutcome {
    fn of(word: &str) -> Self {
        match word {
            "running" => Self::Running,
            "ok" => Self::Ok,
            "skipped" => Self::Skipped,
            "stopped" => Self::Stopped,
            "died" => Self::Died,
            _ => Self::Error,
        }
    }
}

/// A run of a cron job.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffCronRun {
    /// When it was to begin.
    fire_at: Timestamp,
    /// When it began.
    started_at: Timestamp,
    /// Milliseconds it began late.
    lag_ms: i64,
    /// How it went.
    outcome: CronOutcome,
    /// Whether the clock did not fire it: somebody asked, or ran a command.
    by_hand: bool,
    /// Whose account asked; absent if it was the clock, or a command on the server.
    #[oai(skip_serializing_if_is_none)]
    asked_by: Option<i64>,
    /// Rows it changed; absent before its first step.
    #[oai(skip_serializing_if_is_none)]
    rows: Option<i64>,
    /// How long it took; absent while it runs.
    #[oai(skip_serializing_if_is_none)]
    took_ms: Option<i64>,
    /// What went wrong; absent if nothing did.
    #[oai(skip_serializing_if_is_none)]
    error: Option<String>,
}

impl From<CronRun> for StaffCronRun {
    fn from(run: CronRun) -> Self {
        Self {
            fire_at: Timestamp(run.fire_at),
            started_at: Timestamp(run.started_at),
            lag_ms: (run.started_at - run.fire_at).num_milliseconds().max(0),
            outcome: CronOutcome::of(&run.state),
            by_hand: run.by_hand,
            asked_by: run.asked_by,
            rows: run.rows,
            took_ms: run.took_ms,
            error: run.error,
        }
    }
}

impl Example for StaffCronRun {
    fn example() -> Self {
        let at = Timestamp(DateTime::UNIX_EPOCH);
        Self {
            fire_at: at,
            started_at: at,
            lag_ms: 312,
            outcome: CronOutcome::Ok,
            by_hand: true,
            asked_by: Some(3),
            rows: Some(1_204),
            took_ms: Some(87),
            error: Some("the database is away".to_owned()),
        }
    }
}

/// A cron job.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffCronJob {
    /// What it is called.
    name: String,
    /// What it does, in English.
    about: String,
    /// When it runs: six fields, seconds first, UTC; absent if it is switched off.
    #[oai(skip_serializing_if_is_none)]
    schedule: Option<String>,
    /// When it runs next; absent if it does not.
    #[oai(skip_serializing_if_is_none)]
    next_at: Option<Timestamp>,
    /// Since when a run is asked for that has not begun; absent if none is.
    #[oai(skip_serializing_if_is_none)]
    asked_at: Option<Timestamp>,
    /// Its latest run; absent if there was none.
    #[oai(skip_serializing_if_is_none)]
    last_run: Option<StaffCronRun>,
    /// Seconds since a run last did all there was to do; absent if none ever did.
    #[oai(skip_serializing_if_is_none)]
    success_age_seconds: Option<i64>,
}

impl From<CronView> for StaffCronJob {
    fn from(view: CronView) -> Self {
        Self {
            name: view.job.name,
            about: view.job.about,
            schedule: view.job.schedule,
            next_at: view.job.next_at.map(Timestamp),
            asked_at: view.asked_at.map(Timestamp),
            success_age_seconds: view.last.as_ref().and_then(|run| run.success_age),
            last_run: view.last.map(StaffCronRun::from),
        }
    }
}

impl Example for StaffCronJob {
    fn example() -> Self {
        let at = || Some(Timestamp(DateTime::UNIX_EPOCH));
        Self {
            name: "purge-expired-otps".to_owned(),
            about: "Deletes codes, requests and unconfirmed changes of numbers that ended"
                .to_owned(),
            schedule: Some("0 */10 * * * *".to_owned()),
            next_at: at(),
            asked_at: at(),
            last_run: Some(StaffCronRun::example()),
            success_age_seconds: Some(412),
        }
    }
}

/// Every cron job.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffCronPage {
    /// There is one page: always null.
    next: Option<String>,
    /// There is one page: always null.
    previous: Option<String>,
    /// The jobs, by name.
    results: Vec<StaffCronJob>,
}

impl Example for StaffCronPage {
    fn example() -> Self {
        let none = || Some("https://peyk.example/".to_owned());
        Self { next: none(), previous: none(), results: vec![StaffCronJob::example()] }
    }
}

/// A page of the runs of a cron job, latest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffCronRunPage {
    /// The next page; null on the last.
    next: Option<String>,
    /// Pages go one way: always null.
    previous: Option<String>,
    /// The runs.
    results: Vec<StaffCronRun>,
}

impl Example for StaffCronRunPage {
    fn example() -> Self {
        let url = |at: i64| {
            format!("https://peyk.example/api/admin/cron/purge-expired-otps/runs/?cursor={at}")
        };
        let results = vec![StaffCronRun::example()];
        Self { next: Some(url(1_767_225_600_000_000)), previous: Some(url(1)), results }
    }
}

/// A run was asked for.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CronAsked {
    /// The job.
    name: String,
    /// In words.
    details: String,
}

impl Example for CronAsked {
    fn example() -> Self {
        Self {
            name: "purge-expired-otps".to_owned(),
            details: "A worker begins the run within a second.".to_owned(),
        }
    }
}

/// The operations.
pub(crate) struct CronApi;

#[OpenApi(tag = "Tag::Staff")]
impl CronApi {
    /// What runs by the clock
    ///
    /// As the workers announce it; what none has announced for a day is left out. Written down in the
    /// audit log.
    #[oai(path = "/admin/cron", method = "get", operation_id = "listCronJobs")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtOperations>,
    ) -> Result<Json<StaffCronPage>, StaffListProblem> {
        let found = cron::list(&state.pool, &*state.clock, &staff.caller.source()).await;
        let results = found.map_err(Problem::from)?.into_iter().map(StaffCronJob::from).collect();
        Ok(Json(StaffCronPage { next: None, previous: None, results }))
    }

    /// How a cron job went
    ///
    /// Its runs, latest first; kept for ninety days. Written down in the audit log.
    #[oai(path = "/admin/cron/:job/runs", method = "get", operation_id = "listCronRuns")]
    async fn runs(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtOperations>,
        /// Its name.
        #[oai(example = "example_job")]
        job: Path<String>,
        /// Where the page before ended: what its `next` says.
        #[oai(example = "example_cursor", validator(pattern = "^[0-9]{1,18}$"))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffCronRunPage>, StaffLookProblem> {
        if !cron::is_known(&state.pool, &job.0).await.map_err(Problem::from)? {
            return Err(Problem::new(Code::NotFound).into());
        }
        let limit = limit.0.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
        let before = cursor.0.as_deref().and_then(read_cursor);
        let (source, page) = (staff.caller.source(), (before, limit + 1));
        let found = cron::runs(&state.pool, &*state.clock, &source, &job.0, page).await;
        let mut found = found.map_err(Problem::from)?;
        let length = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = found.len() > length;
        found.truncate(length);
        let path = format!("admin/cron/{}/runs/", job.0);
        let link = Link { state: state.0, path: &path, query: &[] };
        let last = found.last().filter(|_| more).map(|run| run.fire_at.timestamp_micros());
        let next = last.map(|last| format!("{}?cursor={last}&limit={limit}", link.url()));
        let results = found.into_iter().map(StaffCronRun::from).collect();
        Ok(Json(StaffCronRunPage { next, previous: None, results }))
    }

    /// Run a cron job now
    ///
    /// A worker begins within a second, also with one that is switched off. 409 while a run of it is
    /// under way or asked for. For admins; written down in the audit log.
    #[oai(path = "/admin/cron/:job/run", method = "post", operation_id = "runCronJob")]
    async fn run(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RunOperations>,
        /// Its name.
        #[oai(example = "example_job")]
        job: Path<String>,
    ) -> Result<Json<CronAsked>, StaffOperateProblem> {
        let asked = cron::ask(&state.pool, &*state.clock, &staff.acting(), &job.0).await;
        asked.map_err(Problem::from)?;
        let details = "A worker begins the run within a second.".to_owned();
        Ok(Json(CronAsked { name: job.0, details }))
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NoSuchJob => Self::new(Code::NotFound),
            AskError::UnderWay => Self::new(Code::Conflict)
                .sentence("A run of this job is under way, or somebody has asked for one."),
            AskError::Database(error) => error.into(),
        }
    }
}

/// When the last run of the page before was to begin, in microseconds.
fn read_cursor(text: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(text.parse().ok()?)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_cursor() -> Option<String> {
    Some("1767225600000000".to_owned())
}

fn example_job() -> String {
    "purge-expired-otps".to_owned()
}

//! Fires cron jobs when they are due, while this process leads.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use shared::{leases, telemetry::CRON_RUNS};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{CronJob, Mode, store};
use crate::{CRON_JOBS, Environment};

/// The duty's name in `leases`.
const LEASE: &str = "cron";
const LEASE_TTL: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_secs(1);
/// How far back the first look at a job that never ran goes: it begins with its next firing,
/// and a tick that came late must not miss that one.
const FIRST_LOOK_BACK: TimeDelta = TimeDelta::seconds(2);

/// Fires what is due, once a second, until `shutdown`; then waits for what runs.
pub async fn run(env: Arc<Environment>, shutdown: CancellationToken) {
    let running = TaskTracker::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => {}
        }
        if let Err(error) = fire_if_leader(&env, &running).await {
            tracing::warn!(%error, "cron tick failed");
        }
    }
    running.close();
    running.wait().await;
    let _ = leases::release(&env.pool, LEASE, &env.process).await;
}

async fn fire_if_leader(env: &Arc<Environment>, running: &TaskTracker) -> Result<(), sqlx::Error> {
    if leases::acquire(&env.pool, LEASE, &env.process, LEASE_TTL).await?.is_none() {
        return Ok(());
    }
    let now = env.clock.now();
    let runs = store::last_runs(&env.pool).await?;
    for job in CRON_JOBS {
        let Some(schedule) = job.schedule(&env.config).ok().flatten() else { continue };
        let last = runs.iter().find(|run| run.job == job.name).map(|run| run.fire_at);
        let Some(fire_at) = due(&schedule, last, now) else { continue };
        if store::begin(&env.pool, job.name, fire_at, &env.process).await? {
            running.spawn(perform(env.clone(), job, fire_at));
        }
    }
    Ok(())
}

/// The latest firing that is due and was not made: several missed ones are caught up by one run.
fn due(
    schedule: &cron::Schedule,
    last: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let since = last.unwrap_or(now - FIRST_LOOK_BACK);
    // Backwards from now, so that a long standstill costs one step. What is given is left out,
    // and a firing may be due at this very moment.
    let latest = schedule.after(&(now + TimeDelta::nanoseconds(1))).next_back()?;
    (latest > since).then_some(latest)
}

async fn perform(env: Arc<Environment>, job: &'static CronJob, fire_at: DateTime<Utc>) {
    if let Err(error) = perform_recorded(&env, job, fire_at).await {
        tracing::error!(job = job.name, %error, "cron run not recorded");
    }
}

async fn perform_recorded(
    env: &Environment,
    job: &CronJob,
    fire_at: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let result = (job.work)(env, Mode::Real).await;
    let label = if result.is_ok() { "ok" } else { "error" };
    CRON_RUNS.with_label_values(&[job.name, label]).inc();
    let rows = result.as_ref().ok().and_then(|rows| i64::try_from(*rows).ok());
    let error = result.as_ref().err().map(ToString::to_string);
    tracing::info!(job = job.name, rows, error, "cron run");
    store::finish(&env.pool, job.name, fire_at, rows, error.as_deref()).await?;
    result
}

/// Runs a job now, whoever leads; recorded like any other firing unless it is a dry run.
///
/// # Errors
/// When the work fails or cannot be recorded.
pub async fn run_now(env: &Environment, job: &CronJob, mode: Mode) -> Result<u64, sqlx::Error> {
    if mode == Mode::DryRun {
        return (job.work)(env, mode).await;
    }
    let fire_at = env.clock.now();
    store::begin(&env.pool, job.name, fire_at, &env.process).await?;
    perform_recorded(env, job, fire_at).await
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn at(time: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(time).unwrap().to_utc()
    }

    fn due_at(expression: &str, last: Option<&str>, now: &str) -> Option<DateTime<Utc>> {
        due(&cron::Schedule::from_str(expression).unwrap(), last.map(at), at(now))
    }

    const TEN_MINUTES: &str = "0 */10 * * * *";
    const NIGHTLY: &str = "0 30 1 * * *";

    #[test]
    fn a_firing_is_due_from_its_very_moment_and_once() {
        let last = Some("2026-01-05T10:00:00Z");
        assert_eq!(due_at(TEN_MINUTES, last, "2026-01-05T10:09:59.999Z"), None);
        let fired = Some(at("2026-01-05T10:10:00Z"));
        assert_eq!(due_at(TEN_MINUTES, last, "2026-01-05T10:10:00Z"), fired);
        assert_eq!(due_at(TEN_MINUTES, last, "2026-01-05T10:10:00.2Z"), fired);
        let last = Some("2026-01-05T10:10:00Z");
        assert_eq!(due_at(TEN_MINUTES, last, "2026-01-05T10:10:00.9Z"), None);
        assert_eq!(
            due_at("* * * * * *", last, "2026-01-05T10:10:01Z"),
            Some(at("2026-01-05T10:10:01Z"))
        );
    }

    #[test]
    fn several_missed_firings_are_one_run_the_latest() {
        let last = Some("2026-01-05T10:00:00Z");
        let fired = due_at(TEN_MINUTES, last, "2026-01-05T11:34:56Z");
        assert_eq!(fired, Some(at("2026-01-05T11:30:00Z")));
        let fired = due_at(NIGHTLY, Some("2026-01-01T01:30:00Z"), "2026-03-02T01:29:00Z");
        assert_eq!(fired, Some(at("2026-03-01T01:30:00Z")));
    }

    #[test]
    fn a_year_of_missed_seconds_is_one_step() {
        let fired = due_at("* * * * * *", Some("2025-01-05T10:00:00Z"), "2026-01-05T10:00:00.5Z");
        assert_eq!(fired, Some(at("2026-01-05T10:00:00Z")));
    }

    #[test]
    fn a_job_that_never_ran_begins_with_its_next_firing() {
        assert_eq!(due_at(NIGHTLY, None, "2026-01-05T10:00:00Z"), None);
        let fired = Some(at("2026-01-05T01:30:00Z"));
        assert_eq!(due_at(NIGHTLY, None, "2026-01-05T01:30:01.5Z"), fired);
    }

    #[test]
    fn a_run_by_hand_counts_as_the_latest_and_a_clock_set_back_fires_nothing_twice() {
        let by_hand = Some("2026-01-05T10:03:21.123Z");
        assert_eq!(due_at(TEN_MINUTES, by_hand, "2026-01-05T10:09:00Z"), None);
        let fired = due_at(TEN_MINUTES, by_hand, "2026-01-05T10:10:00Z");
        assert_eq!(fired, Some(at("2026-01-05T10:10:00Z")));
        assert_eq!(due_at(TEN_MINUTES, Some("2026-01-05T10:10:00Z"), "2026-01-05T10:05:00Z"), None);
    }

    #[test]
    fn every_job_has_a_schedule_that_can_be_read() {
        for job in CRON_JOBS {
            assert!(cron::Schedule::from_str(job.schedule).is_ok(), "{}", job.name);
        }
    }
}

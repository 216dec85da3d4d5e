//! Fires cron jobs when they are due, while this process leads.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use shared::{
    config::Missed,
    cron::{self as runs, Announced, CronRun},
    leases::{self, Term},
    telemetry::{CRON_RUNS, CRON_SUCCESS_AGE},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    CronJob,
    perform::{begun, bury, perform},
    store::{self, Claim, Firing, LEASE},
};
use crate::{CRON_JOBS, Environment};

const LEASE_TTL: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_secs(1);
/// How often jobs are announced that are the same as before.
const TELL_EVERY: Duration = Duration::from_mins(1);
/// How far back the first look at a job that never ran goes: it begins with its next firing,
/// and a tick that came late must not miss that one.
const FIRST_LOOK_BACK: TimeDelta = TimeDelta::seconds(2);
/// A firing that is later than this was missed. Longer than a change of leaders.
const MISSED_AFTER: TimeDelta = TimeDelta::minutes(1);

/// Fires what is due, once a second, until `shutdown`; then waits for what runs, which stops
/// after its batch.
pub async fn run(env: Arc<Environment>, shutdown: CancellationToken) {
    let running = TaskTracker::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = Told::default();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => {}
        }
        if let Err(error) = fire_if_leader(&env, &running, &shutdown, &mut told).await {
            tracing::warn!(%error, "cron tick failed");
        }
    }
    running.close();
    running.wait().await;
    let _ = leases::release(&env.pool, LEASE, &env.process).await;
}

async fn fire_if_leader(
    env: &Arc<Environment>,
    running: &TaskTracker,
    shutdown: &CancellationToken,
    told: &mut Told,
) -> Result<(), sqlx::Error> {
    // From here on this process may be frozen at any point and lead no more when it goes on:
    // the term decides whether a firing may still begin.
    let term = leases::acquire(&env.pool, LEASE, &env.process, LEASE_TTL).await;
    let Ok(Some(term)) = term else {
        // Only a leader's word counts.
        *told = Told::default();
        CRON_SUCCESS_AGE.reset();
        return term.map(drop);
    };
    let now = env.clock.now();
    let lasts = runs::last_runs(&env.pool, &job_names()).await?;
    for job in CRON_JOBS {
        let last = lasts.iter().find(|run| run.job == job.name);
        let Some(fire_at) = look_at(env, job, last, now) else { continue };
        let firing = Firing { job: job.name, fire_at, holder: &env.process, term };
        let missed = is_missed(job.missed(&env.config), fire_at, now);
        match claim(env, firing, missed).await {
            Ok(Claim::Mine) if missed => {
                tracing::info!(job = job.name, %fire_at, "cron run skipped");
            }
            Ok(Claim::Mine) => {
                let run = begun(env, job, fire_at, shutdown.clone());
                running.spawn(perform(env.clone(), job, run));
            }
            Ok(Claim::Taken) => {}
            Ok(Claim::Fenced) => {
                tracing::warn!(job = job.name, "cron lease lost before a firing");
                return Ok(());
            }
            Err(error) => tracing::warn!(job = job.name, %error, "cron firing failed"),
        }
    }
    run_asked(env, term, running, shutdown).await?;
    told.tell(env, now).await
}

/// Begins the runs that staff asked for.
async fn run_asked(
    env: &Arc<Environment>,
    term: Term,
    running: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<(), sqlx::Error> {
    for name in runs::asked(&env.pool).await? {
        let Some(job) = CronJob::find(&name) else { continue };
        bury(env, job.name).await?;
        let fire_at = env.clock.now();
        let firing = Firing { job: job.name, fire_at, holder: &env.process, term };
        if store::claim_asked(&env.pool, firing).await? {
            let run = begun(env, job, fire_at, shutdown.clone());
            running.spawn(perform(env.clone(), job, run));
        }
    }
    Ok(())
}

/// What this process has told of the jobs, and when.
#[derive(Default)]
struct Told(Option<(Instant, Vec<Announced>)>);

impl Told {
    /// Tells staff which jobs there are: what has changed at once, the same once a minute.
    async fn tell(&mut self, env: &Environment, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
        let jobs = announced(env, now);
        let known =
            |(at, told): &(Instant, Vec<Announced>)| *told == jobs && at.elapsed() < TELL_EVERY;
        if !self.0.as_ref().is_some_and(known) {
            runs::announce(&env.pool, &jobs).await?;
            self.0 = Some((Instant::now(), jobs));
        }
        Ok(())
    }
}

fn announced(env: &Environment, now: DateTime<Utc>) -> Vec<Announced> {
    let announced = CRON_JOBS.iter().map(|job| Announced {
        name: job.name.to_owned(),
        about: job.about.to_owned(),
        schedule: job.expression(&env.config),
        next_at: job.next_after(&env.config, now),
    });
    announced.collect()
}

/// Names of all jobs, as the database takes them.
pub(super) fn job_names() -> Vec<String> {
    CRON_JOBS.iter().map(|job| job.name.to_owned()).collect()
}

/// The firing of a job that is due, if it is switched on and one is.
fn look_at(
    env: &Environment,
    job: &CronJob,
    last: Option<&CronRun>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let schedule = job.schedule(&env.config).ok().flatten()?;
    if let Some(age) = last.and_then(|run| run.success_age) {
        CRON_SUCCESS_AGE.with_label_values(&[job.name]).set(age);
    }
    due(&schedule, last.map(|run| run.fire_at), now)
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

/// Whether a firing is recorded as skipped instead of being made.
fn is_missed(policy: Missed, fire_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    policy == Missed::Skip && now - fire_at > MISSED_AFTER
}

async fn claim(env: &Environment, firing: Firing<'_>, missed: bool) -> Result<Claim, sqlx::Error> {
    if !missed {
        bury(env, firing.job).await?;
    }
    let claim = store::claim(&env.pool, firing, missed).await?;
    if missed && claim == Claim::Mine {
        CRON_RUNS.with_label_values(&[firing.job, "skipped"]).inc();
    }
    Ok(claim)
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
    fn only_a_firing_more_than_a_minute_late_is_skipped_and_only_if_wanted() {
        let (fire_at, late) = (at("2026-01-05T10:10:00Z"), at("2026-01-05T10:11:00.1Z"));
        assert!(is_missed(Missed::Skip, fire_at, late));
        assert!(!is_missed(Missed::Once, fire_at, late));
        assert!(!is_missed(Missed::Skip, fire_at, at("2026-01-05T10:11:00Z")));
    }

    #[test]
    fn every_job_has_a_schedule_that_can_be_read() {
        for job in CRON_JOBS {
            assert!(cron::Schedule::from_str(job.schedule).is_ok(), "{}", job.name);
        }
    }
}

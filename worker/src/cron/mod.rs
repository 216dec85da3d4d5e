//! Cron jobs: one file each. Any number of workers may run; PostgreSQL decides who leads, and
//! the key of `cron_runs` that each firing happens once.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use shared::config::Config;

use crate::Environment;

pub mod purge_expired_otps;
pub mod purge_sms_messages;
mod scheduler;
mod store;

pub use scheduler::{run, run_now};
pub use store::{LastRun, last_runs};

/// A job that runs by the clock.
#[derive(Clone, Copy)]
pub struct CronJob {
    /// What it is called in the configuration, on the command line and in metrics.
    pub name: &'static str,
    /// Another name it answers to, from the systems Peyk replaces.
    pub alias: Option<&'static str>,
    /// When it runs unless configured otherwise: six fields, seconds first, UTC.
    pub schedule: &'static str,
    /// What it does, for `worker cron list`.
    pub about: &'static str,
    /// The work; returns how many rows it changed (or would change).
    pub work: for<'a> fn(&'a Environment, Mode) -> BoxFuture<'a, Result<u64, sqlx::Error>>,
}

/// Whether a cron job changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Do it.
    Real,
    /// Only count.
    DryRun,
}

impl CronJob {
    /// The job called `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        crate::CRON_JOBS.iter().find(|job| job.name == name || job.alias == Some(name))
    }

    /// The schedule in force; `None` when the job is switched off.
    ///
    /// # Errors
    /// When the configured expression cannot be read.
    pub fn schedule(&self, config: &Config) -> Result<Option<cron::Schedule>, cron::error::Error> {
        let settings = config.cron_job(self.name);
        if !settings.enabled {
            return Ok(None);
        }
        let expression = settings.schedule.as_deref().unwrap_or(self.schedule);
        Ok(Some(cron::Schedule::from_str(expression)?))
    }

    /// The next firing after `after`, if there is one.
    pub fn next_after(&self, config: &Config, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.schedule(config).ok().flatten()?.after(&after).next()
    }
}

//! Cron jobs: one file each. Any number of workers may run; PostgreSQL decides who leads, the
//! term of the lease that only the leader fires, the key of `cron_runs` that each firing happens
//! once, and an index of it that a job has one run at a time.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use shared::config::{Config, Missed};

use crate::Environment;

pub mod command;
pub mod count_provider_hours;
pub mod list_unverified_payments;
mod perform;
pub mod poll_delivery_reports;
pub mod poll_provider_balances;
pub mod purge_audit_events;
pub mod purge_cron_runs;
pub mod purge_deleted_files;
pub mod purge_deleted_rooms;
pub mod purge_ended_invitations;
pub mod purge_ended_sessions;
pub mod purge_expired_blocks;
pub mod purge_expired_otps;
pub mod purge_gone_processes;
pub mod purge_guard_counters;
pub mod purge_guard_decisions;
pub mod purge_idempotency_keys;
pub mod purge_inbound_texts;
pub mod purge_login_events;
pub mod purge_payment_reports;
pub mod purge_provider_hours;
pub mod purge_revocations;
pub mod purge_sandbox_pages;
pub mod purge_send_counters;
pub mod purge_sms_messages;
pub mod purge_unused_files;
pub mod purge_used_refresh_tokens;
pub mod purge_webhook_events;
pub mod reconcile_payments;
pub mod release_expired_holds;
mod run;
mod scheduler;
mod store;
pub mod tell_absent_members;
pub mod verify_ledger;
pub mod watch_payments;

pub use run::{End, Run};
pub use scheduler::run;

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
    /// The work. It counts the rows it changed and asks between steps whether it may go on.
    pub work: for<'a> fn(&'a Environment, &'a Run) -> BoxFuture<'a, Result<End, sqlx::Error>>,
    /// How many rows the work would change now; for `--dry-run`.
    pub count: for<'a> fn(&'a Environment) -> BoxFuture<'a, Result<i64, sqlx::Error>>,
}

impl CronJob {
    /// The job called `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        crate::CRON_JOBS.iter().find(|job| job.name == name || job.alias == Some(name))
    }

    /// The schedule as it is written; `None` when the job is switched off.
    pub fn expression(&self, config: &Config) -> Option<String> {
        let settings = config.cron_job(self.name);
        settings.enabled.then(|| settings.schedule.unwrap_or_else(|| self.schedule.to_owned()))
    }

    /// The schedule in force; `None` when the job is switched off.
    ///
    /// # Errors
    /// When the configured expression cannot be read.
    pub fn schedule(&self, config: &Config) -> Result<Option<cron::Schedule>, cron::error::Error> {
        self.expression(config).map(|text| cron::Schedule::from_str(&text)).transpose()
    }

    /// What becomes of its missed firings.
    pub fn missed(&self, config: &Config) -> Missed {
        config.cron_job(self.name).missed
    }

    /// The next firing after `after`, if there is one.
    pub fn next_after(&self, config: &Config, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.schedule(config).ok().flatten()?.after(&after).next()
    }
}

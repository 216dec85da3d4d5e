//! Peyk's worker: consumes the queues, sweeps, and runs the cron jobs.

use shared::{
    batch::WriteError,
    clock::SharedClock,
    config::{Config, ConfigError},
    jobs::{Queue, RowId},
    otp::Otp,
    queue::Pusher,
    redis::Redis,
    sms::deliveries::Deliveries,
};
use sqlx::PgPool;

use crate::{cron::CronJob, guard::Guard};

pub mod breaker;
pub mod cron;
pub mod guard;
pub mod jobs;
pub mod operations;
pub mod outcome;
pub mod supervisor;
pub mod sweep;

/// What jobs, the sweep and cron jobs work with.
pub struct Environment {
    /// The configuration of this process.
    pub config: Config,
    /// This process's unique name.
    pub process: String,
    /// The truth.
    pub pool: PgPool,
    /// Business time.
    pub clock: SharedClock,
    /// The OTP feature.
    pub otp: Otp,
    /// The claim / call / settle protocol of text messages.
    pub deliveries: Deliveries,
    /// SMS providers behind their guards, first choice first.
    pub providers: Vec<Guard>,
    /// Publishes outcomes.
    pub redis: Redis,
    /// Rings for rows.
    pub pusher: Pusher,
}

impl Environment {
    /// The configured provider of this name.
    pub fn provider(&self, name: &str) -> Option<&Guard> {
        self.providers.iter().find(|provider| provider.name() == name)
    }

    /// Every provider's name, first choice first.
    pub fn provider_names(&self) -> Vec<&str> {
        self.providers.iter().map(Guard::name).collect()
    }

    /// The names of those that would take a call now.
    pub fn available_providers(&self) -> Vec<&str> {
        self.providers.iter().filter(|guard| guard.wait().is_zero()).map(Guard::name).collect()
    }

    /// How many jobs of a queue run at once.
    pub fn concurrency(&self, queue: Queue) -> usize {
        match queue {
            Queue::Otp => self.config.worker.otp_concurrency,
        }
    }
}

/// Checks what only the worker knows: the names of cron jobs, the providers. Schedules have been
/// checked as part of the configuration.
pub fn check_config(config: &Config, errors: &mut Vec<ConfigError>) {
    shared::sms::providers::build(config, errors);
    for name in config.cron.keys() {
        if CronJob::find(name).is_none() {
            errors.push(ConfigError::new(format!("cron.{name}"), "is no cron job"));
        }
    }
}

/// The one list of jobs: what is done with a row of each queue.
///
/// # Errors
/// When the database is away; the sweep brings the row back.
pub async fn run_job(queue: Queue, id: RowId, env: &Environment) -> Result<(), WriteError> {
    match queue {
        Queue::Otp => jobs::deliver_otp::deliver_otp(id, env).await,
    }
}

/// The one list of cron jobs.
pub const CRON_JOBS: &[CronJob] = &[
    cron::purge_expired_otps::JOB,
    cron::purge_sms_messages::JOB,
    cron::purge_ended_sessions::JOB,
    cron::purge_send_counters::JOB,
    cron::purge_cron_runs::JOB,
];

//! Peyk's worker: consumes the queues, sweeps, and runs the cron jobs.

use std::sync::Arc;

use shared::{
    clock::{SharedClock, SystemClock},
    config::{Config, ConfigError},
    db,
    jobs::Queue,
    otp::Otp,
    queue::{Pusher, QueueServer},
    redis::Redis,
    sms::{deliveries::Deliveries, providers, templates::Templates},
};
use sqlx::PgPool;

use crate::{cron::CronJob, guard::Guard, jobs::Job};

pub mod breaker;
pub mod consumers;
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
    /// Logical templates.
    pub templates: Templates,
    /// SMS providers behind their guards, first choice first.
    pub providers: Vec<Guard>,
    /// Publishes outcomes.
    pub redis: Redis,
    /// Rings for rows.
    pub pusher: Pusher,
}

impl Environment {
    /// Builds everything from a validated configuration; connects in the background, on the
    /// runtime that is entered. Connections belong to the runtime that made them: what must not be
    /// held up by jobs has an environment of its own.
    ///
    /// # Errors
    /// When a key or an address in the configuration cannot be used.
    pub fn build(config: Config, process: String) -> anyhow::Result<Self> {
        let providers = Guard::around(providers::build(&config, &mut Vec::new()), &config);
        let clock: SharedClock = Arc::new(SystemClock);
        let pool = db::connect(&config.database)?;
        let queues = QueueServer::new(&config.redis);
        Ok(Self {
            deliveries: Deliveries::new(&pool, clock.clone(), config.sms.lease()),
            otp: Otp::new(pool.clone(), clock.clone(), &config)?,
            redis: Redis::start(&config.redis)?,
            pusher: Pusher::start(queues, config.worker.queue_window),
            process,
            templates: Templates::new(&config.sms),
            providers,
            pool,
            clock,
            config,
        })
    }

    /// The configured provider of this name.
    pub fn provider(&self, name: &str) -> Option<&Guard> {
        self.providers.iter().find(|provider| provider.name() == name)
    }

    /// Every provider's name, first choice first.
    pub fn provider_names(&self) -> Vec<&str> {
        self.providers.iter().map(Guard::name).collect()
    }

    /// The names of those that would take a call of this queue's now.
    pub fn available_providers(&self, queue: Queue) -> Vec<&str> {
        let free = |guard: &&Guard| guard.wait(queue).is_zero();
        self.providers.iter().filter(free).map(Guard::name).collect()
    }
}

/// Checks what only the worker knows: the names of cron jobs, the providers. Schedules have been
/// checked as part of the configuration.
pub fn check_config(config: &Config, errors: &mut Vec<ConfigError>) {
    providers::build(config, errors);
    for name in config.cron.keys() {
        if CronJob::find(name).is_none() {
            errors.push(ConfigError::new(format!("cron.{name}"), "is no cron job"));
        }
    }
}

/// The one list of jobs.
pub const JOBS: &[Job] = &[jobs::deliver_sms::OTP, jobs::deliver_sms::SMS, jobs::deliver_sms::BULK];

/// The one list of cron jobs.
pub const CRON_JOBS: &[CronJob] = &[
    cron::purge_expired_otps::JOB,
    cron::purge_sms_messages::JOB,
    cron::purge_ended_sessions::JOB,
    cron::purge_send_counters::JOB,
    cron::purge_idempotency_keys::JOB,
    cron::purge_guard_counters::JOB,
    cron::purge_guard_decisions::JOB,
    cron::purge_cron_runs::JOB,
    cron::poll_delivery_reports::JOB,
];

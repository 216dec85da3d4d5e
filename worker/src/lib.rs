//! Peyk's worker: consumes the queues, sweeps, and runs the cron jobs.

use std::sync::Arc;

use shared::{
    chat::{Chat, announce::Announcer, files::Files},
    clock::{SharedClock, SystemClock},
    config::{Config, ConfigError},
    db,
    jobs::Queue,
    limits::Limiter,
    otp::{Otp, code::CodeKeys},
    payments::{Payments, gateways::Gateways},
    queue::{Pusher, QueueServer},
    redis::Redis,
    sms::{
        deliveries::Deliveries,
        messages::Messages,
        providers::{self, Content},
        templates::Templates,
    },
    wallets::Wallets,
    webhooks::{self, Outbox},
};
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::{
    courtesy::Courtesy, cron::CronJob, endpoints::Endpoints, gather::Gather, guard::Guard,
    jobs::Job, pauses::Pauses,
};

pub mod consumers;
pub mod courtesy;
pub mod cron;
pub mod endpoints;
pub mod gather;
pub mod guard;
pub mod jobs;
pub mod line;
pub mod operations;
pub mod outcome;
pub mod pauses;
pub mod payments_command;
pub mod providers_command;
pub mod standing;
pub mod supervisor;
pub mod sweep;
pub mod webhooks_command;

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
    /// The same for texts to many: their commits are large, and nobody else's are to wait for them.
    pub bulk_deliveries: Deliveries,
    /// Makes texts to many give way to codes.
    pub courtesy: Courtesy,
    /// Where jobs of texts to many meet.
    pub gather: Gather,
    /// Logical templates.
    pub templates: Templates,
    /// SMS providers behind their guards, first choice first.
    pub providers: Vec<Guard>,
    /// Which queues rest.
    pub pauses: Pauses,
    /// Rung when a guard has a word for the other workers.
    pub words: Arc<Notify>,
    /// Where features say what happened.
    pub outbox: Outbox,
    /// What users have with the shop.
    pub wallets: Wallets,
    /// The claim / call / settle protocol of webhooks.
    pub webhooks: webhooks::deliveries::Deliveries,
    /// Endpoints of webhooks behind their guards.
    pub endpoints: Endpoints,
    /// Payments, and the gateways they are made at.
    pub payments: Payments,
    /// Rooms and what is said in them.
    pub chat: Chat,
    /// Texts that jobs accept.
    pub messages: Messages,
    /// Files of chat.
    pub files: Files,
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
        let words = Arc::new(Notify::new());
        let redis = Redis::start(&config.redis)?;
        let limiter = Limiter::new(
            redis.clone(),
            CodeKeys::new(&config.otp)?.subkey("limits"),
            config.limits.worker_processes,
        );
        let clock: SharedClock = Arc::new(SystemClock);
        let pool = db::connect(&config.database)?;
        let providers = providers::build_over(&config, &pool);
        let providers = Guard::around(providers, &config, &words, &limiter);
        let queues = QueueServer::new(&config.redis);
        let outbox = Outbox::new(&config.webhooks, clock.clone());
        let gateways = Gateways::build(&config, Some(&pool), &mut Vec::new());
        let told = outbox.clone();
        let announcer = Announcer::start(redis.clone());
        let files = Files::open(&config)?;
        let (lease, quiet) = (config.sms.lease(), config.sms.quiet_hours);
        Ok(Self {
            deliveries: Deliveries::new(&pool, clock.clone(), lease, outbox.clone(), None),
            bulk_deliveries: Deliveries::new(&pool, clock.clone(), lease, outbox.clone(), quiet),
            payments: Payments::new(pool.clone(), clock.clone(), told, &config, gateways),
            chat: Chat::new(
                pool.clone(),
                clock.clone(),
                outbox.clone(),
                announcer,
                files.clone(),
                &config,
            ),
            messages: Messages::new(pool.clone(), clock.clone(), &config),
            webhooks: webhooks::deliveries::Deliveries::new(&pool, &config.webhooks),
            endpoints: Endpoints::new(&config)?,
            files,
            wallets: Wallets::new(pool.clone(), clock.clone(), outbox.clone(), &config.wallets),
            outbox,
            courtesy: Courtesy::default(),
            gather: Gather::new(config.worker.bulk_concurrency),
            otp: Otp::new(pool.clone(), clock.clone(), &config)?,
            redis,
            pusher: Pusher::start(queues, config.worker.queue_window),
            process,
            templates: Templates::new(&config.sms),
            providers,
            pauses: Pauses::default(),
            words,
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

    /// The one that a text of this queue's is most likely for: the first that would take it now.
    pub fn likely_provider(&self, queue: Queue) -> Option<&Guard> {
        let free = |guard: &&Guard| guard.wait(queue).is_zero();
        let up = |guard: &&Guard| guard.breaker_wait().is_zero();
        let providers = || self.providers.iter();
        providers().find(free).or_else(|| providers().find(up)).or_else(|| providers().next())
    }

    /// Jobs of a queue that run at once: where texts to many share calls, as many as one call can
    /// carry.
    pub fn jobs_at_once(&self, queue: Queue) -> usize {
        let configured = self.config.worker.concurrency(queue);
        let text = Content::Text(String::new());
        let shared = self.providers.iter().map(|guard| guard.send_at_once(&text)).max();
        if queue == Queue::Bulk { configured.max(shared.unwrap_or(1)) } else { configured }
    }
}

/// Checks what only the worker knows: the names of cron jobs, the providers. Schedules have been
/// checked as part of the configuration.
pub fn check_config(config: &Config, errors: &mut Vec<ConfigError>) {
    providers::build(config, errors);
    Gateways::build(config, None, errors);
    for name in config.cron.keys() {
        if CronJob::find(name).is_none() {
            errors.push(ConfigError::new(format!("cron.{name}"), "is no cron job"));
        }
    }
}

/// The one list of jobs.
pub const JOBS: &[Job] = &[
    jobs::deliver_sms::OTP,
    jobs::deliver_sms::SMS,
    jobs::deliver_sms::BULK,
    jobs::deliver_webhook::JOB,
    jobs::return_payment::JOB,
    jobs::verify_payment::JOB,
];

/// The one list of cron jobs.
pub const CRON_JOBS: &[CronJob] = &[
    cron::purge_expired_otps::JOB,
    cron::purge_sms_messages::JOB,
    cron::purge_ended_sessions::JOB,
    cron::purge_send_counters::JOB,
    cron::purge_idempotency_keys::JOB,
    cron::purge_guard_counters::JOB,
    cron::purge_guard_decisions::JOB,
    cron::purge_login_events::JOB,
    cron::purge_gone_processes::JOB,
    cron::purge_expired_blocks::JOB,
    cron::purge_cron_runs::JOB,
    cron::purge_webhook_events::JOB,
    cron::purge_unused_files::JOB,
    cron::purge_deleted_files::JOB,
    cron::poll_delivery_reports::JOB,
    cron::purge_inbound_texts::JOB,
    cron::poll_provider_balances::JOB,
    cron::count_provider_hours::JOB,
    cron::purge_provider_hours::JOB,
    cron::purge_revocations::JOB,
    cron::purge_used_refresh_tokens::JOB,
    cron::purge_audit_events::JOB,
    cron::purge_ended_invitations::JOB,
    cron::watch_payments::JOB,
    cron::list_unverified_payments::JOB,
    cron::purge_sandbox_pages::JOB,
    cron::reconcile_payments::JOB,
    cron::purge_payment_reports::JOB,
    cron::release_expired_holds::JOB,
    cron::verify_ledger::JOB,
    cron::tell_absent_members::JOB,
    cron::purge_deleted_rooms::JOB,
];

//! What handlers work with.

use std::{net::IpAddr, sync::Arc};

use secrecy::SecretSlice;
use shared::{
    admin::{Admin, overview::Overviews, queues::Queues},
    auth::{Auth, bearers::Bearers, tokens::Tokens},
    blocks::Blocks,
    chat::{Chat, announce::Announcer, files::Files},
    clock::{SharedClock, SystemClock},
    config::{Config, LoginMethod},
    db, ids,
    limits::Limiter,
    organizations::Organizations,
    otp::Otp,
    payments::{Payments, gateways::Gateways},
    phone::PhoneRules,
    queue::{Pusher, QueueServer},
    redis::Redis,
    sessions::{revocations::Revocations, seen::LastSeen},
    sms::{
        callbacks::Callbacks,
        inbound::Inbound,
        messages::Messages,
        providers::{self, SmsProvider},
        reports::Reports,
        templates::Templates,
    },
    wallets::Wallets,
    webhooks::Outbox,
};
use sqlx::PgPool;

use crate::{
    error::{Code, Problem},
    waiters::Waiters,
    ws::Sockets,
};

/// What somebody at a blocked address is told to wait.
const BLOCKED_WAIT_SECONDS: u32 = 3_600;

/// The features and connections of one api process.
pub(crate) struct State {
    pub(crate) config: Config,
    /// This process's unique name.
    pub(crate) process: String,
    pub(crate) pool: PgPool,
    pub(crate) redis: Redis,
    pub(crate) otp: Otp,
    pub(crate) messages: Messages,
    pub(crate) templates: Templates,
    pub(crate) auth: Auth,
    pub(crate) admin: Admin,
    pub(crate) overviews: Overviews,
    pub(crate) queues: Queues,
    pub(crate) blocks: Blocks,
    pub(crate) clock: SharedClock,
    pub(crate) organizations: Organizations,
    pub(crate) last_seen: LastSeen,
    pub(crate) phones: PhoneRules,
    pub(crate) limiter: Limiter,
    pub(crate) pusher: Pusher,
    pub(crate) waiters: Waiters,
    /// Empty while there are no callbacks: nothing is sent from here.
    pub(crate) providers: Vec<Arc<dyn SmsProvider>>,
    pub(crate) callbacks: Option<Callbacks>,
    pub(crate) reports: Reports,
    pub(crate) inbound: Inbound,
    pub(crate) wallets: Wallets,
    pub(crate) payments: Payments,
    pub(crate) chat: Chat,
    pub(crate) sockets: Sockets,
}

/// The state as handlers are given it.
pub(crate) type SharedState = Arc<State>;

impl State {
    /// Builds everything from a validated configuration; connects in the background.
    ///
    /// # Errors
    /// When a key or an address in the configuration cannot be used.
    pub(crate) fn build(config: Config) -> anyhow::Result<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        let pool = db::connect(&config.database)?;
        db::watch("api", &pool);
        let redis = Redis::start(&config.redis)?;
        let blocks = Blocks::follow(pool.clone(), clock.clone());
        let otp = Otp::new(pool.clone(), clock.clone(), &config)?.refusing(blocks.clone());
        let tokens = Arc::new(Tokens::new(&config.auth)?);
        let revocations = Revocations::follow(pool.clone(), redis.clone(), clock.clone(), &config)?;
        let outbox = Outbox::new(&config.webhooks, clock.clone());
        let (people, told) = (pool.clone(), outbox.clone());
        let admin = Admin::new(people, clock.clone(), revocations.clone(), told, &config.auth);
        let bearers = Bearers::new(tokens, revocations);
        let (accounts, told) = (pool.clone(), outbox.clone());
        let callbacks = Callbacks::new(&config);
        let told_by = |_: &Callbacks| providers::build_all(&config, &mut Vec::new());
        let messages = Messages::new(pool.clone(), clock.clone(), &config);
        let organizations =
            Organizations::new(pool.clone(), clock.clone(), messages.clone(), &config);
        let auth = Auth::new(accounts, clock.clone(), otp.clone(), bearers, told, &config);
        let gateways = Gateways::build(&config, Some(&pool), &mut Vec::new());
        let told = outbox.clone();
        let payments = Payments::new(pool.clone(), clock.clone(), told, &config, gateways);
        let (counted, paid) = (pool.clone(), payments.clone());
        let overviews = Overviews::new(counted, clock.clone(), paid, &config);
        let (people, told) = (pool.clone(), outbox.clone());
        let queues = Queues::new(people, clock.clone(), told, payments.clone(), &config);
        let (rooms, told) = (pool.clone(), outbox.clone());
        let announcer = Announcer::start(redis.clone());
        let files = Files::open(&config)?;
        let chat = Chat::new(rooms, clock.clone(), told, announcer, files, &config);
        let (rooms, who) = (chat.clone(), auth.bearers().clone());
        let sockets = Sockets::start(rooms, who, clock.clone(), &config)?;
        let process = ids::process_name("api", &mut rand::rng());
        Ok(Self {
            providers: callbacks.as_ref().map(told_by).unwrap_or_default(),
            callbacks,
            reports: Reports::new(pool.clone(), outbox.clone()),
            wallets: Wallets::new(pool.clone(), clock.clone(), outbox.clone(), &config.wallets),
            inbound: Inbound::new(pool.clone(), clock.clone(), outbox, &config)?,
            payments,
            chat,
            sockets,
            messages,
            organizations,
            templates: Templates::new(&config.sms),
            auth,
            admin,
            overviews,
            queues,
            blocks,
            clock,
            last_seen: LastSeen::start(pool.clone(), config.auth.last_seen_every()),
            phones: PhoneRules::new(&config.phone.countries, &config.phone.default_country)?,
            limiter: Limiter::new(
                redis.clone(),
                subject_key(&config)?,
                config.limits.api_processes,
            ),
            pusher: Pusher::start(QueueServer::new(&config.redis), config.worker.queue_window),
            waiters: Waiters::start(&config, process.clone())?,
            process,
            otp,
            pool,
            redis,
            config,
        })
    }
}

impl State {
    /// Every operation that logs somebody in begins with it.
    ///
    /// # Errors
    /// 429 where staff have blocked the address.
    pub(crate) fn refuse_blocked(&self, ip: IpAddr) -> Result<(), Problem> {
        if self.blocks.address(ip) {
            tracing::info!("a login from a blocked address is refused");
            return Err(Problem::new(Code::RateLimited).with_retry_after(BLOCKED_WAIT_SECONDS));
        }
        Ok(())
    }

    /// Every operation that belongs to one way of logging in begins with it.
    ///
    /// # Errors
    /// 403 where `auth.methods` does not name it.
    pub(crate) fn need_method(&self, method: LoginMethod) -> Result<(), Problem> {
        if self.config.auth.methods.contains(&method) {
            return Ok(());
        }
        Err(Problem::new(Code::LoginMethodClosed))
    }
}

/// Hashes the subjects of limits, so that no number or address is in Redis. Every process derives
/// the same one.
fn subject_key(config: &Config) -> anyhow::Result<SecretSlice<u8>> {
    let keys = shared::otp::code::CodeKeys::new(&config.otp)?;
    Ok(keys.subkey("limits"))
}

//! Who is out: what every api process knows of sessions that ended before their access tokens did.
//!
//! A revocation is a row, written in the transaction that makes it true. Every process reads all
//! rows that still matter before it is ready, and what is new twice a second; Redis only makes it
//! faster. So a revocation holds in every process within a second, also after a restart and while
//! Redis is away.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{Lifetimes, store};
use crate::{
    clock::SharedClock,
    config::Config,
    events::revocations_channel as channel,
    redis::{self, Redis},
};

/// Between two looks at the table.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The sessions that are out, and when each may be forgotten.
type Out = Arc<RwLock<HashMap<i64, DateTime<Utc>>>>;

/// What this process knows, and how it tells the others.
#[derive(Clone)]
pub struct Revocations {
    out: Out,
    loaded: Arc<AtomicBool>,
    redis: Redis,
    clock: SharedClock,
    /// For how long what was heard or said is kept; rows say it themselves.
    keep: TimeDelta,
}

impl Revocations {
    /// For a process that only tells the others.
    pub fn new(redis: Redis, clock: SharedClock, config: &Config) -> Self {
        let keep = Lifetimes::new(&config.auth).remember();
        Self { out: Out::default(), loaded: Arc::default(), redis, clock, keep }
    }

    /// Reads the table now and for as long as the process lives, and listens to the others.
    ///
    /// # Errors
    /// When the Redis URL cannot be read.
    pub fn follow(
        pool: PgPool,
        redis: Redis,
        clock: SharedClock,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let (heard, _) = redis::subscribe(&config.redis, channel(&config.redis.prefix))?;
        let known = Self::new(redis, clock, config);
        let follower = Follower { known: known.clone(), pool, horizon: 0 };
        tokio::spawn(follower.run(heard));
        Ok(known)
    }

    /// Whether the table was read at all: before that nobody can be let in.
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// Whether the session is out.
    pub fn contains(&self, session_id: i64) -> bool {
        self.out.read().unwrap_or_else(PoisonError::into_inner).contains_key(&session_id)
    }

    /// Holds here at once for what [`super::revoke`] gave, once that is committed, and makes the other
    /// processes hear of it, in the background. That nobody hears is no error: everybody reads the
    /// table.
    pub fn announce(&self, sessions: Vec<i64>) {
        if sessions.is_empty() {
            return;
        }
        let until = self.clock.now() + self.keep;
        for session in &sessions {
            self.add(*session, until);
        }
        let redis = self.redis.clone();
        tokio::spawn(async move {
            for session in sessions {
                if redis.publish(&channel(redis.prefix()), &session.to_string()).await.is_err() {
                    return;
                }
            }
        });
    }

    fn add(&self, session_id: i64, until: DateTime<Utc>) {
        let mut out = self.out.write().unwrap_or_else(PoisonError::into_inner);
        out.insert(session_id, until);
    }

    fn forget(&self, now: DateTime<Utc>) {
        let old = |out: &HashMap<i64, DateTime<Utc>>| out.values().any(|until| *until <= now);
        if old(&self.out.read().unwrap_or_else(PoisonError::into_inner)) {
            let mut out = self.out.write().unwrap_or_else(PoisonError::into_inner);
            out.retain(|_, until| *until > now);
        }
    }
}

struct Follower {
    known: Revocations,
    pool: PgPool,
    horizon: i64,
}

impl Follower {
    async fn run(mut self, mut heard: mpsc::Receiver<String>) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut away = false;
        while !self.pool.is_closed() {
            tokio::select! {
                _ = looks.tick() => match self.look().await {
                    Ok(()) => away = false,
                    Err(error) if !away => {
                        tracing::warn!(%error, "revocations cannot be read");
                        away = true;
                    }
                    Err(_) => {}
                },
                Some(session) = heard.recv() => {
                    if let Ok(session) = session.parse() {
                        self.known.add(session, self.known.clock.now() + self.known.keep);
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), sqlx::Error> {
        let now = self.known.clock.now();
        for row in store::look(&self.pool, self.horizon, now).await? {
            self.horizon = row.horizon;
            if let (Some(session), Some(until)) = (row.subject, row.expires_at) {
                self.known.add(session, until);
            }
        }
        self.known.loaded.store(true, Ordering::Release);
        self.known.forget(now);
        Ok(())
    }
}

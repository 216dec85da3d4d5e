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

/// Sessions one message tells of.
const TOLD_AT_ONCE: usize = 500;

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
        self.add(sessions.iter().map(|session| (*session, until)));
        let redis = self.redis.clone();
        tokio::spawn(async move {
            for some in sessions.chunks(TOLD_AT_ONCE) {
                let some: Vec<_> = some.iter().map(i64::to_string).collect();
                if redis.publish(&channel(redis.prefix()), &some.join(",")).await.is_err() {
                    return;
                }
            }
        });
    }

    /// What is known already is known for the longer of the two times.
    fn add(&self, sessions: impl Iterator<Item = (i64, DateTime<Utc>)>) {
        let mut out = self.out.write().unwrap_or_else(PoisonError::into_inner);
        for (session, until) in sessions {
            let known = out.entry(session).or_insert(until);
            *known = (*known).max(until);
        }
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
                    Err(error) => {
                        if !away {
                            tracing::warn!(%error, "revocations cannot be read");
                        }
                        away = true;
                        // Whoever answers next may be another server, a little behind this one.
                        self.horizon = 0;
                    }
                },
                Some(told) = heard.recv() => {
                    let until = self.known.clock.now() + self.known.keep;
                    let sessions = told.split(',').filter_map(|id| id.parse().ok());
                    self.known.add(sessions.map(|session| (session, until)));
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), sqlx::Error> {
        let now = self.known.clock.now();
        let mut rows = store::look(&self.pool, self.horizon, now).await?;
        if rows.first().is_some_and(|row| row.horizon < self.horizon) {
            // Another server than before, on which transactions have smaller numbers.
            rows = store::look(&self.pool, 0, now).await?;
        }
        let new = rows.iter().filter_map(|row| Some((row.subject?, row.expires_at?)));
        self.known.add(new);
        if let Some(row) = rows.last() {
            self.horizon = row.horizon;
        }
        self.known.loaded.store(true, Ordering::Release);
        self.known.forget(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use sqlx::PgConnection;

    use super::{
        super::{EndReason, Ending, Method, NewSession, Origin, Which, begin, revoke},
        *,
    };
    use crate::clock::{Clock, ManualClock};

    /// A follower that looks when it is told to; what it knows.
    fn follower(pool: &PgPool, clock: &Arc<ManualClock>) -> Follower {
        let config = Config::default();
        let redis = Redis::start(&config.redis).unwrap();
        let known = Revocations::new(redis, clock.clone(), &config);
        Follower { known, pool: pool.clone(), horizon: 0 }
    }

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap()))
    }

    fn lifetimes() -> Lifetimes {
        Lifetimes::new(&Config::default().auth)
    }

    /// Begins so many sessions of one user and gives their ids.
    async fn begun(pool: &PgPool, count: usize, now: DateTime<Utc>) -> (i64, Vec<i64>) {
        let mut connection = pool.acquire().await.unwrap();
        let user = sqlx::query_scalar(
            "INSERT INTO users (username, created_at) VALUES ('a', $1) RETURNING id",
        );
        let user_id = user.bind(now).fetch_one(&mut *connection).await.unwrap();
        let origin = Origin::default();
        let new = vec![NewSession { user_id, origin: &origin, method: Method::Otp }; count];
        let begun = begin(&mut connection, &new, &lifetimes(), now).await.unwrap();
        (user_id, begun.into_iter().map(|session| session.id).collect())
    }

    async fn end(connection: &mut PgConnection, user: i64, session: i64, now: DateTime<Utc>) {
        let ending = Ending::new(EndReason::Logout, &lifetimes(), now);
        let ended = revoke(connection, user, Which::One(session), &ending).await.unwrap();
        assert_eq!(ended, [session]);
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn nothing_is_known_before_the_first_look_and_all_after_it(pool: PgPool) {
        let clock = clock();
        let (user, sessions) = begun(&pool, 2, clock.now()).await;
        end(&mut pool.acquire().await.unwrap(), user, sessions[0], clock.now()).await;
        let mut follower = follower(&pool, &clock);
        assert!(!follower.known.is_loaded() && !follower.known.contains(sessions[0]));
        follower.look().await.unwrap();
        assert!(follower.known.is_loaded() && follower.known.contains(sessions[0]));
        assert!(!follower.known.contains(sessions[1]));
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn what_commits_late_is_seen_although_later_ones_were_seen_before(pool: PgPool) {
        let clock = clock();
        let (user, sessions) = begun(&pool, 3, clock.now()).await;
        let mut follower = follower(&pool, &clock);
        follower.look().await.unwrap();
        let mut late = pool.begin().await.unwrap();
        end(&mut late, user, sessions[0], clock.now()).await;
        for session in &sessions[1..] {
            end(&mut pool.acquire().await.unwrap(), user, *session, clock.now()).await;
            follower.look().await.unwrap();
            assert!(follower.known.contains(*session));
        }
        assert!(!follower.known.contains(sessions[0]), "it is not committed");
        late.commit().await.unwrap();
        follower.look().await.unwrap();
        assert!(follower.known.contains(sessions[0]));
        // What was read once is behind the horizon and is not read again, as soon as no transaction
        // of then goes on, in this or another database of the server.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while store::look(&pool, follower.horizon, clock.now())
            .await
            .unwrap()
            .iter()
            .any(|row| row.subject.is_some())
        {
            assert!(tokio::time::Instant::now() < deadline, "the horizon goes on");
            follower.look().await.unwrap();
        }
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn on_a_server_with_smaller_transaction_numbers_everything_is_read(pool: PgPool) {
        let clock = clock();
        let (user, sessions) = begun(&pool, 1, clock.now()).await;
        let mut follower = follower(&pool, &clock);
        follower.horizon = i64::MAX;
        end(&mut pool.acquire().await.unwrap(), user, sessions[0], clock.now()).await;
        follower.look().await.unwrap();
        assert!(follower.known.contains(sessions[0]));
        assert!(follower.horizon < i64::MAX);
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn a_revocation_is_forgotten_when_its_access_tokens_have_expired(pool: PgPool) {
        let clock = clock();
        let (user, sessions) = begun(&pool, 1, clock.now()).await;
        end(&mut pool.acquire().await.unwrap(), user, sessions[0], clock.now()).await;
        let mut follower = follower(&pool, &clock);
        follower.look().await.unwrap();
        clock.advance(TimeDelta::seconds(i64::from(Config::default().auth.access_ttl_seconds)));
        follower.look().await.unwrap();
        assert!(follower.known.contains(sessions[0]), "a clock may be a little ahead");
        clock.advance(TimeDelta::seconds(61));
        follower.look().await.unwrap();
        assert!(!follower.known.contains(sessions[0]));
        assert!(follower.known.out.read().unwrap().is_empty());
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn what_is_said_here_holds_at_once_and_for_no_shorter_time_than_its_row(pool: PgPool) {
        let clock = clock();
        let follower = follower(&pool, &clock);
        follower.known.announce(vec![7, 8]);
        assert!(follower.known.contains(7) && follower.known.contains(8));
        assert!(!follower.known.contains(9));
        let later = clock.now() + TimeDelta::hours(1);
        follower.known.add([(7, later)].into_iter());
        follower.known.add([(7, clock.now())].into_iter());
        follower.known.forget(clock.now() + TimeDelta::minutes(30));
        assert!(follower.known.contains(7) && !follower.known.contains(8));
    }
}

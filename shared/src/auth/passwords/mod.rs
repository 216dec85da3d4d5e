//! Passwords: hashed with Argon2id, checked also against what Django stored.
//!
//! Hashing takes tens of milliseconds of a core and megabytes of memory. It runs on threads of its
//! own, so many at a time as `auth.passwords.max_parallel` says; who comes then waits for a turn,
//! and who finds too many waiting is sent away. So a flood of logins by password takes neither the
//! cores nor the threads from everything else.

mod change;
mod common;
mod confirm;
mod login;
mod register;
mod reset;
pub mod rules;
mod similar;
mod store;
mod stored;

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};

use self::stored::{Cost, Stored};
pub use self::{
    change::{ChangeError, PasswordChange, Proof},
    confirm::ConfirmByPassword,
    login::{PasswordLogin, PasswordLoginError},
    register::{NewAccount, RegisterError},
    reset::{PasswordReset, ResetError},
};
use crate::{config, telemetry::PASSWORD_WAIT_SECONDS};

/// The longest time that refusals are made to take, however slow an old hash was.
const LONGEST_FLOOR_MS: u64 = 2_000;

/// How often an action starts anew because a password was changed under its hands.
const TRIES: usize = 3;

/// The place where passwords are hashed and checked, one per process.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    cost: Cost,
    /// Checked in place of the hash that an account does not have.
    nobody: Stored,
    /// Who hashes or waits for it.
    places: Arc<Semaphore>,
    /// Who hashes.
    turns: Arc<Semaphore>,
    /// The longest time an old hash took, in milliseconds: checking a new one is faster, and the
    /// difference would tell who has an account.
    slowest_old_ms: AtomicU64,
}

/// Too many wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be checked")]
pub struct Busy;

/// What was found out about a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not the one that was hashed; or nothing was, or nothing that can be read.
    Wrong,
    /// The one.
    Right {
        /// Whether it had better be hashed anew.
        outdated: bool,
    },
}

/// Whether a stored hash is one that a login can check.
pub fn is_known(encoded: &str) -> bool {
    Stored::parse(encoded).is_some()
}

impl Passwords {
    /// A place as the configuration wants it.
    pub fn new(config: &config::Passwords) -> Self {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        let parallel = if config.max_parallel == 0 { cores() } else { config.max_parallel };
        let cost = Cost::from(config);
        Self(Arc::new(Inner {
            cost,
            nobody: Stored::of_nobody(cost),
            places: Arc::new(Semaphore::new(parallel.saturating_add(config.max_waiting))),
            turns: Arc::new(Semaphore::new(parallel)),
            slowest_old_ms: AtomicU64::new(0),
        }))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`Busy`], at once.
    ///
    /// # Panics
    /// Never: the semaphores are not closed.
    pub async fn turn(&self) -> Result<Turn, Busy> {
        let place = self.0.places.clone().try_acquire_owned().map_err(|_| Busy)?;
        let _timer = PASSWORD_WAIT_SECONDS.start_timer();
        let turn = self.0.turns.clone().acquire_owned().await.expect("nobody closes it");
        Ok(Turn { passwords: self.clone(), permits: Arc::new([place, turn]) })
    }

    /// How long a refusal takes at least, so that it does not tell old hashes from none.
    pub fn refusal_floor(&self) -> Duration {
        Duration::from_millis(self.0.slowest_old_ms.load(Ordering::Relaxed))
    }
}

/// The right to hash, one password after the other.
pub struct Turn {
    passwords: Passwords,
    /// Kept by the thread that hashes, too: a caller who goes away leaves its work to be finished.
    permits: Arc<[OwnedSemaphorePermit; 2]>,
}

impl Turn {
    /// Checks a password against what is stored. Takes as long where nothing is.
    pub(super) async fn verify(&self, stored: Option<&str>, password: &SecretString) -> Verdict {
        let inner = self.passwords.0.clone();
        let (stored, password) = (stored.map(str::to_owned), password.clone());
        self.work(move || inner.verify(stored.as_deref(), &password)).await
    }

    /// Hashes a password anew.
    pub(crate) async fn hash(&self, password: &SecretString, rng: &mut impl Rng) -> String {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        let (cost, password) = (self.passwords.0.cost, password.clone());
        self.work(move || stored::encode(password.expose_secret().as_bytes(), salt, cost)).await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let permits = self.permits.clone();
        let working = spawn_blocking(move || {
            let result = work();
            drop(permits);
            result
        });
        working.await.expect("hashing does not panic, and nobody aborts it")
    }
}

impl Inner {
    fn verify(&self, stored: Option<&str>, password: &SecretString) -> Verdict {
        let read = stored.and_then(Stored::parse);
        if stored.is_some() && read.is_none() {
            tracing::warn!("a stored password is of no kind that is checked here");
        }
        let stored = read.as_ref().unwrap_or(&self.nobody);
        let outdated = !stored.is_current(self.cost);
        let started = Instant::now();
        let right = stored.matches(password.expose_secret().as_bytes());
        if outdated {
            let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.slowest_old_ms.fetch_max(took.min(LONGEST_FLOOR_MS), Ordering::Relaxed);
        }
        if right { Verdict::Right { outdated } } else { Verdict::Wrong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Django's, with few rounds.
    const OLD: &str =
        "pbkdf2_sha256$20000$8QgXHwKPlCEeW4MTenD76M$90sxJ8VKfftbe6jJvZ5BRlXVGlBmIKm4J5cUxqw+0OY=";

    fn place(max_parallel: usize, max_waiting: usize) -> Passwords {
        let config = config::Passwords { max_parallel, max_waiting, ..Default::default() };
        Passwords::new(&config)
    }

    fn password() -> SecretString {
        SecretString::from("correct Horse 7 باتری")
    }

    #[tokio::test]
    async fn a_password_is_hashed_and_known_again() {
        let turn = place(1, 0).turn().await.unwrap();
        let [first, second] = [
            turn.hash(&password(), &mut rand::rng()).await,
            turn.hash(&password(), &mut rand::rng()).await,
        ];
        assert_ne!(first, second, "each has a salt of its own");
        let right = Verdict::Right { outdated: false };
        assert_eq!(turn.verify(Some(&first), &password()).await, right);
        for other in ["correct Horse 7 باتر", " correct Horse 7 باتری", ""] {
            assert_eq!(turn.verify(Some(&first), &other.into()).await, Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn no_password_and_unreadable_ones_are_never_right() {
        let place = place(1, 0);
        let turn = place.turn().await.unwrap();
        for stored in [None, Some("!unusable"), Some("pbkdf2_sha256$4000000000$a$AAAA"), Some("")] {
            assert_eq!(turn.verify(stored, &password()).await, Verdict::Wrong);
        }
        assert_eq!(place.refusal_floor(), Duration::ZERO);
    }

    #[tokio::test]
    async fn an_old_hash_is_right_and_outdated_and_refusals_take_as_long_from_then_on() {
        let place = place(1, 0);
        let turn = place.turn().await.unwrap();
        let right = Verdict::Right { outdated: true };
        assert_eq!(turn.verify(Some(OLD), &password()).await, right);
        assert!(place.refusal_floor() > Duration::ZERO);
        assert!(place.refusal_floor() <= Duration::from_millis(LONGEST_FLOOR_MS));
    }

    #[tokio::test]
    async fn so_many_hash_so_many_wait_and_the_others_are_sent_away() {
        let place = place(2, 3);
        let (first, second) = (place.turn().await.unwrap(), place.turn().await.unwrap());
        let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(turn_of(place.clone()))).collect();
        while place.0.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(place.turn().await.is_err());
        assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
        drop((first, second));
        for waiting in waiting {
            drop(waiting.await.unwrap().unwrap());
        }
        assert!(place.turn().await.is_ok());
    }

    async fn turn_of(place: Passwords) -> Result<Turn, Busy> {
        place.turn().await
    }

    #[tokio::test]
    async fn who_goes_away_leaves_no_more_hashing_than_there_are_turns() {
        let place = place(1, 0);
        let turn = place.turn().await.unwrap();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (finish, may_finish) = std::sync::mpsc::channel::<()>();
        let working = tokio::spawn(async move {
            turn.work(move || {
                begun.send(()).unwrap();
                may_finish.recv().unwrap();
            })
            .await;
        });
        spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        working.abort();
        assert!(working.await.is_err());
        assert!(place.turn().await.is_err(), "the thread is still at work");
        finish.send(()).unwrap();
        while place.0.places.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(place.turn().await.is_ok());
    }
}

//! The one source of business time.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};

/// Tells the time; a parameter wherever a business lifetime is decided.
pub trait Clock: Send + Sync {
    /// The current time, whole microseconds (what PostgreSQL keeps).
    fn now(&self) -> DateTime<Utc>;
}

/// A shared clock.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

/// Whole seconds until the next UTC day begins, at least one: when caps of the day start anew.
pub fn seconds_to_tomorrow(now: DateTime<Utc>) -> i64 {
    let tomorrow = (now.date_naive() + chrono::Days::new(1)).and_time(chrono::NaiveTime::MIN);
    let left = (tomorrow.and_utc() - now).num_milliseconds().max(0);
    ((left + 999) / 1000).max(1)
}

/// A clock that stands where it is put; for tests.
#[derive(Debug)]
pub struct ManualClock(std::sync::Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that shows `at`.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self(std::sync::Mutex::new(at))
    }

    /// Moves the clock by `by` (backwards when negative).
    ///
    /// # Panics
    /// When a holder of its lock panicked.
    pub fn advance(&self, by: chrono::TimeDelta) {
        *self.0.lock().expect("no holder of this lock panics") += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().expect("no holder of this lock panics")
    }
}

//! When a blow comes: once so much more has happened, never after so much time.

use std::time::Duration;

use crate::harness::catch_within;

/// Longest wait for one: a few leases and pauses, on a busy machine.
const LONGEST: Duration = Duration::from_mins(1);

/// The moment at which there is so much more of something.
#[derive(Debug)]
#[must_use = "it comes to who waits for it"]
pub struct Moment<C> {
    count: C,
    wanted: i64,
}

impl<C: AsyncFn() -> i64> Moment<C> {
    /// When `count` is so much more than it is now. Nothing more is now.
    ///
    /// # Panics
    /// When `more` is more than anybody counts to.
    pub async fn after(more: usize, count: C) -> Self {
        let more = i64::try_from(more).expect("a small number");
        let wanted = count().await.saturating_add(more);
        Self { count, wanted }
    }

    /// Waits for it.
    ///
    /// # Panics
    /// When it does not come within a minute.
    pub async fn comes(self) {
        let (count, wanted) = (&self.count, self.wanted);
        let what = format!("a count of {wanted}");
        let come = || async move { (count().await >= wanted).then_some(()) };
        catch_within(LONGEST, &what, come).await;
    }
}

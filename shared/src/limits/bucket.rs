//! The rule itself: GCRA, a leaky bucket kept as one moment. Everything is in microseconds.

use std::time::Duration;

use crate::config::Rate;

/// A rate as the rule needs it.
///
/// What a key has spent is how far its "theoretical arrival time" lies ahead of now: each unit
/// moves it by `emission`, and time moves it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    /// How long one unit takes to be earned back.
    pub(super) emission: i64,
    /// How far ahead a key may be: a whole bucket.
    pub(super) tolerance: i64,
    count: u32,
}

impl Bucket {
    /// The bucket of a rate.
    #[cfg(test)]
    pub(super) fn of(rate: Rate) -> Self {
        Self::share(rate, 1)
    }

    /// One of `processes` equal parts of a rate, rounded down: a unit costs as much as if every
    /// process had spent one. Nothing fits a part of a rate with fewer units than processes.
    pub(super) fn share(rate: Rate, processes: u32) -> Self {
        let count = rate.count / processes.max(1);
        let window = i64::from(rate.seconds).saturating_mul(1_000_000);
        let emission = (window / i64::from(count.max(1))).max(1);
        Self { emission, tolerance: emission.saturating_mul(i64::from(count)), count }
    }

    /// One of `processes` equal parts of so many a second, spaced so that in no second there are
    /// more: bursts are small, and a fifth is left for what is delayed on its way and arrives
    /// together with what left after it. As with [`Bucket::share`] a part may be nothing.
    pub(super) fn pace(per_second: u32, processes: u32) -> Self {
        let each = per_second / processes.max(1);
        let count = if each == 0 { 0 } else { (each / 10).max(1) };
        let emission = (1_250_000 / i64::from(each.max(1))).max(1);
        Self { emission, tolerance: emission.saturating_mul(i64::from(count)), count }
    }

    /// Whether a key that is this far ahead may spend one more.
    pub(super) fn fits(&self, ahead: i64) -> bool {
        ahead.saturating_add(self.emission) <= self.tolerance
    }

    /// Whole units left to a key that is this far ahead.
    pub(super) fn remaining(&self, ahead: i64) -> u32 {
        let left = self.tolerance.saturating_sub(ahead).max(0) / self.emission;
        u32::try_from(left).unwrap_or(u32::MAX).min(self.count)
    }

    /// How long until there is one unit more than now; zero for a full bucket.
    pub(super) fn more_after(&self, ahead: i64) -> Duration {
        let remaining = self.remaining(ahead);
        if remaining == self.count && self.count > 0 {
            return Duration::ZERO;
        }
        let next = self.emission.saturating_mul(i64::from(remaining) + 1);
        let wait = ahead.saturating_add(next).saturating_sub(self.tolerance);
        Duration::from_micros(u64::try_from(wait).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn rate(count: u32, seconds: u32) -> Rate {
        Rate { count, seconds }
    }

    #[test]
    fn a_burst_is_allowed_up_to_the_count_and_earned_back_evenly() {
        let bucket = Bucket::of(rate(3, 3));
        let mut ahead = 0;
        for left in [2, 1, 0] {
            assert!(bucket.fits(ahead));
            ahead += bucket.emission;
            assert_eq!(bucket.remaining(ahead), left);
        }
        assert!(!bucket.fits(ahead));
        assert_eq!(bucket.more_after(ahead), Duration::from_secs(1));
        assert!(bucket.fits(ahead - SECOND));
        assert!(!bucket.fits(ahead - SECOND + bucket.emission));
    }

    #[test]
    fn a_full_bucket_has_nothing_to_wait_for() {
        let bucket = Bucket::of(rate(60, 60));
        assert_eq!((bucket.remaining(0), bucket.more_after(0)), (60, Duration::ZERO));
        assert_eq!(bucket.remaining(SECOND), 59);
        assert_eq!(bucket.more_after(SECOND), Duration::from_secs(1));
        assert_eq!(bucket.more_after(SECOND / 4), Duration::from_millis(250));
    }

    #[test]
    fn shares_together_never_are_more_than_the_whole() {
        for (count, processes) in [(10, 1), (10, 3), (60, 7), (2, 2), (2, 3), (1, 1000)] {
            let share = Bucket::share(rate(count, 60), processes);
            assert!(share.remaining(0) * processes <= count, "{count}/{processes}");
            assert_eq!(share.fits(0), count >= processes, "{count}/{processes}");
        }
        assert_eq!(Bucket::share(rate(10, 60), 0), Bucket::of(rate(10, 60)));
        assert_eq!(Bucket::share(rate(2, 60), 3).more_after(0), Duration::from_mins(1));
    }

    #[test]
    fn at_a_pace_no_second_has_more_than_its_share_and_most_of_it_is_used() {
        for (per_second, processes) in
            [(1, 1), (2, 1), (7, 2), (10, 1), (20, 3), (100, 1), (999, 4), (10_000, 1)]
        {
            let bucket = Bucket::pace(per_second, processes);
            let (mut ahead, mut sent) = (0_i64, Vec::new());
            for now in (0..4 * SECOND).step_by(50) {
                ahead = (ahead - 50).max(0);
                while bucket.fits(ahead) {
                    ahead += bucket.emission;
                    sent.push(now);
                }
            }
            let within =
                |from: i64| sent.iter().filter(|at| (from..from + SECOND).contains(*at)).count();
            let most = sent.iter().step_by(sent.len() / 50 + 1).map(|at| within(*at)).max();
            let together = most.unwrap() * processes as usize;
            assert!(together <= per_second as usize, "{per_second}/{processes}: {together}");
            let share = (per_second / processes) as usize;
            assert!(sent.len() * 2 >= share * 4, "{per_second}/{processes}: {}", sent.len());
        }
    }

    #[test]
    fn at_a_pace_below_one_for_each_process_nobody_has_any() {
        let bucket = Bucket::pace(2, 3);
        assert!(!bucket.fits(0));
        assert!(bucket.more_after(0) > Duration::ZERO);
    }

    #[test]
    fn what_was_spent_of_the_whole_is_spent_of_every_share() {
        let (whole, share) = (Bucket::of(rate(10, 60)), Bucket::share(rate(10, 60), 2));
        assert_eq!(share.remaining(4 * whole.emission), 3);
        assert_eq!(share.remaining(9 * whole.emission), 0);
    }

    #[test]
    fn rates_faster_than_a_microsecond_still_end() {
        let bucket = Bucket::of(rate(4_000_000_000, 1));
        assert!(bucket.fits(0) && !bucket.fits(bucket.tolerance));
    }
}

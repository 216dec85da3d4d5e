//! A circuit breaker: stops asking a provider that fails, and finds out when it is back. Pure.

use std::time::{Duration, Instant};

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// How long it stays open the first time; doubled with every probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause of a provider that fails: short beside the life of a code.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// Pause of a provider that refuses our account.
const REFUSED_PAUSE: Duration = Duration::from_mins(1);

/// What a call says about the provider's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answered as it should, be it with a refusal of this one message.
    Good,
    /// It was busy, unreachable or its answer was lost.
    Bad,
    /// It refuses our account: nothing will pass until an operator has looked.
    Refused,
}

/// State of one provider. The numbers are those of its metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Calls pass.
    Closed = 0,
    /// One call is on its way to find out.
    Probing = 1,
    /// No call passes.
    Open = 2,
}

/// How a call was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Like any other.
    Ordinary,
    /// As the one that finds out.
    Probe,
}

/// The breaker of one provider in one process.
#[derive(Debug)]
pub struct Breaker {
    failures: u32,
    open_until: Option<Instant>,
    pause: Duration,
    probing: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 0, open_until: None, pause: FIRST_PAUSE, probing: false }
    }
}

impl Breaker {
    /// Lets a call pass, or not. Says [`Admission::Probe`] once after each pause.
    pub fn admit(&mut self, now: Instant) -> Option<Admission> {
        match self.open_until {
            None => Some(Admission::Ordinary),
            Some(until) if now >= until && !self.probing => {
                self.probing = true;
                Some(Admission::Probe)
            }
            Some(_) => None,
        }
    }

    /// Time until a call may pass; zero when one may now. While a probe is on its way nobody
    /// knows: then it is the pause that would follow.
    pub fn wait(&self, now: Instant) -> Duration {
        match self.open_until {
            None => Duration::ZERO,
            Some(_) if self.probing => self.pause,
            Some(until) => until.saturating_duration_since(now),
        }
    }

    /// Takes note of how an admitted call went. An ordinary call that ends after the breaker
    /// opened began before it did and says nothing new.
    pub fn record(&mut self, admission: Admission, health: Health, now: Instant) {
        if admission == Admission::Ordinary && self.open_until.is_some() {
            return;
        }
        let longer = (self.pause * 2).min(LONGEST_PAUSE);
        match (admission, health) {
            (_, Health::Good) => *self = Self::default(),
            (_, Health::Refused) => self.open(REFUSED_PAUSE, now),
            (Admission::Probe, Health::Bad) => self.open(longer, now),
            (Admission::Ordinary, Health::Bad) => {
                self.failures += 1;
                if self.failures >= FAILURES {
                    self.open(FIRST_PAUSE, now);
                }
            }
        }
    }

    fn open(&mut self, pause: Duration, now: Instant) {
        *self = Self { failures: 0, open_until: Some(now + pause), pause, probing: false };
    }

    /// Its state, for metrics.
    pub fn state(&self) -> State {
        match (self.open_until, self.probing) {
            (None, _) => State::Closed,
            (Some(_), false) => State::Open,
            (Some(_), true) => State::Probing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Admission::{Ordinary, Probe};

    fn broken(start: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert_eq!(breaker.admit(start), Some(Ordinary));
            breaker.record(Ordinary, Health::Bad, start);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_does_not() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for health in [Health::Bad, Health::Bad, Health::Good, Health::Bad, Health::Bad] {
            breaker.record(Ordinary, health, start);
        }
        breaker.record(Ordinary, Health::Bad, start);
        assert_eq!(breaker.state(), State::Closed);
        assert_eq!(broken(start).admit(start), None);
    }

    #[test]
    fn one_probe_passes_after_the_pause_and_its_success_closes_it() {
        let start = Instant::now();
        let mut breaker = broken(start);
        assert_eq!(breaker.wait(start), FIRST_PAUSE);
        let later = start + FIRST_PAUSE;
        assert_eq!(breaker.wait(later), Duration::ZERO);
        assert_eq!(breaker.admit(later), Some(Probe));
        assert_eq!(breaker.admit(later), None, "a second call beside the probe");
        breaker.record(Probe, Health::Good, later);
        assert_eq!((breaker.admit(later), breaker.state()), (Some(Ordinary), State::Closed));
    }

    #[test]
    fn failed_probes_double_the_pause_up_to_the_longest() {
        let start = Instant::now();
        let mut breaker = broken(start);
        let mut now = start + FIRST_PAUSE;
        for seconds in [4, 8, 16, 16] {
            assert_eq!(breaker.admit(now), Some(Probe));
            breaker.record(Probe, Health::Bad, now);
            assert_eq!(breaker.wait(now), Duration::from_secs(seconds));
            now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn calls_that_end_after_it_opened_change_nothing() {
        let start = Instant::now();
        let mut breaker = broken(start);
        breaker.record(Ordinary, Health::Good, start);
        breaker.record(Ordinary, Health::Bad, start + FIRST_PAUSE / 2);
        assert_eq!((breaker.state(), breaker.wait(start)), (State::Open, FIRST_PAUSE));
    }

    #[test]
    fn a_refused_account_opens_it_at_once_and_for_long() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        breaker.record(Ordinary, Health::Refused, start);
        assert_eq!(breaker.wait(start), REFUSED_PAUSE);
        assert_eq!(breaker.admit(start + REFUSED_PAUSE), Some(Probe));
    }
}

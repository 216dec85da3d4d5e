//! A circuit breaker: stops asking a provider that fails, and finds out when it is back. Pure.

use std::time::{Duration, Instant};

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// How long it stays open the first time; doubled with every probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause of a provider that fails: short beside the life of a code.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// How long to wait before looking again whether the account's standing has been read.
const UNREAD_PAUSE: Duration = Duration::from_millis(20);

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
    /// As the one that finds out whether it answers again.
    Probe,
    /// As the one that finds out whether it takes our account again.
    AccountProbe,
}

/// Whether the provider takes our account. All workers agree on it, see [`crate::standing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Account {
    /// Not read yet: nobody passes until it is.
    Unread,
    /// It does.
    Taken,
    /// It does not.
    Refused,
    /// It did not; until then one call of this process may find out whether it does now.
    MayProbe { until: Instant },
}

/// The breaker of one provider in one process.
#[derive(Debug)]
pub struct Breaker {
    failures: u32,
    open_until: Option<Instant>,
    pause: Duration,
    probing: bool,
    account: Account,
}

impl Breaker {
    /// Of a provider whose account's standing is yet to be read with [`Breaker::agree`].
    pub fn unread() -> Self {
        Self { account: Account::Unread, ..Self::closed() }
    }

    /// Lets every call pass.
    pub fn closed() -> Self {
        Self {
            failures: 0,
            open_until: None,
            pause: FIRST_PAUSE,
            probing: false,
            account: Account::Taken,
        }
    }

    fn refused() -> Self {
        Self { account: Account::Refused, ..Self::closed() }
    }

    /// Takes over what all workers know: whether the account is refused, and until when this
    /// process has the right to find out whether it still is.
    pub fn agree(&mut self, refused: bool, right: Option<Instant>) {
        match (refused, self.account) {
            (false, Account::Taken) | (true, Account::Refused | Account::MayProbe { .. }) => {}
            (false, _) => *self = Self::closed(),
            (true, Account::Unread | Account::Taken) => *self = Self::refused(),
        }
        if let Some(until) = right.filter(|_| refused) {
            self.account = Account::MayProbe { until };
        }
    }

    /// Lets a call pass, or not. Says [`Admission::Probe`] once after each pause, and
    /// [`Admission::AccountProbe`] once for each right to it.
    pub fn admit(&mut self, now: Instant) -> Option<Admission> {
        match self.account {
            Account::Taken => {}
            Account::MayProbe { until } if now < until => {
                self.account = Account::Refused;
                return Some(Admission::AccountProbe);
            }
            _ => return None,
        }
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
    /// knows: then it is the pause that would follow, and for a refused account for ever.
    pub fn wait(&self, now: Instant) -> Duration {
        match self.account {
            Account::Taken => {}
            Account::Unread => return UNREAD_PAUSE,
            Account::MayProbe { until } if now < until => return Duration::ZERO,
            Account::Refused | Account::MayProbe { .. } => return Duration::MAX,
        }
        match self.open_until {
            None => Duration::ZERO,
            Some(_) if self.probing => self.pause,
            Some(until) => until.saturating_duration_since(now),
        }
    }

    /// Takes note of how an admitted call went. An ordinary call that ends after the breaker
    /// opened began before it did and says nothing new.
    pub fn record(&mut self, admission: Admission, health: Health, now: Instant) {
        let late = match admission {
            Admission::Ordinary => self.account != Account::Taken || self.open_until.is_some(),
            Admission::Probe => self.account != Account::Taken,
            Admission::AccountProbe => false,
        };
        if late {
            return;
        }
        let longer = (self.pause * 2).min(LONGEST_PAUSE);
        match (admission, health) {
            (_, Health::Good) => *self = Self::closed(),
            (_, Health::Refused) => *self = Self::refused(),
            // Whoever says nothing has not taken the account again.
            (Admission::AccountProbe, Health::Bad) => {}
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
        *self = Self { open_until: Some(now + pause), pause, ..Self::closed() };
    }

    /// Its state, for metrics.
    pub fn state(&self) -> State {
        if self.account != Account::Taken {
            return State::Open;
        }
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
    use Admission::{AccountProbe, Ordinary, Probe};

    fn broken(start: Instant) -> Breaker {
        let mut breaker = Breaker::closed();
        for _ in 0..FAILURES {
            assert_eq!(breaker.admit(start), Some(Ordinary));
            breaker.record(Ordinary, Health::Bad, start);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_does_not() {
        let start = Instant::now();
        let mut breaker = Breaker::closed();
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
    fn a_refused_account_opens_it_at_once_and_time_alone_does_not_close_it() {
        let start = Instant::now();
        let mut breaker = Breaker::closed();
        breaker.record(Ordinary, Health::Refused, start);
        let much_later = start + Duration::from_hours(24);
        assert_eq!((breaker.admit(much_later), breaker.state()), (None, State::Open));
        // A call that began before and went well is old news.
        breaker.record(Ordinary, Health::Good, much_later);
        breaker.record(Probe, Health::Good, much_later);
        assert_eq!(breaker.wait(much_later), Duration::MAX);
    }

    #[test]
    fn one_call_passes_for_each_right_to_probe_a_refused_account() {
        let start = Instant::now();
        let right = Some(start + Duration::from_secs(30));
        for (health, open) in [(Health::Refused, true), (Health::Bad, true), (Health::Good, false)]
        {
            let mut breaker = Breaker::closed();
            breaker.record(Ordinary, Health::Refused, start);
            breaker.agree(true, None);
            assert_eq!(breaker.admit(start), None);
            breaker.agree(true, right);
            assert_eq!(breaker.wait(start), Duration::ZERO);
            assert_eq!(breaker.wait(start + Duration::from_secs(30)), Duration::MAX, "too late");
            assert_eq!(breaker.admit(start), Some(AccountProbe));
            assert_eq!(breaker.admit(start), None, "a second call beside the probe");
            breaker.record(AccountProbe, health, start);
            assert_eq!(breaker.state() == State::Open, open, "{health:?}");
        }
    }

    #[test]
    fn what_all_workers_know_opens_and_closes_it() {
        let start = Instant::now();
        let mut breaker = Breaker::unread();
        assert_eq!(breaker.admit(start), None, "nobody passes before it is known");
        breaker.agree(true, None);
        assert_eq!(breaker.wait(start), Duration::MAX);
        breaker.agree(false, None);
        assert_eq!(breaker.admit(start), Some(Ordinary));
        // It says nothing about failures.
        let mut failing = broken(start);
        failing.agree(false, None);
        assert_eq!(failing.wait(start), FIRST_PAUSE);
    }
}

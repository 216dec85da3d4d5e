//! What stands between the jobs and a provider: a bulkhead, so that one that hangs holds up a
//! bounded number of jobs, and a circuit breaker, so that one that fails is not hammered.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use shared::{
    config::Config,
    jobs::Queue,
    limits::Limiter,
    sms::providers::{
        Content, Lookup, Outcome, OutgoingSms, Rejection, Report, SmsProvider, Unanswered,
    },
    telemetry::{PROVIDER_BREAKER, PROVIDER_CALLS_RUNNING},
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    breaker::{Admission, Breaker, Health, State},
    line::{Line, Room, Turn},
};

/// Pause for a job that finds every place taken.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// A provider behind its bulkhead and breaker.
pub struct Guard {
    provider: Arc<dyn SmsProvider>,
    /// For each queue its own, so that none takes another's.
    places: [Semaphore; Queue::ALL.len()],
    breaker: Mutex<Breaker>,
    /// Its bound of texts a second, if it has one.
    line: Option<Line>,
    /// Whether there is no other provider to turn to.
    alone: bool,
}

impl Guard {
    /// Guards for all providers. With several, none may hold more than half of the jobs of a
    /// queue that run at once; an only one may hold them all.
    pub fn around(
        providers: Vec<Arc<dyn SmsProvider>>,
        config: &Config,
        limiter: &Limiter,
    ) -> Vec<Self> {
        let alone = providers.len() == 1;
        let shares = Queue::ALL.map(|queue| config.worker.concurrency(queue));
        let places = shares.map(|jobs| if alone { jobs } else { jobs.div_ceil(2) });
        let line = |name: &str| {
            let bound = config.sms.provider_settings(name).per_second;
            bound.map(|per_second| Line::new(name, per_second, limiter.clone()))
        };
        let guard = |provider: Arc<dyn SmsProvider>| {
            let line = line(provider.name());
            Self { line, ..Self::new(provider, places, alone) }
        };
        providers.into_iter().map(guard).collect()
    }

    fn new(provider: Arc<dyn SmsProvider>, places: [usize; Queue::ALL.len()], alone: bool) -> Self {
        let guard = Self {
            provider,
            places: places.map(Semaphore::new),
            breaker: Mutex::new(Breaker::default()),
            line: None,
            alone,
        };
        guard.show(State::Closed);
        guard
    }

    /// The provider's name.
    pub fn name(&self) -> &str {
        self.provider.name()
    }

    /// Time until a call of this queue's may pass; zero when one may now.
    pub fn wait(&self, queue: Queue) -> Duration {
        if self.places[queue as usize].available_permits() == 0 {
            return FULL_PAUSE;
        }
        self.breaker_wait()
    }

    /// Time until the breaker lets a call pass.
    pub fn breaker_wait(&self) -> Duration {
        self.breaker().wait(Instant::now())
    }

    /// Waits until the line has room for a text of this queue's; `None` when it has none within
    /// `patience`.
    pub async fn turn(&self, queue: Queue, patience: Duration) -> Option<Turn<'_>> {
        match self.line_for(queue) {
            Some(line) => line.turn(queue, patience).await,
            None => Some(Turn::free()),
        }
    }

    /// Takes room on the line for so many texts.
    pub async fn take_room(&self, queue: Queue, texts: usize) -> Room {
        match self.line_for(queue) {
            Some(line) => line.take(texts).await,
            None => Room { texts, more_after: Duration::ZERO },
        }
    }

    /// Codes do not wait.
    fn line_for(&self, queue: Queue) -> Option<&Line> {
        self.line.as_ref().filter(|_| queue != Queue::Otp)
    }

    /// See [`SmsProvider::send_at_once`].
    pub fn send_at_once(&self, content: &Content) -> usize {
        self.provider.send_at_once(content)
    }

    /// Takes a place for one call; `None` when there is none or the breaker is open. Ask before
    /// anything is written about the attempt.
    pub fn enter(&self, queue: Queue) -> Option<Pass<'_>> {
        let place = self.places[queue as usize].try_acquire().ok()?;
        let admission = self.breaker().admit(Instant::now())?;
        PROVIDER_CALLS_RUNNING.with_label_values(&[self.name()]).inc();
        Some(Pass { guard: self, admission, health: None, _place: place })
    }

    /// Asks the provider; look-ups are rare and pass whatever the breaker says.
    pub async fn lookup(&self, sms: &OutgoingSms) -> Lookup {
        self.provider.lookup(sms).await
    }

    /// See [`SmsProvider::statuses_at_once`].
    pub fn statuses_at_once(&self) -> usize {
        self.provider.statuses_at_once()
    }

    /// Asks what became of messages; passes whatever the breaker says, as look-ups do.
    ///
    /// # Errors
    /// As [`SmsProvider::statuses`].
    pub async fn statuses(&self, ids: &[String]) -> Result<Vec<Report>, Unanswered> {
        self.provider.statuses(ids).await
    }

    fn health_of(&self, outcome: &Outcome) -> Health {
        match outcome {
            // With nobody to turn to, the callers had better hear the refusal than wait.
            Outcome::Rejected { reason: Rejection::Account, .. } if !self.alone => Health::Refused,
            Outcome::Accepted { .. } | Outcome::Rejected { .. } => Health::Good,
            Outcome::RetryLater { .. } | Outcome::Unknown { .. } => Health::Bad,
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().expect("no holder of this lock panics")
    }

    fn record(&self, admission: Admission, health: Health) {
        let (before, after) = {
            let mut breaker = self.breaker();
            let before = breaker.state();
            breaker.record(admission, health, Instant::now());
            (before, breaker.state())
        };
        if before == State::Closed && after == State::Open {
            let refused = health == Health::Refused;
            tracing::error!(provider = self.name(), refused, "provider taken out");
        } else if before != State::Closed && after == State::Closed {
            tracing::info!(provider = self.name(), "provider is back");
        }
        self.show(after);
    }

    fn show(&self, state: State) {
        PROVIDER_BREAKER.with_label_values(&[self.name()]).set(state as i64);
    }
}

/// The right to one call. A call that is begun counts as failed unless it ends, so that one that
/// is dropped half-way is answered for.
pub struct Pass<'a> {
    guard: &'a Guard,
    admission: Admission,
    /// `None`: the call was not begun.
    health: Option<Health>,
    _place: SemaphorePermit<'a>,
}

impl Pass<'_> {
    /// The provider it is for.
    pub fn provider(&self) -> &str {
        self.guard.name()
    }

    /// Sends, and takes note of how it went.
    pub async fn send(mut self, sms: &OutgoingSms) -> Outcome {
        self.health = Some(Health::Bad);
        let outcome = self.guard.provider.send(sms).await;
        self.health = Some(self.guard.health_of(&outcome));
        outcome
    }

    /// Sends several messages in one call, and takes note of how it went. One outcome each.
    pub async fn send_many(mut self, messages: &[OutgoingSms]) -> Vec<Outcome> {
        self.health = Some(Health::Bad);
        let mut outcomes = self.guard.provider.send_many(messages).await;
        outcomes.resize(messages.len(), Outcome::Unknown { code: "sms.no_outcome".to_owned() });
        let health = outcomes.iter().map(|outcome| self.guard.health_of(outcome));
        let health: Vec<_> = health.collect();
        let good = health.contains(&Health::Good);
        self.health = if good { Some(Health::Good) } else { health.first().copied() };
        outcomes
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        PROVIDER_CALLS_RUNNING.with_label_values(&[self.provider()]).dec();
        match (self.admission, self.health) {
            (Admission::Ordinary, None) => {}
            // A probe that was not made proves nothing: it is due again.
            (admission, health) => self.guard.record(admission, health.unwrap_or(Health::Bad)),
        }
    }
}

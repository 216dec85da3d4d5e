//! What stands between the jobs and a provider: a bulkhead, so that one that hangs holds up a
//! bounded number of jobs, and a circuit breaker, so that one that fails is not hammered.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use shared::{
    breaker::{Admission, Breaker, Health, State},
    config::Config,
    jobs::Queue,
    limits::Limiter,
    sms::{
        providers::{
            Balance, Content, Lookup, Outcome, OutgoingSms, Rejection, Report, SmsProvider,
            Unanswered,
        },
        standing::Word,
    },
    telemetry::{PROVIDER_BREAKER, PROVIDER_CALLS_RUNNING, PROVIDER_PAUSED},
};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::line::{Line, Room, Turn};

/// Pause for a job that finds every place taken.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// Pause until it is known whether staff let a provider rest: a process reads it first of all.
const UNREAD_PAUSE: Duration = Duration::from_millis(20);

/// A provider behind its bulkhead and breaker.
pub struct Guard {
    provider: Arc<dyn SmsProvider>,
    /// For each queue its own, so that none takes another's.
    places: [Semaphore; Queue::ALL.len()],
    view: Mutex<View>,
    /// Rung when there is a word for the other workers.
    words: Arc<Notify>,
    /// Its bound of texts a second, if it has one.
    line: Option<Line>,
    /// Whether there is no other provider to turn to.
    alone: bool,
}

/// What this process makes of a provider.
struct View {
    breaker: Breaker,
    /// Whether all workers know that it refuses our account.
    is_out: bool,
    /// What they are yet to be told.
    word: Option<Word>,
    /// Whether nothing is sent through it because staff said so; `None`: not known yet.
    rests: Option<bool>,
}

impl Guard {
    /// Guards for all providers. With several, none may hold more than half of the jobs of a
    /// queue that run at once; an only one may hold them all.
    pub fn around(
        providers: Vec<Arc<dyn SmsProvider>>,
        config: &Config,
        words: &Arc<Notify>,
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
            Self { line, ..Self::new(provider, places, alone, words.clone()) }
        };
        providers.into_iter().map(guard).collect()
    }

    fn new(
        provider: Arc<dyn SmsProvider>,
        places: [usize; Queue::ALL.len()],
        alone: bool,
        words: Arc<Notify>,
    ) -> Self {
        // An only provider is asked whatever is known of it.
        let breaker = if alone { Breaker::closed() } else { Breaker::unread() };
        let guard = Self {
            provider,
            places: places.map(Semaphore::new),
            view: Mutex::new(View { breaker, is_out: false, word: None, rests: None }),
            words,
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
    /// To one that rests none does, until staff say otherwise.
    pub fn breaker_wait(&self) -> Duration {
        let view = self.view();
        match view.rests {
            None => UNREAD_PAUSE,
            Some(true) => Duration::MAX,
            Some(false) => view.breaker.wait(Instant::now()),
        }
    }

    /// Whether nothing is sent through it because staff said so.
    pub fn is_paused(&self) -> bool {
        self.view().rests == Some(true)
    }

    /// Lets it rest, or takes it into use.
    pub fn rest(&self, rests: bool) {
        let was = self.view().rests.replace(rests);
        PROVIDER_PAUSED.with_label_values(&[self.name()]).set(rests.into());
        if was.unwrap_or(false) != rests {
            tracing::info!(provider = self.name(), rests, "provider rests or goes on");
        }
    }

    /// Whether there is no other provider to turn to.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// What the other workers are yet to be told, once.
    pub fn take_word(&self) -> Option<Word> {
        self.view().word.take()
    }

    /// Keeps a word that could not be told, unless there is a later one.
    pub fn keep_word(&self, word: Word) {
        self.view().word.get_or_insert(word);
    }

    /// Takes over what all workers know: whether the account is refused, and until when this
    /// process has the right to find out whether it still is. A word of this process they have
    /// yet to hear stands against it.
    pub fn agree(&self, is_out: bool, right: Option<Instant>) {
        let state = {
            let mut view = self.view();
            if view.word.is_some() {
                return;
            }
            view.is_out = is_out;
            if !self.alone {
                view.breaker.agree(is_out, right);
            }
            view.breaker.state()
        };
        self.show(state);
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
        let (admission, was_out) = {
            let mut view = self.view();
            if view.rests != Some(false) {
                return None;
            }
            (view.breaker.admit(Instant::now())?, view.is_out)
        };
        PROVIDER_CALLS_RUNNING.with_label_values(&[self.name()]).inc();
        Some(Pass { guard: self, admission, was_out, ended: None, _place: place })
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

    /// Asks what is left on the account.
    ///
    /// # Errors
    /// As [`SmsProvider::balance`].
    pub async fn balance(&self) -> Result<Balance, Unanswered> {
        self.provider.balance().await
    }

    fn health_of(&self, outcome: &Outcome) -> Health {
        match outcome {
            // With nobody to turn to, the callers had better hear the refusal than wait.
            Outcome::Rejected { reason: Rejection::Account, .. } if !self.alone => Health::Refused,
            Outcome::Accepted { .. } | Outcome::Rejected { .. } => Health::Good,
            Outcome::RetryLater { .. } | Outcome::Unknown { .. } => Health::Bad,
        }
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().expect("no holder of this lock panics")
    }

    fn record(&self, admission: Admission, health: Health, word: Option<Word>) {
        let (before, after) = {
            let mut view = self.view();
            let before = view.breaker.state();
            view.breaker.record(admission, health, Instant::now());
            let after = view.breaker.state();
            let fails = before != State::Open && after == State::Open && health == Health::Bad;
            if let Some(word) = word.or(fails.then_some(Word::Failing)) {
                match word {
                    Word::Refused { .. } => view.is_out = true,
                    Word::Passed => view.is_out = false,
                    Word::Silent | Word::Failing => {}
                }
                view.word = Some(word);
                self.words.notify_one();
            }
            (before, after)
        };
        // Of refused accounts operators are told once, by whoever took it down first.
        if before == State::Closed && after == State::Open && health == Health::Bad {
            tracing::error!(provider = self.name(), "provider taken out");
        } else if before == State::Probing && after == State::Closed {
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
    /// Whether all workers knew, when it was given, that the account is refused.
    was_out: bool,
    /// How the call went, and what it says of the account. `None`: it was not begun.
    ended: Option<(Health, Option<Word>)>,
    _place: SemaphorePermit<'a>,
}

impl Pass<'_> {
    /// The provider it is for.
    pub fn provider(&self) -> &str {
        self.guard.name()
    }

    /// Sends, and takes note of how it went.
    pub async fn send(mut self, sms: &OutgoingSms) -> Outcome {
        self.ended = Some((Health::Bad, self.word_of(None)));
        let outcome = self.guard.provider.send(sms).await;
        self.ended = Some((self.guard.health_of(&outcome), self.word_of(Some(&outcome))));
        outcome
    }

    /// What all workers should hear of the account. Only a call that began in an outage ends it,
    /// and an only provider, which is asked on, begins it once.
    fn word_of(&self, outcome: Option<&Outcome>) -> Option<Word> {
        let probe = self.admission == Admission::AccountProbe;
        match outcome {
            Some(Outcome::Rejected { reason: Rejection::Account, code }) => {
                let news = probe || !self.was_out;
                news.then(|| Word::Refused { code: code.clone(), probe })
            }
            Some(Outcome::Accepted { .. } | Outcome::Rejected { .. }) => {
                self.was_out.then_some(Word::Passed)
            }
            _ => probe.then_some(Word::Silent),
        }
    }

    /// Sends several messages in one call, and takes note of how it went. One outcome each.
    pub async fn send_many(mut self, messages: &[OutgoingSms]) -> Vec<Outcome> {
        self.ended = Some((Health::Bad, self.word_of(None)));
        let mut outcomes = self.guard.provider.send_many(messages).await;
        outcomes.resize(messages.len(), Outcome::Unknown { code: "sms.no_outcome".to_owned() });
        let health: Vec<_> = outcomes.iter().map(|outcome| self.guard.health_of(outcome)).collect();
        // One that was taken says that the provider is well, and that it takes our account.
        let telling = health.iter().position(|health| *health == Health::Good).unwrap_or(0);
        let health = health.get(telling).copied();
        self.ended = health.map(|health| (health, self.word_of(outcomes.get(telling))));
        outcomes
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        PROVIDER_CALLS_RUNNING.with_label_values(&[self.provider()]).dec();
        match (self.admission, self.ended.take()) {
            (_, Some((health, word))) => self.guard.record(self.admission, health, word),
            // A probe that was not made proves nothing: it is due again.
            (Admission::Probe, None) => self.guard.record(self.admission, Health::Bad, None),
            // The right to it runs out, and is given anew.
            (Admission::Ordinary | Admission::AccountProbe, None) => {}
        }
    }
}

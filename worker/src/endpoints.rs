//! What stands between the jobs and an endpoint of webhooks: a bulkhead, so that one that is slow
//! holds up a bounded number of jobs, and a circuit breaker, so that one that fails is not
//! hammered.

use std::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use chrono::{DateTime, Utc};
use shared::{
    config::Config,
    jobs::Queue,
    telemetry::{WEBHOOK_BREAKER, WEBHOOK_SECONDS},
    webhooks::{
        deliveries::{Claim, Standing},
        sender::{Answer, Sender},
    },
};
use tokio::sync::{Semaphore, SemaphorePermit};

use shared::breaker::{Admission, Breaker, Health, State};

/// The configured endpoints.
pub struct Endpoints(Vec<Endpoint>);

/// An endpoint behind its bulkhead and breaker.
pub struct Endpoint {
    name: String,
    sender: Sender,
    /// How many places there are.
    share: usize,
    places: Semaphore,
    breaker: Mutex<Breaker>,
}

impl Endpoints {
    /// All of them, each with the same share of the jobs that run at once: one that hangs takes
    /// nothing from another.
    ///
    /// # Errors
    /// When one cannot be used; those of a loaded configuration can.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let endpoints = &config.webhooks.endpoints;
        let jobs = config.worker.concurrency(Queue::Webhooks);
        let share = (jobs / endpoints.len().max(1)).max(1);
        let each = endpoints.iter().map(|(name, settings)| {
            let endpoint = Endpoint {
                name: name.clone(),
                sender: Sender::new(settings)?,
                share,
                places: Semaphore::new(share),
                breaker: Mutex::new(Breaker::closed()),
            };
            endpoint.show(State::Closed);
            Ok(endpoint)
        });
        each.collect::<anyhow::Result<_>>().map(Self)
    }

    /// Every endpoint's name.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|endpoint| endpoint.name.as_str()).collect()
    }

    /// Who takes calls now and who does not.
    pub fn standing(&self) -> Standing {
        let names = |wanted: fn(&Endpoint) -> bool| {
            let chosen = self.0.iter().filter(|endpoint| wanted(endpoint));
            chosen.map(|endpoint| endpoint.name.clone()).collect()
        };
        Standing {
            open: names(|endpoint| endpoint.is_in() && endpoint.places.available_permits() > 0),
            out: names(|endpoint| !endpoint.is_in()),
        }
    }

    /// How many more deliveries of an endpoint are to be fetched, now that a call has ended.
    /// `None`: enough are under way. Small helpings would cost more than they bring.
    pub fn helping(&self, name: &str) -> Option<usize> {
        let endpoint = self.0.iter().find(|endpoint| endpoint.name == name)?;
        let free = endpoint.places.available_permits();
        (endpoint.is_in() && free >= endpoint.share.div_ceil(2)).then_some(free)
    }

    /// Places of each endpoint.
    pub fn share(&self) -> usize {
        self.0.first().map_or(1, |endpoint| endpoint.share)
    }

    /// The right to one call to the endpoint of this name; `None` when there is no place, its
    /// breaker is open, or there is no such endpoint.
    pub fn enter(&self, name: &str) -> Option<Pass<'_>> {
        let endpoint = self.0.iter().find(|endpoint| endpoint.name == name)?;
        let place = endpoint.places.try_acquire().ok()?;
        let admission = endpoint.breaker().admit(Instant::now())?;
        Some(Pass { endpoint, admission, health: None, _place: place })
    }
}

impl Endpoint {
    fn is_in(&self) -> bool {
        self.breaker().wait(Instant::now()).is_zero()
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
            tracing::error!(endpoint = self.name, "webhook endpoint taken out");
        } else if before != State::Closed && after == State::Closed {
            tracing::info!(endpoint = self.name, "webhook endpoint is back");
        }
        self.show(after);
    }

    fn show(&self, state: State) {
        WEBHOOK_BREAKER.with_label_values(&[&self.name]).set(state as i64);
    }
}

/// The right to one call. A call that is begun counts as failed unless it ends, so that one that
/// is dropped half-way is answered for.
pub struct Pass<'a> {
    endpoint: &'a Endpoint,
    admission: Admission,
    /// `None`: the call was not begun.
    health: Option<Health>,
    _place: SemaphorePermit<'a>,
}

impl Pass<'_> {
    /// Tells the endpoint, and takes note of how it went.
    pub async fn send(mut self, claim: &Claim, now: DateTime<Utc>) -> Answer {
        self.health = Some(Health::Bad);
        let timer = WEBHOOK_SECONDS.with_label_values(&[&self.endpoint.name]).start_timer();
        let answer = self.endpoint.sender.send(claim, now).await;
        timer.observe_duration();
        self.health = Some(health_of(&answer));
        answer
    }
}

fn health_of(answer: &Answer) -> Health {
    match answer {
        // Whoever refuses this one event may take the next.
        Answer::Taken { .. }
        | Answer::Gone
        | Answer::Refused { status: 400..=428 | 430..=499, .. } => Health::Good,
        Answer::Refused { .. } | Answer::Nothing { .. } => Health::Bad,
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        match (self.admission, self.health) {
            (Admission::Ordinary, None) => {}
            // A probe that was not made proves nothing: it is due again.
            (admission, health) => {
                self.endpoint.record(admission, health.unwrap_or(Health::Bad));
            }
        }
    }
}

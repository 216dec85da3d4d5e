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
        deliveries::Claim,
        sender::{Answer, Sender},
    },
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::breaker::{Admission, Breaker, Health, State};

/// The configured endpoints.
pub struct Endpoints(Vec<Endpoint>);

/// An endpoint behind its bulkhead and breaker.
pub struct Endpoint {
    name: String,
    sender: Sender,
    places: Semaphore,
    breaker: Mutex<Breaker>,
}

impl Endpoints {
    /// All of them. With several, none may hold more than half of the jobs that run at once.
    ///
    /// # Errors
    /// When one cannot be used; those of a loaded configuration can.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let endpoints = &config.webhooks.endpoints;
        let jobs = config.worker.concurrency(Queue::Webhooks);
        let places = if endpoints.len() == 1 { jobs } else { jobs.div_ceil(2) };
        let each = endpoints.iter().map(|(name, settings)| {
            let (places, breaker) = (Semaphore::new(places), Mutex::default());
            let endpoint =
                Endpoint { name: name.clone(), sender: Sender::new(settings)?, places, breaker };
            endpoint.show(State::Closed);
            Ok(endpoint)
        });
        each.collect::<anyhow::Result<_>>().map(Self)
    }

    /// Every endpoint's name.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|endpoint| endpoint.name.as_str()).collect()
    }

    /// The names of those that would take a call now.
    pub fn open(&self) -> Vec<String> {
        let open = self.0.iter().filter(|endpoint| endpoint.is_open());
        open.map(|endpoint| endpoint.name.clone()).collect()
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
    fn is_open(&self) -> bool {
        self.places.available_permits() > 0 && self.breaker().wait(Instant::now()).is_zero()
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
        Answer::Refused { status: 400..=428 | 430..=499, .. } => Health::Good,
        Answer::Taken { .. } | Answer::Gone => Health::Good,
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

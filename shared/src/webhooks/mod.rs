//! The one outbox of webhooks: every feature that tells the world of something emits here.
//!
//! An event is written in the transaction that makes it true, together with a delivery for each
//! endpoint that wants it. A delivery is a row that carries its own job state (see
//! [`deliveries`]), so nothing committed is ever forgotten, and nothing that was rolled back is
//! ever told. It is told at least once: receivers recognise a repetition by its `webhook-id`.

use std::{sync::Arc, time::Duration};

use sqlx::PgConnection;

use crate::{clock::SharedClock, config::Webhooks, ids, jobs::RowId, telemetry::WEBHOOK_EVENTS};

pub mod deliveries;
pub mod events;
pub mod history;
pub mod sender;
pub mod signature;
mod store;

use self::events::{Kind, NewEvent, matches};

/// Where events go in, in the transaction of whoever emits them.
#[derive(Clone)]
pub struct Outbox {
    endpoints: Arc<[Subscriber]>,
    give_up_after: Duration,
    clock: SharedClock,
}

struct Subscriber {
    name: String,
    patterns: Vec<String>,
}

/// An event under its handle, as it is written.
struct Stamped<'a> {
    id: String,
    event: &'a NewEvent,
}

impl Outbox {
    /// The outbox of the configured endpoints.
    pub fn new(config: &Webhooks, clock: SharedClock) -> Self {
        let endpoints = config.endpoints.iter().map(|(name, endpoint)| Subscriber {
            name: name.clone(),
            patterns: endpoint.events.clone(),
        });
        let give_up_after = config.give_up_after();
        Self { endpoints: endpoints.collect(), give_up_after, clock }
    }

    /// Whether any endpoint wants any of these kinds: ask before data is gathered for them.
    pub fn wants(&self, kinds: &[Kind]) -> bool {
        kinds.iter().any(|kind| self.subscribers(*kind).next().is_some())
    }

    fn subscribers(&self, kind: Kind) -> impl Iterator<Item = &str> {
        let wants = move |endpoint: &&Subscriber| {
            endpoint.patterns.iter().any(|pattern| matches(pattern, kind))
        };
        self.endpoints.iter().filter(wants).map(|endpoint| endpoint.name.as_str())
    }

    /// Writes events and their deliveries in the caller's transaction, one statement for all; none
    /// if no endpoint wants any. The deliveries may be pushed once that has committed; the sweep
    /// finds them in any case.
    ///
    /// Events of one subject are told in the order in which they are emitted, if each is emitted
    /// while the subject's own row is locked (by the UPDATE it tells of).
    ///
    /// # Errors
    /// When the database refuses or is away.
    pub async fn emit(
        &self,
        connection: &mut PgConnection,
        events: &[NewEvent],
    ) -> Result<Vec<RowId>, sqlx::Error> {
        let mut stamped = Vec::new();
        let mut deliveries = Vec::new();
        for event in events {
            let before = deliveries.len();
            deliveries.extend(self.subscribers(event.kind).map(|name| (stamped.len(), name)));
            if deliveries.len() > before {
                stamped.push(Stamped { id: ids::random_handle(&mut rand::rng()), event });
            }
        }
        self.write(connection, &stamped, &deliveries).await
    }

    /// Writes an event for one endpoint, whatever that asked for; gives the event's handle.
    ///
    /// # Errors
    /// When the database refuses or is away.
    pub async fn emit_to(
        &self,
        connection: &mut PgConnection,
        endpoint: &str,
        event: &NewEvent,
    ) -> Result<String, sqlx::Error> {
        let id = ids::random_handle(&mut rand::rng());
        let stamped = [Stamped { id: id.clone(), event }];
        self.write(connection, &stamped, &[(0, endpoint)]).await?;
        Ok(id)
    }

    /// `deliveries`: the place of an event among the `stamped`, and an endpoint.
    async fn write(
        &self,
        connection: &mut PgConnection,
        stamped: &[Stamped<'_>],
        deliveries: &[(usize, &str)],
    ) -> Result<Vec<RowId>, sqlx::Error> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let ids = store::insert(connection, now, self.give_up_after, stamped, deliveries).await?;
        for event in stamped {
            WEBHOOK_EVENTS.with_label_values(&[event.event.kind.as_str()]).inc();
        }
        Ok(ids.into_iter().map(RowId).collect())
    }
}

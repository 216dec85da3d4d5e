//! The claim / call / settle protocol of a delivery, as actions over its row.
//!
//! As with texts (see [`crate::sms::deliveries`]), but for one thing: an event may be told twice,
//! so a lease that ran out makes its row due again, whatever its attempt came to.
//!
//! Of the events of one subject an endpoint is told one at a time, in their order: a delivery is
//! not claimed while an earlier one is neither sent nor given up. One that comes too early is put
//! off until the other one is due.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};

use super::store;
use crate::{
    batch::{BatchWrite, Batcher, WriteError},
    config::Webhooks,
    jobs::{Backlog, RowId, Tidied},
    purge::{Purged, Slice},
};

/// A delivery in the hands of one worker, until its lease runs out.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The row.
    pub id: i64,
    /// Number of this attempt, from 1.
    pub attempt: i32,
    /// Attempts since it was emitted or replayed, this one included.
    pub tries: i32,
    /// The endpoint's name.
    pub endpoint: String,
    /// The event's handle.
    pub event_id: String,
    /// What happened.
    pub kind: String,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// The subject's state then.
    pub data: Value,
}

impl Claim {
    /// What is posted; the same in every attempt.
    pub fn body(&self) -> String {
        let timestamp = self.created_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        json!({ "type": self.kind, "timestamp": timestamp, "data": self.data }).to_string()
    }
}

/// What is written when an attempt ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The HTTP status, if there was an answer.
    pub response_status: Option<u16>,
    /// Bounded reason, e.g. `http.timeout`; `None` when it was sent.
    pub reason: Option<String>,
    /// How it goes on.
    pub next: Next,
}

/// How a delivery goes on after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The endpoint took it.
    Sent,
    /// Due again after this pause.
    Retry(Duration),
    /// It is not tried any more.
    GiveUp,
}

/// The hot statements of the protocol, their commits shared by all jobs of a process.
#[derive(Clone)]
pub struct Deliveries {
    claims: Batcher<Claims>,
    settlements: Batcher<Settlements>,
}

impl Deliveries {
    /// Over one database.
    pub fn new(pool: &PgPool, config: &Webhooks) -> Self {
        Self {
            claims: Batcher::start(Claims { lease: config.lease() }, pool, 1),
            settlements: Batcher::start(Settlements, pool, 1),
        }
    }

    /// Claims the row if it is due, nobody else's, first of its subject, and its endpoint one of
    /// those named.
    ///
    /// # Errors
    /// When the database is away; if something was claimed all the same, its lease runs out.
    pub async fn claim(
        &self,
        id: RowId,
        endpoints: Vec<String>,
    ) -> Result<Option<Claim>, WriteError> {
        self.claims.write((id.0, endpoints)).await
    }

    /// Records how an attempt ended and moves the delivery on. `false`: another attempt has begun
    /// since.
    ///
    /// # Errors
    /// When the database is away. If never repeated, the event is told again.
    pub async fn settle(&self, claim: &Claim, settlement: Settlement) -> Result<bool, WriteError> {
        self.settlements.write(Settle { id: claim.id, attempt: claim.attempt, settlement }).await
    }
}

/// The end of an attempt, to be written.
pub(super) struct Settle {
    pub(super) id: i64,
    pub(super) attempt: i32,
    pub(super) settlement: Settlement,
}

struct Claims {
    lease: Duration,
}

struct Settlements;

impl BatchWrite for Claims {
    const NAME: &'static str = "claim_webhook";

    type Item = (i64, Vec<String>);
    type Answer = Option<Claim>;
    type Key = i64;

    fn key(&self, (id, _): &(i64, Vec<String>)) -> i64 {
        *id
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        items: &[(i64, Vec<String>)],
    ) -> Result<Vec<Option<Claim>>, sqlx::Error> {
        let ids: Vec<_> = items.iter().map(|(id, _)| *id).collect();
        // They were asked for in the same moment. Who finds no place after all puts the row off.
        let endpoints: BTreeSet<_> = items.iter().flat_map(|(_, endpoints)| endpoints).collect();
        let endpoints: Vec<_> = endpoints.into_iter().cloned().collect();
        let mut claims = store::claim(connection, &ids, &endpoints, self.lease).await?;
        let left: Vec<_> = ids.iter().copied().filter(|id| !claims.contains_key(id)).collect();
        if !left.is_empty() {
            store::put_behind(connection, &left).await?;
        }
        Ok(ids.iter().map(|id| claims.remove(id)).collect())
    }
}

impl BatchWrite for Settlements {
    const NAME: &'static str = "settle_webhook";

    type Item = Settle;
    type Answer = bool;
    type Key = i64;

    fn key(&self, settle: &Settle) -> i64 {
        settle.id
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        settlements: &[Settle],
    ) -> Result<Vec<bool>, sqlx::Error> {
        let settled = store::settle(connection, settlements).await?;
        let over = |settle: &&Settle| !matches!(settle.settlement.next, Next::Retry(_));
        let over: Vec<_> = settlements.iter().filter(over).map(|settle| settle.id).collect();
        if !over.is_empty() {
            store::release_followers(connection, &over).await?;
        }
        Ok(settlements.iter().map(|settle| settled.contains(&settle.id)).collect())
    }
}

/// Gives a claimed delivery back unattempted, due again after `pause`.
///
/// # Errors
/// When the database is away; the lease runs out then.
pub async fn postpone(pool: &PgPool, claim: &Claim, pause: Duration) -> Result<(), sqlx::Error> {
    store::postpone(pool, claim.id, claim.attempt, pause).await
}

/// Gives up what was tried for long enough and takes back lost leases. Bounded; the next sweep
/// goes on.
///
/// # Errors
/// When the database is away.
pub async fn tidy(pool: &PgPool) -> Result<Tidied, sqlx::Error> {
    let expired = store::give_up(pool).await?;
    let reclaimed = store::reclaim(pool).await?;
    Ok(Tidied { expired, reclaimed })
}

/// Marks due deliveries as pushed and returns them, `room` at most. Each of the endpoints has the
/// same share of it, which one that takes nothing cannot leave: only its longest due rows are
/// ever in the queue.
///
/// # Errors
/// When the database is away.
pub async fn take_due(
    pool: &PgPool,
    endpoints: &[&str],
    room: i64,
) -> Result<Vec<RowId>, sqlx::Error> {
    let count = i64::try_from(endpoints.len()).unwrap_or(i64::MAX).max(1);
    let share = (room / count).max(1);
    let mut due = Vec::new();
    for endpoint in endpoints {
        due.extend(store::take_due(pool, endpoint, share).await?.into_iter().map(RowId));
    }
    Ok(due)
}

/// The deliveries that are due at one endpoint.
///
/// # Errors
/// When the database is away.
pub async fn backlog(pool: &PgPool, endpoint: &str) -> Result<Backlog, sqlx::Error> {
    store::backlog(pool, endpoint).await
}

/// How many events [`purge`] would delete in all.
///
/// # Errors
/// When the database is away.
pub async fn count_purgeable(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_purgeable(pool, before).await
}

/// Deletes events (and their deliveries) that nobody works on, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge(pool, slice).await
}

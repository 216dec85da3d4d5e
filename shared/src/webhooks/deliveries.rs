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

/// Which endpoints may be told now.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Those that take a call: only their rows are claimed.
    pub open: Vec<String>,
    /// Those that are taken out: their rows are pushed again when nobody trusts their last push
    /// any more. Those of endpoints in neither list wait for a place and may be pushed at once.
    pub out: Vec<String>,
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

    /// Claims the row if it is due, nobody else's, first of its subject, and its endpoint open.
    ///
    /// # Errors
    /// When the database is away; if something was claimed all the same, its lease runs out.
    pub async fn claim(&self, id: RowId, standing: Standing) -> Result<Option<Claim>, WriteError> {
        self.claims.write((id.0, standing)).await
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

    type Item = (i64, Standing);
    type Answer = Option<Claim>;
    type Key = i64;

    fn key(&self, (id, _): &(i64, Standing)) -> i64 {
        *id
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        items: &[(i64, Standing)],
    ) -> Result<Vec<Option<Claim>>, sqlx::Error> {
        let ids: Vec<_> = items.iter().map(|(id, _)| *id).collect();
        // They were asked for in the same moment. Who finds no place after all puts the row off.
        let union = |names: fn(&Standing) -> &Vec<String>| -> Vec<String> {
            let all: BTreeSet<_> = items.iter().flat_map(|(_, standing)| names(standing)).collect();
            all.into_iter().cloned().collect()
        };
        let (open, out) = (union(|standing| &standing.open), union(|standing| &standing.out));
        let mut claims = store::claim(connection, &ids, &open, self.lease).await?;
        let left: Vec<_> = ids.iter().copied().filter(|id| !claims.contains_key(id)).collect();
        if !left.is_empty() {
            store::hand_back(connection, &left, &out).await?;
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
    let reclaimed = store::reclaim(pool).await?;
    let mut tx = pool.begin().await?;
    let given_up = store::give_up(&mut tx).await?;
    if !given_up.is_empty() {
        store::release_followers(&mut tx, &given_up).await?;
    }
    tx.commit().await?;
    Ok(Tidied { expired: given_up.len() as u64, reclaimed })
}

/// Marks up to `room` due deliveries of an endpoint as pushed and returns them.
///
/// # Errors
/// When the database is away.
pub async fn take_due(pool: &PgPool, endpoint: &str, room: i64) -> Result<Vec<RowId>, sqlx::Error> {
    Ok(store::take_due(pool, endpoint, room).await?.into_iter().map(RowId).collect())
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

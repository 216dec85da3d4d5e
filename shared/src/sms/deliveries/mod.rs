//! The claim / call / settle protocol of a message, as actions over its row.
//!
//! Any number of workers may be told of a row any number of times: claiming decides who works on
//! it, the attempt number decides who may settle it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{
    MessageKind, MessageStatus,
    events::{self, Moment},
    store,
    templates::Wording,
};
use crate::{
    batch::{Batcher, WriteError},
    clock::SharedClock,
    config::QuietHours,
    jobs::RowId,
    phone::PhoneNumber,
    webhooks::Outbox,
};

mod attempts;
mod sweep;
mod writes;

pub use attempts::{Action, AttemptResult, Next, PastAttempt, Settlement, in_doubt};
pub use sweep::{backlog, count_purgeable, purge, put_off_bulk, take_due, take_unknown, tidy};
use writes::{Claims, Settlements, Starts};
pub(super) use writes::{Settle, Start};

/// A message in the hands of one worker, until its lease runs out.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The row.
    pub id: i64,
    /// Number of this attempt, from 1.
    pub attempt: i32,
    /// What it is.
    pub kind: MessageKind,
    /// What it says; nothing for one-time codes, which are derived when they are sent.
    pub wording: Wording,
    /// The recipient.
    pub phone: PhoneNumber,
    /// The provider's idempotency key.
    pub local_id: i64,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// After this it must not be sent.
    pub expires_at: DateTime<Utc>,
    /// The api process that waits for the outcome.
    pub reply_to: Option<String>,
    /// Whether the number wants no such text (any more), or is blocked: it must not be sent.
    pub blocked: bool,
    /// Earlier attempts, oldest first.
    pub history: Vec<PastAttempt>,
}

impl Claim {
    /// See [`in_doubt`].
    pub fn is_in_doubt(&self) -> bool {
        in_doubt(&self.history, None)
    }
}

/// The hot statements of the protocol, their commits shared by all jobs of a process.
#[derive(Clone)]
pub struct Deliveries {
    claims: Batcher<Claims>,
    starts: Batcher<Starts>,
    settlements: Batcher<Settlements>,
}

impl Deliveries {
    /// Over one database, with leases of this length; ends go to the outbox. In `quiet_hours` a
    /// message is only claimed to be asked about.
    pub fn new(
        pool: &PgPool,
        clock: SharedClock,
        lease: Duration,
        outbox: Outbox,
        quiet_hours: Option<QuietHours>,
    ) -> Self {
        Self {
            claims: Batcher::start(Claims { clock, lease, quiet_hours }, pool, 1),
            starts: Batcher::start(Starts { lease }, pool, 1),
            settlements: Batcher::start(Settlements { outbox }, pool, 1),
        }
    }

    /// Claims the row if it is due, alive and nobody else's: a conditional UPDATE.
    ///
    /// # Errors
    /// When the database is away; if something was claimed all the same, its lease runs out.
    pub async fn claim(&self, id: RowId) -> Result<Option<Claim>, WriteError> {
        self.claims.write(id.0).await
    }

    /// Writes that the provider is about to be called. `false`: the lease is lost, do not call.
    ///
    /// # Errors
    /// When the database is away; do not call then.
    pub async fn start_call(
        &self,
        claim: &Claim,
        provider: &str,
        action: Action,
    ) -> Result<bool, WriteError> {
        let (id, attempt, provider) = (claim.id, claim.attempt, provider.to_owned());
        self.starts.write(Start { id, attempt, provider, action }).await
    }

    /// Records how an attempt ended and moves the message on. `false`: another attempt has begun
    /// since (the answer is then recorded on the attempt's row only).
    ///
    /// # Errors
    /// When the database is away; may be repeated. If never repeated, the sweep resolves the row
    /// as unknown.
    pub async fn settle(&self, claim: &Claim, settlement: &Settlement) -> Result<bool, WriteError> {
        let (id, attempt, settlement) = (claim.id, claim.attempt, settlement.clone());
        self.settlements.write(Settle { id, attempt, settlement }).await
    }
}

/// Ends a claimed message that cannot be attempted at all (no provider, nothing to say).
///
/// # Errors
/// When the database is away.
pub async fn abandon(
    pool: &PgPool,
    outbox: &Outbox,
    claim: &Claim,
    status: MessageStatus,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let mine = store::abandon(&mut tx, claim.id, claim.attempt, status, reason).await?;
    if mine {
        events::tell(&mut tx, outbox, &[claim.id], Moment::Settled).await?;
    }
    tx.commit().await?;
    Ok(mine)
}

/// Gives a claimed message back unattempted, due again after `pause`: nobody takes calls now.
///
/// # Errors
/// When the database is away; the lease runs out then.
pub async fn postpone(pool: &PgPool, claim: &Claim, pause: Duration) -> Result<(), sqlx::Error> {
    store::postpone(pool, claim.id, claim.attempt, pause).await
}

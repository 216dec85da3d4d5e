//! The claim / call / settle protocol of a message, as actions over its row.
//!
//! Any number of workers may be told of a row any number of times: claiming decides who works on
//! it, the attempt number decides who may settle it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use super::{
    MessageKind, MessageStatus,
    events::{self, Moment},
    providers::Outcome,
    routing::Past,
    store,
    templates::Wording,
};
use crate::{
    batch::{BatchWrite, Batcher, WriteError},
    clock::SharedClock,
    config::{Quiet, QuietHours},
    jobs::{Backlog, RowId, Tidied},
    phone::PhoneNumber,
    purge::{Purged, Slice},
    webhooks::Outbox,
};

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
    /// Whether the number wants no such text (any more): it must not be sent.
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

/// Whether some send may have carried the text although nobody knows. Only the provider's own word
/// that it has nothing rules that out, as `not_found` says now.
pub fn in_doubt(history: &[PastAttempt], not_found: Option<&str>) -> bool {
    history.iter().enumerate().any(|(at, past)| {
        let is_open = past.action == Action::Send && past.result == AttemptResult::Unknown;
        let denied = history[at..].iter().any(|later| {
            later.result == AttemptResult::NotFound && later.provider == past.provider
        });
        is_open && !denied && not_found != Some(past.provider.as_str())
    })
}

/// One earlier attempt of a message.
#[derive(Debug, Clone)]
pub struct PastAttempt {
    /// Who was asked.
    pub provider: String,
    /// What was asked.
    pub action: Action,
    /// How it ended.
    pub result: AttemptResult,
}

impl PastAttempt {
    /// What the choice of the next provider needs to know of it.
    pub fn for_routing(&self) -> Past {
        match self.result {
            AttemptResult::RejectedRecipient => Past::RecipientRefused,
            AttemptResult::RejectedRequest | AttemptResult::RejectedAccount => {
                Past::ProviderRefused
            }
            _ => Past::MayTryAgain,
        }
    }
}

/// What an attempt asks of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Carry the text.
    Send,
    /// Say what became of an earlier send.
    Lookup,
}

impl Action {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Lookup => "lookup",
        }
    }
}

/// How an attempt ended, as it is written to its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptResult {
    /// The provider took the text.
    Accepted,
    /// It refused the recipient.
    RejectedRecipient,
    /// It refused our text, template or parameters.
    RejectedRequest,
    /// It refused our account.
    RejectedAccount,
    /// It asked for another try.
    RetryLater,
    /// Nobody knows; also what an attempt without an end counts as.
    Unknown,
    /// Look-up: the provider has the message.
    Found,
    /// Look-up: it does not.
    NotFound,
    /// Look-up: it cannot say.
    Unsupported,
}

impl AttemptResult {
    /// Every way an attempt can end.
    const ALL: [Self; 9] = [
        Self::Accepted,
        Self::RejectedRecipient,
        Self::RejectedRequest,
        Self::RejectedAccount,
        Self::RetryLater,
        Self::Unknown,
        Self::Found,
        Self::NotFound,
        Self::Unsupported,
    ];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::RejectedRecipient => "rejected_recipient",
            Self::RejectedRequest => "rejected_request",
            Self::RejectedAccount => "rejected_account",
            Self::RetryLater => "retry_later",
            Self::Unknown => "unknown",
            Self::Found => "found",
            Self::NotFound => "not_found",
            Self::Unsupported => "unsupported",
        }
    }

    /// Reads a word of the database; an attempt without an end counts as unknown.
    pub(super) fn from_word(word: Option<&str>) -> Self {
        Self::ALL.into_iter().find(|result| Some(result.as_str()) == word).unwrap_or(Self::Unknown)
    }
}

/// How a message goes on after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing more to do.
    Done(MessageStatus),
    /// Not sent; due again after this pause.
    Retry(Duration),
    /// Perhaps sent; to be resolved after this pause, or never when nothing can resolve it.
    Resolve(Option<Duration>),
}

impl Next {
    /// Whether nobody will work on the message any more.
    fn is_last(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Resolve(None))
    }
}

/// What is written when an attempt ends.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// How the attempt ended.
    pub result: AttemptResult,
    /// The provider's id of the message, when it gave one.
    pub provider_message_id: Option<String>,
    /// Bounded reason, e.g. `kavenegar.418`.
    pub code: Option<String>,
    /// How the message goes on.
    pub next: Next,
    /// Whether the provider can be asked later what became of it.
    pub reports: bool,
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

/// The beginning of a call, to be written.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) id: i64,
    pub(super) attempt: i32,
    pub(super) provider: String,
    pub(super) action: Action,
}

/// The end of an attempt, to be written.
#[derive(Debug)]
pub(super) struct Settle {
    pub(super) id: i64,
    pub(super) attempt: i32,
    pub(super) settlement: Settlement,
}

struct Claims {
    clock: SharedClock,
    lease: Duration,
    quiet_hours: Option<QuietHours>,
}

/// A call may begin late, after a look-up or behind others of its group: the lease is made to
/// cover it.
struct Starts {
    lease: Duration,
}

struct Settlements {
    outbox: Outbox,
}

/// A claim that is written twice, because its first answer was lost, finds nothing to claim: the row
/// comes back when its lease runs out.
impl BatchWrite for Claims {
    const NAME: &'static str = "claim";

    type Item = i64;
    type Answer = Option<Claim>;
    type Key = i64;

    fn key(&self, id: &i64) -> i64 {
        *id
    }

    fn is_one_statement(&self) -> bool {
        true
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        ids: &[i64],
    ) -> Result<Vec<Option<Claim>>, sqlx::Error> {
        let now = self.clock.now();
        let quiet = self.quiet_hours.is_some_and(|hours| hours.at(now).is_some());
        let mut claims = store::claim(connection, ids, self.lease, now, quiet).await?;
        Ok(ids.iter().map(|id| claims.remove(id)).collect())
    }
}

impl BatchWrite for Starts {
    const NAME: &'static str = "start_call";

    type Item = Start;
    type Answer = bool;
    type Key = i64;

    fn key(&self, start: &Start) -> i64 {
        start.id
    }

    fn is_one_statement(&self) -> bool {
        true
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        starts: &[Start],
    ) -> Result<Vec<bool>, sqlx::Error> {
        let started = store::start_calls(connection, starts, self.lease).await?;
        Ok(starts.iter().map(|start| started.contains(&start.id)).collect())
    }
}

impl BatchWrite for Settlements {
    const NAME: &'static str = "settle";

    type Item = Settle;
    type Answer = bool;
    type Key = i64;

    fn key(&self, settle: &Settle) -> i64 {
        settle.id
    }

    /// Unless somebody wants to be told.
    fn is_one_statement(&self) -> bool {
        !self.outbox.wants(Moment::Settled.kinds())
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        settlements: &[Settle],
    ) -> Result<Vec<bool>, sqlx::Error> {
        let settled = store::settle(connection, settlements).await?;
        let over =
            |settle: &&Settle| settle.settlement.next.is_last() && settled.contains(&settle.id);
        let over: Vec<_> = settlements.iter().filter(over).map(|settle| settle.id).collect();
        events::tell(connection, &self.outbox, &over, Moment::Settled).await?;
        Ok(settlements.iter().map(|settle| settled.contains(&settle.id)).collect())
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

/// Ends rows whose life is over and takes back lost leases; `on_expired` is told the idempotency key
/// of each code that surely nobody got. A text to many does not expire in quiet hours through which it waits. Bounded;
/// the next sweep goes on.
///
/// # Errors
/// When the database is away.
pub async fn tidy(
    pool: &PgPool,
    outbox: &Outbox,
    now: DateTime<Utc>,
    quiet: Option<Quiet>,
    on_expired: impl FnMut(i64),
) -> Result<Tidied, sqlx::Error> {
    let reclaimed = store::reclaim(pool).await?;
    let mut tx = pool.begin().await?;
    let expired = store::expire(&mut tx, now, quiet.map(|quiet| quiet.began)).await?;
    let ids: Vec<_> = expired.iter().map(|row| row.id).collect();
    events::tell(&mut tx, outbox, &ids, Moment::Settled).await?;
    tx.commit().await?;
    expired.into_iter().filter_map(|row| row.code).for_each(on_expired);
    Ok(Tidied { expired: ids.len() as u64, reclaimed })
}

/// Puts texts to many that are due in quiet hours off until these are over; their life counts from
/// then. Bounded; the next sweep goes on. How many there were.
///
/// # Errors
/// When the database is away.
pub async fn put_off_bulk(
    pool: &PgPool,
    quiet: Quiet,
    spread: TimeDelta,
    life: TimeDelta,
) -> Result<u64, sqlx::Error> {
    store::put_off_bulk(pool, quiet, spread, life).await
}

/// Marks up to `room` due messages of a kind as pushed and returns them.
///
/// # Errors
/// When the database is away.
pub async fn take_due(
    pool: &PgPool,
    kind: MessageKind,
    room: i64,
    now: DateTime<Utc>,
) -> Result<Vec<RowId>, sqlx::Error> {
    let due = store::take_due(pool, kind, room, now).await?;
    Ok(due.into_iter().map(RowId).collect())
}

/// As [`take_due`], but only those that are to be asked about: for quiet hours.
///
/// # Errors
/// When the database is away.
pub async fn take_unknown(
    pool: &PgPool,
    kind: MessageKind,
    room: i64,
    now: DateTime<Utc>,
) -> Result<Vec<RowId>, sqlx::Error> {
    let due = store::take_unknown(pool, kind, room, now).await?;
    Ok(due.into_iter().map(RowId).collect())
}

/// The messages of a kind that are due.
///
/// # Errors
/// When the database is away.
pub async fn backlog(pool: &PgPool, kind: MessageKind) -> Result<Backlog, sqlx::Error> {
    store::backlog(pool, kind).await
}

/// How many rows [`purge`] would delete in all.
///
/// # Errors
/// When the database is away.
pub async fn count_purgeable(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_purgeable(pool, before).await
}

/// Deletes settled messages (and their attempts) that ended, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge(pool, slice).await
}

impl From<&Outcome> for AttemptResult {
    fn from(outcome: &Outcome) -> Self {
        use super::providers::Rejection;
        match outcome {
            Outcome::Accepted { .. } => Self::Accepted,
            Outcome::Rejected { reason: Rejection::Recipient, .. } => Self::RejectedRecipient,
            Outcome::Rejected { reason: Rejection::Request, .. } => Self::RejectedRequest,
            Outcome::Rejected { reason: Rejection::Account, .. } => Self::RejectedAccount,
            Outcome::RetryLater { .. } => Self::RetryLater,
            Outcome::Unknown { .. } => Self::Unknown,
        }
    }
}

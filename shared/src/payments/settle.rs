//! The end of a look, in one transaction: the payment's next state, the ledger, the event.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::{
    Payments, Purpose, State,
    decide::{Again, Decision, decide},
    gateways::{Receipt, Said},
    look::Finding,
    store::{
        create::Failed,
        settle::{self as store, Claimed, Ending, Locked, Slip, Word},
    },
    verify::{Claim, Looked},
    writes::Settle,
};
use crate::{
    batch::WriteError,
    clock::SharedClock,
    db,
    jobs::payment_pause_after,
    money::Rials,
    telemetry::PAYMENTS_SETTLED,
    wallets::{self, Account, Posted, Posting},
    webhooks::{
        Outbox,
        events::{Kind, NewEvent},
    },
};

/// Transactions of one settlement at most.
const TRIES: u32 = 3;

/// What became of a look.
#[derive(Debug)]
pub struct Outcome {
    /// Those who have their answer now: reply addresses.
    pub waiting: Vec<String>,
    /// It is due again at once.
    pub due: bool,
}

/// What was written of a look.
pub(super) enum Settled {
    /// What came of it, the payment's next state, and why.
    Done(Outcome, Option<State>, Option<String>),
    /// Somebody else has moved the payment on; whether it is due again.
    Late(bool),
}

/// Why a yes of the gateway's is not taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// Another payment has the reference, and the gateway says that it verified this one before.
    Reference,
    /// The ledger has something else under the payment's name.
    Ledger,
}

impl Doubt {
    const fn reason(self) -> &'static str {
        match self {
            Self::Reference => "ref_id.duplicate",
            Self::Ledger => "ledger.mismatch",
        }
    }
}

impl Payments {
    /// Writes what a look came to: the state, the ledger, the event and the calls, all or nothing.
    ///
    /// # Errors
    /// When the database is away. If never repeated, the lease runs out and the gateway is asked again.
    pub async fn settle(&self, claim: Claim, looked: Looked) -> Result<Outcome, WriteError> {
        let settle = Settle { claim: Arc::new(claim), looked: Arc::new(looked) };
        let mut tries = 1;
        let settled = loop {
            match self.writes.settlements.write(settle.clone()).await {
                // Another payment took the reference in this very moment: it is there to be seen now.
                Err(WriteError::Refused(error))
                    if tries < TRIES && db::violated_unique(&error).is_some() =>
                {
                    tries += 1;
                }
                settled => break settled?,
            }
        };
        match settled {
            Settled::Done(outcome, state, reason) => {
                note(&settle.claim, state, reason.as_deref());
                Ok(outcome)
            }
            Settled::Late(due) => {
                let id = settle.claim.id;
                tracing::warn!(payment.id = id, "settled too late: somebody else moved it on");
                Ok(Outcome { waiting: Vec::new(), due })
            }
        }
    }

    /// Tells the world of a payment's new state, in the transaction that makes it so.
    pub(super) async fn tell(
        &self,
        connection: &mut PgConnection,
        told: &Told<'_>,
    ) -> Result<(), sqlx::Error> {
        let Some(event) = told.event() else { return Ok(()) };
        self.outbox.emit(connection, &[event]).await.map(drop)
    }

    /// Posts a payment to the ledger where a person decides.
    ///
    /// # Errors
    /// When the database is away, or the ledger has something else under the payment's name.
    pub(super) async fn credit_by_hand(
        &self,
        connection: &mut PgConnection,
        credit: &Credit<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        let most = Rials::new(self.config.wallets.most_rials);
        let posting = credit.posting();
        let posted = wallets::post(connection, &self.outbox, now, most, &[posting]).await?;
        let is_there = posted.first().is_some_and(is_in_ledger);
        let mismatch = || sqlx::Error::Protocol(Doubt::Ledger.reason().to_owned());
        is_there.then_some(()).ok_or_else(mismatch)
    }
}

/// Looks that end, their commits shared.
pub(super) struct Settlements {
    pub(super) clock: SharedClock,
    pub(super) outbox: Outbox,
    /// See [`wallets::post`].
    pub(super) most: Rials,
}

impl Settlements {
    /// Writes what looks came to, in the caller's transaction. First the payments' rows are locked, then
    /// what hangs on them: the order of everybody.
    pub(super) async fn settle(
        &self,
        connection: &mut PgConnection,
        looks: &[Settle],
    ) -> Result<Vec<Settled>, sqlx::Error> {
        let now = self.clock.now();
        let claimed: Vec<_> = looks.iter().map(claimed).collect();
        let mut locked = store::lock(connection, &claimed).await?;
        let mut ends: Vec<_> = looks
            .iter()
            .map(|look| Some(End::of(look, locked.remove(&look.claim.id)?, now)))
            .collect();
        self.credit(connection, &mut ends, now).await?;
        let due = self.write(connection, looks, &ends, now).await?;
        let events: Vec<_> = ends.iter().flatten().filter_map(End::event).collect();
        self.outbox.emit(connection, &events).await?;
        let settled = |(look, end): (&Settle, Option<End<'_>>)| {
            let due = due.contains(&look.claim.id);
            end.map_or(Settled::Late(due), |end| end.settled(due))
        };
        Ok(looks.iter().zip(ends).map(settled).collect())
    }

    /// Posts to the ledger what is paid. What it does not take is for a person.
    async fn credit(
        &self,
        connection: &mut PgConnection,
        ends: &mut [Option<End<'_>>],
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        let paid = |end: &&mut End<'_>| end.decision.state == Some(State::Paid);
        let mut paid: Vec<_> = ends.iter_mut().flatten().filter(paid).collect();
        if paid.is_empty() {
            return Ok(());
        }
        let postings: Vec<_> = paid.iter().map(|end| Credit::of(end.claim).posting()).collect();
        let posted = wallets::post(connection, &self.outbox, now, self.most, &postings).await?;
        for (end, posted) in paid.iter_mut().zip(&posted) {
            if !is_in_ledger(posted) {
                end.doubt(Doubt::Ledger);
            }
        }
        Ok(())
    }

    /// Writes the ends, the calls that were made and what those say of references; the payments that
    /// are due again at once. The word of a look that is too late is not lost: the gateway says the
    /// same again.
    async fn write(
        &self,
        connection: &mut PgConnection,
        looks: &[Settle],
        ends: &[Option<End<'_>>],
        now: DateTime<Utc>,
    ) -> Result<Vec<i64>, sqlx::Error> {
        let endings: Vec<_> = ends.iter().flatten().map(End::ending).collect();
        let pages: Vec<_> = ends.iter().flatten().flat_map(End::looked).collect();
        let calls: Vec<_> = looks
            .iter()
            .flat_map(|look| look.looked.calls.iter().map(|call| (look.claim.id, call)))
            .collect();
        let mut due = store::settle(connection, &endings, &pages, &calls, now).await?;
        let refused: Vec<_> = ends.iter().flatten().flat_map(|end| &end.looked.refused).collect();
        if !refused.is_empty() {
            store::refuse(connection, &refused).await?;
        }
        let late = looks.iter().zip(ends).filter(|(_, end)| end.is_none());
        let late: Vec<_> = late.map(|(look, _)| (look.claim.id, look.claim.attempt)).collect();
        if !late.is_empty() {
            due.extend(store::give_back(connection, &late).await?);
        }
        Ok(due)
    }
}

fn claimed(look: &Settle) -> Claimed {
    let reference = match &look.looked.finding {
        Finding::Paid(receipt) => receipt.ref_id,
        _ => None,
    };
    let claim = &look.claim;
    Claimed { id: claim.id, attempt: claim.attempt, state: claim.state, reference }
}

const fn is_in_ledger(posted: &Posted) -> bool {
    matches!(posted, Posted::Done(_) | Posted::Repeated(_))
}

/// How a look at a locked payment ends.
struct End<'a> {
    claim: &'a Claim,
    looked: &'a Looked,
    locked: Locked,
    decision: Decision,
    reason: Option<String>,
    slip: Slip,
}

impl<'a> End<'a> {
    fn of(look: &'a Settle, row: Locked, now: DateTime<Utc>) -> Self {
        let (claim, looked) = (&*look.claim, &*look.looked);
        let decision = decide(claim.state, &looked.finding, claim.time_left(now));
        let reason = reason_of(claim, looked, &decision);
        let is_taken = row.is_taken;
        let mut end = Self { claim, looked, locked: row, decision, reason, slip: Slip::default() };
        if let Finding::Paid(receipt) = &looked.finding {
            end.slip = slip_of(receipt, looked.page);
            if is_taken {
                end.slip.reference = None;
            }
            if is_taken && receipt.already {
                end.doubt(Doubt::Reference);
            }
        }
        end
    }

    /// The gateway's yes is not taken for one: a person has to look.
    fn doubt(&mut self, doubt: Doubt) {
        let next = State::NeedsReview;
        self.decision.state = self.claim.state.can_become(next).then_some(next);
        self.slip.reference = None;
        self.slip.page = None;
        self.reason = Some(doubt.reason().to_owned());
    }

    fn ending(&self) -> Ending {
        let (pause, failures) = pause_of(self.claim, &self.decision);
        let said = self.looked.finding.said();
        let word = |said: &Said| Word {
            code: said.code,
            message: said.message.clone(),
            answer: said.answer.clone(),
        };
        Ending {
            id: self.claim.id,
            to: self.decision.state.unwrap_or(self.claim.state),
            reason: self.reason.clone(),
            word: said.map(word),
            slip: self.slip.clone(),
            pause,
            failures,
            answered: self.answers(),
        }
    }

    /// Whether those who wait have their answer. Somebody who asked meanwhile has not, unless it was
    /// paid.
    fn answers(&self) -> bool {
        let is_paid = self.decision.state == Some(State::Paid);
        is_paid || (self.decision.is_final() && !self.locked.asked)
    }

    /// The pages of which nothing more is wanted than when they were claimed.
    fn looked(&self) -> Vec<(i64, i32)> {
        if !self.decision.is_final() {
            return Vec::new();
        }
        let wanted = self.claim.pages.iter().filter(|page| page.look.is_some());
        wanted.map(|page| (page.id, page.asks)).collect()
    }

    fn event(&self) -> Option<NewEvent> {
        Told::of(self.claim, self.decision.state?, &self.looked.finding).event()
    }

    fn settled(self, due: bool) -> Settled {
        let waiting = if self.answers() { self.locked.waiting } else { Vec::new() };
        Settled::Done(Outcome { waiting, due }, self.decision.state, self.reason)
    }
}

/// Who gets how much.
pub(super) struct Credit<'a> {
    pub(super) id: i64,
    pub(super) user_id: i64,
    pub(super) gateway: &'a str,
    pub(super) order_id: &'a str,
    pub(super) purpose: Purpose,
    pub(super) amount_rials: i64,
}

impl<'a> Credit<'a> {
    fn of(claim: &'a Claim) -> Self {
        Self {
            id: claim.id,
            user_id: claim.user_id,
            gateway: &claim.gateway,
            order_id: &claim.order_id,
            purpose: claim.purpose,
            amount_rials: claim.amount_rials,
        }
    }

    fn posting(&self) -> Posting {
        let to = match self.purpose {
            Purpose::ChargeWallet => Account::Wallet(self.user_id),
            Purpose::PayOnly => Account::Sales,
        };
        let from = Account::Gateway(self.gateway.to_owned());
        Posting {
            key: format!("payment:{}", self.id),
            kind: wallets::Kind::Payment,
            reference: self.order_id.to_owned(),
            note: String::new(),
            legs: vec![(from, Rials::new(-self.amount_rials)), (to, Rials::new(self.amount_rials))],
        }
    }
}

/// What is told of a payment.
pub(super) struct Told<'a> {
    pub(super) id: i64,
    pub(super) user_id: i64,
    pub(super) order_id: &'a str,
    pub(super) state: State,
    pub(super) amount_rials: i64,
    pub(super) currency: &'a str,
    pub(super) gateway: &'a str,
    pub(super) purpose: Purpose,
    pub(super) ref_id: Option<i64>,
}

impl<'a> Told<'a> {
    fn of(claim: &'a Claim, state: State, finding: &Finding) -> Self {
        let ref_id = match finding {
            Finding::Paid(receipt) => receipt.ref_id,
            _ => None,
        };
        Self {
            id: claim.id,
            user_id: claim.user_id,
            order_id: &claim.order_id,
            state,
            amount_rials: claim.amount_rials,
            currency: &claim.currency,
            gateway: &claim.gateway,
            purpose: claim.purpose,
            ref_id,
        }
    }

    /// Of one that its gateway did not take.
    pub(super) fn of_failed(failed: &'a Failed) -> Self {
        Self {
            id: failed.id,
            user_id: failed.user_id,
            order_id: &failed.order_id,
            state: State::Failed,
            amount_rials: failed.amount_rials,
            currency: &failed.currency,
            gateway: &failed.gateway,
            purpose: failed.purpose,
            ref_id: None,
        }
    }

    fn event(&self) -> Option<NewEvent> {
        let kind = match self.state {
            State::Paid => Kind::PaymentPaid,
            State::Failed | State::Cancelled | State::Expired => Kind::PaymentFailed,
            State::NeedsReview => Kind::PaymentNeedsReview,
            State::Reversed | State::Refunded => Kind::PaymentRefunded,
            State::Created | State::Redirected | State::Verifying => return None,
        };
        Some(self.as_event(kind))
    }

    /// An event of this kind about the payment.
    pub(super) fn as_event(&self, kind: Kind) -> NewEvent {
        let data = json!({
            "payment_id": self.id,
            "order_id": self.order_id,
            "state": self.state.as_str(),
            "amount_rials": self.amount_rials,
            "currency": self.currency,
            "gateway": self.gateway,
            "ref_id": self.ref_id,
            "user_id": self.user_id,
            "purpose": self.purpose.as_str(),
        });
        NewEvent { kind, subject: format!("payment:{}", self.id), data }
    }
}

fn slip_of(receipt: &Receipt, page: Option<i64>) -> Slip {
    let reference = receipt.ref_id.filter(|reference| *reference > 0);
    Slip {
        page,
        reference,
        gateway_reference: reference,
        card_pan: receipt.card_pan.clone(),
        card_hash: receipt.card_hash.clone(),
    }
}

/// Why: the gateway's own code where it has one, else a word of ours below its name.
fn reason_of(claim: &Claim, looked: &Looked, decision: &Decision) -> Option<String> {
    let said = looked.finding.said().map(|said| said.reason.clone());
    match (decision.state?, decision.reason) {
        (State::Paid | State::Verifying, _) => None,
        (State::Expired, _) => Some("expired".to_owned()),
        (State::NeedsReview, Some(word)) => Some(format!("{}.{word}", claim.gateway)),
        (_, Some(word)) => Some(said.unwrap_or_else(|| format!("{}.{word}", claim.gateway))),
        (_, None) => said,
    }
}

fn note(claim: &Claim, state: Option<State>, reason: Option<&str>) {
    let Some(state) = state else { return };
    PAYMENTS_SETTLED.with_label_values(&[&*claim.gateway, state.as_str()]).inc();
    let (id, gateway, state) = (claim.id, &claim.gateway, state.as_str());
    if state == State::NeedsReview.as_str() {
        tracing::error!(payment.id = id, gateway, state, reason, "a person has to look");
    } else {
        tracing::info!(payment.id = id, gateway, state, reason, "payment moved on");
    }
}

/// How long to wait before the next look, and how many were in vain by then.
fn pause_of(claim: &Claim, decision: &Decision) -> (Option<Duration>, i32) {
    let failures = claim.failures.saturating_add(1);
    match decision.again {
        None => (None, 0),
        Some(Again::Now) => (Some(Duration::ZERO), claim.failures),
        Some(Again::Later(after)) => {
            let step = u32::try_from(failures).unwrap_or(u32::MAX);
            let pause = payment_pause_after(step, &mut rand::rng());
            (Some(pause.max(after.unwrap_or_default())), failures)
        }
    }
}

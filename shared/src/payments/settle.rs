//! The end of a look, in one transaction: the payment's next state, the ledger, the event.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::{
    Payments, Purpose, State,
    decide::{Again, Decision, decide},
    gateways::Receipt,
    look::Finding,
    store::{
        self,
        verify::{Ending, Settled, Slip, Word},
    },
    verify::{Claim, Looked},
};
use crate::{
    db,
    jobs::payment_pause_after,
    money::Rials,
    telemetry::PAYMENTS_SETTLED,
    wallets::{self, Account, Posted, Posting},
    webhooks::events::{Kind, NewEvent},
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

/// Why a transaction is tried again, otherwise.
enum Trouble {
    Doubt(Doubt),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Payments {
    /// Writes what a look came to: the state, the ledger, the event and the calls, all or nothing.
    ///
    /// # Errors
    /// When the database is away. If never repeated, the lease runs out and the gateway is asked again.
    pub async fn settle(&self, claim: &Claim, looked: &Looked) -> Result<Outcome, sqlx::Error> {
        let (mut doubt, mut tries) = (None, 0);
        loop {
            tries += 1;
            match self.try_settle(claim, looked, doubt).await {
                Ok(outcome) => return Ok(outcome),
                Err(Trouble::Doubt(found)) if doubt.is_none() => doubt = Some(found),
                // Another payment took the reference in this very moment: it is there to be seen now.
                Err(Trouble::Database(error))
                    if tries < TRIES && db::violated_unique(&error).is_some() => {}
                Err(Trouble::Database(error)) => return Err(error),
                Err(Trouble::Doubt(_)) => {
                    return Err(sqlx::Error::Protocol("the ledger refuses a payment".to_owned()));
                }
            }
        }
    }

    async fn try_settle(
        &self,
        claim: &Claim,
        looked: &Looked,
        doubt: Option<Doubt>,
    ) -> Result<Outcome, Trouble> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let mut decision = decide(claim.state, &looked.finding, claim.time_left(now));
        let mut slip = Slip::default();
        let mut reason = reason_of(claim, looked, &decision);
        if let Finding::Paid(receipt) = &looked.finding {
            slip = slip_of(receipt, looked.page);
            let taken = match receipt.ref_id {
                Some(reference) => {
                    store::verify::is_taken(&mut tx, &claim.gateway, reference, claim.id).await?
                }
                None => false,
            };
            if taken {
                slip.reference = None;
            }
            let doubt = doubt.or((taken && receipt.already).then_some(Doubt::Reference));
            if let Some(doubt) = doubt {
                let next = State::NeedsReview;
                decision.state = claim.state.can_become(next).then_some(next);
                slip = Slip { reference: None, page: None, ..slip };
                reason = Some(doubt.reason().to_owned());
            }
        }
        let to = decision.state.unwrap_or(claim.state);
        let (pause, failures) = pause_of(claim, &decision);
        let said = looked.finding.said();
        let ending = Ending {
            id: claim.id,
            attempt: claim.attempt,
            from: claim.state,
            to,
            reason: reason.as_deref(),
            word: said.map(|said| Word {
                code: said.code,
                message: &said.message,
                answer: &said.answer,
            }),
            slip,
            pause,
            failures,
            now,
        };
        let settled = store::verify::settle(&mut tx, &ending).await?;
        store::verify::record(&mut tx, claim.id, &looked.calls).await?;
        let Some(Settled { waiting, due }) = settled else {
            // The gateway's word is not lost: it says the same again.
            let due = store::verify::give_back(&mut tx, claim.id, claim.attempt).await?;
            tx.commit().await?;
            tracing::warn!(payment.id = claim.id, "settled too late: somebody else moved it on");
            return Ok(Outcome { waiting: Vec::new(), due });
        };
        if decision.is_final() {
            let pages: Vec<_> = claim.pages.iter().filter(|page| page.look.is_some()).collect();
            store::verify::looked(&mut tx, &pages).await?;
        }
        if !looked.refused.is_empty() {
            store::verify::refuse(&mut tx, &looked.refused).await?;
        }
        if let Some(next) = decision.state {
            self.tell(&mut tx, &Told::of(claim, next, &looked.finding)).await?;
        }
        if decision.state == Some(State::Paid) {
            self.credit(&mut tx, &Credit::of(claim), now).await?;
        }
        tx.commit().await?;
        note(claim, decision.state, reason.as_deref());
        Ok(Outcome { waiting, due })
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

    /// Posts a payment to the ledger.
    async fn credit(
        &self,
        connection: &mut PgConnection,
        credit: &Credit<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), Trouble> {
        let most = Rials::new(self.config.wallets.most_rials);
        let posting = credit.posting();
        let posted = wallets::post(connection, &self.outbox, now, most, &[posting]).await?;
        match posted.first() {
            Some(Posted::Done(_) | Posted::Repeated(_)) => Ok(()),
            _ => Err(Trouble::Doubt(Doubt::Ledger)),
        }
    }

    /// The same where a person decides.
    ///
    /// # Errors
    /// When the database is away, or the ledger has something else under the payment's name.
    pub(super) async fn credit_by_hand(
        &self,
        connection: &mut PgConnection,
        credit: &Credit<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        match self.credit(connection, credit, now).await {
            Ok(()) => Ok(()),
            Err(Trouble::Database(error)) => Err(error),
            Err(Trouble::Doubt(doubt)) => Err(sqlx::Error::Protocol(doubt.reason().to_owned())),
        }
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
    pub(super) fn of_failed(failed: &'a store::create::Failed) -> Self {
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

fn slip_of(receipt: &Receipt, page: Option<i64>) -> Slip<'_> {
    let reference = receipt.ref_id.filter(|reference| *reference > 0);
    Slip {
        page,
        reference,
        gateway_reference: reference,
        card_pan: receipt.card_pan.as_deref(),
        card_hash: receipt.card_hash.as_deref(),
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

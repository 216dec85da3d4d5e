//! Looking at payments: whoever comes back says "look now", and a worker claims, asks, settles.
//!
//! As with texts (see [`crate::sms::deliveries`]), but for one thing: a gateway may be asked again to
//! verify, so a lease that ran out makes its row due again, whatever its attempt came to. That a
//! payment is credited once is the doing of [`settle`](Payments::settle): one transaction moves the
//! row on, conditional on the state it was found in, and posts to the ledger under the payment's key.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgPool;

use super::{
    Payments, Purpose, State,
    callbacks::{Callback, Hint},
    decide::TimeLeft,
    gateways::Kind,
    look::{Finding, Look},
    store,
    writes::Ask,
};
use crate::{
    batch::WriteError,
    jobs::{Backlog, RowId, Tidied},
    telemetry::PAYMENTS_TO_REVIEW,
};

/// Minutes for which a gateway that does not answer is asked again, after the time to pay is over or
/// somebody came back: an outage that ends is no reason to trouble a person.
const PATIENCE_MINUTES: i64 = 15;

/// A payment in the hands of one worker, until its lease runs out.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The row.
    pub id: i64,
    /// [`Payments`]: its public handle.
    pub handle: String,
    /// Whose payment it is.
    pub user_id: i64,
    /// The shop's name for what is paid.
    pub order_id: String,
    /// What is to be paid.
    pub amount_rials: i64,
    /// What it was asked for in.
    pub currency: String,
    /// What the money is for.
    pub purpose: Purpose,
    /// The gateway that made its pages.
    pub gateway: String,
    /// The state it was found in.
    pub state: State,
    /// Number of this attempt, from 1.
    pub attempt: i32,
    /// Attempts without an answer since it was last asked for, without this one.
    pub failures: i32,
    /// Until when somebody may pay.
    pub watch_until: DateTime<Utc>,
    /// When somebody last came back.
    pub asked_at: Option<DateTime<Utc>>,
    /// Its pages, those first that are to be looked at first.
    pub pages: Vec<ClaimedPage>,
}

/// A page of a claimed payment.
#[derive(Debug, Clone)]
pub struct ClaimedPage {
    /// The row.
    pub id: i64,
    /// The gateway's name for it.
    pub authority: String,
    /// What is to be found out of it, if anything.
    pub look: Option<Look>,
    /// How many times that was wanted.
    pub asks: i32,
    /// What those who came back say that it is called.
    pub references: Vec<i64>,
}

/// A call to a gateway, for the record.
#[derive(Debug, Clone)]
pub struct Call {
    /// The page it was about.
    pub page: i64,
    /// `verify` or `inquire`.
    pub action: &'static str,
    /// A bounded word.
    pub outcome: &'static str,
    /// The gateway's own code.
    pub code: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
}

/// What a look came to.
#[derive(Debug)]
pub struct Looked {
    /// What was found.
    pub finding: Finding,
    /// Of which page.
    pub page: Option<i64>,
    /// References that the gateway refused: the page, the reference, why.
    pub refused: Vec<(i64, i64, String)>,
    /// What was asked.
    pub calls: Vec<Call>,
}

/// How a payment stands, for whoever came back.
#[derive(Debug, Clone)]
pub struct View {
    /// The row.
    pub id: i64,
    /// Its public handle.
    pub handle: String,
    /// Where it is.
    pub state: State,
    /// The shop's name for what is paid.
    pub order_id: String,
    /// As it was asked for.
    pub amount: i64,
    /// Where the payer goes on.
    pub frontend_callback_url: Option<String>,
    /// What the gateway said last when it was asked to verify: its number.
    pub gateway_code: Option<i32>,
    /// Its sentence.
    pub gateway_message: Option<String>,
    /// Its answer.
    pub gateway_answer: Option<Value>,
    /// What the gateway calls the payment.
    pub gateway_ref_id: Option<i64>,
    /// The card, masked.
    pub card_pan: Option<String>,
    /// The gateway's hash of the card.
    pub card_hash: Option<String>,
    /// Attempts without an answer since somebody last came back.
    pub failures: i32,
    /// Whether it is being looked at, or is to be.
    pub is_looked_at: bool,
}

/// Somebody who came back.
#[derive(Debug)]
pub struct Back {
    /// The payment.
    pub id: i64,
    /// It is looked at now; else the row has the answer.
    pub looking: bool,
}

impl Payments {
    /// Somebody came back from a gateway: has the page looked at, unless the payment is paid. `None`:
    /// it is no page of ours. Nothing that the way back says is believed.
    ///
    /// `spare`: too many have come back with this page lately; only a reference that is new is worth
    /// a look.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn come_back(
        &self,
        callback: &Callback,
        waiter: Option<&str>,
        spare: bool,
    ) -> Result<Option<Back>, WriteError> {
        let (authority, reference) = (&callback.authority, callback.reference);
        let pages = store::verify::find_pages(&self.pool, authority, reference).await?;
        let page = pages.into_iter().find(|page| self.may_be_of(&page.gateway, callback.kinds));
        let Some(page) = page else { return Ok(None) };
        let id = page.payment_id;
        let row = Some(Back { id, looking: false });
        if page.state.was_paid() {
            return Ok(row);
        }
        let is_new =
            reference.is_some() && !page.is_known && page.known < store::verify::MOST_REFERENCES;
        if spare && !is_new {
            return Ok(row);
        }
        let ask = Ask {
            payment_id: id,
            page_id: page.id,
            look: if callback.hint == Some(Hint::Paid) { Look::Verify } else { Look::Inquire },
            reference: reference.filter(|reference| !page.references.contains(reference)),
            waiter: waiter.map(str::to_owned),
            number: rand::random(),
        };
        let looking = self.writes.asks.write(ask).await?;
        Ok(Some(Back { id, looking }))
    }

    /// Whether a gateway speaks like this. One that is not configured any more may have.
    fn may_be_of(&self, gateway: &str, kinds: &[Kind]) -> bool {
        let known = self.gateways.get(gateway).is_some();
        let kind = Kind::parse(self.config.payments.kind(gateway));
        !known || kind.is_some_and(|kind| kinds.contains(&kind))
    }

    /// How a payment stands.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn view(&self, id: i64) -> Result<Option<View>, sqlx::Error> {
        store::verify::view(&self.pool, id).await
    }

    /// Claims the payment if it is due and nobody else's.
    ///
    /// # Errors
    /// When the database is away; if it was claimed all the same, its lease runs out.
    pub async fn claim(&self, id: RowId) -> Result<Option<Claim>, WriteError> {
        self.writes.claims.write(id.0).await
    }

    /// Takes back lost leases. Bounded; the next sweep goes on.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn tidy(&self) -> Result<Tidied, sqlx::Error> {
        let reclaimed = store::verify::reclaim(&self.pool).await?;
        Ok(Tidied { expired: 0, reclaimed })
    }

    /// Marks up to `room` due payments as pushed and returns them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take_due(&self, room: i64) -> Result<Vec<RowId>, sqlx::Error> {
        let due = store::verify::take_due(&self.pool, room).await?;
        Ok(due.into_iter().map(RowId).collect())
    }

    /// What is due, and for metrics what waits for a person.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn backlog(&self) -> Result<Backlog, sqlx::Error> {
        let pool: &PgPool = &self.pool;
        PAYMENTS_TO_REVIEW.set(store::verify::count_to_review(pool).await?);
        store::verify::backlog(pool).await
    }
}

impl Claim {
    /// How much time it has left.
    pub(super) fn time_left(&self, now: DateTime<Utc>) -> TimeLeft {
        let patience = TimeDelta::minutes(PATIENCE_MINUTES);
        let last = self.asked_at.map_or(self.watch_until, |asked| asked.max(self.watch_until));
        TimeLeft { to_pay: now < self.watch_until, to_ask: now < last + patience }
    }
}

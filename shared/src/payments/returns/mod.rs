//! Money back: a gateway takes a payment back, or pays it out again.
//!
//! It is an effect like any other: a row of `payment_returns` that carries its own job state, one under
//! way for each payment. What the payment brought leaves the ledger in the transaction that asks, so
//! that nobody spends it meanwhile; it comes back if the gateway refuses, and only then. What nobody can
//! say ends with a person.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{
    Payments, Purpose, State,
    gateways::{Capabilities, Said},
    store::returns as store,
};
use crate::{
    audit::{self, Entry, Source, Subject},
    idempotency::{self, Keyed},
    money::Rials,
    wallets::{self, Account, Kind, Posted, Posting},
};

mod perform;
mod plan;
mod settle;

pub use self::perform::Done;
pub(super) use self::perform::{Called, Claim};

/// For how long a gateway is asked before a person has to look.
pub const ASK_FOR: TimeDelta = TimeDelta::hours(24);

/// How money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Action {
    /// The gateway takes the payment back as if it had not been.
    Reverse,
    /// The gateway pays it out again.
    Refund,
}

impl Action {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Reverse, Self::Refund];

    /// The word in the database and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reverse => "reverse",
            Self::Refund => "refund",
        }
    }

    /// What the payment is afterwards.
    pub const fn state(self) -> State {
        match self {
            Self::Reverse => State::Reversed,
            Self::Refund => State::Refunded,
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Reverse => Kind::Reversal,
            Self::Refund => Kind::Refund,
        }
    }

    const fn is_possible(self, capabilities: &Capabilities) -> bool {
        match self {
            Self::Reverse => capabilities.reverse,
            Self::Refund => capabilities.refund,
        }
    }

    /// How long after the payment it is possible.
    fn within(self, capabilities: &Capabilities) -> Option<Duration> {
        matches!(self, Self::Reverse).then_some(capabilities.reverse_within)
    }

    const fn audited(self) -> &'static str {
        match self {
            Self::Reverse => "payment.reverse_asked",
            Self::Refund => "payment.refund_asked",
        }
    }
}

/// Where a return is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Standing {
    /// The gateway is being asked.
    Asked,
    /// The money went back.
    Done,
    /// The gateway will not; what the payment brought is where it was.
    Refused,
    /// Nobody can say; a person has to look.
    Unknown,
}

impl Standing {
    /// The word in the database and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// Has the gateway asked now about those of these returns that wait, inside the caller's transaction;
/// those that are due.
///
/// # Errors
/// When the database refuses or is away.
pub async fn retry(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<i64>, sqlx::Error> {
    store::make_due(connection, ids).await
}

/// A return that is asked for.
pub struct NewReturn<'a> {
    /// The payment.
    pub payment_id: i64,
    /// How.
    pub action: Action,
    /// Why: for people.
    pub note: &'a str,
    /// Who asks.
    pub source: &'a Source,
    /// Who waits for it.
    pub reply_to: Option<String>,
    /// The request, if it may be repeated.
    pub keyed: Option<&'a Keyed>,
}

/// Why none was asked for. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ReturnError {
    /// There is no such payment.
    #[error("no such payment")]
    NoSuchPayment,
    /// It is not paid, or not any more.
    #[error("the payment is not paid")]
    NotPaid,
    /// Its gateway cannot, or is not configured any more.
    #[error("the gateway cannot")]
    Unsupported,
    /// Its gateway does not any more.
    #[error("too late")]
    TooLate,
    /// One is under way, or nobody knows what came of the last one.
    #[error("under way")]
    UnderWay,
    /// The wallet does not hold any more what the payment brought.
    #[error("the wallet does not hold that much")]
    Insufficient,
    /// Nothing of it waits for a person.
    #[error("nothing waits for a person")]
    NotWaiting,
    /// The same request is being carried out.
    #[error("repeated")]
    Repeated,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A return as it stands.
#[derive(Debug, Clone)]
pub struct Return {
    /// The row.
    pub id: i64,
    /// The payment.
    pub payment_id: i64,
    /// How.
    pub action: Action,
    /// How it stands.
    pub standing: Standing,
    /// Why: a bounded word.
    pub code: Option<String>,
    /// What whoever asked for it wrote.
    pub note: String,
    /// What the person wrote who settled it, if one did.
    pub settled_note: Option<String>,
    /// The account of whoever asked.
    pub actor_id: Option<i64>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// What the payment is now.
    pub payment_state: State,
}

/// What a return needs of its payment.
pub(super) struct Paid {
    pub(super) id: i64,
    pub(super) user_id: i64,
    pub(super) order_id: String,
    pub(super) currency: String,
    pub(super) ref_id: Option<i64>,
    pub(super) state: State,
    pub(super) purpose: Purpose,
    pub(super) gateway: String,
    pub(super) amount_rials: i64,
    pub(super) at: Option<DateTime<Utc>>,
    /// The page that was paid.
    pub(super) session_id: Option<i64>,
}

impl Paid {
    /// What it brought, going back the way it came (`forth`: coming again).
    fn posting(&self, return_id: i64, action: Action, way: Way) -> Posting {
        let amount = match way {
            Way::Back => self.amount_rials,
            Way::Again => -self.amount_rials,
        };
        let key = match way {
            Way::Back => format!("refund:{return_id}"),
            Way::Again => format!("refund-undone:{return_id}"),
        };
        let holder = match self.purpose {
            Purpose::ChargeWallet => Account::Wallet(self.user_id),
            Purpose::PayOnly => Account::Sales,
        };
        Posting {
            key,
            kind: action.kind(),
            reference: self.order_id.clone(),
            note: format!("payment {}", self.id),
            legs: vec![
                (holder, Rials::new(-amount)),
                (Account::Gateway(self.gateway.clone()), Rials::new(amount)),
            ],
        }
    }
}

/// Which way money goes in the ledger.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// To the gateway.
    Back,
    /// The gateway would not have it.
    Again,
}

impl Payments {
    /// Asks for a payment's money to go back: writes it down and takes it out of the ledger. The gateway
    /// is asked by the job with the id that this gives.
    ///
    /// # Errors
    /// [`ReturnError`]; nothing was written then.
    pub async fn ask_return(&self, new: &NewReturn<'_>) -> Result<i64, ReturnError> {
        let now = self.now();
        let mut tx = self.pool.begin().await?;
        let id = store::next_id(&mut tx).await?;
        let request = new.keyed.map(|keyed| (keyed, id.to_string()));
        if !idempotency::claim(&mut tx, now, request.into_iter()).await?.is_empty() {
            return Err(ReturnError::Repeated);
        }
        let paid = store::lock_payment(&mut tx, new.payment_id).await?;
        let paid = paid.ok_or(ReturnError::NoSuchPayment)?;
        self.permit(&paid, new.action, now)?;
        if !store::insert(&mut tx, id, new, now).await? {
            return Err(ReturnError::UnderWay);
        }
        let entry = Entry::new(new.source, new.action.audited(), Subject::payment(paid.id))
            .with("return_id", id)
            .with("user_id", paid.user_id)
            .with("amount_rials", paid.amount_rials);
        audit::record(&mut tx, &entry, now).await?;
        match self.post(&mut tx, &paid.posting(id, new.action, Way::Back), now).await? {
            Posted::Done(_) => {}
            _ => return Err(ReturnError::Insufficient),
        }
        tx.commit().await?;
        Ok(id)
    }

    fn permit(&self, paid: &Paid, action: Action, now: DateTime<Utc>) -> Result<(), ReturnError> {
        if paid.state != State::Paid {
            return Err(ReturnError::NotPaid);
        }
        let gateway = self.gateways.get(&paid.gateway).ok_or(ReturnError::Unsupported)?;
        let capabilities = gateway.capabilities();
        if !action.is_possible(&capabilities) || paid.session_id.is_none() {
            return Err(ReturnError::Unsupported);
        }
        if is_late(action, &capabilities, paid.at, now) {
            return Err(ReturnError::TooLate);
        }
        Ok(())
    }

    /// Moves money; a credit is taken however much a wallet holds.
    async fn post(
        &self,
        connection: &mut PgConnection,
        posting: &Posting,
        now: DateTime<Utc>,
    ) -> Result<Posted, sqlx::Error> {
        let most = Rials::new(i64::MAX);
        let postings = std::slice::from_ref(posting);
        let posted = wallets::post(connection, &self.outbox, now, most, postings).await?;
        Ok(posted.into_iter().next().unwrap_or(Posted::Mismatch))
    }

    /// How a return stands.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find_return(&self, id: i64) -> Result<Option<Return>, sqlx::Error> {
        store::find(&self.pool, id).await
    }

    /// What was tried to give a payment's money back, newest first, and writes down who looked;
    /// `None`: there is no such payment.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn returns_of(
        &self,
        source: &Source,
        payment_id: i64,
    ) -> Result<Option<Vec<Return>>, sqlx::Error> {
        let found = store::of_payment(&self.pool, payment_id).await?;
        if found.is_empty() && !store::is_payment(&self.pool, payment_id).await? {
            return Ok(None);
        }
        let looked = Entry::new(source, "payment.returns_listed", Subject::payment(payment_id));
        audit::record(&mut *self.pool.acquire().await?, &looked, self.clock.now()).await?;
        Ok(Some(found))
    }
}

fn is_late(
    action: Action,
    capabilities: &Capabilities,
    paid_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> bool {
    let within = action.within(capabilities);
    let within = within.map(|within| TimeDelta::from_std(within).unwrap_or(TimeDelta::MAX));
    within.zip(paid_at).is_some_and(|(within, paid_at)| now - paid_at > within)
}

/// What a gateway said, in a word that is a usable label.
fn word(said: &Said) -> String {
    said.reason.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paid(purpose: Purpose) -> Paid {
        Paid {
            id: 41,
            user_id: 17,
            order_id: "A-7".to_owned(),
            currency: "IRR".to_owned(),
            ref_id: None,
            state: State::Paid,
            purpose,
            gateway: "zarinpal".to_owned(),
            amount_rials: 1_000,
            at: None,
            session_id: Some(1),
        }
    }

    #[test]
    fn money_goes_back_the_way_it_came_and_comes_again_the_same_way() {
        for (purpose, holder) in
            [(Purpose::ChargeWallet, Account::Wallet(17)), (Purpose::PayOnly, Account::Sales)]
        {
            let gateway = Account::Gateway("zarinpal".to_owned());
            let legs = |way| paid(purpose).posting(5, Action::Refund, way).legs;
            let (given, taken) = (Rials::new(-1_000), Rials::new(1_000));
            assert_eq!(legs(Way::Back), [(holder.clone(), given), (gateway.clone(), taken)]);
            assert_eq!(legs(Way::Again), [(holder, taken), (gateway, given)]);
        }
    }

    #[test]
    fn each_way_has_its_own_key() {
        let key = |way| paid(Purpose::PayOnly).posting(5, Action::Reverse, way).key;
        assert_eq!(
            (key(Way::Back), key(Way::Again)),
            ("refund:5".into(), "refund-undone:5".into())
        );
    }
}

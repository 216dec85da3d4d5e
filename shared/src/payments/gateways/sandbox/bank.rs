//! The bank that a payer sees: a page, and what can be done there.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{Imitation, store, way_back::WayBack};
use crate::{
    money::Rials,
    payments::gateways::Standing,
    purge::{Purged, Slice},
};

/// What became of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum PageState {
    /// Nothing yet.
    Open,
    /// The payer paid.
    Paid,
    /// The payer turned back.
    Cancelled,
    /// The bank refused the payer.
    Failed,
}

impl PageState {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// A page of the sandbox bank, as it was at the moment `now`. Its times are the database's.
#[derive(Clone)]
pub struct BankPage {
    /// The name of the gateway that opened it.
    pub gateway: String,
    /// Whose manners it has.
    pub imitates: Imitation,
    /// Its name.
    pub authority: String,
    /// What is to be paid, in rials.
    pub amount_rials: i64,
    /// Where the payer goes back to.
    pub callback_url: String,
    /// The merchant's own reference.
    pub client_ref: String,
    /// For the payer.
    pub description: String,
    /// What became of it.
    pub state: PageState,
    /// The bank's number of the payment, once there is one.
    pub ref_id: Option<i64>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// When the merchant verified it.
    pub verified_at: Option<DateTime<Utc>>,
    /// When a verified payment was given back.
    pub returned_at: Option<DateTime<Utc>>,
    /// When this was read.
    pub now: DateTime<Utc>,
}

/// The card that pays at the sandbox bank, masked, and its hash.
const CARD: (&str, &str) =
    ("502229******5995", "1EBE3EBEBE35C7EC0F8D6EE4F2F859107A87822CA179BC9528767EA7B5489B69");

impl BankPage {
    /// What is to be paid.
    pub const fn amount(&self) -> Rials {
        Rials::new(self.amount_rials)
    }

    /// Whether nobody can pay it any more because it was open too long.
    pub fn is_over(&self) -> bool {
        let life = self.imitates.capabilities().page_life;
        self.state == PageState::Open && self.now - self.created_at > span(life)
    }

    /// How it stands, in the words of the gateway it imitates.
    pub fn standing(&self) -> Standing {
        let within = span(self.imitates.capabilities().verify_within);
        let reference = self.ref_id.filter(|_| self.imitates.capabilities().needs_reference);
        let late = self.paid_at.is_some_and(|paid_at| self.now - paid_at > within);
        match (self.state, self.verified_at, self.returned_at) {
            (PageState::Paid, _, Some(_)) => Standing::Reversed,
            (PageState::Paid, Some(_), None) => Standing::Verified(reference),
            // The money went back by itself.
            (PageState::Paid, None, None) if late => Standing::Reversed,
            (PageState::Paid, None, None) => Standing::Paid(reference),
            (PageState::Cancelled, ..) if self.imitates.tells_cancelled() => Standing::Cancelled,
            (PageState::Cancelled | PageState::Failed, ..) => Standing::Failed,
            (PageState::Open, ..) if self.is_over() => Standing::Failed,
            (PageState::Open, ..) => Standing::Open,
        }
    }

    /// How the payer goes back to the merchant.
    pub fn way_back(&self) -> WayBack {
        WayBack::of(self)
    }

    /// The card, masked, and its hash.
    pub(super) const fn card() -> (&'static str, &'static str) {
        CARD
    }

    /// What the gateway tells of a payment, as the one it imitates does.
    pub(super) fn answer(&self, code: i32, message: &str) -> Value {
        let (pan, hash) = CARD;
        match self.imitates {
            Imitation::ZarinPal => json!({
                "code": code, "message": message, "card_pan": pan, "card_hash": hash,
                "ref_id": self.ref_id, "fee_type": "Merchant", "fee": 0,
            }),
            Imitation::PayPing => json!({
                "amount": self.amount().to_tomans(), "cardNumber": pan, "cardHashPan": hash,
                "clientRefId": self.client_ref, "paymentRefId": self.ref_id,
                "code": self.authority,
            }),
            Imitation::Zibal => json!({
                "result": code, "message": message, "amount": self.amount_rials,
                "refNumber": self.ref_id, "cardNumber": pan, "orderId": self.client_ref,
                "status": 1, "paidAt": self.paid_at,
            }),
        }
    }
}

fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// What a payer does at the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Pays.
    Pay,
    /// Turns back.
    Cancel,
    /// Is refused by the bank.
    Fail,
}

impl Deed {
    /// What the page is after it.
    pub const fn leads_to(self) -> PageState {
        match self {
            Self::Pay => PageState::Paid,
            Self::Cancel => PageState::Cancelled,
            Self::Fail => PageState::Failed,
        }
    }
}

/// The page with this authority.
///
/// # Errors
/// When the database cannot be asked.
pub async fn page(pool: &PgPool, authority: &str) -> Result<Option<BankPage>, sqlx::Error> {
    store::find(pool, authority).await
}

/// Does it if the page is still open, once however often it is asked for, and gives the page as it
/// is then.
///
/// # Errors
/// When the database cannot be asked.
pub async fn act(
    pool: &PgPool,
    authority: &str,
    deed: Deed,
) -> Result<Option<BankPage>, sqlx::Error> {
    let Some(page) = store::find(pool, authority).await? else { return Ok(None) };
    if page.state != PageState::Open || page.is_over() {
        return Ok(Some(page));
    }
    match deed {
        Deed::Pay => store::pay(pool, authority).await?,
        Deed::Cancel | Deed::Fail => store::give_up(pool, authority, deed.leads_to()).await?,
    }
    store::find(pool, authority).await
}

/// Pages opened before this moment.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_old(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_purgeable(pool, before).await
}

/// Deletes a slice of the pages by when they were opened.
///
/// # Errors
/// When the database cannot be asked.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge(pool, slice).await
}

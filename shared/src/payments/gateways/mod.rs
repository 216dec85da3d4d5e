//! Payment gateways: one file each, one trait, one registry.
//!
//! To add a gateway: write `<name>.rs` with a `Config` and an implementation of [`PaymentGateway`],
//! add its [`Kind`] to [`Gateways::build`], and run it through the gateway suite in the `tests` crate.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::money::Rials;

mod exchange;
mod fields;
pub mod payping;
mod registry;
mod said;
pub mod sandbox;
pub mod zarinpal;
pub mod zibal;

pub use self::registry::{Gateways, Guarded, Kind, Problem, Setup};

/// What a gateway can do, and within which bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a yes or no of its own")]
pub struct Capabilities {
    /// It can be asked how a payment stands, without verifying it.
    pub inquiry: bool,
    /// It can take a payment back as if it had not been.
    pub reverse: bool,
    /// It can pay a payment out again.
    pub refund: bool,
    /// It lists what was paid and not verified.
    pub unverified: bool,
    /// It verifies a payment only under the reference that the payer's way back brings.
    pub needs_reference: bool,
    /// The least it takes.
    pub least: Rials,
    /// The most it takes.
    pub most: Rials,
    /// It counts in tomans: what is no whole number of them is refused.
    pub whole_tomans: bool,
    /// How long a payer may stay on its page.
    pub page_life: Duration,
    /// How long after the payment it may be verified; after that the money goes back.
    pub verify_within: Duration,
    /// How long after the payment it may be reversed.
    pub reverse_within: Duration,
}

/// A page that is to be opened. Has no `Debug`: it names a person.
#[derive(Clone)]
pub struct NewPage {
    /// What is to be paid.
    pub amount: Rials,
    /// Where the payer is sent back to.
    pub callback_url: String,
    /// For the payer.
    pub description: String,
    /// Unique for this page, at most 64 characters: what the gateway keeps as the merchant's own
    /// reference, and names when it verifies.
    pub client_ref: String,
    /// The shop's own name for the order, may be empty.
    pub order_id: String,
    /// The payer's number, may be empty.
    pub mobile: String,
    /// The payer's address, may be empty.
    pub email: String,
}

/// What the gateway itself said, for the record and for old clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its number for it, such as 100; `None` if it gave none.
    pub code: Option<i32>,
    /// Bounded and with the gateway's name: `zarinpal.-51`, `http.timeout`.
    pub reason: String,
    /// Its sentence, at most 500 characters; may be empty.
    pub message: String,
    /// The part of its answer that says so, without secrets and with cards masked.
    pub answer: Value,
}

/// What came of asking for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// There is one.
    Page {
        /// The gateway's name for it.
        authority: String,
        /// Where to send the payer.
        url: String,
        /// What it said.
        said: Said,
    },
    /// It does not take this payment: our request is wrong for it.
    Refused(Said),
    /// It does not take our account: an operator has to look.
    Account(Said),
    /// Nothing was opened; the same may succeed later.
    RetryLater(Said),
    /// It may have been opened. Nobody has been sent there, so asking again does no harm.
    Unknown(Said),
}

/// A page to ask about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The gateway's name for it.
    pub authority: String,
    /// What was to be paid, as it is in our row.
    pub amount: Rials,
    /// See [`NewPage::client_ref`].
    pub client_ref: String,
    /// The reference that somebody's way back brought, where the gateway needs one.
    pub reference: Option<i64>,
}

/// What a payment that was made looks like at the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The gateway's reference of the payment.
    pub ref_id: Option<i64>,
    /// The card, masked.
    pub card_pan: Option<String>,
    /// The gateway's hash of the card.
    pub card_hash: Option<String>,
    /// It had been verified before: says nothing about whether we have it.
    pub already: bool,
    /// What it said.
    pub said: Said,
}

/// What came of asking to verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// It was paid: amount, page and merchant's reference are ours, as far as the gateway says.
    Paid(Receipt),
    /// It is at work on it: ask again, never give it up for this.
    Processing(Said),
    /// Nobody has paid, or not yet.
    NotPaid(Said),
    /// Something of it is not as in our row (amount, page, reference): a person has to look.
    Mismatch(Said),
    /// It knows no such payment of ours, or not with this reference.
    NotFound(Said),
    /// It cannot be asked without a reference.
    NoReference,
    /// It does not take our account: an operator has to look.
    Account(Said),
    /// It did not look; the same may succeed later.
    RetryLater {
        /// Its own wish.
        after: Option<Duration>,
        /// What it said.
        said: Said,
    },
    /// It may have verified it: ask again, that does no harm.
    Unknown(Said),
}

/// How a payment stands at the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The payer is still there, or never was.
    Open,
    /// It was paid and waits to be verified; the reference, where it takes one to verify it.
    Paid(Option<i64>),
    /// It was paid and verified.
    Verified(Option<i64>),
    /// It will not be paid.
    Failed,
    /// The payer turned back.
    Cancelled,
    /// It was paid, and the money went back.
    Reversed,
    /// It knows no such payment.
    NotFound,
}

/// Something that was paid and waits to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// The gateway's name of the page.
    pub authority: String,
    /// What was paid.
    pub amount: Rials,
    /// When, if it says.
    pub at: Option<DateTime<Utc>>,
}

/// What came of giving money back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returned {
    /// Done, or on its way for certain.
    Done(Said),
    /// It was given back before.
    Already(Said),
    /// It will not.
    Refused(Said),
    /// It is at work on it, or may have done it: ask again.
    Unknown(Said),
    /// Nothing was done; the same may succeed later.
    RetryLater(Said),
}

/// Why a question to a gateway has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// It cannot be asked this.
    Unsupported,
    /// Not now; a bounded code.
    Unavailable(String),
}

/// One account at one payment gateway. No call ever panics or takes longer than the budget.
#[async_trait]
pub trait PaymentGateway: Send + Sync {
    /// The configured name (`payments.gateways.<name>`); bounded, used as a metrics label.
    fn name(&self) -> &str;

    /// What the systems we replace call it: `ZARINPAL_COM`.
    fn title(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Asks for a page to send the payer to.
    async fn open(&self, page: &NewPage) -> Opened;

    /// Asks whether it was paid, which takes the money for good. It may be asked again.
    async fn verify(&self, page: &Page) -> Verified;

    /// Asks how it stands, and changes nothing.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn inquire(&self, _page: &Page) -> Result<Standing, Unanswered> {
        Err(Unanswered::Unsupported)
    }

    /// What was paid and waits to be verified, as many as it tells.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn unverified(&self) -> Result<Vec<Unverified>, Unanswered> {
        Err(Unanswered::Unsupported)
    }

    /// Takes a verified payment back as if it had not been. `page.reference` is our receipt's.
    ///
    /// # Errors
    /// [`Unanswered::Unsupported`].
    async fn reverse(&self, _page: &Page) -> Result<Returned, Unanswered> {
        Err(Unanswered::Unsupported)
    }

    /// Pays a verified payment out again, whole. `page.reference` is our receipt's.
    ///
    /// # Errors
    /// [`Unanswered::Unsupported`].
    async fn refund(&self, _page: &Page, _reason: &str) -> Result<Returned, Unanswered> {
        Err(Unanswered::Unsupported)
    }
}

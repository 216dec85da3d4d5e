//! Looking at payments: one's own, anybody's with its handle, and everybody's for staff, whose looks
//! are written down.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Payments, Purpose, State, store};
use crate::{
    admin::{Shown, mask},
    audit::{self, Entry, Source, Subject},
    money::Currency,
};

/// A payment. Has no `Debug`: it names a person.
#[derive(Clone, sqlx::FromRow)]
pub struct Payment {
    /// The row.
    pub id: i64,
    /// What strangers may ask for its state with.
    pub handle: String,
    /// Who pays.
    pub user_id: i64,
    /// The shop's own name for what is paid; may be empty.
    pub order_id: String,
    /// May be empty.
    pub description: String,
    /// May be empty.
    pub mobile: String,
    /// May be empty.
    pub email: String,
    /// As it was asked for, in units of `currency`.
    pub amount: i64,
    /// What it is counted in.
    pub currency: Currency,
    /// The same in rials.
    pub amount_rials: i64,
    /// What the money is for.
    pub purpose: Purpose,
    /// The configured name.
    pub gateway: String,
    /// Where it is.
    pub state: State,
    /// Why: a bounded word.
    pub reason: Option<String>,
    /// The gateway's name of the page that was paid, else of the latest one.
    pub authority: Option<String>,
    /// The gateway's number of the payment.
    pub ref_id: Option<i64>,
    /// The card, masked.
    pub card_pan: Option<String>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When something of it changed.
    pub updated_at: DateTime<Utc>,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
}

impl Payment {
    /// The same for those who may not see personal data.
    #[must_use]
    pub fn masked(self) -> Self {
        let hide = |text: &str| if text.is_empty() { String::new() } else { mask::number(text) };
        Self { mobile: hide(&self.mobile), email: mask::email(&self.email), ..self }
    }
}

/// What anybody may know who holds a payment's handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where it is.
    pub state: State,
    /// The shop's own name for what is paid; may be empty.
    pub order_id: String,
    /// As it was asked for, in units of `currency`.
    pub amount: i64,
    /// What it is counted in.
    pub currency: Currency,
    /// The gateway's number of the payment.
    pub ref_id: Option<i64>,
}

/// A page of a payment, for staff.
#[derive(Debug, Clone)]
pub struct Page {
    /// The row.
    pub id: i64,
    /// `opening`, `open`, `refused` or `unknown`.
    pub state: String,
    /// The gateway's name for it.
    pub authority: Option<String>,
    /// The gateway's number for what came of asking for it.
    pub code: Option<i32>,
    /// Why there is none: a bounded word.
    pub reason: Option<String>,
    /// The gateway's sentence.
    pub message: Option<String>,
    /// What the gateway said, without secrets.
    pub answer: Option<Value>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was there.
    pub opened_at: Option<DateTime<Utc>>,
}

/// A call to a gateway about a payment that was opened, for staff.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The row.
    pub id: i64,
    /// The page it was about.
    pub page_id: i64,
    /// `verify`, `inquire`, `reverse` or `refund`.
    pub action: String,
    /// A bounded word: `paid`, `not_paid`, …
    pub outcome: String,
    /// A bounded code.
    pub code: Option<String>,
    /// When it was asked.
    pub started_at: DateTime<Utc>,
    /// When there was an answer, or none.
    pub ended_at: DateTime<Utc>,
}

/// A payment with its story. Has no `Debug`: it names a person.
#[derive(Clone)]
pub struct StaffPayment {
    /// The payment.
    pub payment: Payment,
    /// What the gateway said last when it was asked to verify: its number.
    pub gateway_code: Option<i32>,
    /// Its sentence.
    pub gateway_message: Option<String>,
    /// Its answer, without secrets and with cards masked.
    pub gateway_answer: Option<Value>,
    /// What the person wrote who settled it, if one did.
    pub settled_note: Option<String>,
    /// Its pages, oldest first.
    pub pages: Vec<Page>,
    /// The calls about them, oldest first.
    pub attempts: Vec<Attempt>,
}

/// What somebody looks for their payments by. Everything that is given must be so.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Where they are: one of these.
    pub states: Vec<State>,
    /// For which order.
    pub order_id: Option<String>,
    /// Only those before this row.
    pub before: Option<i64>,
}

impl Payments {
    /// Somebody's own payments, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn list(
        &self,
        user_id: i64,
        search: &Search,
        limit: i64,
    ) -> Result<Vec<Payment>, sqlx::Error> {
        store::read::list(&self.pool, user_id, search, limit).await
    }

    /// One of somebody's own payments.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find(&self, user_id: i64, id: i64) -> Result<Option<Payment>, sqlx::Error> {
        let found = store::read::find(&self.pool, id).await?;
        Ok(found.filter(|payment| payment.user_id == user_id))
    }

    /// How the payment with this handle stands.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn status(&self, handle: &str) -> Result<Option<Status>, sqlx::Error> {
        store::read::status(&self.pool, handle).await
    }

    /// Looks at anybody's payment and its story, and writes down who did.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn look_at(
        &self,
        source: &Source,
        id: i64,
        shown: Shown,
    ) -> Result<Option<StaffPayment>, sqlx::Error> {
        let Some(found) = store::read::story(&self.pool, id).await? else { return Ok(None) };
        let looked = Entry::new(source, "payment.viewed", Subject::payment(id));
        let looked = looked.with("shown", shown.as_str());
        audit::record(&mut *self.pool.acquire().await?, &looked, self.clock.now()).await?;
        Ok(Some(StaffPayment { payment: show(found.payment, shown), ..found }))
    }
}

fn show(payment: Payment, shown: Shown) -> Payment {
    if shown == Shown::Whole { payment } else { payment.masked() }
}

//! Beginning a payment: it is written down, its gateway is asked for a page, what came of that is
//! written down. No transaction is open while the gateway thinks.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    NewPayment, OpenPage, Payments, Purpose, State,
    gateways::{Capabilities, Said},
    pages::{Came, Opening},
    store,
    writes::Begin,
};
use crate::{batch::WriteError, money::Currency};

/// A payment whose payer may be sent to a gateway.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The row.
    pub id: i64,
    /// What strangers may ask for its state with.
    pub handle: String,
    /// See [`NewPayment::order_id`].
    pub order_id: String,
    /// Where it is.
    pub state: State,
    /// What is to be paid, in units of `currency`.
    pub amount: i64,
    /// What it is counted in.
    pub currency: Currency,
    /// The same in rials.
    pub amount_rials: i64,
    /// What the money is for.
    pub purpose: Purpose,
    /// The configured name.
    pub gateway: String,
    /// Where the gateway sends the payer back to.
    pub callback_url: String,
    /// Where to send the payer.
    pub page: OpenPage,
}

/// Why there is nowhere to send the payer.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The account may not do anything any more. Nothing is written.
    #[error("account disabled")]
    Inactive,
    /// The gateway of the payment is configured no more.
    #[error("no such gateway")]
    NoGateway,
    /// The gateway does not take it: the payment has failed.
    #[error("refused by the gateway")]
    Refused(Said),
    /// The gateway does not take our account; the payment may be tried again.
    #[error("our account is refused by the gateway")]
    Account,
    /// The gateway did not answer, or not in time; the payment may be tried again.
    #[error("no answer from the gateway")]
    NoAnswer,
    /// The payment has come to an end meanwhile, or is being looked into.
    #[error("past beginning")]
    Settled,
    /// The database refused or is away.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<sqlx::Error> for CreateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Write(error.into())
    }
}

impl Payments {
    /// Writes a payment down under a fresh handle and opens a page for it.
    ///
    /// # Errors
    /// [`CreateError`]. Whatever of it was written stays, and [`Payments::resume`] goes on with it.
    pub async fn create(&self, handle: &str, new: NewPayment) -> Result<Begun, CreateError> {
        let gateway = self.gateways.get(&new.gateway).ok_or(CreateError::NoGateway)?;
        let now = self.clock.now();
        let until = watch_until(now, gateway.capabilities());
        let handle = handle.to_owned();
        let begin = Begin { handle: handle.clone(), new: new.clone(), now, watch_until: until };
        let written = self.writes.begins.write(begin).await?;
        let (id, page_id) = written.ok_or(CreateError::Inactive)?;
        let row = store::create::Row::fresh(id, &handle, new);
        self.open(row, page_id).await
    }

    /// Goes on with what was begun under this handle: where it has a page, that is the answer.
    /// `None`: nothing was.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn resume(&self, user_id: i64, handle: &str) -> Result<Option<Begun>, CreateError> {
        let found = store::create::find(&self.pool, user_id, handle).await?;
        let Some((row, page)) = found else { return Ok(None) };
        if let Some(page) = page {
            return Ok(Some(row.begun(page)));
        }
        let now = self.clock.now();
        let page_id = store::create::add_page(&self.pool, row.id, now).await?;
        self.open(row, page_id.ok_or(CreateError::Settled)?).await.map(Some)
    }

    async fn open(&self, row: store::create::Row, page_id: i64) -> Result<Begun, CreateError> {
        if self.gateways.get(&row.gateway).is_none() {
            return Err(CreateError::NoGateway);
        }
        let opening = Arc::new(Opening::of(&row));
        match self.open_page(opening, page_id).await? {
            Came::Open(page) => Ok(Begun { state: State::Redirected, ..row.begun(page) }),
            Came::Refused(said) => Err(CreateError::Refused(said)),
            Came::Account => Err(CreateError::Account),
            Came::Nothing => Err(CreateError::NoAnswer),
        }
    }
}

/// Until when somebody may come back from a page that is opened now, and be verified.
pub(super) fn watch_until(now: DateTime<Utc>, can: Capabilities) -> DateTime<Utc> {
    let life = can.page_life + can.verify_within;
    now + TimeDelta::from_std(life).unwrap_or(TimeDelta::days(1))
}

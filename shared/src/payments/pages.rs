//! Pages at a gateway: asking for one, within the time somebody waits for it.
//!
//! A page's row is written before the gateway is asked. The asking is carried to its end and written
//! down whoever still waits for it, so that a page that was opened is known even if its answer came
//! too late for the payer. If the first answer is lost, or does not come in a while, a second page is
//! asked for: nobody has been sent to the first one, which stays a candidate all the same.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    Payments, State,
    create::watch_until,
    gateways::{NewPage, Opened, Said},
    settle,
    store::{
        self,
        create::{NoPage, Row},
    },
    writes::Open,
};
use crate::{batch::WriteError, db, money::Rials, telemetry::PAYMENTS_SETTLED};

/// A page of a gateway's that a payer can be sent to.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenPage {
    /// The gateway's name for it.
    pub authority: String,
    /// Its address.
    pub url: String,
    /// The gateway's number for "opened".
    pub code: Option<i32>,
    /// Its sentence.
    pub message: String,
    /// The part of its answer that says so.
    pub answer: Value,
}

/// What a page is opened for. Has no `Debug`: it names a person.
pub(super) struct Opening {
    payment_id: i64,
    handle: String,
    gateway: String,
    page: NewPage,
}

impl Opening {
    pub(super) fn of(row: &Row) -> Self {
        let description = [&row.description, &row.order_id];
        let description = description.into_iter().find(|text| !text.is_empty());
        Self {
            payment_id: row.id,
            handle: row.handle.clone(),
            gateway: row.gateway.clone(),
            page: NewPage {
                amount: Rials::new(row.amount_rials),
                callback_url: row.callback_url.clone(),
                // Gateways demand one.
                description: description.cloned().unwrap_or_else(|| row.id.to_string()),
                client_ref: String::new(),
                order_id: row.order_id.clone(),
                mobile: row.mobile.clone(),
                email: row.email.clone(),
            },
        }
    }
}

/// Our own name for a page, unique at every gateway.
pub(super) fn client_ref(handle: &str, page_id: i64) -> String {
    format!("peyk-{handle}-{page_id}")
}

/// What came of asking for a page.
#[derive(Debug)]
pub(super) enum Came {
    /// There is one.
    Open(OpenPage),
    /// There will be none for this payment.
    Refused(Said),
    /// There will be none for our account.
    Account,
    /// Nobody can say, or not now.
    Nothing,
}

/// The same of one asking, to whoever waits.
type Told = Result<(Came, bool), WriteError>;

impl Payments {
    /// Asks for the page whose row this is, and if need be for a second one.
    ///
    /// # Errors
    /// When the database is away; what the gateway said is lost then, and nobody is sent anywhere.
    pub(super) async fn open_page(
        &self,
        opening: Arc<Opening>,
        page_id: i64,
    ) -> Result<Came, WriteError> {
        let budget = self.config.payments.budget();
        let begun = Instant::now();
        let (tell, mut told) = mpsc::channel(2);
        self.start(opening.clone(), page_id, tell.clone());
        match timeout_at(begun + first_share(budget), told.recv()).await {
            Ok(Some(Ok((Came::Nothing, true)))) => {
                if let Some(second) = self.second_page(&opening).await? {
                    self.start(opening, second, tell);
                    return last_word(&mut told, 1, begun + budget).await;
                }
                Ok(Came::Nothing)
            }
            Ok(Some(first)) => first.map(|(came, _)| came),
            Ok(None) => Ok(Came::Nothing),
            Err(_) => {
                let mut under_way = 1;
                if let Some(second) = self.second_page(&opening).await? {
                    self.start(opening, second, tell);
                    under_way += 1;
                }
                last_word(&mut told, under_way, begun + budget).await
            }
        }
    }

    async fn second_page(&self, opening: &Opening) -> Result<Option<i64>, sqlx::Error> {
        store::create::add_page(&self.pool, opening.payment_id, self.clock.now()).await
    }

    /// Asks in a task of its own: not even a client that hangs up ends it half way.
    fn start(&self, opening: Arc<Opening>, page_id: i64, tell: mpsc::Sender<Told>) {
        let payments = self.clone();
        tokio::spawn(async move {
            let came = payments.ask(&opening, page_id).await;
            if let Err(error) = &came {
                tracing::error!(payment.id = opening.payment_id, %error, "a page is not written");
            }
            // Nobody may be waiting any more.
            tell.send(came).await.ok();
        });
    }

    /// Asks the gateway and writes down what it says. The flag: whether asking again may help.
    async fn ask(&self, opening: &Opening, page_id: i64) -> Told {
        let Some(gateway) = self.gateways.get(&opening.gateway) else {
            return Ok((Came::Nothing, false));
        };
        let client_ref = client_ref(&opening.handle, page_id);
        let opened = gateway.open(&NewPage { client_ref, ..opening.page.clone() }).await;
        let now = self.clock.now();
        let not_opened = async |what, said: &Said| {
            let (payment, name) = (opening.payment_id, &opening.gateway);
            tracing::warn!(payment.id = payment, gateway = name, reason = said.reason, "no page");
            self.not_opened(page_id, what, said).await
        };
        Ok(match opened {
            Opened::Page { authority, url, said } => {
                let Said { code, message, answer, .. } = said;
                let page = OpenPage { authority, url, code, message, answer };
                let until = watch_until(now, gateway.capabilities());
                let payment_id = opening.payment_id;
                let open =
                    Open { payment_id, page_id, page: page.clone(), now, watch_until: until };
                match self.writes.opens.write(open).await {
                    Err(WriteError::Refused(error)) if db::violated_unique(&error).is_some() => {
                        not_opened(NoPage::Unavailable, &twice(page)).await?;
                        (Came::Nothing, true)
                    }
                    written => {
                        written?;
                        (Came::Open(page), false)
                    }
                }
            }
            Opened::Refused(said) => {
                not_opened(NoPage::Refused, &said).await?;
                (Came::Refused(said), false)
            }
            Opened::Account(said) => {
                not_opened(NoPage::Unavailable, &said).await?;
                (Came::Account, false)
            }
            Opened::RetryLater(said) => {
                not_opened(NoPage::Unavailable, &said).await?;
                (Came::Nothing, said.reason != "breaker")
            }
            Opened::Unknown(said) => {
                not_opened(NoPage::Unknown, &said).await?;
                (Came::Nothing, true)
            }
        })
    }
}

impl Payments {
    /// Writes down that there is no page; if the payment has failed by that, the world is told.
    async fn not_opened(&self, page_id: i64, what: NoPage, said: &Said) -> Result<(), sqlx::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let failed = store::create::not_opened(&mut tx, page_id, what, said, now).await?;
        if let Some(failed) = &failed {
            self.tell(&mut tx, &settle::Told::of_failed(failed)).await?;
        }
        tx.commit().await?;
        if let Some(failed) = failed {
            PAYMENTS_SETTLED.with_label_values(&[&*failed.gateway, State::Failed.as_str()]).inc();
        }
        Ok(())
    }
}

/// What the first page may take of the budget before a second one is asked for.
fn first_share(budget: Duration) -> Duration {
    budget * 3 / 5
}

fn twice(page: OpenPage) -> Said {
    let OpenPage { code, message, .. } = page;
    Said { code, reason: "authority.duplicate".to_owned(), message, answer: Value::Null }
}

/// The first word that is one, of so many that are still to come.
async fn last_word(
    told: &mut mpsc::Receiver<Told>,
    mut under_way: u8,
    deadline: Instant,
) -> Result<Came, WriteError> {
    while under_way > 0 {
        match timeout_at(deadline, told.recv()).await {
            Ok(Some(Ok((Came::Nothing, _)))) => under_way -= 1,
            Ok(Some(word)) => return word.map(|(came, _)| came),
            Ok(None) | Err(_) => break,
        }
    }
    Ok(Came::Nothing)
}

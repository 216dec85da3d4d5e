//! The gateway of sandbox mode: a bank of our own, whose page the api serves. It plays an outside
//! party honestly: it has a table of its own, compares what it is asked about with it, and takes
//! and gives back no money.

mod bank;
mod imitation;
mod store;
#[cfg(test)]
mod tests;
mod way_back;

use std::{fmt, future::Future, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::Value;
use sqlx::PgPool;

use self::imitation::Word;
pub use self::{
    bank::{BankPage, Deed, PageState, act, count_old, page, purge},
    imitation::Imitation,
    way_back::WayBack,
};
use super::{
    Capabilities, NewPage, Opened, Page, PaymentGateway, Problem, Receipt, Returned, Said, Setup,
    Standing, Unanswered, Unverified, Verified,
};
use crate::money::Rials;

/// The path of a page below `http.public_url`, without the authority.
pub const PATH: &str = "/sandbox/bank/";

/// Payments told by `unverified` at most: what ZarinPal tells.
const UNVERIFIED: i64 = 100;

/// The settings of a sandbox gateway. Keys other than these and `kind` are start-up errors.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whose manners it has: `zarinpal` (default), `payping` or `zibal`.
    pub imitates: Imitation,
}

/// A gateway whose payers play with a page of ours.
pub struct Sandbox {
    name: String,
    imitates: Imitation,
    public_url: String,
    pool: Option<PgPool>,
    budget: Duration,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, imitates, .. } = self;
        f.debug_struct("Sandbox")
            .field("name", name)
            .field("imitates", imitates)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// A sandbox of this configuration. Without a database to keep its pages in it is built, and
    /// answers that it cannot answer.
    ///
    /// # Errors
    /// None: it fits the registry.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            name: name.to_owned(),
            imitates: config.imitates,
            public_url: setup.public_url.trim_end_matches('/').to_owned(),
            pool: setup.pool.clone(),
            budget: setup.timeouts.budget,
        })
    }

    /// Asks the table, within the budget. The error says why not, in one bounded word.
    async fn ask<'a, T, F>(&'a self, question: impl FnOnce(&'a PgPool) -> F) -> Result<T, String>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let Some(pool) = &self.pool else { return Err("sandbox.no_database".to_owned()) };
        match tokio::time::timeout(self.budget, question(pool)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the pages of the sandbox bank cannot be reached");
                Err("sandbox.database".to_owned())
            }
            Err(_) => Err("sandbox.timeout".to_owned()),
        }
    }

    /// A page of this gateway's.
    async fn find(&self, authority: &str) -> Result<Option<BankPage>, String> {
        let page = self.ask(|pool| store::find(pool, authority)).await?;
        Ok(page.filter(|page| page.gateway == self.name))
    }

    fn say(&self, word: Word) -> Said {
        self.said(word, Value::Null)
    }

    fn said(&self, word: Word, answer: Value) -> Said {
        let (code, message) = self.imitates.words(word);
        let reason = format!("sandbox.{code}");
        Said { code: Some(code), reason, message: message.to_owned(), answer }
    }

    fn takes(&self, amount: Rials) -> bool {
        let Capabilities { least, most, whole_tomans, .. } = self.capabilities();
        (least..=most).contains(&amount) && (!whole_tomans || amount.to_tomans().is_some())
    }

    /// Verifies what was paid, or says again that it was. `page` is as it was a moment ago.
    async fn settle(&self, page: &BankPage) -> Verified {
        let already = match page.standing() {
            Standing::Verified(_) => true,
            Standing::Paid(_) => {
                match self.ask(|pool| store::verify(pool, &page.authority)).await {
                    Ok(first) => !first,
                    Err(reason) => return Verified::Unknown(silent(reason)),
                }
            }
            _ => return Verified::NotPaid(self.say(Word::NotPaid)),
        };
        let word = if already { Word::Already } else { Word::Verified };
        let (code, message) = self.imitates.words(word);
        let (pan, hash) = BankPage::card();
        Verified::Paid(Receipt {
            ref_id: page.ref_id,
            card_pan: Some(pan.to_owned()),
            card_hash: Some(hash.to_owned()),
            already,
            said: self.said(word, page.answer(code, message)),
        })
    }

    /// Gives the money of a verified payment back.
    async fn give_back(
        &self,
        page: &Page,
        within: Option<Duration>,
    ) -> Result<Returned, Unanswered> {
        let found = self.find(&page.authority).await.map_err(Unanswered::Unavailable)?;
        let Some(found) = found else { return Ok(Returned::Refused(self.say(Word::NotFound))) };
        match found.standing() {
            Standing::Reversed => return Ok(Returned::Already(self.say(Word::NotGivenBack))),
            Standing::Verified(_) => {}
            _ => return Ok(Returned::Refused(self.say(Word::NotGivenBack))),
        }
        let since = found.paid_at.map(|paid_at| found.now - paid_at).unwrap_or_default();
        let within = within.and_then(|within| TimeDelta::from_std(within).ok());
        if within.is_some_and(|within| since > within) {
            return Ok(Returned::Refused(self.say(Word::TooLate)));
        }
        Ok(match self.ask(|pool| store::give_back(pool, &page.authority)).await {
            Ok(true) => Returned::Done(self.say(Word::GivenBack)),
            Ok(false) => Returned::Already(self.say(Word::NotGivenBack)),
            Err(reason) => Returned::Unknown(silent(reason)),
        })
    }
}

/// No answer, and why.
fn silent(reason: String) -> Said {
    Said { code: None, reason, message: String::new(), answer: Value::Null }
}

#[async_trait]
impl PaymentGateway for Sandbox {
    fn name(&self) -> &str {
        &self.name
    }

    fn title(&self) -> &'static str {
        self.imitates.title()
    }

    fn capabilities(&self) -> Capabilities {
        self.imitates.capabilities()
    }

    async fn open(&self, page: &NewPage) -> Opened {
        if !self.takes(page.amount) {
            return Opened::Refused(self.say(Word::BadRequest));
        }
        let authority = self.imitates.new_authority(&mut rand::rng());
        let row = store::NewRow {
            gateway: &self.name,
            imitates: self.imitates,
            authority: &authority,
            amount_rials: page.amount.get(),
            callback_url: &page.callback_url,
            client_ref: &page.client_ref,
            description: &page.description,
        };
        match self.ask(|pool| store::insert(pool, &row)).await {
            Ok(true) => {}
            Ok(false) => return Opened::RetryLater(silent("sandbox.taken".to_owned())),
            Err(reason) if self.pool.is_none() => return Opened::RetryLater(silent(reason)),
            Err(reason) => return Opened::Unknown(silent(reason)),
        }
        let (code, message) = self.imitates.words(Word::Opened);
        let answer = self.imitates.opened(&authority, page.amount, code, message);
        let url = format!("{}{PATH}{authority}", self.public_url);
        Opened::Page { authority, url, said: self.said(Word::Opened, answer) }
    }

    async fn verify(&self, page: &Page) -> Verified {
        let needs_reference = self.capabilities().needs_reference;
        if needs_reference && page.reference.is_none() {
            return Verified::NoReference;
        }
        let found = match self.find(&page.authority).await {
            Ok(Some(found)) => found,
            Ok(None) => return Verified::NotFound(self.say(Word::NotFound)),
            Err(reason) => return Verified::RetryLater { after: None, said: silent(reason) },
        };
        if needs_reference && found.ref_id.is_some() && page.reference != found.ref_id {
            return Verified::NotFound(self.say(Word::NotFound));
        }
        if (found.amount(), &found.client_ref) != (page.amount, &page.client_ref) {
            return Verified::Mismatch(self.say(Word::OtherAmount));
        }
        self.settle(&found).await
    }

    async fn inquire(&self, page: &Page) -> Result<Standing, Unanswered> {
        let found = self.find(&page.authority).await.map_err(Unanswered::Unavailable)?;
        Ok(found.map_or(Standing::NotFound, |found| found.standing()))
    }

    async fn unverified(&self) -> Result<Vec<Unverified>, Unanswered> {
        let Capabilities { unverified, verify_within, .. } = self.capabilities();
        if !unverified {
            return Err(Unanswered::Unsupported);
        }
        let within = i64::try_from(verify_within.as_secs()).unwrap_or(i64::MAX);
        let rows = self.ask(|pool| store::unverified(pool, &self.name, within, UNVERIFIED)).await;
        let rows = rows.map_err(Unanswered::Unavailable)?.into_iter();
        Ok(rows
            .map(|row| Unverified {
                authority: row.authority,
                amount: Rials::new(row.amount_rials),
                at: Some(row.paid_at),
            })
            .collect())
    }

    async fn reverse(&self, page: &Page) -> Result<Returned, Unanswered> {
        let Capabilities { reverse, reverse_within, .. } = self.capabilities();
        if !reverse {
            return Err(Unanswered::Unsupported);
        }
        self.give_back(page, Some(reverse_within)).await
    }

    async fn refund(&self, page: &Page, _reason: &str) -> Result<Returned, Unanswered> {
        if !self.capabilities().refund {
            return Err(Unanswered::Unsupported);
        }
        self.give_back(page, None).await
    }
}

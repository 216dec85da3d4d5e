//! Zibal (<https://docs.zibal.ir/IPG/API>). Amounts are rials.
//!
//! It verifies a payment without being told the amount, so the amount it answers is compared here.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Capabilities, NewPage, Opened, Page, PaymentGateway, Problem, Receipt, Said, Setup, Standing,
    Unanswered, Verified,
    exchange::{Api, NoAnswer},
    fields::{description, is_hash, local_mobile},
    said::Record,
};
use crate::{
    http_client::Reply,
    money::Rials,
    payments::cards::mask_pan,
    settings::{Problems, base_url, filled},
    wire::{self, integer, join, word},
};

mod codes;

const MINUTE: Duration = Duration::from_mins(1);

/// The merchant's name of Zibal's own sandbox: what is paid there is no money.
const SANDBOX_MERCHANT: &str = "zibal";

/// `[payments.gateways.<name>]` with `kind = "zibal"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// The gateway's code. A secret: whoever has it can verify.
    pub merchant: SecretString,
    /// Zibal's own sandbox: the merchant is `zibal`, and no money moves.
    #[serde(default)]
    pub sandbox: bool,
    /// Where the API is.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// Where payers are sent, below it `/start/…`; unset: `base_url`.
    #[serde(default)]
    pub pages_url: Option<String>,
}

fn default_base_url() -> String {
    "https://gateway.zibal.ir".to_owned()
}

/// One account at Zibal.
pub struct Zibal {
    name: String,
    api: Api,
    pages: Url,
    merchant: SecretString,
    record: Record,
}

impl std::fmt::Debug for Zibal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zibal").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Zibal {
    /// An account named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let base = problems.keep(base_url("base_url", &config.base_url));
        let pages = filled(config.pages_url.as_ref()).unwrap_or_else(|| config.base_url.clone());
        let pages = problems.keep(base_url("pages_url", &pages));
        let merchant = config.merchant.expose_secret();
        problems.require_filled("merchant", merchant);
        // Nobody is to be given goods for the sandbox's money by mistake.
        let fine = (merchant == SANDBOX_MERCHANT) == config.sandbox;
        problems.require(fine, "sandbox", "must be true with merchant \"zibal\", and only with it");
        let http = problems.client(setup.timeouts);
        problems.into_result(base.zip(pages).zip(http).map(|((base, pages), http)| Self {
            name: name.to_owned(),
            api: Api { http, base, login: None },
            pages,
            merchant: config.merchant.clone(),
            record: Record::new("zibal", [&config.merchant]),
        }))
    }

    async fn ask(&self, method: &str, mut body: Map<String, Value>) -> Result<Answer, NoAnswer> {
        body.insert("merchant".to_owned(), self.merchant.expose_secret().into());
        let reply = self.api.post(&["v1", method], &Value::Object(body)).await?;
        Answer::parse(&reply).ok_or_else(|| NoAnswer::unreadable(&reply))
    }

    fn said(&self, answer: &Answer) -> Said {
        self.record.said(answer.result, answer.message(), &answer.whole())
    }

    fn noted(&self, word: &str, answer: &Answer) -> Said {
        self.record.noted(word, answer.message(), &answer.whole())
    }

    fn opened(&self, answer: &Answer) -> Opened {
        if answer.result != codes::OK {
            return codes::refused(answer.result, self.said(answer));
        }
        match answer.number("trackId").filter(|id| *id > 0) {
            Some(id) => {
                let authority = id.to_string();
                let url = join(&self.pages, &["start", &authority]).to_string();
                Opened::Page { authority, url, said: self.said(answer) }
            }
            None => Opened::Unknown(self.noted("track_id", answer)),
        }
    }

    fn verified(&self, page: &Page, answer: &Answer) -> Verified {
        let already = match answer.result {
            codes::OK => false,
            codes::ALREADY => true,
            other => return codes::unpaid(other, self.said(answer)),
        };
        // What it names must be ours; a repeated answer may name less.
        let amount = answer.number("amount");
        let same_amount = amount.map_or(already, |amount| amount == page.amount.get());
        let same =
            |name: &str, ours: &str| answer.text(name).is_none_or(|theirs| theirs.as_str() == ours);
        if !same_amount {
            return Verified::Mismatch(self.noted("amount", answer));
        }
        if !same("orderId", &page.client_ref) {
            return Verified::Mismatch(self.noted("order_id", answer));
        }
        if !same("trackId", &page.authority) {
            return Verified::Mismatch(self.noted("track_id", answer));
        }
        Verified::Paid(Receipt {
            ref_id: answer.number("refNumber").filter(|number| *number > 0),
            card_pan: answer.text("cardNumber").and_then(|pan| mask_pan(&pan)),
            card_hash: answer.text("hashedCardNumber").filter(|hash| is_hash(hash)),
            already,
            said: self.said(answer),
        })
    }
}

#[async_trait]
impl PaymentGateway for Zibal {
    fn name(&self) -> &str {
        &self.name
    }

    fn title(&self) -> &'static str {
        "ZIBAL_IR"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            inquiry: true,
            reverse: false,
            refund: false,
            unverified: false,
            needs_reference: false,
            least: Rials::new(1_000),
            most: Rials::new(1_000_000_000),
            whole_tomans: false,
            // None of its times is documented; asking too long does no harm.
            page_life: 20 * MINUTE,
            verify_within: 30 * MINUTE,
            reverse_within: Duration::ZERO,
        }
    }

    async fn open(&self, page: &NewPage) -> Opened {
        let mut body = Map::from_iter([
            ("amount".to_owned(), page.amount.get().into()),
            ("callbackUrl".to_owned(), page.callback_url.clone().into()),
            ("orderId".to_owned(), page.client_ref.clone().into()),
            ("description".to_owned(), description(page, 255).into()),
        ]);
        let mobile = local_mobile(&page.mobile);
        if !mobile.is_empty() {
            body.insert("mobile".to_owned(), mobile.into());
        }
        match self.ask("request", body).await {
            Ok(answer) => self.opened(&answer),
            Err(none) => none.into(),
        }
    }

    async fn verify(&self, page: &Page) -> Verified {
        let Some(body) = track_id(page) else {
            return Verified::NotFound(self.record.noted("track_id", "", &json!(null)));
        };
        match self.ask("verify", body).await {
            Ok(answer) => self.verified(page, &answer),
            Err(none) => none.into(),
        }
    }

    async fn inquire(&self, page: &Page) -> Result<Standing, Unanswered> {
        let Some(body) = track_id(page) else { return Ok(Standing::NotFound) };
        let answer = self.ask("inquiry", body).await?;
        let unclear = || Unanswered::Unavailable(self.said(&answer).reason);
        match answer.result {
            // Which of our payments it is about is not in doubt: we named it.
            codes::OK | codes::ALREADY | codes::NOT_PAID => {
                let status = answer.number("status").ok_or_else(unclear)?;
                let reference = answer.number("refNumber").filter(|number| *number > 0);
                codes::standing(status, reference).ok_or_else(unclear)
            }
            codes::NO_SUCH_PAGE => Ok(Standing::NotFound),
            _ => Err(unclear()),
        }
    }
}

/// Its names of pages are numbers, and sent as such.
fn track_id(page: &Page) -> Option<Map<String, Value>> {
    let id: i64 = page.authority.parse().ok()?;
    Some(Map::from_iter([("trackId".to_owned(), id.into())]))
}

/// `{"result": …, "message": …, …}`, whatever the HTTP status.
struct Answer {
    /// [`codes`].
    result: i64,
    members: Map<String, Value>,
}

impl Answer {
    fn parse(reply: &Reply) -> Option<Self> {
        let members = wire::object(&reply.body)?;
        let result = integer(members.get("result")?)?;
        Some(Self { result, members })
    }

    fn message(&self) -> &str {
        self.members.get("message").and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.members.get(name).and_then(integer)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.members.get(name).and_then(word)
    }

    fn whole(&self) -> Value {
        Value::Object(self.members.clone())
    }
}

//! ZarinPal v4 (<https://www.zarinpal.com/docs/paymentGateway/>). Amounts are rials, and said to be.
//!
//! Errors come under many HTTP statuses: the code in the body decides.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::{
    Capabilities, NewPage, Opened, Page, PaymentGateway, Receipt, Returned, Standing, Unanswered,
    Unverified, Verified,
    exchange::{Api, NoAnswer},
    fields::{description, is_hash, local_mobile},
    said::Record,
};
use crate::{money::Rials, payments::cards::mask_pan, wire::join};

mod answers;
mod codes;
mod config;
mod refund;

pub use self::config::Config;
use self::{answers::Answer, codes::Class, refund::Refunds};

const MINUTE: Duration = Duration::from_mins(1);

/// One terminal at ZarinPal.
pub struct ZarinPal {
    name: String,
    api: Api,
    pages: Url,
    merchant_id: SecretString,
    sandbox: bool,
    refunds: Option<Refunds>,
    record: Record,
    budget: Duration,
}

impl std::fmt::Debug for ZarinPal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZarinPal").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ZarinPal {
    /// Asks with the merchant's id; the body of the answer.
    async fn ask(&self, method: &str, mut body: Map<String, Value>) -> Result<Reply, NoAnswer> {
        body.insert("merchant_id".to_owned(), self.merchant_id.expose_secret().into());
        let path = ["pg", "v4", "payment", method];
        let reply = self.api.post(&path, &Value::Object(body)).await?;
        let answer = Answer::parse(&reply.body);
        let data = answers::data(&reply.body);
        if answer.is_none() && data.is_none() {
            return Err(NoAnswer::unreadable(&reply));
        }
        Ok(Reply { answer, data, unreadable: NoAnswer::unreadable(&reply) })
    }

    async fn ask_coded(&self, method: &str, body: Map<String, Value>) -> Result<Answer, NoAnswer> {
        let reply = self.ask(method, body).await?;
        reply.answer.ok_or(reply.unreadable)
    }

    fn said(&self, answer: &Answer) -> super::Said {
        self.record.said(answer.code, &answer.message, &answer.whole())
    }

    fn opened(&self, page: &NewPage, answer: &Answer) -> Opened {
        let record = self.record.about(page);
        let said = record.said(answer.code, &answer.message, &answer.whole());
        if codes::class(answer.code) != Class::Done {
            return codes::refused(answer.code, said);
        }
        let noted = |word| record.noted(word, &answer.message, &answer.whole());
        let Some(authority) = answer.text("authority").filter(|text| is_authority(text)) else {
            return Opened::Unknown(noted("authority"));
        };
        // Sandbox and real pages must not be mixed: what is paid in the sandbox is no money.
        if authority.starts_with('S') != self.sandbox {
            return Opened::Account(noted("sandbox"));
        }
        let url = join(&self.pages, &["pg", "StartPay", &authority]).to_string();
        Opened::Page { authority, url, said }
    }

    fn verified(&self, page: &Page, answer: &Answer) -> Verified {
        let said = self.said(answer);
        let already = match codes::class(answer.code) {
            Class::Done => false,
            Class::Already => true,
            _ => return codes::unpaid(answer.code, said),
        };
        // Not documented to be there; what is there must be ours.
        let other = answer.text("authority").is_some_and(|authority| authority != page.authority);
        if other {
            let noted = self.record.noted("authority", &answer.message, &answer.whole());
            return Verified::Mismatch(noted);
        }
        Verified::Paid(Receipt {
            ref_id: answer.number("ref_id").filter(|number| *number > 0),
            card_pan: answer.text("card_pan").and_then(|pan| mask_pan(&pan)),
            card_hash: answer.text("card_hash").filter(|hash| is_hash(hash)),
            already,
            said,
        })
    }

    async fn reverse_once(&self, page: &Page) -> Returned {
        let answer = match self.ask_coded("reverse.json", authority(page)).await {
            Ok(answer) => answer,
            Err(none) => return none.into(),
        };
        let said = self.said(&answer);
        match codes::class(answer.code) {
            Class::Done => Returned::Done(said),
            Class::Already => Returned::Already(said),
            Class::Later => Returned::RetryLater(said),
            Class::Ambiguous => Returned::Unknown(said),
            // -61: "not successful, or reversed already". Which, an inquiry says.
            Class::NoReturn => match self.inquire(page).await {
                Ok(Standing::Reversed) => Returned::Already(said),
                Ok(_) => Returned::Refused(said),
                Err(_) => Returned::Unknown(said),
            },
            Class::Request
            | Class::Account
            | Class::NotPaid
            | Class::Mismatch
            | Class::NotFound => Returned::Refused(said),
        }
    }
}

/// An answer that can be read.
struct Reply {
    answer: Option<Answer>,
    data: Option<Map<String, Value>>,
    /// What it is where neither says what was asked for.
    unreadable: NoAnswer,
}

#[async_trait]
impl PaymentGateway for ZarinPal {
    fn name(&self) -> &str {
        &self.name
    }

    fn title(&self) -> &'static str {
        "ZARINPAL_COM"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            inquiry: true,
            reverse: true,
            refund: self.refunds.is_some(),
            unverified: true,
            needs_reference: false,
            least: Rials::new(1_000),
            most: Rials::new(1_000_000_000),
            whole_tomans: false,
            page_life: 20 * MINUTE,
            verify_within: 30 * MINUTE,
            reverse_within: 30 * MINUTE,
        }
    }

    async fn open(&self, page: &NewPage) -> Opened {
        let mut metadata = Map::new();
        let mobile = local_mobile(&page.mobile);
        for (name, value) in
            [("mobile", &*mobile), ("email", &page.email), ("order_id", &page.order_id)]
        {
            if !value.trim().is_empty() {
                metadata.insert(name.to_owned(), value.trim().into());
            }
        }
        let mut body = Map::from_iter([
            ("amount".to_owned(), page.amount.get().into()),
            ("currency".to_owned(), "IRR".into()),
            ("callback_url".to_owned(), page.callback_url.clone().into()),
            ("description".to_owned(), description(page, 500).into()),
        ]);
        if !metadata.is_empty() {
            body.insert("metadata".to_owned(), Value::Object(metadata));
        }
        match self.ask_coded("request.json", body).await {
            Ok(answer) => self.opened(page, &answer),
            Err(none) => none.into(),
        }
    }

    async fn verify(&self, page: &Page) -> Verified {
        let mut body = authority(page);
        body.insert("amount".to_owned(), page.amount.get().into());
        match self.ask_coded("verify.json", body).await {
            Ok(answer) => self.verified(page, &answer),
            Err(none) => none.into(),
        }
    }

    async fn inquire(&self, page: &Page) -> Result<Standing, Unanswered> {
        let reply = self.ask("inquiry.json", authority(page)).await?;
        if let Some(standing) = reply.data.as_ref().and_then(answers::standing) {
            return Ok(standing);
        }
        let Some(answer) = reply.answer else { return Err(reply.unreadable.into()) };
        match codes::class(answer.code) {
            Class::NotFound => Ok(Standing::NotFound),
            Class::NotPaid => Ok(Standing::Open),
            _ => Err(Unanswered::Unavailable(self.said(&answer).reason)),
        }
    }

    async fn unverified(&self) -> Result<Vec<Unverified>, Unanswered> {
        let reply = self.ask("unVerified.json", Map::new()).await?;
        if let Some(list) = reply.data.as_ref().and_then(answers::unverified) {
            return Ok(list);
        }
        match reply.answer {
            Some(answer) => Err(Unanswered::Unavailable(self.said(&answer).reason)),
            None => Err(reply.unreadable.into()),
        }
    }

    async fn reverse(&self, page: &Page) -> Result<Returned, Unanswered> {
        // Two exchanges at most, in the time of one.
        let once = tokio::time::timeout(self.budget, self.reverse_once(page));
        let out_of_time = |_| NoAnswer::Unknown { code: "http.timeout".to_owned() }.into();
        Ok(once.await.unwrap_or_else(out_of_time))
    }

    async fn refund(&self, page: &Page, reason: &str) -> Result<Returned, Unanswered> {
        let refunds = self.refunds.as_ref().ok_or(Unanswered::Unsupported)?;
        let whole = tokio::time::timeout(self.budget, refunds.refund(page, reason));
        let out_of_time = |_| NoAnswer::Unknown { code: "http.timeout".to_owned() }.into();
        Ok(whole.await.unwrap_or_else(out_of_time))
    }
}

fn authority(page: &Page) -> Map<String, Value> {
    Map::from_iter([("authority".to_owned(), page.authority.clone().into())])
}

/// `^[AS][0-9A-Za-z]{35}$`; the length is not insisted on.
fn is_authority(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.starts_with(['A', 'S']) && plain && (30..=64).contains(&text.len())
}

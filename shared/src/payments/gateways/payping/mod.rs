//! PayPing v3 (<https://docs.payping.ir>). Amounts are tomans: what is no whole number of them is
//! refused before any call.
//!
//! It verifies a payment only under the reference that the payer's browser brings back, within ten
//! minutes. So an answer counts as "paid" only where it names our page and our amount.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use serde_json::{Map, Value};

use super::{
    Capabilities, NewPage, Opened, Page, PaymentGateway, Returned, Said, Standing, Unanswered,
    Verified,
    exchange::{Api, NoAnswer},
    fields::{description, local_mobile},
    said::Record,
};
use crate::{http_client::Reply, money::Rials, wire::join};

mod answers;
mod codes;
mod config;
mod verify;

use self::answers::{Members, Refusal};
pub use self::config::Config;

const MINUTE: Duration = Duration::from_mins(1);

/// One account at PayPing.
pub struct PayPing {
    name: String,
    api: Api,
    reversible: bool,
    record: Record,
    budget: Duration,
}

impl std::fmt::Debug for PayPing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PayPing").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PayPing {
    fn noted(&self, word: &str, answer: &Value) -> Said {
        self.record.noted(word, "", answer)
    }

    /// What an answer that is none of the expected ones says.
    fn refusal(record: &Record, reply: &Reply) -> Result<(i64, Said), NoAnswer> {
        let refusal = Refusal::parse(reply).ok_or_else(|| NoAnswer::unreadable(reply))?;
        Ok((refusal.code, record.said(refusal.code, &refusal.message, &refusal.whole)))
    }

    /// The account, where the status alone says so.
    fn locked_out(&self, reply: &Reply) -> Option<Said> {
        let silent = Refusal::parse(reply).is_none();
        (silent && matches!(reply.status, 401 | 403))
            .then(|| self.noted(&format!("http_{}", reply.status), &Value::Null))
    }

    fn opened(&self, page: &NewPage, reply: &Reply, tomans: i64) -> Opened {
        let record = self.record.about(page);
        let body = Members::of(&reply.body).filter(|_| reply.status == 200);
        let code = body.as_ref().and_then(|body| body.text("paymentCode"));
        let (Some(body), Some(code)) = (body, code) else {
            return match (self.locked_out(reply), Self::refusal(&record, reply)) {
                (Some(said), _) => Opened::Account(said),
                (None, Ok((code, said))) => codes::refused(code, said),
                (None, Err(none)) => none.into(),
            };
        };
        let answer = body.whole();
        if !is_code(&code) {
            return Opened::Unknown(record.noted("payment_code", "", &answer));
        }
        if body.number("amount").is_some_and(|amount| amount != tomans) {
            return Opened::Unknown(record.noted("amount", "", &answer));
        }
        let own = || join(&self.api.base, &["v3", "pay", "start", &code]).to_string();
        let url = body.text("url").filter(|url| is_page(url)).unwrap_or_else(own);
        Opened::Page { authority: code, url, said: record.said(200, "", &answer) }
    }
}

#[async_trait]
impl PaymentGateway for PayPing {
    fn name(&self) -> &str {
        &self.name
    }

    fn title(&self) -> &'static str {
        "PAYPING_IR"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            inquiry: true,
            reverse: self.reversible,
            refund: false,
            unverified: false,
            needs_reference: true,
            least: Rials::new(10_000),
            most: Rials::new(500_000_000),
            whole_tomans: true,
            // Not documented.
            page_life: 20 * MINUTE,
            verify_within: 10 * MINUTE,
            reverse_within: 30 * MINUTE,
        }
    }

    async fn open(&self, page: &NewPage) -> Opened {
        let Some(tomans) = page.amount.to_tomans() else {
            return Opened::Refused(self.noted("whole_tomans", &Value::Null));
        };
        let mut body = Map::from_iter([
            ("amount".to_owned(), tomans.into()),
            ("returnUrl".to_owned(), page.callback_url.clone().into()),
            ("clientRefId".to_owned(), page.client_ref.clone().into()),
            ("description".to_owned(), description(page, 500).into()),
        ]);
        let mobile = local_mobile(&page.mobile);
        let payer = if mobile.is_empty() { page.email.trim() } else { &mobile };
        if !payer.is_empty() {
            body.insert("payerIdentity".to_owned(), payer.into());
        }
        if self.reversible {
            body.insert("isReversible".to_owned(), true.into());
        }
        match self.api.post(&["v3", "pay"], &Value::Object(body)).await {
            Ok(reply) => self.opened(page, &reply, tomans),
            Err(none) => none.into(),
        }
    }

    async fn verify(&self, page: &Page) -> Verified {
        let Some(reference) = page.reference else { return Verified::NoReference };
        let Some(tomans) = page.amount.to_tomans() else {
            return Verified::Mismatch(self.noted("whole_tomans", &Value::Null));
        };
        // Two exchanges at most, in the time of one.
        let once = tokio::time::timeout(self.budget, self.verify_once(page, tomans, reference));
        let out_of_time = |_| NoAnswer::Unknown { code: "http.timeout".to_owned() }.into();
        once.await.unwrap_or_else(out_of_time)
    }

    async fn inquire(&self, page: &Page) -> Result<Standing, Unanswered> {
        let tomans = page.amount.to_tomans().ok_or(Unanswered::Unsupported)?;
        let reply = self.api.get(&["v1", "report", &page.authority]).await?;
        match (Refusal::parse(&reply), Members::of(&reply.body)) {
            (Some(refusal), _) if refusal.code == codes::NOT_FOUND => Ok(Standing::NotFound),
            (Some(refusal), _) if refusal.code == codes::CANCELLED => Ok(Standing::Cancelled),
            (None, Some(report)) if reply.status == 200 => {
                let ours = (&*page.authority, &*page.client_ref);
                // It is well, and this is no question to it: nothing for the breaker to count.
                answers::standing(&report, ours, tomans).ok_or(Unanswered::Unsupported)
            }
            _ => match Self::refusal(&self.record, &reply) {
                Ok((_, said)) => Err(Unanswered::Unavailable(said.reason)),
                Err(none) => Err(none.into()),
            },
        }
    }

    async fn reverse(&self, page: &Page) -> Result<Returned, Unanswered> {
        if !self.reversible {
            return Err(Unanswered::Unsupported);
        }
        let Some(reference) = page.reference else {
            return Ok(Returned::Refused(self.noted("no_reference", &Value::Null)));
        };
        let body = Map::from_iter([
            ("paymentRefId".to_owned(), reference.into()),
            ("paymentCode".to_owned(), page.authority.clone().into()),
        ]);
        let reply = match self.api.post(&["v3", "pay", "reverse"], &Value::Object(body)).await {
            Ok(reply) => reply,
            Err(none) => return Ok(none.into()),
        };
        let done = Members::of(&reply.body).filter(|_| reply.status == 200);
        Ok(match (done, Self::refusal(&self.record, &reply)) {
            (_, Ok((code, said))) => codes::not_reversed(code, said),
            (Some(body), Err(_)) if body.get("amount").or(body.get("code")).is_some() => {
                Returned::Done(self.noted("reversed", &body.whole()))
            }
            (_, Err(_)) if matches!(reply.status, 401 | 403 | 406) => {
                Returned::Refused(self.noted(&format!("http_{}", reply.status), &Value::Null))
            }
            (_, Err(none)) => none.into(),
        })
    }
}

/// A ULID today; no more is insisted on than that it can be a name.
fn is_code(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=128).contains(&text.len()) && text.bytes().all(plain)
}

fn is_page(text: &str) -> bool {
    let web = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    text.len() <= 2_000 && Url::parse(text).is_ok_and(web)
}

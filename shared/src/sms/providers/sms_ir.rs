//! SMS.ir, version 1 (<https://sms.ir/developer-web-service/rest-api/>): free texts (`send/bulk`
//! with one number) and templates (`send/verify`).
//!
//! Every answer is `{"status":…,"message":…,"data":…}` under HTTP 200, 400, 401, 429 or 500; the
//! status in the body decides. Nothing guards against sending twice and nothing can be asked by
//! an id of ours.

use async_trait::async_trait;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::settings::{Names, Problems, base_url, filled, secret_header};
use super::wire::{self, hundredths, integer, join, refused};
use super::{
    Balance, Content, DeliveryStatus, Lookup, Outcome, OutgoingSms, Problem, Rejection, Report,
    Setup, SmsProvider, Unanswered,
};
use crate::http_client::{Failure, HttpClient, Reply};

/// `status` of a call that was carried out.
const OK: i64 = 1;

/// `status` of a question about an id that does not exist.
const NO_SUCH_ID: i64 = 111;

/// `[sms.providers.<name>]` with `kind = "sms_ir"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Where the API is; may have a path, to which `/v1/…` is added.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// The account's API key.
    pub api_key: SecretString,
    /// The line free texts are sent from, digits; none: the account carries templates only. Those
    /// have lines of their own.
    #[serde(default)]
    pub sender: Option<String>,
    /// What variables are called in the templates, where it is not what they are called here.
    #[serde(default)]
    pub parameters: Names,
}

fn default_base_url() -> String {
    "https://api.sms.ir".to_owned()
}

/// One SMS.ir account.
pub struct SmsIr {
    name: String,
    http: HttpClient,
    base: Url,
    key: HeaderValue,
    sender: Option<u64>,
    parameters: Names,
}

impl std::fmt::Debug for SmsIr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmsIr").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SmsIr {
    /// An account named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let base = problems.keep(base_url("base_url", &config.base_url));
        let key = problems.keep(secret_header("api_key", &config.api_key));
        let line = filled(config.sender.as_ref());
        let digits = |line: &str| line.bytes().all(|byte| byte.is_ascii_digit());
        let sender = line.as_ref().filter(|line| digits(line)).and_then(|line| line.parse().ok());
        problems.require(line.is_some() == sender.is_some(), "sender", "must be digits");
        let http = problems.client(setup.timeouts);
        problems.into_result(base.zip(key).zip(http).map(|((base, key), http)| Self {
            name: name.to_owned(),
            http,
            base,
            key,
            sender,
            parameters: config.parameters.clone(),
        }))
    }

    async fn send_text(&self, sms: &OutgoingSms, text: &str) -> Outcome {
        let Some(line) = self.sender else {
            return refused(Rejection::Request, "sms_ir.no_sender");
        };
        let body = json!({"lineNumber": line, "messageText": text, "mobiles": [mobile(sms)]});
        self.send_to("bulk", &body, sms).await
    }

    async fn send_template(
        &self,
        sms: &OutgoingSms,
        name: &str,
        tokens: &[(String, String)],
    ) -> Outcome {
        let Ok(template) = name.parse::<u32>() else {
            return refused(Rejection::Request, "sms_ir.template_name");
        };
        let parameter = |(name, value): &(String, String)| json!({"name": self.parameters.of(name), "value": value});
        let parameters: Vec<_> = tokens.iter().map(parameter).collect();
        let body = json!({"mobile": mobile(sms), "templateId": template, "parameters": parameters});
        self.send_to("verify", &body, sms).await
    }

    async fn send_to(&self, method: &str, body: &Value, sms: &OutgoingSms) -> Outcome {
        let url = join(&self.base, &["v1", "send", method]);
        let request = self.http.request(Method::POST, url).json(body);
        let reply = match self.http.exchange(request.header("X-API-KEY", self.key.clone())).await {
            Ok(reply) => reply,
            Err(failure) => return failure.into(),
        };
        match outcome_of(&reply) {
            // That it does not reach a number abroad says nothing about other providers.
            Outcome::Rejected { reason: Rejection::Recipient, code } if is_abroad(sms) => {
                Outcome::Rejected { reason: Rejection::Request, code }
            }
            outcome => outcome,
        }
    }

    async fn get(&self, path: &[&str]) -> Result<Reply, Failure> {
        let request = self.http.request(Method::GET, join(&self.base, path));
        self.http.exchange(request.header("X-API-KEY", self.key.clone())).await
    }
}

#[async_trait]
impl SmsProvider for SmsIr {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, sms: &OutgoingSms) -> Outcome {
        match &sms.content {
            Content::Text(text) => self.send_text(sms, text).await,
            Content::Template { name, tokens } => self.send_template(sms, name, tokens).await,
        }
    }

    /// SMS.ir takes no id of ours.
    async fn lookup(&self, _: &OutgoingSms) -> Lookup {
        Lookup::Unsupported
    }

    fn statuses_at_once(&self) -> usize {
        1
    }

    async fn statuses(&self, provider_message_ids: &[String]) -> Result<Vec<Report>, Unanswered> {
        let mut reports = Vec::new();
        for id in provider_message_ids {
            let reply = self.get(&["v1", "send", id]).await?;
            let (status, code) = state_of(&reply)?;
            reports.push(Report { provider_message_id: id.clone(), status, code });
        }
        Ok(reports)
    }

    /// The credit is a number of texts, with decimals.
    async fn balance(&self) -> Result<Balance, Unanswered> {
        let reply = self.get(&["v1", "credit"]).await?;
        match Envelope::parse(&reply) {
            Some(Envelope { status: OK, data }) => match hundredths(&data) {
                Some(credit) => Ok(Balance::Texts(credit / 100)),
                None => Err(Unanswered::Unavailable("sms_ir.data".to_owned())),
            },
            other => Err(unavailable(other.as_ref(), &reply)),
        }
    }
}

/// `9…` for Iran, as the documents write it, E.164 elsewhere.
fn mobile(sms: &OutgoingSms) -> &str {
    let number = sms.to.as_e164();
    number.strip_prefix("+98").unwrap_or(number)
}

fn is_abroad(sms: &OutgoingSms) -> bool {
    !sms.to.as_e164().starts_with("+98")
}

struct Envelope {
    status: i64,
    data: Value,
}

impl Envelope {
    fn parse(reply: &Reply) -> Option<Self> {
        let mut body = wire::json(&reply.body)?;
        let status = integer(body.get("status")?)?;
        Some(Self { status, data: body.get_mut("data").map(Value::take).unwrap_or_default() })
    }
}

fn outcome_of(reply: &Reply) -> Outcome {
    match Envelope::parse(reply) {
        Some(Envelope { status: OK, data }) => {
            // A template has one id; a text, sent as a pack of one, a list of them.
            let first = data.get("messageIds").and_then(|ids| ids.get(0));
            let id = data.get("messageId").or(first).and_then(wire::id);
            Outcome::Accepted { provider_message_id: id }
        }
        Some(Envelope { status, .. }) => refusal(status, reply),
        None => reply.unreadable(),
    }
}

/// The table of status codes (<https://sms.ir/developer-web-service/rest-api/>, "کدهای وضعیت").
fn refusal(status: i64, reply: &Reply) -> Outcome {
    let code = code(status);
    match status {
        // Key (invalid, off, bound to addresses), account (off, suspended), plan; line, credit;
        // plan for templates of one's own, line not activated.
        10..=15 | 101 | 102 | 119 | 123 => refused(Rejection::Account, &code),
        // Too many requests.
        20 => Outcome::RetryLater { after: reply.retry_after, code },
        // Invalid number, number on SMS.ir's blacklist.
        104 | 115 => refused(Rejection::Recipient, &code),
        // A wrong parameter; text, time or lists; template unknown, a value above 25 characters, a
        // variable missing, text not approved, too many; a template that is for no OTP.
        16 | 103 | 105..=114 | 116..=118 | 124 => refused(Rejection::Request, &code),
        // 0, "the request met an error", does not say how far it got.
        _ => Outcome::Unknown { code },
    }
}

/// Where a message is, and the code of that.
fn state_of(reply: &Reply) -> Result<(Option<DeliveryStatus>, String), Unanswered> {
    match Envelope::parse(reply) {
        Some(Envelope { status: NO_SUCH_ID, .. }) => Ok((None, code(NO_SUCH_ID))),
        Some(Envelope { status: OK, data }) => match data.get("deliveryState") {
            // It has the message and no report yet.
            Some(Value::Null) => Ok((Some(DeliveryStatus::Accepted), "sms_ir.none".to_owned())),
            state => match state.and_then(integer) {
                Some(state) => Ok((delivery(state), code(state))),
                None => Ok((None, "sms_ir.data".to_owned())),
            },
        },
        other => Err(unavailable(other.as_ref(), reply)),
    }
}

/// The table of states (same page, "کدهای وضعیت دلیوری"). 8 is "unknown".
fn delivery(state: i64) -> Option<DeliveryStatus> {
    match state {
        1 => Some(DeliveryStatus::Delivered),
        // At the carrier, at the operator.
        3 | 5 => Some(DeliveryStatus::Carried),
        // Not on the handset, not at the carrier, failed, blacklist.
        2 | 4 | 6 | 7 => Some(DeliveryStatus::Undelivered),
        _ => None,
    }
}

fn unavailable(envelope: Option<&Envelope>, reply: &Reply) -> Unanswered {
    Unanswered::Unavailable(envelope.map_or_else(|| reply.code(), |read| code(read.status)))
}

fn code(status: i64) -> String {
    wire::code("sms_ir", status, 0..=999)
}

//! IPPanel and `FarazSMS` through IPPanel Edge (<https://ippanelcom.github.io/Edge-Document/docs>):
//! free texts ("webservice") and patterns.
//!
//! Every answer is `{"data":…,"meta":{"status":…,"message_code":"400-2","errors":{…}}}` in JSON.
//! Only these codes are documented: `200-1`, `400-1` (HTTP 401: key or token) and `400-2` (422: a
//! field, named in `errors`); others are read by their number in front, as HTTP statuses.

use std::collections::BTreeMap;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::settings::{Names, Problems, base_url, secret_header};
use super::wire::{hundredths, id, integer, join};
use super::{Balance, Content, DeliveryStatus, Lookup, Outcome, OutgoingSms, Problem, Rejection};
use super::{Report, Setup, SmsProvider, Unanswered};
use crate::http_client::{Failure, HttpClient, Reply};

/// `[sms.providers.<name>]` with `kind = "ippanel"` or `"farazsms"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Where the API is; may have a path, to which `/api/…` is added.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// An access key of the panel. (A token of the login would last ten hours only.)
    pub api_key: SecretString,
    /// The line, in E.164: `+983000505`.
    pub sender: String,
    /// What patterns call the variables of our templates, such as `token = "code"`. One that is
    /// not here keeps its name.
    #[serde(default)]
    pub variables: Names,
}

fn default_base_url() -> String {
    "https://edge.ippanel.com/v1".to_owned()
}

/// One account.
pub struct Ippanel {
    name: String,
    client: HttpClient,
    base: Url,
    key: HeaderValue,
    sender: String,
    variables: Names,
}

impl std::fmt::Debug for Ippanel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ippanel").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Ippanel {
    /// An account named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let base = problems.keep(base_url("base_url", &config.base_url));
        let key = problems.keep(secret_header("api_key", &config.api_key));
        let digits = config.sender.strip_prefix('+').unwrap_or_default();
        let is_line = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        problems.require(is_line, "sender", "must be a line in E.164, such as +983000505");
        let client = problems.client(setup.timeouts);
        problems.into_result(base.zip(key).zip(client).map(|((base, key), client)| Self {
            name: name.to_owned(),
            client,
            base,
            key,
            sender: config.sender.clone(),
            variables: config.variables.clone(),
        }))
    }

    /// The body of `POST /api/send`, for one recipient.
    fn body(&self, sms: &OutgoingSms) -> Value {
        let recipients = [sms.to.as_e164()];
        match &sms.content {
            Content::Text(text) => json!({
                "sending_type": "webservice",
                "from_number": self.sender,
                "message": text,
                "params": {"recipients": recipients},
            }),
            Content::Template { name, tokens } => {
                let params: BTreeMap<_, _> =
                    tokens.iter().map(|(name, value)| (self.variables.of(name), value)).collect();
                json!({
                    "sending_type": "pattern",
                    "from_number": self.sender,
                    "code": name,
                    "recipients": recipients,
                    "params": params,
                })
            }
        }
    }

    async fn call(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Reply, Failure> {
        let mut url = join(&join(&self.base, &["api"]), path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::new(method, url);
        request.headers_mut().insert(AUTHORIZATION, self.key.clone());
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        *request.body_mut() = body.map(|body| body.to_string().into());
        self.client.execute(request).await
    }

    /// `data` of the answer to a question.
    async fn ask(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Unanswered> {
        let reply = self.call(path, query, None).await?;
        match Envelope::parse(&reply) {
            Some(envelope) if envelope.ok => Ok(envelope.data),
            Some(envelope) => Err(Unanswered::Unavailable(envelope.code())),
            None => Err(Unanswered::Unavailable(reply.code())),
        }
    }

    async fn status(&self, id: &str) -> Result<Report, Unanswered> {
        let query = [("bulk_id", id), ("page", "1"), ("per_page", "10")];
        let data = self.ask(&["report", "recipients"], &query).await?;
        let status = data.get(0).and_then(|entry| integer(entry.get("message_status")?));
        let code = match status {
            Some(status @ 0..=99) => format!("ippanel.{status}"),
            Some(_) => "ippanel.other".to_owned(),
            None => "ippanel.none".to_owned(),
        };
        let status = status.and_then(delivery_status);
        Ok(Report { provider_message_id: id.to_owned(), status, code })
    }
}

#[async_trait]
impl SmsProvider for Ippanel {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, sms: &OutgoingSms) -> Outcome {
        match self.call(&["send"], &[], Some(self.body(sms))).await {
            Ok(reply) => outcome_of(&reply),
            Err(failure) => failure.into(),
        }
    }

    /// There is no id of ours to ask by.
    async fn lookup(&self, _sms: &OutgoingSms) -> Lookup {
        Lookup::Unsupported
    }

    /// The report is about one send and its recipients; ours have one.
    fn statuses_at_once(&self) -> usize {
        1
    }

    async fn statuses(&self, provider_message_ids: &[String]) -> Result<Vec<Report>, Unanswered> {
        let mut reports = Vec::new();
        for id in provider_message_ids {
            reports.push(self.status(id).await?);
        }
        Ok(reports)
    }

    /// Rials; a fraction of one is dropped.
    async fn balance(&self) -> Result<Balance, Unanswered> {
        let data = self.ask(&["payment", "credit", "mine"], &[]).await?;
        let credit = data.get("credit").and_then(hundredths);
        let unreadable = || Unanswered::Unavailable("ippanel.credit".to_owned());
        let amount = credit.ok_or_else(unreadable)? / 100;
        Ok(Balance::Money { amount, currency: "IRR".to_owned() })
    }
}

/// `message_status` of `report/recipients`. A status is only there when the send has ended.
fn delivery_status(status: i64) -> Option<DeliveryStatus> {
    match status {
        // Sent to the operator, received by the operator.
        0 => Some(DeliveryStatus::Accepted),
        1 => Some(DeliveryStatus::Carried),
        2 => Some(DeliveryStatus::Delivered),
        // Not delivered, on the blacklist.
        3 | 4 => Some(DeliveryStatus::Undelivered),
        _ => None,
    }
}

/// The parts of an answer that matter.
struct Envelope {
    ok: bool,
    data: Value,
    /// `400-2`: a number like an HTTP status, and which of its kind.
    class: i64,
    nth: i64,
    /// The names of the fields that are wrong.
    fields: Vec<String>,
}

impl Envelope {
    fn parse(reply: &Reply) -> Option<Self> {
        let mut body: Value = serde_json::from_slice(&reply.body).ok()?;
        let data = body.get_mut("data").map(Value::take).unwrap_or_default();
        let meta = body.get("meta")?;
        let ok = meta.get("status")?.as_bool()?;
        let code = meta.get("message_code").and_then(Value::as_str).unwrap_or_default();
        let (class, nth) = code.split_once('-').unwrap_or_default();
        let class = class.parse().unwrap_or_else(|_| i64::from(reply.status));
        let fields = meta.get("errors").and_then(Value::as_object).into_iter().flatten();
        let fields = fields.map(|(name, _)| name.clone()).collect();
        Some(Self { ok, data, class, nth: nth.parse().unwrap_or(0), fields })
    }

    fn code(&self) -> String {
        match (self.class, self.nth) {
            (class @ 100..=999, 0) => format!("ippanel.{class}"),
            (class @ 100..=999, nth @ 1..=99) => format!("ippanel.{class}-{nth}"),
            _ => "ippanel.other".to_owned(),
        }
    }

    fn names(&self, wanted: &str) -> bool {
        // `recipients`, `recipients.0`, `params.recipients.0`.
        self.fields.iter().any(|field| field.split('.').any(|part| part == wanted))
    }
}

fn outcome_of(reply: &Reply) -> Outcome {
    let Some(envelope) = Envelope::parse(reply) else {
        return reply.unreadable();
    };
    if !envelope.ok {
        return refusal(&envelope, reply);
    }
    let ids = envelope.data.get("message_outbox_ids");
    Outcome::Accepted { provider_message_id: ids.and_then(|ids| id(ids.get(0)?)) }
}

/// `meta.status` is false: it was refused. What is no class of its own goes to the next provider,
/// except where the number in front says that the server failed, not that it refused.
fn refusal(envelope: &Envelope, reply: &Reply) -> Outcome {
    let code = envelope.code();
    let rejected = |reason| Outcome::Rejected { reason, code: code.clone() };
    match (envelope.class, envelope.nth) {
        (429 | 503, _) => Outcome::RetryLater { after: reply.retry_after, code },
        (400, 1) | (401..=403, _) => rejected(Rejection::Account),
        _ if envelope.names("recipients") => rejected(Rejection::Recipient),
        _ if envelope.names("from_number") => rejected(Rejection::Account),
        (400..=499, _) => rejected(Rejection::Request),
        _ => Outcome::Unknown { code },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http_client::Timeouts;

    fn account(base_url: &str, key: &str, sender: &str) -> Result<Ippanel, Vec<&'static str>> {
        let timeouts = Timeouts { connect: Duration::from_secs(1), budget: Duration::from_secs(2) };
        let config = json!({"base_url": base_url, "api_key": key, "sender": sender});
        let config: Config = serde_json::from_value(config).unwrap();
        Ippanel::new("main", &config, &Setup { timeouts, webhook_url: None })
            .map_err(|problems| problems.into_iter().map(|problem| problem.key).collect())
    }

    #[test]
    fn every_setting_that_cannot_work_is_named() {
        assert!(account("https://edge.ippanel.com/v1", "k_e-y=", "+983000505").is_ok());
        for key in ["", "a b", "کلید", "a\n"] {
            assert_eq!(account("http://a", key, "+1").unwrap_err(), ["api_key"], "{key}");
        }
        for sender in ["", "+", "3000505", "+98votp"] {
            assert_eq!(account("http://a", "k", sender).unwrap_err(), ["sender"], "{sender}");
        }
        assert_eq!(account("a", "", "").unwrap_err(), ["base_url", "api_key", "sender"]);
    }

    #[test]
    fn debug_output_has_no_key() {
        let config: Config =
            serde_json::from_value(json!({"api_key": "s3cret", "sender": "+1"})).unwrap();
        assert_eq!(config.base_url, "https://edge.ippanel.com/v1");
        let account = account("http://a", "s3cret", "+1").unwrap();
        assert!(!format!("{config:?} {account:?} {:?}", account.key).contains("s3cret"));
    }
}

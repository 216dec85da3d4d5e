//! SMS Aero, v2 (<https://smsaero.ru/integration/documentation/api/>): texts.
//!
//! Every call is a POST of JSON with Basic authentication (email and API key) and answers
//! `{"success":…,"data":…,"message":…}`, whatever the HTTP status. There are several gates; the
//! next one is asked only if no connection to the last could be made, because there is no
//! idempotency key (the official SDK also does it after a lost answer, and sends twice). It has no
//! templates, so those of the configuration are rendered here. Webhooks are not signed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::DateTime;
use futures_util::future::join_all;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::basic_auth::{BasicClient, below, parse_base_url, required};
use super::http_client::{Failure, Reply, Timeouts};
use super::templates::Templates;
use super::{
    Balance, DeliveryStatus, Lookup, Outcome, OutgoingSms, Problem, Rejection, Report, Setup,
    SmsProvider, Unanswered, WebhookEvent, WebhookRefused, WebhookRequest, values,
};

/// Statuses are asked for one by one, so many at a time.
const STATUSES_AT_ONCE: usize = 10;

/// The gates used when the configuration names none.
const GATES: [&str; 3] =
    ["https://gate.smsaero.ru", "https://gate.smsaero.org", "https://gate.smsaero.net"];

/// `[sms.providers.<name>]` with `kind = "sms_aero"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// The first gate; `/v2/…` is added. Unset: the three official ones in their order.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Gates to ask in turn when the ones before cannot be reached; only with `base_url`.
    #[serde(default)]
    pub more_gates: Vec<String>,
    /// The account's email address.
    pub email: String,
    /// The account's API key.
    pub api_key: SecretString,
    /// The approved name texts come from.
    #[serde(default = "default_sender")]
    pub sender: String,
    /// Texts by the name of the template they stand for, with `{token}` where values go.
    #[serde(default)]
    pub templates: BTreeMap<String, String>,
}

fn default_sender() -> String {
    "SMS Aero".to_owned()
}

/// One SMS Aero account.
pub struct SmsAero {
    name: String,
    http: BasicClient,
    gates: Vec<Url>,
    timeouts: Timeouts,
    sender: String,
    templates: Templates,
    callback_url: Option<Url>,
}

/// The address of the callback holds a secret.
impl std::fmt::Debug for SmsAero {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmsAero").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SmsAero {
    /// An account named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        problems.extend(required("email", &config.email));
        problems.extend(required("api_key", config.api_key.expose_secret()));
        problems.extend(required("sender", &config.sender));
        let mut note = |problem: Problem| problems.push(problem);
        let gates = gates(config).map_err(&mut note).ok();
        let templates = Templates::new(&config.templates).map_err(&mut note).ok();
        let http = BasicClient::new(&config.email, &config.api_key, setup).map_err(note).ok();
        let (Some(gates), Some(templates), Some(http), true) =
            (gates, templates, http, problems.is_empty())
        else {
            return Err(problems);
        };
        Ok(Self {
            name: name.to_owned(),
            http,
            gates,
            timeouts: setup.timeouts,
            sender: config.sender.trim().to_owned(),
            templates,
            callback_url: setup.webhook_url.clone(),
        })
    }

    /// Posts to the first gate that can be reached. Another one is tried only while enough of
    /// the budget is left for connecting, so that its end never hides whether the request left.
    async fn call(&self, method: &[&str], body: &Value) -> Result<Reply, Failure> {
        let Timeouts { connect, budget } = self.timeouts;
        // The client connects for three quarters of the budget at most.
        let enough = connect.min(budget * 3 / 4) * 4 / 3;
        let begun = Instant::now();
        let (first, others) = self.gates.split_first().expect("an account has a gate");
        let mut result = self.post(first, method, body, budget).await;
        for gate in others {
            let left = budget.saturating_sub(begun.elapsed());
            if !matches!(result, Err(Failure::NotWritten { .. })) || left < enough {
                break;
            }
            result = self.post(gate, method, body, left).await;
        }
        result
    }

    async fn post(
        &self,
        gate: &Url,
        method: &[&str],
        body: &Value,
        budget: Duration,
    ) -> Result<Reply, Failure> {
        let url = below(&below(gate, &["v2"]), method);
        self.http.post_json(url, body, Some(budget)).await
    }

    /// The `data` of a question that was answered.
    async fn ask(&self, method: &[&str], body: &Value) -> Result<Value, Unanswered> {
        let reply = self.call(method, body).await?;
        let unavailable = |code| Err(Unanswered::Unavailable(code));
        let Some(mut answer) = values::object(&reply.body) else {
            return unavailable(reply.code());
        };
        match success(&answer) {
            Some(true) => Ok(answer.remove("data").unwrap_or(Value::Null)),
            Some(false) => unavailable(refusal(&answer, &reply).1),
            None => unavailable(reply.code()),
        }
    }

    async fn status(&self, id: &str) -> Result<Option<Report>, Unanswered> {
        let Ok(number) = id.parse::<i64>() else { return Ok(None) };
        let data = self.ask(&["sms", "status"], &json!({"id": number})).await?;
        let same = |report: &Report| report.provider_message_id == id;
        Ok(data.as_object().and_then(report).filter(same))
    }
}

#[async_trait]
impl SmsProvider for SmsAero {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, sms: &OutgoingSms) -> Outcome {
        let text = match self.templates.text_of(&sms.content, "sms_aero") {
            Ok(text) => text,
            Err(refused) => return refused,
        };
        let Some(number) = number(sms) else {
            let code = "sms_aero.number".to_owned();
            return Outcome::Rejected { reason: Rejection::Recipient, code };
        };
        let mut body = json!({"number": number, "text": text, "sign": self.sender});
        if let Some(url) = &self.callback_url {
            body["callbackUrl"] = json!(url.as_str());
            body["callbackFormat"] = json!("JSON");
        }
        match self.call(&["sms", "send"], &body).await {
            Ok(reply) => outcome_of(&reply),
            Err(failure) => failure.into(),
        }
    }

    /// Reads the list of messages with this text to this number; both are compared again, with
    /// the time, because how the filter compares is not documented.
    async fn lookup(&self, sms: &OutgoingSms) -> Lookup {
        let text = self.templates.text_of(&sms.content, "sms_aero");
        let (Ok(text), Some(number)) = (text, number(sms)) else { return Lookup::Unsupported };
        match self.ask(&["sms", "list"], &json!({"number": number, "text": text})).await {
            Ok(data) => find(&data, number, &text, sms),
            Err(Unanswered::Unavailable(code)) => Lookup::Unavailable { code },
            Err(Unanswered::Unsupported) => Lookup::Unsupported,
        }
    }

    fn statuses_at_once(&self) -> usize {
        STATUSES_AT_ONCE
    }

    async fn statuses(&self, provider_message_ids: &[String]) -> Result<Vec<Report>, Unanswered> {
        let ids = provider_message_ids.iter().take(STATUSES_AT_ONCE);
        let mut reports = Vec::new();
        let mut failure = None;
        for answer in join_all(ids.map(|id| self.status(id))).await {
            match answer {
                Ok(report) => reports.extend(report),
                Err(unanswered) => failure = Some(unanswered),
            }
        }
        failure.filter(|_| reports.is_empty()).map_or(Ok(reports), Err)
    }

    async fn balance(&self) -> Result<Balance, Unanswered> {
        let data = self.ask(&["balance"], &json!({})).await?;
        match data.get("balance").and_then(values::hundredths) {
            Some(amount) => Ok(Balance::Money { amount, currency: "RUB".to_owned() }),
            None => Err(Unanswered::Unavailable("http.body".to_owned())),
        }
    }

    /// The fields of `sms/status`, as JSON or form.
    fn read_webhook(&self, request: &WebhookRequest) -> Result<Vec<WebhookEvent>, WebhookRefused> {
        let fields = request.fields().into_iter();
        let fields: Map<_, _> = fields.map(|(name, value)| (name, value.into())).collect();
        let report = report(&fields).ok_or(WebhookRefused::Unreadable)?;
        Ok(vec![WebhookEvent::Report(report)])
    }
}

/// The gates in the order they are asked.
fn gates(config: &Config) -> Result<Vec<Url>, Problem> {
    let Some(base) = &config.base_url else {
        if !config.more_gates.is_empty() {
            return Err(Problem::new("more_gates", "must not be set without base_url"));
        }
        return GATES.iter().map(|gate| parse_base_url("base_url", gate)).collect();
    };
    let base = parse_base_url("base_url", base)?;
    let mut gates = vec![base];
    for gate in &config.more_gates {
        let gate = parse_base_url("more_gates", gate)?;
        // `base_url` has been checked with the rest of the configuration; a gate that is reached
        // instead must not be less safe, nor more real.
        if is_loopback(&gate) != is_loopback(&gates[0]) {
            let message = "must be on loopback hosts if base_url is, and only then";
            return Err(Problem::new("more_gates", message));
        }
        if gate.scheme() != "https" && !is_loopback(&gate) {
            return Err(Problem::new("more_gates", "must be https"));
        }
        gates.push(gate);
    }
    Ok(gates)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

/// `79031234567`, as an integer.
fn number(sms: &OutgoingSms) -> Option<i64> {
    sms.to.digits().parse().ok()
}

/// Whether an answer says that the call was carried out. Refusals in the manner of v1 have a
/// `result` alone.
fn success(answer: &Map<String, Value>) -> Option<bool> {
    match answer.get("result").and_then(Value::as_str) {
        Some("no credits" | "reject") => Some(false),
        _ => answer.get("success")?.as_bool(),
    }
}

fn outcome_of(reply: &Reply) -> Outcome {
    let Some(answer) = values::object(&reply.body) else { return reply.unreadable() };
    match success(&answer) {
        Some(true) => accepted(answer.get("data")),
        Some(false) => match (reply.status, refusal(&answer, reply)) {
            (429 | 503, (_, code)) => Outcome::RetryLater { after: reply.retry_after, code },
            (500.., (_, code)) => Outcome::Unknown { code },
            (_, (reason, code)) => Outcome::Rejected { reason, code },
        },
        None => reply.unreadable(),
    }
}

/// `data` is the message, or a list of one.
fn accepted(data: Option<&Value>) -> Outcome {
    let message = data.and_then(|data| data.get(0).unwrap_or(data).as_object());
    if let Some(Report { status: Some(DeliveryStatus::Undelivered), code, .. }) =
        message.and_then(report)
    {
        return Outcome::Rejected { reason: Rejection::Request, code };
    }
    let id = message.and_then(|message| values::message_id(message.get("id")?));
    Outcome::Accepted { provider_message_id: id }
}

/// What `success: false` is about. There are no codes: the fields in `data` that were found
/// wrong, `result`, a few words of `message`, and the HTTP status, in this order.
fn refusal(answer: &Map<String, Value>, reply: &Reply) -> (Rejection, String) {
    use Rejection::{Account, Recipient, Request};
    let data = answer.get("data");
    let about = |field: &str| data.is_some_and(|data| data.get(field).is_some());
    let text = |name| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let (result, message) = (text("result"), text("message"));
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let (reason, code) = if about("number") || about("numbers") {
        (Recipient, "number")
    } else if about("sign") {
        (Account, "sign")
    } else if about("text") {
        (Request, "text")
    } else if result == "no credits" || says(&["credits", "money", "balance"]) {
        (Account, "no_credits")
    } else if result == "reject" {
        (Request, "reject")
    } else if reply.status == 402 {
        (Account, "no_credits")
    } else if matches!(reply.status, 401 | 403) || says(&["authori", "credential", "api key"]) {
        (Account, "auth")
    } else {
        (Request, "refused")
    };
    (reason, format!("sms_aero.{code}"))
}

/// The states of a message: 0 and 1 are the SDK's, the others from memory.
/// 0 queue, 1 delivered, 2 not delivered, 3 handed over, 4 waiting, 6 rejected, 8 moderation.
fn delivery_status(status: i64) -> Option<DeliveryStatus> {
    match status {
        0 | 8 => Some(DeliveryStatus::Accepted),
        3 | 4 => Some(DeliveryStatus::Carried),
        1 => Some(DeliveryStatus::Delivered),
        2 | 6 => Some(DeliveryStatus::Undelivered),
        _ => None,
    }
}

fn report(message: &Map<String, Value>) -> Option<Report> {
    let status = message.get("status").and_then(values::integer)?;
    let code = match status {
        0..=99 => format!("sms_aero.{status}"),
        _ => "sms_aero.other".to_owned(),
    };
    let provider_message_id = values::message_id(message.get("id")?)?;
    Some(Report { provider_message_id, status: delivery_status(status), code })
}

/// Looks for our message in `sms/list`: an object of messages by their place, beside `links` and
/// `totalCount`. What does not say clearly that it is not there is "unavailable".
fn find(data: &Value, number: i64, text: &str, sms: &OutgoingSms) -> Lookup {
    let unavailable = || Lookup::Unavailable { code: "sms_aero.list".to_owned() };
    let messages: Vec<_> = match data {
        Value::Object(members) => {
            members.values().filter(|member| member.get("id").is_some()).collect()
        }
        Value::Array(list) => list.iter().collect(),
        Value::Null => Vec::new(),
        _ => return unavailable(),
    };
    for message in messages {
        let field = |name| message.get(name);
        let (Some(to), Some(body), Some(created)) = (
            field("number").and_then(values::integer),
            field("text").and_then(Value::as_str),
            field("dateCreate")
                .and_then(values::integer)
                .and_then(|at| DateTime::from_timestamp(at, 0)),
        ) else {
            return unavailable();
        };
        let ours = to == number && body.trim() == text.trim();
        if ours && values::is_since(created, sms.accepted_at) {
            let id = field("id").and_then(values::message_id);
            return Lookup::Found { provider_message_id: id };
        }
    }
    // In which order pages come is not documented.
    let next = data.get("links").and_then(|links| links.get("next"));
    if next.is_some_and(|next| !next.is_null()) { unavailable() } else { Lookup::NotFound }
}

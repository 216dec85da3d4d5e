//! SMS Aero, v2 (<https://smsaero.ru/integration/documentation/api/>): texts.
//!
//! Every call is a POST of JSON with Basic authentication (email and API key) and answers
//! `{"success":…,"data":…,"message":…}`, whatever the HTTP status. There are several gates; the
//! next one is asked only if no connection to the last could be made, because there is no
//! idempotency key (the official SDK also does it after a lost answer, and sends twice). It has no
//! templates. Webhooks are not signed.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::settings::{Problems, base_url};
use super::wire::{self, join, text_of};
use super::{
    Balance, Lookup, Outcome, OutgoingSms, Problem, Rejection, Report, Setup, SmsProvider,
    Unanswered, WebhookAnswer, WebhookEvent, WebhookRefused, WebhookRequest,
};
use crate::http_client::{Failure, HttpClient, Reply, Timeouts};

use answers::{find, outcome_of, refusal, report, success};

mod answers;

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
}

fn default_sender() -> String {
    "SMS Aero".to_owned()
}

/// One SMS Aero account.
pub struct SmsAero {
    name: String,
    http: HttpClient,
    gates: Vec<Url>,
    timeouts: Timeouts,
    sender: String,
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
        let mut problems = Problems::default();
        problems.require_filled("email", &config.email);
        problems.require_filled("api_key", config.api_key.expose_secret());
        problems.require_filled("sender", &config.sender);
        let gates = problems.keep(gates(config));
        let http = problems.client(setup.timeouts);
        problems.into_result(gates.zip(http).map(|(gates, http)| Self {
            name: name.to_owned(),
            http: http.with_login(&config.email, &config.api_key),
            gates,
            timeouts: setup.timeouts,
            sender: config.sender.trim().to_owned(),
            callback_url: setup.webhook_url.clone(),
        }))
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
        let url = join(&join(gate, &["v2"]), method);
        let request = self.http.request(Method::POST, url).json(body);
        self.http.exchange(request.timeout(budget)).await
    }

    /// The `data` of a question that was answered.
    async fn ask(&self, method: &[&str], body: &Value) -> Result<Value, Unanswered> {
        let reply = self.call(method, body).await?;
        let unavailable = |code| Err(Unanswered::Unavailable(code));
        let Some(mut answer) = wire::object(&reply.body) else {
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
        let text = match text_of(&sms.content, "sms_aero") {
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
        let text = text_of(&sms.content, "sms_aero");
        let (Ok(text), Some(number)) = (text, number(sms)) else { return Lookup::Unsupported };
        match self.ask(&["sms", "list"], &json!({"number": number, "text": text})).await {
            Ok(data) => find(&data, number, text, sms),
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
        match data.get("balance").and_then(wire::hundredths) {
            Some(amount) => Ok(Balance::Money { amount, currency: "RUB".to_owned() }),
            None => Err(Unanswered::Unavailable("http.body".to_owned())),
        }
    }

    fn webhook_answer(&self) -> Option<WebhookAnswer> {
        Some(WebhookAnswer::Ok)
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
        return GATES.iter().map(|gate| base_url("base_url", gate)).collect();
    };
    let base = base_url("base_url", base)?;
    let mut gates = vec![base];
    for gate in &config.more_gates {
        let gate = base_url("more_gates", gate)?;
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

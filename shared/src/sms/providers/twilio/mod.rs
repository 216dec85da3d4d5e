//! Twilio's Messages (<https://www.twilio.com/docs/messaging/api/message-resource>): texts.
//!
//! Twilio has no templates that fit ours and no idempotency key: after a call whose outcome is unknown the account's list of
//! messages to that number is read, see `lookup`. Errors are `{"code":21211,"status":400,…}`
//! with an HTTP status that repeats `status`; the body decides.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::settings::{Problems, base_url};
use super::wire::{self, join, text_of};
use super::{
    Balance, DeliveryStatus, Lookup, Outcome, OutgoingSms, Problem, Report, Setup, SmsProvider,
    Unanswered, WebhookAnswer, WebhookEvent, WebhookRefused, WebhookRequest,
};
use crate::clock::{Clock, SystemClock};
use crate::http_client::{HttpClient, Reply};

mod codes;
mod lookup;
mod signature;
mod webhook;

const API_VERSION: &str = "2010-04-01";

/// Seconds a message may wait at Twilio, at least (below 5 it advises against) and at most.
const VALIDITY_SECONDS: (i64, i64) = (5, 36_000);

/// Statuses are asked for one by one, so many at a time.
const STATUSES_AT_ONCE: usize = 10;

/// `[sms.providers.<name>]` with `kind = "twilio"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Where the API is: `https://api.{edge}.{region}.twilio.com` for another region.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// `AC…`.
    pub account_sid: String,
    /// The account's token. Needed without an API key, and for webhooks, which it signs; without
    /// it no webhook is asked for.
    #[serde(default)]
    pub auth_token: Option<SecretString>,
    /// `SK…`: an API key to call with instead of the token.
    #[serde(default)]
    pub api_key: Option<String>,
    /// The secret of the API key.
    #[serde(default)]
    pub api_key_secret: Option<SecretString>,
    /// The number, short code or name texts come from; or else `messaging_service_sid`.
    #[serde(default)]
    pub sender: Option<String>,
    /// `MG…`: the service that chooses the sender.
    #[serde(default)]
    pub messaging_service_sid: Option<String>,
}

fn default_base_url() -> String {
    "https://api.twilio.com".to_owned()
}

/// One Twilio account.
pub struct Twilio {
    name: String,
    http: HttpClient,
    account_url: Url,
    account_sid: String,
    auth_token: Option<SecretString>,
    /// The field that says who sends, and its value.
    sender: (&'static str, String),
    status_callback: Option<Url>,
}

/// The address of the callback holds a secret, as does the account.
impl std::fmt::Debug for Twilio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Twilio").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Twilio {
    /// An account named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let base = problems.keep(base_url("base_url", &config.base_url));
        let is_account = is_sid("AC", &config.account_sid);
        problems.require(is_account, "account_sid", "must be AC and 32 hexadecimal digits");
        let login = problems.keep(login(config));
        let sender = problems.keep(sender(config));
        let http = problems.client(setup.timeouts);
        let http = http.zip(login).map(|(http, (user, secret))| http.with_login(user, secret));
        let callback = setup.webhook_url.as_ref().filter(|_| config.auth_token.is_some());
        problems.into_result(base.zip(http).zip(sender).map(|((base, http), sender)| Self {
            name: name.to_owned(),
            http,
            account_url: join(&base, &[API_VERSION, "Accounts", &config.account_sid]),
            account_sid: config.account_sid.clone(),
            auth_token: config.auth_token.clone(),
            sender,
            status_callback: callback.cloned(),
        }))
    }

    /// `{account}/{segments}`, the last one with `.json`.
    fn url(&self, segments: &[&str]) -> Url {
        join(&self.account_url, segments)
    }

    /// What one message's own page says of it.
    async fn status(&self, sid: &str) -> Result<Report, Unanswered> {
        let reply = self.http.get(self.url(&["Messages", &format!("{sid}.json")])).await?;
        let unavailable = |code| Err(Unanswered::Unavailable(code));
        let Some(body) = wire::object(&reply.body) else { return unavailable(reply.code()) };
        if let Some(code) = error_code(&body, "code") {
            let (id, code) = (sid.to_owned(), codes::label(code));
            return match &*code {
                "twilio.20404" => Ok(Report { provider_message_id: id, status: None, code }),
                _ => unavailable(code),
            };
        }
        let Some(status) = body.get("status").and_then(wire::word) else {
            return unavailable(reply.code());
        };
        Ok(Report {
            provider_message_id: sid.to_owned(),
            status: codes::delivery_status(&status),
            code: codes::status_code(error_code(&body, "error_code"), &status),
        })
    }
}

#[async_trait]
impl SmsProvider for Twilio {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, sms: &OutgoingSms) -> Outcome {
        let text = match text_of(&sms.content, "twilio") {
            Ok(text) => text,
            Err(refused) => return refused,
        };
        let validity = validity_seconds(sms.expires_at, SystemClock.now()).to_string();
        let mut form = vec![
            ("To", sms.to.as_e164()),
            (self.sender.0, &*self.sender.1),
            ("Body", text),
            ("ValidityPeriod", &*validity),
        ];
        form.extend(self.status_callback.as_ref().map(|url| ("StatusCallback", url.as_str())));
        match self.http.post_form(self.url(&["Messages.json"]), &form).await {
            Ok(reply) => outcome_of(&reply),
            Err(failure) => failure.into(),
        }
    }

    /// Reads the account's newest messages to the number. They are not filtered by `DateSent`,
    /// which a message that still waits does not have: missing it would send it twice.
    async fn lookup(&self, sms: &OutgoingSms) -> Lookup {
        let Ok(text) = text_of(&sms.content, "twilio") else {
            return Lookup::Unsupported;
        };
        let mut url = self.url(&["Messages.json"]);
        url.query_pairs_mut()
            .append_pair("To", sms.to.as_e164())
            .append_pair("PageSize", lookup::PAGE_SIZE);
        match self.http.get(url).await {
            Ok(reply) => lookup::read(&reply, text, sms.accepted_at),
            Err(failure) => Lookup::Unavailable { code: failure.code().to_owned() },
        }
    }

    fn statuses_at_once(&self) -> usize {
        STATUSES_AT_ONCE
    }

    async fn statuses(&self, provider_message_ids: &[String]) -> Result<Vec<Report>, Unanswered> {
        let sids = provider_message_ids.iter().take(STATUSES_AT_ONCE);
        let mut reports = Vec::new();
        let mut failure = None;
        for answer in join_all(sids.map(|sid| self.status(sid))).await {
            match answer {
                Ok(report) => reports.push(report),
                Err(unanswered) => failure = Some(unanswered),
            }
        }
        failure.filter(|_| reports.is_empty()).map_or(Ok(reports), Err)
    }

    async fn balance(&self) -> Result<Balance, Unanswered> {
        let reply = self.http.get(self.url(&["Balance.json"])).await?;
        let body = wire::object(&reply.body).unwrap_or_default();
        if let Some(code) = error_code(&body, "code") {
            return Err(Unanswered::Unavailable(codes::label(code)));
        }
        let money = body.get("balance").and_then(wire::hundredths);
        match (money, body.get("currency").and_then(wire::word)) {
            (Some(amount), Some(currency)) if currency.len() == 3 => {
                Ok(Balance::Money { amount, currency: currency.to_ascii_uppercase() })
            }
            _ => Err(Unanswered::Unavailable(reply.code())),
        }
    }

    fn webhook_answer(&self) -> Option<WebhookAnswer> {
        // An API key signs nothing.
        self.auth_token.as_ref().map(|_| WebhookAnswer::NoContent)
    }

    fn read_webhook(&self, request: &WebhookRequest) -> Result<Vec<WebhookEvent>, WebhookRefused> {
        webhook::read(request, self.auth_token.as_ref(), &self.account_sid)
    }
}

/// The API key and its secret, else the account and its token.
fn login(config: &Config) -> Result<(&str, &SecretString), Problem> {
    let given = |secret: &SecretString| !secret.expose_secret().is_empty();
    match (&config.api_key, &config.api_key_secret, &config.auth_token) {
        (None, None, Some(token)) if given(token) => Ok((&config.account_sid, token)),
        (None, None, _) => Err(Problem::new("auth_token", "must be set, or api_key be used")),
        (_, _, Some(token)) if !given(token) => {
            Err(Problem::new("auth_token", "must not be empty"))
        }
        (Some(key), Some(secret), _) if is_sid("SK", key) && given(secret) => Ok((key, secret)),
        (Some(key), ..) if is_sid("SK", key) => {
            Err(Problem::new("api_key_secret", "must be set with api_key"))
        }
        _ => Err(Problem::new("api_key", "must be SK and 32 hexadecimal digits")),
    }
}

fn sender(config: &Config) -> Result<(&'static str, String), Problem> {
    match (&config.sender, &config.messaging_service_sid) {
        (Some(sender), None) if sender.trim().is_empty() => {
            Err(Problem::new("sender", "must not be empty"))
        }
        (Some(sender), None) => Ok(("From", sender.trim().to_owned())),
        (None, Some(sid)) if is_sid("MG", sid) => Ok(("MessagingServiceSid", sid.clone())),
        (None, Some(_)) => {
            Err(Problem::new("messaging_service_sid", "must be MG and 32 hexadecimal digits"))
        }
        _ => Err(Problem::new("sender", "must be set, or messaging_service_sid instead of it")),
    }
}

fn is_sid(prefix: &str, text: &str) -> bool {
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// How long Twilio may keep a message waiting: until it is of no use.
fn validity_seconds(expires_at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    (expires_at - now).num_seconds().clamp(VALIDITY_SECONDS.0, VALIDITY_SECONDS.1)
}

fn outcome_of(reply: &Reply) -> Outcome {
    let Some(body) = wire::object(&reply.body) else { return reply.unreadable() };
    if let Some(code) = error_code(&body, "code") {
        return codes::refusal(code, reply);
    }
    let Some(sid) = body.get("sid").and_then(wire::id) else {
        return reply.unreadable();
    };
    let status = body.get("status").and_then(wire::word).unwrap_or_default();
    match codes::delivery_status(&status) {
        Some(DeliveryStatus::Undelivered) => {
            codes::failed(error_code(&body, "error_code"), &status)
        }
        _ => Outcome::Accepted { provider_message_id: Some(sid) },
    }
}

fn error_code(body: &Map<String, Value>, name: &str) -> Option<i64> {
    body.get(name).and_then(wire::integer)
}

#[cfg(test)]
mod tests;

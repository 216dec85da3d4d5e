//! MegaFon's A2P platform, v1: texts.
//!
//! `POST /sms/v1/sms` with Basic authentication and `{"from":…,"to":79001234567,"message":…}`
//! answers `{"result":{"msg_id":…,"status":{"code":0,"description":…}}}`; a code other than 0 is
//! an error although HTTP says 200. No official document could be had: the facts are those of its
//! public clients (the Ruby gem `megalabs_sms`), there is no table of codes, and the fields of
//! the callback are read in the ways they may be written. It has no templates, and it cannot be asked
//! anything.

use async_trait::async_trait;
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::settings::{Problems, base_url};
use super::wire::{self, text_of};
use super::{
    DeliveryStatus, Lookup, Outcome, OutgoingSms, Problem, Rejection, Report, Setup, SmsProvider,
    WebhookAnswer, WebhookEvent, WebhookRefused, WebhookRequest,
};
use crate::http_client::{HttpClient, Reply};

const PATH: &str = "/sms/v1/sms";

/// `[sms.providers.<name>]` with `kind = "megafon"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Where the API is; `/sms/v1/sms` is added unless the path ends so.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// The account's name.
    pub login: String,
    /// The account's password.
    pub password: SecretString,
    /// The name texts come from.
    pub sender: String,
}

fn default_base_url() -> String {
    "https://a2p-api.megalabs.ru".to_owned()
}

/// One MegaFon account.
pub struct Megafon {
    name: String,
    http: HttpClient,
    url: Url,
    sender: String,
    callback_url: Option<Url>,
}

/// The address of the callback holds a secret.
impl std::fmt::Debug for Megafon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Megafon").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Megafon {
    /// An account named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        problems.require_filled("login", &config.login);
        problems.require_filled("password", config.password.expose_secret());
        problems.require_filled("sender", &config.sender);
        let message = "must have no colon: Basic authentication ends it there";
        problems.require(!config.login.contains(':'), "login", message);
        let base = problems.keep(base_url("base_url", &config.base_url));
        let http = problems.client(setup.timeouts);
        problems.into_result(base.zip(http).map(|(base, http)| Self {
            name: name.to_owned(),
            http: http.with_login(&config.login, &config.password),
            url: endpoint(&base),
            sender: config.sender.trim().to_owned(),
            callback_url: setup.webhook_url.clone(),
        }))
    }
}

/// `{base}/sms/v1/sms`; django-rest-sms-auth was configured with the whole address.
fn endpoint(base: &Url) -> Url {
    let mut url = base.clone();
    let path = base.path().trim_end_matches('/');
    url.set_path(path.strip_suffix(PATH).unwrap_or(path));
    url.set_path(&[url.path().trim_end_matches('/'), PATH].concat());
    url
}

#[async_trait]
impl SmsProvider for Megafon {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, sms: &OutgoingSms) -> Outcome {
        let text = match text_of(&sms.content, "megafon") {
            Ok(text) => text,
            Err(refused) => return refused,
        };
        let Ok(to) = sms.to.digits().parse::<u64>() else {
            let code = "megafon.to".to_owned();
            return Outcome::Rejected { reason: Rejection::Recipient, code };
        };
        let mut body = json!({"from": self.sender, "to": to, "message": text});
        if let Some(url) = &self.callback_url {
            body["callback_url"] = json!(url.as_str());
        }
        let request = self.http.request(Method::POST, self.url.clone()).json(&body);
        match self.http.exchange(request).await {
            Ok(reply) => outcome_of(&reply),
            Err(failure) => failure.into(),
        }
    }

    async fn lookup(&self, _sms: &OutgoingSms) -> Lookup {
        Lookup::Unsupported
    }

    fn webhook_answer(&self) -> Option<WebhookAnswer> {
        Some(WebhookAnswer::Ok)
    }

    /// `msg_id` and `status`, as JSON, form or query. Nothing signs it: the secret in the path is
    /// all there is, and a report is about a message we know or about none.
    fn read_webhook(&self, request: &WebhookRequest) -> Result<Vec<WebhookEvent>, WebhookRefused> {
        let fields = request.fields();
        let id = fields.get("msg_id").cloned().and_then(|id| wire::id(&id.into()));
        let (Some(id), Some(status)) = (id, fields.get("status")) else {
            return Err(WebhookRefused::Unreadable);
        };
        let (status, code) = delivery_status(status);
        Ok(vec![WebhookEvent::Report(Report { provider_message_id: id, status, code })])
    }
}

fn outcome_of(reply: &Reply) -> Outcome {
    let body = wire::object(&reply.body).unwrap_or_default();
    let result = body.get("result");
    let code = result.and_then(|result| result.get("status")?.get("code"));
    match (code.and_then(wire::integer), reply.status) {
        (Some(0), _) => {
            let id = result.and_then(|result| wire::id(result.get("msg_id")?));
            Outcome::Accepted { provider_message_id: id }
        }
        (code, 401 | 403) => {
            let code = code.map_or_else(|| reply.code(), label);
            Outcome::Rejected { reason: Rejection::Account, code }
        }
        // A code that no table explains says no more than the HTTP status beside it.
        (Some(code), 429) => Outcome::RetryLater { after: reply.retry_after, code: label(code) },
        (Some(code), 500..) => Outcome::Unknown { code: label(code) },
        (Some(code), _) => Outcome::Rejected { reason: Rejection::Request, code: label(code) },
        (None, _) => reply.unreadable(),
    }
}

/// The number is the provider's: kept short, so that it stays a usable label.
fn label(code: i64) -> String {
    match code {
        1..=9999 => format!("megafon.{code}"),
        _ => "megafon.other".to_owned(),
    }
}

/// The message states of SMPP 3.4 (5.2.28), whole or as receipts shorten them; MegaFon's own
/// spelling is not known.
const STATUSES: [(&str, &str, Option<DeliveryStatus>); 8] = [
    ("enroute", "enroute", Some(DeliveryStatus::Accepted)),
    ("accepted", "acceptd", Some(DeliveryStatus::Carried)),
    ("delivered", "delivrd", Some(DeliveryStatus::Delivered)),
    ("expired", "expired", Some(DeliveryStatus::Undelivered)),
    ("deleted", "deleted", Some(DeliveryStatus::Undelivered)),
    ("undeliverable", "undeliv", Some(DeliveryStatus::Undelivered)),
    ("rejected", "rejectd", Some(DeliveryStatus::Undelivered)),
    ("unknown", "unknown", None),
];

fn delivery_status(status: &str) -> (Option<DeliveryStatus>, String) {
    let word = status.trim().to_ascii_lowercase();
    let known = STATUSES.iter().find(|(whole, short, _)| word == *whole || word == *short);
    match known {
        Some((whole, _, status)) => (*status, format!("megafon.{whole}")),
        None => (None, raw(&word)),
    }
}

/// A word that no table has: kept if it is one, and short.
fn raw(word: &str) -> String {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match wire::word(&Value::String(word.to_owned())) {
        Some(word) if word.len() <= 24 && word.bytes().all(fine) => format!("megafon.{word}"),
        _ => "megafon.other".to_owned(),
    }
}

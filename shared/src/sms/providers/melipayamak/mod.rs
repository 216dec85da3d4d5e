//! Melipayamak (payamak-panel, <https://www.melipayamak.com/api/>): free texts and templates, by
//! REST or by SOAP.
//!
//! The HTTP status is 200 even for a wrong password: the body decides. A send answers with an id
//! of more than 15 digits or with an error number, as a string. Nothing guards against sending
//! twice and nothing can be asked by an id of ours.

use async_trait::async_trait;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::settings::{Problems, base_url, filled};
use super::wire::{hundredths, integer, join, json, refused};
use super::{
    Balance, Content, Lookup, Outcome, OutgoingSms, Problem, Rejection, Report, Setup, SmsProvider,
    Unanswered, WebhookAnswer, WebhookEvent, WebhookRefused, WebhookRequest,
};
use crate::http_client::{Failure, HttpClient, Reply};
use codes::Call;

mod codes;
mod inbound;
mod soap;

/// How Melipayamak is spoken to; the account and the prices are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Forms to `/api/SendSMS/…`, answers in JSON.
    #[default]
    Rest,
    /// `/post/Send.asmx`, as django-chelseru spoke to it.
    Soap,
}

impl Protocol {
    fn base_url(self) -> &'static str {
        match self {
            Self::Rest => "https://rest.payamak-panel.com",
            Self::Soap => "https://api.payamak-panel.com",
        }
    }
}

/// `[sms.providers.<name>]` with `kind = "melipayamak"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Where the API is; may have a path. `None`: that of the protocol.
    #[serde(default)]
    pub base_url: Option<String>,
    /// REST unless set.
    #[serde(default)]
    pub protocol: Protocol,
    /// The panel's user name, often a phone number.
    pub username: SecretString,
    /// The panel's password; either this or `api_key`.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// The API key that newer accounts use in the password's place (-110 asks for it).
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// The line free texts are sent from; none: the account carries templates only. Those have a
    /// shared line of their own.
    #[serde(default)]
    pub sender: Option<String>,
}

/// One Melipayamak account.
pub struct Melipayamak {
    name: String,
    http: HttpClient,
    base: Url,
    protocol: Protocol,
    username: SecretString,
    password: SecretString,
    sender: Option<String>,
}

/// Name and protocol only.
impl std::fmt::Debug for Melipayamak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Melipayamak")
            .field("name", &self.name)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl Melipayamak {
    /// An account named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let default = config.protocol.base_url();
        let base =
            problems.keep(base_url("base_url", config.base_url.as_deref().unwrap_or(default)));
        let username = config.username.expose_secret();
        problems.require_filled("username", username);
        let password = problems.keep(password(config));
        let http = problems.client(setup.timeouts);
        let made = base.zip(password).zip(http).map(|((base, password), http)| Self {
            name: name.to_owned(),
            http,
            base,
            protocol: config.protocol,
            username: config.username.clone(),
            password,
            sender: filled(config.sender.as_ref()),
        });
        problems.into_result(made)
    }

    async fn send_text(&self, sms: &OutgoingSms, text: &str) -> Outcome {
        let Some(from) = self.sender.as_deref() else {
            return refused(Rejection::Request, "melipayamak.no_sender");
        };
        let to = recipient(sms);
        let reply = match self.protocol {
            Protocol::Rest => {
                let form = [("to", &*to), ("from", from), ("text", text), ("isFlash", "false")];
                self.rest("SendSMS", &form).await
            }
            Protocol::Soap => {
                let values = [("to", &*to), ("from", from), ("text", text), ("isflash", "false")];
                self.soap("SendSimpleSMS2", &values).await
            }
        };
        self.outcome(reply, Call::Text, sms)
    }

    async fn send_template(
        &self,
        sms: &OutgoingSms,
        name: &str,
        tokens: &[(String, String)],
    ) -> Outcome {
        let Ok(body_id) = name.parse::<u32>() else {
            return refused(Rejection::Request, "melipayamak.template_name");
        };
        // There is no way to write one inside a value: it would move the others.
        if tokens.iter().any(|(_, value)| value.contains(';')) {
            return refused(Rejection::Request, "melipayamak.token_value");
        }
        let values: Vec<_> = tokens.iter().map(|(_, value)| &**value).collect();
        let (text, to, body_id) = (values.join(";"), recipient(sms), body_id.to_string());
        let fields = [("text", &*text), ("to", &*to), ("bodyId", &*body_id)];
        let reply = match self.protocol {
            Protocol::Rest => self.rest("BaseServiceNumber", &fields).await,
            Protocol::Soap => self.soap("SendByBaseNumber2", &fields).await,
        };
        self.outcome(reply, Call::Template, sms)
    }

    async fn rest(&self, method: &str, fields: &[(&str, &str)]) -> Result<Reply, Failure> {
        let url = join(&self.base, &["api", "SendSMS", method]);
        self.http.post_form(url, &self.with_login(fields)).await
    }

    async fn soap(&self, operation: &str, fields: &[(&str, &str)]) -> Result<Reply, Failure> {
        let url = join(&self.base, &["post", "Send.asmx"]);
        soap::call(&self.http, url, operation, &self.with_login(fields)).await
    }

    fn with_login<'a>(&'a self, fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let (username, password) = (self.username.expose_secret(), self.password.expose_secret());
        let mut all = vec![("username", username), ("password", password)];
        all.extend(fields);
        all
    }

    fn outcome(&self, reply: Result<Reply, Failure>, call: Call, sms: &OutgoingSms) -> Outcome {
        let reply = match reply {
            Ok(reply) => reply,
            Err(failure) => return failure.into(),
        };
        let outcome = match (self.protocol, call) {
            (Protocol::Rest, _) => Answer::parse(&reply).map(|answer| answer.outcome(call)),
            (Protocol::Soap, Call::Text) => soap::result(&reply, "SendSimpleSMS2")
                .map(|result| codes::outcome_of_result(&result, call)),
            (Protocol::Soap, Call::Template) => soap::result(&reply, "SendByBaseNumber2")
                .map(|result| codes::outcome_of_result(&result, call)),
        };
        match outcome {
            // That it does not reach a number abroad says nothing about other providers.
            Some(Outcome::Rejected { reason: Rejection::Recipient, code }) if is_abroad(sms) => {
                Outcome::Rejected { reason: Rejection::Request, code }
            }
            Some(Outcome::RetryLater { code, .. }) => {
                Outcome::RetryLater { after: reply.retry_after, code }
            }
            Some(outcome) => outcome,
            None => reply.unreadable(),
        }
    }

    /// Asks a question whose answer is one number.
    async fn ask(&self, method: &str, fields: &[(&str, &str)]) -> Result<Value, Unanswered> {
        let unavailable = |code: String| Unanswered::Unavailable(code);
        if self.protocol == Protocol::Soap {
            let reply = self.soap(method, fields).await?;
            let result = soap::result(&reply, method);
            return result.map(Value::from).ok_or_else(|| unavailable(reply.code()));
        }
        let reply = self.rest(method, fields).await?;
        match Answer::parse(&reply) {
            Some(Answer { status: 1, value }) => Ok(value),
            Some(answer) => Err(unavailable(codes::number_code(answer.number()))),
            None => Err(unavailable(reply.code())),
        }
    }
}

#[async_trait]
impl SmsProvider for Melipayamak {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, sms: &OutgoingSms) -> Outcome {
        match &sms.content {
            Content::Text(text) => self.send_text(sms, text).await,
            Content::Template { name, tokens } => self.send_template(sms, name, tokens).await,
        }
    }

    /// Melipayamak takes no id of ours.
    async fn lookup(&self, _: &OutgoingSms) -> Lookup {
        Lookup::Unsupported
    }

    fn statuses_at_once(&self) -> usize {
        1
    }

    async fn statuses(&self, provider_message_ids: &[String]) -> Result<Vec<Report>, Unanswered> {
        let mut reports = Vec::new();
        for id in provider_message_ids {
            let answer = self.ask("GetDeliveries2", &[("recId", id)]).await?;
            let number = integer(&answer);
            reports.push(Report {
                provider_message_id: id.clone(),
                status: number.and_then(codes::delivery),
                code: number.map_or("melipayamak.result".to_owned(), codes::number_code),
            });
        }
        Ok(reports)
    }

    /// So many texts. Below zero is an error number.
    async fn balance(&self) -> Result<Balance, Unanswered> {
        let answer = self.ask("GetCredit", &[]).await?;
        let Some(credit) = hundredths(&answer) else {
            return Err(Unanswered::Unavailable("melipayamak.result".to_owned()));
        };
        if credit < 0 {
            return Err(Unanswered::Unavailable(codes::number_code(credit / 100)));
        }
        Ok(Balance::Texts(credit / 100))
    }

    fn webhook_answer(&self) -> Option<WebhookAnswer> {
        Some(WebhookAnswer::Ok)
    }

    fn read_webhook(&self, request: &WebhookRequest) -> Result<Vec<WebhookEvent>, WebhookRefused> {
        inbound::read_webhook(request)
    }
}

/// What a REST call answers with.
struct Answer {
    /// `RetStatus`: 1, or an error number.
    status: i64,
    /// `Value`: the id, the number asked for, or an error number that says more.
    value: Value,
}

impl Answer {
    fn parse(reply: &Reply) -> Option<Self> {
        let body = json(&reply.body)?;
        let status = integer(body.get("RetStatus")?)?;
        Some(Self { status, value: body.get("Value").cloned().unwrap_or_default() })
    }

    fn outcome(&self, call: Call) -> Outcome {
        match (self.status, &self.value) {
            (1, Value::String(result)) => codes::outcome_of_result(result.trim(), call),
            (1, value) => codes::outcome_of_result(&value.to_string(), call),
            // "Invalid data" without saying which is no verdict on the number.
            (35, value) if integer(value) == Some(0) => codes::refusal(35, Call::Template),
            _ => codes::refusal(self.number(), call),
        }
    }

    /// The error number: 35 ("invalid data") has the one that says more in `Value`.
    fn number(&self) -> i64 {
        let value = integer(&self.value).filter(|n| *n != 0 && codes::is_error(*n));
        value.filter(|_| self.status == 35).unwrap_or(self.status)
    }
}

fn password(config: &Config) -> Result<SecretString, Problem> {
    let given = |secret: &&SecretString| !secret.expose_secret().is_empty();
    let password = config.password.as_ref().filter(given);
    let api_key = config.api_key.as_ref().filter(given);
    match (password, api_key) {
        (Some(secret), None) | (None, Some(secret)) => Ok(secret.clone()),
        (None, None) => Err(Problem::new("password", "is required, or an api_key in its place")),
        (Some(_), Some(_)) => Err(Problem::new("api_key", "must be left out beside a password")),
    }
}

/// `09…` for Iran, E.164 without the plus elsewhere.
fn recipient(sms: &OutgoingSms) -> String {
    sms.to.to_national().trim_start_matches('+').to_owned()
}

fn is_abroad(sms: &OutgoingSms) -> bool {
    !sms.to.as_e164().starts_with("+98")
}

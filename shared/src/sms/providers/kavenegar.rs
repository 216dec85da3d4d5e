//! Kavenegar (<https://kavenegar.com/rest.html>): free texts and templates.
//!
//! Every answer is `{"return":{"status":…,"message":…},"entries":…}`, and on an error the HTTP
//! status repeats `return.status`; so the body is read under any HTTP status and decides. The
//! key is part of the path, therefore no URL is ever printed.

use async_trait::async_trait;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::kavenegar_array::{self as array, TEXTS_AT_ONCE};
use super::kavenegar_reports::{self as reports, STATUSES_AT_ONCE};
use super::settings::{Problems, base_url};
use super::wire::{code, integer, join};
use super::{Balance, Content, Lookup, Outcome, OutgoingSms, Problem, Rejection, Report, Setup};
use super::{SmsProvider, Unanswered, WebhookAnswer, WebhookEvent, WebhookRefused, WebhookRequest};
use crate::http_client::{HttpClient, Reply};

/// `return.status` of a call that was carried out.
const OK: i64 = 200;

/// Message status "id unknown or too old" (kept 12 h by local id).
const ENTRY_UNKNOWN: i64 = 100;

/// The variables a template may have. The first three may hold no white space.
const TOKENS: [&str; 5] = ["token", "token2", "token3", "token10", "token20"];
const TOKENS_WITHOUT_SPACES: [&str; 3] = ["token", "token2", "token3"];

/// `[sms.providers.<name>]` with `kind = "kavenegar"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Where the API is; may have a path, to which `/v1/…` is added.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// The account's API key.
    pub api_key: SecretString,
    /// The line free texts are sent from; none or empty means the account's default line.
    /// Templates have a line of their own.
    #[serde(default)]
    pub sender: Option<String>,
}

fn default_base_url() -> String {
    "https://api.kavenegar.com".to_owned()
}

/// One Kavenegar account.
pub struct Kavenegar {
    name: String,
    http: HttpClient,
    text_url: Url,
    array_url: Url,
    template_url: Url,
    status_url: Url,
    statuses_url: Url,
    account_url: Url,
    sender: Option<String>,
}

/// The URLs hold the key.
impl std::fmt::Debug for Kavenegar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kavenegar").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Kavenegar {
    /// An account named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let base = problems.keep(base_url("base_url", &config.base_url));
        let key = config.api_key.expose_secret();
        let message = "must be ASCII letters, digits, '-' or '_', and not empty";
        problems.require(is_key(key), "api_key", message);
        let http = problems.client(setup.timeouts);
        problems.into_result(base.zip(http).map(|(base, http)| Self {
            name: name.to_owned(),
            http,
            text_url: join(&base, &["v1", key, "sms", "send.json"]),
            array_url: join(&base, &["v1", key, "sms", "sendarray.json"]),
            template_url: join(&base, &["v1", key, "verify", "lookup.json"]),
            status_url: join(&base, &["v1", key, "sms", "statuslocalmessageid.json"]),
            statuses_url: join(&base, &["v1", key, "sms", "status.json"]),
            account_url: join(&base, &["v1", key, "account", "info.json"]),
            sender: config.sender.clone().filter(|sender| !sender.trim().is_empty()),
        }))
    }

    async fn send_text(&self, sms: &OutgoingSms, message: &str) -> Outcome {
        let receptor = receptor(sms);
        let local_id = sms.local_id.to_string();
        let mut form =
            vec![("receptor", &*receptor), ("message", message), ("localid", &*local_id)];
        form.extend(self.sender.as_deref().map(|sender| ("sender", sender)));
        self.call(&self.text_url, &form).await
    }

    async fn send_template(
        &self,
        sms: &OutgoingSms,
        template: &str,
        tokens: &[(String, String)],
    ) -> Outcome {
        let Some(tokens) = tokens.iter().map(wire_token).collect::<Option<Vec<_>>>() else {
            let code = "kavenegar.token_name".to_owned();
            return Outcome::Rejected { reason: Rejection::Request, code };
        };
        let receptor = receptor(sms);
        let mut form = vec![("receptor", &*receptor), ("template", template)];
        form.extend(tokens.iter().map(|(name, value)| (*name, &**value)));
        self.call(&self.template_url, &form).await
    }

    async fn call(&self, url: &Url, form: &[(&str, &str)]) -> Outcome {
        match self.http.post_form(url.clone(), form).await {
            Ok(reply) => outcome_of(&reply),
            Err(failure) => failure.into(),
        }
    }

    /// The entries of an answer to a question.
    async fn ask(&self, url: &Url, form: &[(&str, &str)]) -> Result<Vec<Value>, Unanswered> {
        let reply = self.http.post_form(url.clone(), form).await?;
        match Envelope::parse(&reply.body) {
            Some(envelope) if envelope.status == OK => Ok(envelope.entries),
            Some(envelope) => Err(Unanswered::Unavailable(status_code(envelope.status))),
            None => Err(Unanswered::Unavailable(reply.code())),
        }
    }
}

#[async_trait]
impl SmsProvider for Kavenegar {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, sms: &OutgoingSms) -> Outcome {
        match &sms.content {
            Content::Text(text) => self.send_text(sms, text).await,
            Content::Template { name, tokens } => self.send_template(sms, name, tokens).await,
        }
    }

    fn send_at_once(&self, content: &Content) -> usize {
        match (content, &self.sender) {
            (Content::Text(_), Some(_)) => TEXTS_AT_ONCE,
            // The call wants a line for each text.
            _ => 1,
        }
    }

    /// Texts only.
    async fn send_many(&self, messages: &[OutgoingSms]) -> Vec<Outcome> {
        let form = array::form(messages, self.sender.as_deref().unwrap_or_default());
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, &**value)).collect();
        match self.http.post_form(self.array_url.clone(), &form).await {
            Ok(reply) => array::outcomes_of(&reply, messages),
            Err(failure) => vec![failure.into(); messages.len()],
        }
    }

    /// Texts carry our number as `localid`, by which Kavenegar can be asked for 12 hours;
    /// template calls have nothing of the kind.
    async fn lookup(&self, sms: &OutgoingSms) -> Lookup {
        if matches!(sms.content, Content::Template { .. }) {
            return Lookup::Unsupported;
        }
        let local_id = sms.local_id.to_string();
        let form = [("localid", &*local_id)];
        match self.http.post_form(self.status_url.clone(), &form).await {
            Ok(reply) => lookup_of(&reply, sms.local_id),
            Err(failure) => Lookup::Unavailable { code: failure.code().to_owned() },
        }
    }

    fn statuses_at_once(&self) -> usize {
        STATUSES_AT_ONCE
    }

    /// Of the last 48 hours; older messages are unknown.
    async fn statuses(&self, provider_message_ids: &[String]) -> Result<Vec<Report>, Unanswered> {
        let ids = provider_message_ids.join(",");
        let entries = self.ask(&self.statuses_url, &[("messageid", &ids)]).await?;
        let number = |entry: &Value, name| entry.get(name).and_then(integer);
        let read = |entry| reports::report(number(entry, "messageid"), number(entry, "status"));
        let asked = |report: &Report| provider_message_ids.contains(&report.provider_message_id);
        Ok(entries.iter().filter_map(read).filter(asked).collect())
    }

    async fn balance(&self) -> Result<Balance, Unanswered> {
        let entries = self.ask(&self.account_url, &[]).await?;
        let amount = entries.first().and_then(reports::credit);
        let unreadable = || Unanswered::Unavailable("kavenegar.credit".to_owned());
        let amount = amount.ok_or_else(unreadable)?;
        Ok(Balance::Money { amount, currency: "IRR".to_owned() })
    }

    fn webhook_answer(&self) -> Option<WebhookAnswer> {
        Some(WebhookAnswer::Ok)
    }

    fn read_webhook(&self, request: &WebhookRequest) -> Result<Vec<WebhookEvent>, WebhookRefused> {
        reports::read_webhook(request)
    }
}

/// `09…` for Iran, E.164 without the plus elsewhere.
pub(super) fn receptor(sms: &OutgoingSms) -> String {
    sms.to.to_national().trim_start_matches('+').to_owned()
}

/// The variable as Kavenegar takes it, `None` for a name it does not know: an unknown one could
/// be another field of the form. Spaces are refused in the short tokens (431) and become dashes.
fn wire_token((name, value): &(String, String)) -> Option<(&'static str, String)> {
    let name = TOKENS.into_iter().find(|known| known == name)?;
    if TOKENS_WITHOUT_SPACES.contains(&name) {
        return Some((name, value.replace(' ', "-")));
    }
    Some((name, value.clone()))
}

/// The parts of an answer that matter.
pub(super) struct Envelope {
    status: i64,
    pub(super) entries: Vec<Value>,
}

impl Envelope {
    fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let status = integer(body.get("return")?.get("status")?)?;
        // A list in the SDKs, one bare object in some documents, null or absent on errors.
        let entries = match body.get("entries") {
            Some(Value::Array(list)) => list.clone(),
            Some(entry @ Value::Object(_)) => vec![entry.clone()],
            _ => Vec::new(),
        };
        Some(Self { status, entries })
    }
}

fn outcome_of(reply: &Reply) -> Outcome {
    match carried_out(reply) {
        Ok(envelope) => outcome_of_entry(envelope.entries.first()),
        Err(outcome) => outcome,
    }
}

/// The answer to a call that was carried out.
///
/// # Errors
/// What became of each message of one that was not, or whose answer cannot be read.
pub(super) fn carried_out(reply: &Reply) -> Result<Envelope, Outcome> {
    match Envelope::parse(&reply.body) {
        Some(envelope) if envelope.status == OK => Ok(envelope),
        Some(envelope) => Err(refusal(envelope.status, reply)),
        None => Err(reply.unreadable()),
    }
}

/// What became of one message of a call that was carried out.
pub(super) fn outcome_of_entry(entry: Option<&Value>) -> Outcome {
    match entry.and_then(|entry| integer(entry.get("status")?)) {
        Some(status @ (6 | 11 | 13 | 14 | 100)) => failed_entry(status),
        _ => Outcome::Accepted { provider_message_id: entry.and_then(message_id) },
    }
}

/// The call went through, but the message of this recipient has already ended. It keeps its
/// place under our `localid`, so the same call would only return it again: another provider has
/// to take it (6 carrier failure, 11 undelivered, 13 cancelled, 100 unknown). With 14 the
/// recipient has refused such texts, which is nobody's to work around.
fn failed_entry(status: i64) -> Outcome {
    let reason = if status == 14 { Rejection::Recipient } else { Rejection::Request };
    Outcome::Rejected { reason, code: format!("kavenegar.entry_{status}") }
}

/// The table of error codes (<https://kavenegar.com/rest.html>, "وضعیت").
fn refusal(status: i64, reply: &Reply) -> Outcome {
    let code = status_code(status);
    let rejected = |reason| Outcome::Rejected { reason, code: code.clone() };
    match status {
        // Cannot answer now, address limited, too many calls in a while.
        409 | 429 | 451 | 503 => Outcome::RetryLater { after: reply.retry_after, code },
        // "Operation failed" does not say how far it got.
        402 => Outcome::Unknown { code },
        411 => rejected(Rejection::Recipient),
        // Disabled, key, allow-list, line, address, credit, template, plan, test account.
        401 | 403 | 407 | 412 | 416 | 418 | 424 | 426 | 427 | 432 | 501 => {
            rejected(Rejection::Account)
        }
        400..=499 | 607 => rejected(Rejection::Request),
        _ => Outcome::Unknown { code },
    }
}

fn lookup_of(reply: &Reply, local_id: i64) -> Lookup {
    let Some(envelope) = Envelope::parse(&reply.body) else {
        return Lookup::Unavailable { code: reply.code() };
    };
    if envelope.status != OK {
        return Lookup::Unavailable { code: status_code(envelope.status) };
    }
    if envelope.entries.is_empty() {
        return Lookup::NotFound;
    }
    let is_ours = |entry: &&Value| {
        entry.get("localid").and_then(integer).is_none_or(|answered| answered == local_id)
    };
    let ours = envelope.entries.iter().find(is_ours);
    match ours.and_then(|entry| Some((entry, integer(entry.get("status")?)?))) {
        Some((_, ENTRY_UNKNOWN)) => Lookup::NotFound,
        Some((entry, _)) => Lookup::Found { provider_message_id: message_id(entry) },
        // Somebody else's message, or no state: no reason to send again.
        None => Lookup::Unavailable { code: "kavenegar.entry".to_owned() },
    }
}

/// The number is the provider's: kept short, so that it stays a usable label.
fn status_code(status: i64) -> String {
    code("kavenegar", status, 100..=999)
}

/// `messageid`: an integer in the documents, seen as a string too; 0 where there is no message.
fn message_id(entry: &Value) -> Option<String> {
    integer(entry.get("messageid")?).filter(|id| *id > 0).map(|id| id.to_string())
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use chrono::DateTime;

    use super::*;
    use crate::http_client::Timeouts;
    use crate::phone::PhoneNumber;

    const KEY: &str = "5A6B7C8D9E0F";
    fn setup() -> Setup {
        let timeouts = Timeouts { connect: Duration::from_secs(1), budget: Duration::from_secs(2) };
        Setup { timeouts, webhook_url: None }
    }

    fn account(base_url: &str, key: &str) -> Result<Kavenegar, Vec<&'static str>> {
        let (base_url, api_key) = (base_url.to_owned(), SecretString::from(key));
        let config = Config { base_url, api_key, sender: None };
        Kavenegar::new("main", &config, &setup())
            .map_err(|problems| problems.into_iter().map(|problem| problem.key).collect())
    }

    #[test]
    fn every_setting_that_cannot_work_is_named() {
        for url in ["http://127.0.0.1:18080/api.kavenegar.com", "https://api.kavenegar.com/"] {
            assert!(account(url, KEY).is_ok(), "{url}");
        }
        let urls = ["", "api.kavenegar.com", "ftp://a", "http://u@a", "http://a?b", "http://a#b"];
        for url in urls {
            assert_eq!(account(url, KEY).unwrap_err(), ["base_url"], "{url}");
        }
        for key in ["", "a b", "a/b", "..", "کلید", "a%2f"] {
            assert_eq!(account("http://a", key).unwrap_err(), ["api_key"], "{key}");
        }
        assert_eq!(account("", "").unwrap_err(), ["base_url", "api_key"]);
    }

    #[test]
    fn the_key_and_the_method_follow_the_path_of_the_base_url() {
        let account = account("http://127.0.0.1:18080/api.kavenegar.com/", KEY).unwrap();
        let expected =
            format!("http://127.0.0.1:18080/api.kavenegar.com/v1/{KEY}/verify/lookup.json");
        assert_eq!(account.template_url.as_str(), expected);
    }

    #[test]
    fn debug_output_has_no_key() {
        let config: Config =
            serde_json::from_value(serde_json::json!({"api_key": KEY, "sender": "1000"})).unwrap();
        assert_eq!(config.base_url, "https://api.kavenegar.com");
        let account = Kavenegar::new("main", &config, &setup()).unwrap();
        assert!(!format!("{config:?} {account:?} {:?}", account.http).contains(KEY));
    }

    /// Collects what a subscriber writes.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Answers one connection with a body that echoes what it was sent, without a proper end.
    fn echo_server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n").unwrap();
            stream.write_all(&request[..length]).unwrap();
        });
        url
    }

    #[tokio::test]
    async fn no_log_line_of_any_level_has_the_key_the_number_or_the_text() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let sms = OutgoingSms {
            to: PhoneNumber::from_e164("+989123456789").unwrap(),
            content: Content::Text("code 482913".to_owned()),
            local_id: 7,
            accepted_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
        };
        let cut_off = account(&echo_server(), KEY).unwrap().send(&sms).await;
        assert_eq!(cut_off, Outcome::Unknown { code: "http.body".to_owned() });
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let account = account(&format!("http://{closed}"), KEY).unwrap();
        let refused = account.send(&sms).await;
        assert_eq!(refused, Outcome::RetryLater { after: None, code: "http.connect".to_owned() });
        assert!(matches!(account.lookup(&sms).await, Lookup::Unavailable { .. }));
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("no answer to a request").count(), 3, "{log}");
        for secret in [KEY, "9123456789", "482913", "/v1/"] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    }
}

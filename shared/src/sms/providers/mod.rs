//! SMS providers: one file each, one trait, one registry.
//!
//! To add a provider: write `<name>.rs` with a `Config` and an implementation of
//! [`SmsProvider`], add its `kind` to [`build`], and run it through the provider suite
//! in the `tests` crate.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use crate::config::{Config, ConfigError, SANDBOX, parse_common, parse_table};
use crate::http_client::{Failure, Timeouts};
use crate::phone::PhoneNumber;
use crate::sms::callbacks::Callbacks;

mod balance;
pub mod http;
pub mod ippanel;
pub mod kavenegar;
mod kavenegar_array;
mod kavenegar_reports;
pub mod megafon;
pub mod melipayamak;
pub mod parsian_webco;
pub mod sandbox;
pub mod settings;
pub mod sms_aero;
pub mod sms_ir;
pub mod twilio;
pub mod webhook;
mod wire;

pub use crate::settings::Problem;
pub use balance::Balance;
pub use webhook::{WebhookAnswer, WebhookEvent, WebhookRefused, WebhookRequest};

/// What a provider is asked to carry, for one recipient.
#[derive(Debug, Clone)]
pub struct OutgoingSms {
    /// The recipient.
    pub to: PhoneNumber,
    /// The text or the template.
    pub content: Content,
    /// Random positive 63-bit number stored when the message was accepted; the provider's
    /// idempotency key where it has one. The same for every attempt of one message.
    pub local_id: i64,
    /// When the message was accepted: a provider that is asked for earlier sends need not look
    /// further back.
    pub accepted_at: DateTime<Utc>,
    /// After this it is of no use.
    pub expires_at: DateTime<Utc>,
}

/// The body of an [`OutgoingSms`].
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Free text.
    Text(String),
    /// A template known to the provider, with the values of its variables in order.
    Template {
        /// The provider's name or id of the template.
        name: String,
        /// `(variable, value)`, e.g. `("token", "123456")`.
        tokens: Vec<(String, String)>,
    },
}

/// Never prints the text or the values: they hold codes.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::Template { name, .. } => write!(f, "Template({name}, …)"),
        }
    }
}

/// How one call to a provider ended. The classes decide what happens next; the retry rules
/// live in the worker alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took the message.
    Accepted {
        /// The provider's own id, for status look-ups and delivery reports.
        provider_message_id: Option<String>,
    },
    /// The provider will never take this message.
    Rejected {
        /// What it objects to.
        reason: Rejection,
        /// Short, bounded, free of secrets and personal data: `kavenegar.411`.
        code: String,
    },
    /// Nothing was sent; the same call may succeed later.
    RetryLater {
        /// The provider's own wish (`Retry-After`), if it gave one.
        after: Option<Duration>,
        /// As in [`Outcome::Rejected`].
        code: String,
    },
    /// The request may have been carried out: no readable answer after it was written.
    Unknown {
        /// As in [`Outcome::Rejected`].
        code: String,
    },
}

/// What a rejection is about; decides whether another provider may do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The recipient: no other provider will do better.
    Recipient,
    /// This text, template or parameter at this provider: another may take it.
    Request,
    /// Our account at this provider (credentials, credit, line, allow-list): another may take it,
    /// and an operator has to look.
    Account,
}

/// What a provider knows of an earlier call with our `local_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It has the message: nothing may be sent again.
    Found {
        /// The provider's id of it.
        provider_message_id: Option<String>,
    },
    /// It has no such message: sending is safe.
    NotFound,
    /// It cannot be asked for this kind of call.
    Unsupported,
    /// It could not be asked now.
    Unavailable {
        /// As in [`Outcome::Rejected`].
        code: String,
    },
}

/// Where a message that a provider took is on its way to the handset, as far as the provider
/// says. Ordered: a message never goes back to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// The provider has it.
    Accepted,
    /// The carrier has it.
    Carried,
    /// It will not arrive: refused, blocked, failed or given up.
    Undelivered,
    /// The handset has it.
    Delivered,
}

impl DeliveryStatus {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Carried => "carried",
            Self::Undelivered => "undelivered",
            Self::Delivered => "delivered",
        }
    }

    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Undelivered | Self::Delivered)
    }
}

/// What a provider says of one message it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// See [`Outcome::Accepted`].
    pub provider_message_id: String,
    /// `None`: the provider does not know the message (any more), or says nothing we can read.
    pub status: Option<DeliveryStatus>,
    /// The provider's own word or number for it, bounded: `kavenegar.10`.
    pub code: String,
}

/// A text somebody sent to one of our lines.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundSms {
    /// The provider's id of it, if it has one: the same text may be told of twice.
    pub provider_message_id: Option<String>,
    /// Who sent it, as the provider wrote it.
    pub from: String,
    /// Our line.
    pub to: String,
    /// What it says.
    pub text: String,
}

/// Never prints the number or the text.
impl std::fmt::Debug for InboundSms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundSms").field("id", &self.provider_message_id).finish_non_exhaustive()
    }
}

/// Why a question to a provider has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// It cannot be asked this.
    Unsupported,
    /// Not now; the code is as in [`Outcome::Rejected`].
    Unavailable(String),
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.code().to_owned())
    }
}

/// One account at one SMS provider.
#[async_trait]
pub trait SmsProvider: Send + Sync {
    /// The configured name (`sms.providers.<name>`); bounded, used as a metrics label.
    fn name(&self) -> &str;

    /// Hands one message to the provider. Never panics, never takes longer than the
    /// configured budget, and never says [`Outcome::RetryLater`] once the request may have
    /// reached the provider and been carried out.
    async fn send(&self, sms: &OutgoingSms) -> Outcome;

    /// How many messages with such a content [`SmsProvider::send_many`] can carry in one call.
    fn send_at_once(&self, _content: &Content) -> usize {
        1
    }

    /// Hands several messages to the provider in one call, at most as many as
    /// [`SmsProvider::send_at_once`] says of each; one outcome each, in their order. What holds for
    /// [`SmsProvider::send`] holds for each of them.
    async fn send_many(&self, messages: &[OutgoingSms]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(messages.len());
        for sms in messages {
            outcomes.push(self.send(sms).await);
        }
        outcomes
    }

    /// Asks what became of an earlier [`SmsProvider::send`] of the same message whose outcome
    /// is unknown.
    async fn lookup(&self, sms: &OutgoingSms) -> Lookup;

    /// How many messages [`SmsProvider::statuses`] can be asked about at once; 0 if it cannot.
    fn statuses_at_once(&self) -> usize {
        0
    }

    /// Asks what became of messages the provider took, by its own ids. May leave out some.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn statuses(&self, _provider_message_ids: &[String]) -> Result<Vec<Report>, Unanswered> {
        Err(Unanswered::Unsupported)
    }

    /// Asks what is left on the account.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn balance(&self) -> Result<Balance, Unanswered> {
        Err(Unanswered::Unsupported)
    }

    /// How webhooks of this provider are answered; `None` if it has none.
    fn webhook_answer(&self) -> Option<WebhookAnswer> {
        None
    }

    /// Reads what came to the account's webhook address. The secret in the path has been checked;
    /// signatures are the provider's own to check.
    ///
    /// # Errors
    /// [`WebhookRefused`].
    fn read_webhook(&self, _request: &WebhookRequest) -> Result<Vec<WebhookEvent>, WebhookRefused> {
        Err(WebhookRefused::Unreadable)
    }
}

/// Every provider a configured account can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Ippanel,
    Kavenegar,
    Megafon,
    Melipayamak,
    ParsianWebco,
    Sandbox,
    SmsAero,
    SmsIr,
    Twilio,
}

impl Kind {
    /// Reads `kind`, in any case, including the names the systems we replace used.
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some(Self::Http),
            "ippanel" | "farazsms" => Some(Self::Ippanel),
            "kavenegar" | "kavenegar_com" => Some(Self::Kavenegar),
            "megafon" => Some(Self::Megafon),
            "melipayamak" | "melipayamak_com" | "meli_payamak_com" => Some(Self::Melipayamak),
            "parsian_webco" | "parsian_webco_ir" => Some(Self::ParsianWebco),
            "sandbox" => Some(Self::Sandbox),
            "sms_aero" | "smsaero" => Some(Self::SmsAero),
            "sms_ir" => Some(Self::SmsIr),
            "twilio" => Some(Self::Twilio),
            _ => None,
        }
    }

    /// Whether there are templates at the provider; the others are handed texts only.
    const fn has_templates(self) -> bool {
        !matches!(self, Self::Megafon | Self::SmsAero | Self::Twilio)
    }
}

/// Whether a provider of this `kind` may have templates of its own; see
/// [`crate::sms::templates`].
pub fn has_templates(kind: &str) -> bool {
    Kind::parse(kind).is_none_or(Kind::has_templates)
}

/// What every provider is built with besides its own table. Has no `Debug`: the address holds a
/// secret.
#[derive(Clone)]
pub struct Setup {
    /// How long one exchange may take.
    pub timeouts: Timeouts,
    /// Where the provider can report deliveries and inbound texts: holds a secret. `None` when
    /// webhooks are off.
    pub webhook_url: Option<reqwest::Url>,
}

/// The accounts to send through, first choice first, as [`Config::sms_order`] says. What is wrong
/// with any account, used or not, is added to `errors`; `sms.order` itself is checked with the
/// rest of the configuration.
pub fn build(config: &Config, errors: &mut Vec<ConfigError>) -> Vec<Arc<dyn SmsProvider>> {
    let built = build_all(config, errors);
    let named = |name: &String| built.iter().find(|provider| provider.name() == name);
    config.sms_order().iter().filter_map(named).cloned().collect()
}

/// Every account, by name, whether or not texts are sent through it: those that are not used any
/// more still report what they carried.
pub fn build_all(config: &Config, errors: &mut Vec<ConfigError>) -> Vec<Arc<dyn SmsProvider>> {
    let timeouts = Timeouts { connect: config.sms.connect_timeout(), budget: config.sms.budget() };
    let callbacks = Callbacks::new(config);
    let order = config.sms_order();
    let mut tables = config.sms.providers.clone();
    if order.iter().any(|name| name == SANDBOX) {
        // Needs no table.
        tables.entry(SANDBOX.to_owned()).or_default();
    }
    for (name, table) in &tables {
        check_common(name, table, errors);
    }
    tables
        .iter()
        .filter_map(|(name, table)| {
            let webhook_url = callbacks.as_ref().and_then(|callbacks| callbacks.url(name));
            let setup = Setup { timeouts, webhook_url };
            build_one(name, config.sms.kind(name), table, &setup, errors)
        })
        .collect()
}

/// Checks what every table may hold.
fn check_common(name: &str, table: &toml::Table, errors: &mut Vec<ConfigError>) {
    let path = format!("sms.providers.{name}");
    let settings = parse_common(table, &path, errors).unwrap_or_default();
    if settings.per_second.is_some_and(|texts| !(1..=10_000).contains(&texts)) {
        report(&path, vec![Problem::new("per_second", "must be 1 to 10000")], errors);
    }
}

fn build_one(
    name: &str,
    kind: &str,
    table: &toml::Table,
    setup: &Setup,
    errors: &mut Vec<ConfigError>,
) -> Option<Arc<dyn SmsProvider>> {
    match Kind::parse(kind) {
        Some(Kind::ParsianWebco) => {
            built(name, table, setup, errors, parsian_webco::ParsianWebco::new)
        }
        Some(Kind::Kavenegar) => built(name, table, setup, errors, kavenegar::Kavenegar::new),
        Some(Kind::Melipayamak) => built(name, table, setup, errors, melipayamak::Melipayamak::new),
        Some(Kind::Sandbox) => built(name, table, setup, errors, sandbox::Sandbox::configured),
        Some(Kind::SmsIr) => built(name, table, setup, errors, sms_ir::SmsIr::new),
        Some(Kind::Http) => built(name, table, setup, errors, http::Http::new),
        Some(Kind::Ippanel) => built(name, table, setup, errors, ippanel::Ippanel::new),
        Some(Kind::Megafon) => built(name, table, setup, errors, megafon::Megafon::new),
        Some(Kind::SmsAero) => built(name, table, setup, errors, sms_aero::SmsAero::new),
        Some(Kind::Twilio) => built(name, table, setup, errors, twilio::Twilio::new),
        None => {
            let message = "is no known kind of provider: http, ippanel (farazsms), kavenegar, \
                           megafon, melipayamak, parsian_webco, sandbox, sms_aero, sms_ir, twilio";
            let path = format!("sms.providers.{name}");
            report(&path, vec![Problem::new("kind", message)], errors);
            None
        }
    }
}

/// The provider that `new` makes of its table.
fn built<C: DeserializeOwned, P: SmsProvider + 'static>(
    name: &str,
    table: &toml::Table,
    setup: &Setup,
    errors: &mut Vec<ConfigError>,
    new: impl FnOnce(&str, &C, &Setup) -> Result<P, Vec<Problem>>,
) -> Option<Arc<dyn SmsProvider>> {
    let path = format!("sms.providers.{name}");
    let settings = parse_table::<C>(table, &path, errors)?;
    match new(name, &settings, setup) {
        Ok(provider) => Some(Arc::new(provider)),
        Err(problems) => {
            report(&path, problems, errors);
            None
        }
    }
}

/// Adds the problems, except where the path has an error already.
fn report(path: &str, problems: Vec<Problem>, errors: &mut Vec<ConfigError>) {
    for Problem { key, message } in problems {
        let path = format!("{path}.{key}");
        if errors.iter().all(|error| error.path != path) {
            errors.push(ConfigError::new(path, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mode, Sms};

    /// Names of the providers built and paths of the errors.
    fn outcome(mode: Mode, order: &[&str], providers: &str) -> (Vec<String>, Vec<String>) {
        let config = Config {
            mode,
            sms: Sms {
                order: strings(order),
                providers: toml::from_str(providers).unwrap(),
                ..Sms::default()
            },
            ..Config::default()
        };
        let mut errors = Vec::new();
        let built = build(&config, &mut errors);
        let names = built.iter().map(|provider| provider.name().to_owned()).collect();
        (names, errors.into_iter().map(|error| error.path).collect())
    }

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    const TWO: &str = "[b]\nkind='sandbox'\n[a]\nkind='KAVENEGAR_COM'\napi_key='k'";

    #[test]
    fn the_order_is_the_configured_one_or_that_of_the_names() {
        assert_eq!(outcome(Mode::Production, &[], TWO).0, ["a", "b"]);
        assert_eq!(outcome(Mode::Production, &["b", "a"], TWO).0, ["b", "a"]);
        assert_eq!(outcome(Mode::Production, &["b"], TWO).0, ["b"]);
    }

    #[test]
    fn a_table_without_a_kind_is_named_after_it() {
        let tables = "[Kavenegar]\napi_key='k'\n[sandbox]";
        let expected = (strings(&["Kavenegar", "sandbox"]), strings(&[]));
        assert_eq!(outcome(Mode::Production, &[], tables), expected);
    }

    #[test]
    fn every_kind_is_built_by_all_its_names() {
        let ac = format!("AC{}", "0".repeat(32));
        let cases = [
            ("kavenegar", "api_key='k'".to_owned()),
            ("KAVENEGAR_COM", "api_key='k'".to_owned()),
            ("MELI_PAYAMAK_COM", "username='u'\npassword='p'".to_owned()),
            ("PARSIAN_WEBCO_IR", "api_key='k'".to_owned()),
            ("sms_ir", "api_key='k'".to_owned()),
            ("MegaFon", "login='a'\npassword='b'\nsender='c'".to_owned()),
            ("SmsAero", "email='a'\napi_key='b'".to_owned()),
            ("sms_aero", "email='a'\napi_key='b'".to_owned()),
            ("Twilio", format!("account_sid='{ac}'\nauth_token='b'\nsender='c'")),
        ];
        for (kind, settings) in cases {
            let table = format!("[a]\nkind='{kind}'\n{settings}");
            let expected = (strings(&["a"]), strings(&[]));
            assert_eq!(outcome(Mode::Production, &[], &table), expected, "{kind}");
        }
    }

    #[test]
    fn only_sandbox_mode_has_a_provider_of_its_own() {
        assert_eq!(outcome(Mode::Sandbox, &[], "").0, ["sandbox"]);
        assert!(outcome(Mode::Production, &[], "").0.is_empty());
        assert_eq!(outcome(Mode::Sandbox, &["sandbox"], "").0, ["sandbox"]);
        let both = outcome(Mode::Sandbox, &["sandbox", "kavenegar"], "[kavenegar]\napi_key='k'");
        assert_eq!(both, (strings(&["sandbox", "kavenegar"]), strings(&[])));
    }

    #[test]
    fn every_mistake_is_named_with_its_path() {
        let tables = "[a]\n[b]\nkind=7\n[c]\nkind='kavenegar'\napi_key=''\nbase_url='x'";
        let (built, errors) = outcome(Mode::Production, &[], tables);
        assert!(built.is_empty());
        let expected = [
            "sms.providers.a.kind",
            "sms.providers.b.kind",
            "sms.providers.c.base_url",
            "sms.providers.c.api_key",
        ];
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_bound_of_the_line_is_read_for_every_kind_and_has_its_own_bounds() {
        let tables = "[sandbox]\nper_second=1\n[kavenegar]\napi_key='k'\nper_second=10000";
        assert!(outcome(Mode::Sandbox, &[], tables).1.is_empty());
        let tables = "[sandbox]\nper_second=0\n[kavenegar]\napi_key='k'\nper_second=-1";
        let expected = ["sms.providers.kavenegar.per_second", "sms.providers.sandbox.per_second"];
        assert_eq!(outcome(Mode::Sandbox, &[], tables).1, expected);
    }

    #[test]
    fn every_kind_is_found_by_its_names_and_reads_its_own_table() {
        let tables = "[a]\nkind='FarazSMS'\napi_key='k'\nsender='+983000505'\n\
            [ippanel]\napi_key='k'\nsender='+98'\nvariables={token='code'}\n\
            [own]\nkind='http'\nbase_url='https://a'\nanswer={statuses=[200]}\n\
            secrets={key='k'}\ntext={query={to='{to}',text='{text}',key='{secret.key}'}}";
        let expected = (strings(&["a", "ippanel", "own"]), strings(&[]));
        assert_eq!(outcome(Mode::Production, &[], tables), expected);
        let tables = tables.replace("{text}", "").replace("'k'", "''").replace("'https", "'x");
        let (built, errors) = outcome(Mode::Production, &[], &tables);
        let expected = ["a.api_key", "ippanel.api_key", "own.base_url", "own.secrets", "own.text"];
        assert_eq!(errors, expected.map(|path| format!("sms.providers.{path}")));
        assert!(built.is_empty());
    }

    #[test]
    fn unknown_keys_are_mistakes() {
        let (_, errors) = outcome(Mode::Sandbox, &[], "[sandbox]\ncolour='red'");
        assert!(errors.iter().any(|path| path.contains("sandbox")), "{errors:?}");
    }

    #[test]
    fn debug_of_content_has_no_text() {
        let text = Content::Text("482913".to_owned());
        let tokens = vec![("token".to_owned(), "482913".to_owned())];
        let template = Content::Template { name: "login".to_owned(), tokens };
        assert!(!format!("{text:?}{template:?}").contains("482913"));
    }
}

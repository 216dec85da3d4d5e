//! `[sms]`: who carries the texts.

use std::{collections::BTreeMap, fmt, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;
use toml::Table;

use super::{
    QuietHours,
    names::{names, optional_name, templates},
    parse::parse_common,
};

/// The provider that is always there in sandbox mode and needs no table.
pub const SANDBOX: &str = "sandbox";

/// Those of Twilio, and what `bulk_opt_out` says.
const STOP_WORDS: [&str; 9] =
    ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "لغو", "لغو11", "11"];
const START_WORDS: [&str; 4] = ["START", "UNSTOP", "SUBSCRIBE", "شروع"];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// SMS providers and how long to wait for them.
#[derive(Clone, Deserialize)]
#[serde(default)]
pub struct Sms {
    /// Providers in the order they are tried. Empty (default): every configured one by name, and
    /// `sandbox` if none is and the mode is sandbox; [`super::Config::sms_order`] says which.
    pub order: Vec<String>,
    /// How often each is the first to be tried, in proportion; those not named only if the others
    /// cannot. Empty (default): `order` alone decides.
    pub weights: BTreeMap<String, u32>,
    /// Seconds for which a provider that refuses our account is not asked; doubled with every try
    /// it refuses again, up to an hour. Default 300.
    pub account_pause_seconds: u32,
    /// What must at least be left at a provider, by name, in whole units of what it counts in
    /// (rials, roubles, texts). Below that operators are told. Empty (default): nobody is.
    pub low_balance: BTreeMap<String, u32>,
    /// Providers by name, as written: each provider reads its own table with
    /// [`super::parse_table`]. The key `kind` (default: the name) chooses the provider.
    pub providers: BTreeMap<String, Table>,
    /// Logical templates by name; one that has nothing but a name at the providers may be written as
    /// that name or number alone, as in the old `TEMPLATES` map.
    #[serde(deserialize_with = "templates")]
    pub templates: BTreeMap<String, SmsTemplate>,
    /// What callers without a key may send; `None` (default): nothing.
    pub anonymous: Option<AnonymousSms>,
    /// Milliseconds one call to a provider may take in all. Default 8000.
    pub budget_ms: u64,
    /// Milliseconds connecting may take of it. Default 3000.
    pub connect_timeout_ms: u64,
    /// Calls per message at most. Default 10.
    pub max_attempts: u32,
    /// What texts to many end with, unless they hold it: how to get no more of them. Empty: nothing.
    /// Default `لغو11`.
    pub bulk_opt_out: String,
    /// When texts to many wait, by the clocks of a place. `None` (default): never.
    pub quiet_hours: Option<QuietHours>,
    /// Seconds after its time a text (not a code) may still go out. Default 86400.
    pub message_ttl_seconds: u32,
    /// Texts per UTC day that one account with the scope `sms:send` may ask for. Default 1000.
    pub user_daily_sends: u32,
    /// The price of one part of a text in rials, for estimates and spend caps. Default 0: unknown.
    pub price_rials: u64,
    /// What the addresses of webhooks are derived from, at least 32 characters. `None` (default):
    /// there are no webhooks, providers are only asked.
    pub webhook_secret: Option<SecretString>,
    /// What somebody texts to one of our lines to get no more texts but codes; the whole text has
    /// to be one of these, however it is spelled (see [`crate::fold::keyword`]).
    pub stop_words: Vec<String>,
    /// What takes it back.
    pub start_words: Vec<String>,
    /// Days inbound texts are kept. Default 90.
    pub inbound_retention_days: u32,
}

/// What callers without a key may send: nothing else, so that nobody relays texts through us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AnonymousSms {
    /// Templates they may use, to any number. Default none.
    pub templates: Vec<String>,
    /// Numbers they may write to, in E.164, whatever they write. Default none.
    pub numbers: Vec<String>,
}

/// A template under a name of our own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SmsTemplate {
    /// Its Persian text, for providers without a template of it; holds `{variable}`s. `None`
    /// (default): only providers that have it can send it.
    pub text: Option<String>,
    /// Its English text. `None` (default): `text` is sent whatever the language.
    pub text_en: Option<String>,
    /// Its variables, in order. Default none.
    pub variables: Vec<String>,
    /// Its name or id at every provider that `providers` does not list. `None` (default): they get
    /// the text.
    #[serde(deserialize_with = "optional_name")]
    pub name: Option<String>,
    /// Names or ids of it by provider (a name of `sms.providers`). Twilio, MegaFon and SMS Aero have
    /// no templates: there it is a text of its own, with `{variable}`s.
    #[serde(deserialize_with = "names")]
    pub providers: BTreeMap<String, String>,
}

/// What the table of every provider may hold besides the provider's own settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ProviderSettings {
    /// Texts other than codes that the account's line may be handed in any second, all workers
    /// together. `None` (default): as many as there are.
    pub per_second: Option<u32>,
}

impl Default for Sms {
    fn default() -> Self {
        Self {
            order: Vec::new(),
            weights: BTreeMap::new(),
            account_pause_seconds: 300,
            low_balance: BTreeMap::new(),
            providers: BTreeMap::new(),
            templates: BTreeMap::new(),
            anonymous: None,
            budget_ms: 8_000,
            connect_timeout_ms: 3_000,
            max_attempts: 10,
            bulk_opt_out: "لغو11".to_owned(),
            quiet_hours: None,
            message_ttl_seconds: 86_400,
            user_daily_sends: 1_000,
            price_rials: 0,
            webhook_secret: None,
            stop_words: words(&STOP_WORDS),
            start_words: words(&START_WORDS),
            inbound_retention_days: 90,
        }
    }
}

impl Sms {
    /// How long one attempt owns its message, in milliseconds: the budget and two seconds to write
    /// down the outcome.
    pub fn lease_ms(&self) -> u64 {
        self.budget_ms.saturating_add(2_000)
    }

    /// [`Sms::lease_ms`].
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms())
    }

    /// [`Sms::budget_ms`].
    pub fn budget(&self) -> Duration {
        Duration::from_millis(self.budget_ms)
    }

    /// [`Sms::connect_timeout_ms`].
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// What the table of `name` says that is no business of the provider's; nothing of what is
    /// wrong there, which [`crate::sms::providers::build`] reports.
    pub fn provider_settings(&self, name: &str) -> ProviderSettings {
        let table = self.providers.get(name);
        table.and_then(|table| parse_common(table, "", &mut Vec::new())).unwrap_or_default()
    }

    /// What kind of provider `name` is: its table's `kind`, else its name.
    pub fn kind<'a>(&'a self, name: &'a str) -> &'a str {
        let table = self.providers.get(name);
        table.and_then(|table| table.get("kind")).and_then(toml::Value::as_str).unwrap_or(name)
    }
}

/// Providers by name only: their tables hold credentials.
impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sms")
            .field("order", &self.order)
            .field("weights", &self.weights)
            .field("account_pause_seconds", &self.account_pause_seconds)
            .field("low_balance", &self.low_balance)
            .field("providers", &self.providers.keys())
            .field("templates", &self.templates.keys())
            .field("anonymous", &self.anonymous.is_some())
            .field("budget_ms", &self.budget_ms)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("max_attempts", &self.max_attempts)
            .field("bulk_opt_out", &self.bulk_opt_out)
            .field("quiet_hours", &self.quiet_hours.map(|hours| hours.to_string()))
            .field("message_ttl_seconds", &self.message_ttl_seconds)
            .field("user_daily_sends", &self.user_daily_sends)
            .field("price_rials", &self.price_rials)
            .field("webhook_secret", &self.webhook_secret)
            .field("stop_words", &self.stop_words)
            .field("start_words", &self.start_words)
            .field("inbound_retention_days", &self.inbound_retention_days)
            .finish()
    }
}

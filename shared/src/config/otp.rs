//! `[otp]`, `[limits]` and `[phone]`: one-time codes, and who may ask for how many.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::{names::optional_name, rate::Rate};

/// One-time codes.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Otp {
    /// Digits of a code, 4 to 10. Default 8.
    pub length: u8,
    /// Seconds a code is valid, 30 to 600. Default 240.
    pub ttl_seconds: u32,
    /// When another text may be asked for. Default `fixed`.
    pub cooldown: Cooldown,
    /// With `fixed`: seconds between two texts to one target, at most 600. Default 60.
    pub resend_after_seconds: u32,
    /// Wrong guesses per `request_id`. Default 5.
    pub attempts_per_request: u32,
    /// Wrong guesses per target without `request_id`. Default 5.
    pub attempts_per_target: u32,
    /// Guesses per target and day: this many with a `request_id` and as many without, so that
    /// neither kind can use up the other. Default 50.
    pub daily_attempts_per_target: u32,
    /// Texts per target and day. Default 20.
    pub daily_sends_per_target: u32,
    /// The id in `keys` of the key that derives new codes; the others only check. Required.
    pub active_key: String,
    /// Keys by id: base64 of at least 32 bytes each.
    pub keys: BTreeMap<String, SecretString>,
    /// The template codes are sent with, a provider's own or one of `sms.templates`; may be written
    /// as a number. `None` (default): `text` is sent.
    #[serde(deserialize_with = "optional_name")]
    pub template: Option<String>,
    /// The text codes are sent with; holds `{code}`, best on a line of its own.
    pub text: String,
    /// The text of codes that are for something else than logging in; holds `{code}`.
    pub confirmation_text: String,
    /// Host name of the site that asks for the code: the text then ends with `@host #code`, which
    /// browsers offer to that site alone (`WebOTP`, <https://wicg.github.io/sms-one-time-codes/>).
    /// `None` (default): no such line.
    pub webotp_domain: Option<String>,
    /// What the Android app that waits for the text is known by: 11 characters that SMS Retriever
    /// looks for in it. `None` (default): none.
    pub android_hash: Option<String>,
    /// Numbers (E.164) that always have the same code and get no text: for those who review an app.
    /// Default: none.
    pub test_numbers: BTreeMap<String, TestNumber>,
}

/// One of [`Otp::test_numbers`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TestNumber {
    /// Its code, 4 to 10 digits.
    pub code: SecretString,
    /// When it becomes a number like any other. Required in production.
    pub until: Option<DateTime<Utc>>,
}

impl Default for Otp {
    fn default() -> Self {
        Self {
            length: 8,
            ttl_seconds: 240,
            cooldown: Cooldown::Fixed,
            resend_after_seconds: 60,
            attempts_per_request: 5,
            attempts_per_target: 5,
            daily_attempts_per_target: 50,
            daily_sends_per_target: 20,
            active_key: String::new(),
            keys: BTreeMap::new(),
            template: None,
            text: "کد ورود شما:\n{code}\n".to_owned(),
            confirmation_text: "کد تأیید شما:\n{code}\n".to_owned(),
            webotp_domain: None,
            android_hash: None,
            test_numbers: BTreeMap::new(),
        }
    }
}

impl Otp {
    /// [`Otp::ttl_seconds`].
    pub fn ttl(&self) -> Duration {
        Duration::from_secs(self.ttl_seconds.into())
    }

    /// How long after a text the next one may be asked for, by [`Otp::cooldown`]. With
    /// `until_expiry` a resend that extended the code extends this too.
    pub fn resend_after(&self) -> Duration {
        match self.cooldown {
            Cooldown::Fixed => Duration::from_secs(self.resend_after_seconds.into()),
            Cooldown::UntilExpiry => self.ttl(),
        }
    }
}

/// When another text may be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cooldown {
    /// After `otp.resend_after_seconds`.
    #[default]
    Fixed,
    /// When the code has expired, as in the systems Peyk replaces.
    UntilExpiry,
}

/// Rate limits of anonymous callers.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Codes asked for per IP address (IPv6: per /64). Default `60/1m`.
    pub otp_send_per_ip: Rate,
    /// Codes sent per phone number. Default `10/1h`.
    pub otp_send_per_target: Rate,
    /// Wrong codes per IP address (IPv6: per /64); right ones are not counted. Default `60/1m`.
    pub verify_failures_per_ip: Rate,
    /// Wrong passwords per IP address (IPv6: per /64); right ones are not counted. Default `60/1m`.
    pub password_failures_per_ip: Rate,
    /// The same per name and address: whoever guesses keeps nobody out elsewhere. Default `10/10m`.
    pub password_failures_per_name: Rate,
    /// Accounts asked for with a name and a password per IP address (IPv6: per /64). Default
    /// `60/1h`.
    pub registrations_per_ip: Rate,
    /// Sends with one API key; a bulk is one. Default `600/1m`.
    pub messages_per_key: Rate,
    /// Sends with access tokens of one account; a bulk is one. Default 60 a minute.
    pub messages_per_user: Rate,
    /// Looks at one page of a gateway's because somebody came back from it. Default `30/1m`.
    pub payment_looks_per_page: Rate,
    /// How many times the share of one address all /64 of an IPv6 /48 have together. Default 16.
    pub ipv6_site_factor: u32,
    /// Texts with codes per UTC day, all numbers together. Default 100000.
    pub daily_sends: u32,
    /// The same per country (ISO 3166 alpha-2, upper case); a country that is not named has only
    /// the cap of all. Default: none.
    #[serde(deserialize_with = "upper_case_keys")]
    pub daily_sends_per_country: BTreeMap<String, u32>,
    /// Texts other than codes per UTC day. Default 100000.
    pub daily_messages: u32,
    /// Rials that all texts may cost per UTC day, at `sms.price_rials` a part; 0 is no cap.
    /// Default 0.
    pub daily_spend_rials: u64,
    /// How many api processes share these limits: while Redis is away each counts on its own and
    /// allows its share. Default 1.
    pub api_processes: u32,
    /// How many worker processes share `sms.providers.*.per_second`: while Redis is away each keeps
    /// to its share. Default 1.
    pub worker_processes: u32,
}

/// Names of settings from the environment arrive in lower case; they win, so they come last.
fn upper_case_keys<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, u32>, D::Error> {
    let written = BTreeMap::<String, u32>::deserialize(deserializer)?;
    Ok(written.into_iter().map(|(name, cap)| (name.to_ascii_uppercase(), cap)).collect())
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            otp_send_per_ip: Rate { count: 60, seconds: 60 },
            otp_send_per_target: Rate { count: 10, seconds: 3_600 },
            verify_failures_per_ip: Rate { count: 60, seconds: 60 },
            password_failures_per_ip: Rate { count: 60, seconds: 60 },
            password_failures_per_name: Rate { count: 10, seconds: 600 },
            registrations_per_ip: Rate { count: 60, seconds: 3_600 },
            messages_per_key: Rate { count: 600, seconds: 60 },
            messages_per_user: Rate { count: 60, seconds: 60 },
            payment_looks_per_page: Rate { count: 30, seconds: 60 },
            ipv6_site_factor: 16,
            daily_sends: 100_000,
            daily_sends_per_country: BTreeMap::new(),
            daily_messages: 100_000,
            daily_spend_rials: 0,
            api_processes: 1,
            worker_processes: 1,
        }
    }
}

/// Which phone numbers are accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Phone {
    /// Countries whose numbers are accepted (ISO 3166 alpha-2, upper case). Default `IR`.
    pub countries: Vec<String>,
    /// The country of numbers without a country code, one of `countries`. Default `IR`.
    pub default_country: String,
}

impl Default for Phone {
    fn default() -> Self {
        Self { countries: vec!["IR".to_owned()], default_country: "IR".to_owned() }
    }
}

//! Peyk's one typed configuration: a TOML file, and over it the environment.
//!
//! - The file is the one `PEYK_CONFIG` names, else `./peyk.toml` if there is one, else none.
//! - `PEYK__SMS__PROVIDERS__KAVENEGAR__API_KEY` sets `sms.providers.kavenegar.api_key`: keys are
//!   split at `__` and lower-cased. Names of cron jobs are written with `_` for `-`.
//! - `PEYK__AUTH__REFRESH_KEY_FILE` names a file that holds `auth.refresh_key`; a newline at its
//!   end is dropped.
//! - A string that does not fit is tried as a TOML literal (`100`, `[0, 1]`), then as a comma
//!   list, because variables are strings.
//!
//! Everything wrong is named at once, with its path and where it came from, never with its value:
//! see [`ConfigErrors`]. [`init_toml`] writes a complete file.

mod audit;
mod auth;
mod chat;
mod console;
mod error;
mod guard;
mod http;
mod init;
mod names;
mod organizations;
mod otp;
mod parse;
mod payments;
mod process;
mod quiet_hours;
mod rate;
mod rest_sms_auth;
mod sms;
mod source;
mod stores;
mod tree;
mod validate;
mod webhooks;
mod wording;

use std::{collections::BTreeMap, env, io};

use serde::Deserialize;

pub(crate) use self::parse::parse_common;
use self::source::{ENV_PREFIX, Sources};
pub use self::{
    audit::Audit,
    auth::{Algorithm, Auth, LegacyRefresh, LoginMethod, Passwords, SigningKey, decode_key},
    chat::{Chat, Files, S3, Sockets},
    console::Console,
    error::{ConfigError, ConfigErrors},
    guard::{Guard, GuardMode},
    http::Http,
    init::{example_toml, init_toml, random_signing_key},
    organizations::Organizations,
    otp::{Cooldown, Limits, Otp, Phone, TestNumber},
    parse::parse_table,
    payments::{Payments, Wallets},
    process::{CronJob, Log, LogFormat, Missed, Worker},
    quiet_hours::{Quiet, QuietHours},
    rate::{Rate, RateError},
    rest_sms_auth::{Mount, RestSmsAuth, UserField},
    sms::{AnonymousSms, ProviderSettings, SANDBOX, Sms, SmsTemplate},
    stores::{Database, Redis},
    webhooks::{WebhookEndpoint, Webhooks},
};

/// Names the file to read instead of [`DEFAULT_FILE`].
const FILE_VARIABLE: &str = "PEYK_CONFIG";
/// Read if it exists and [`FILE_VARIABLE`] is not set.
const DEFAULT_FILE: &str = "peyk.toml";

/// All settings of both processes. Its `Debug` shows no secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Default production.
    pub mode: Mode,
    /// How the api serves HTTP.
    pub http: Http,
    /// PostgreSQL.
    pub database: Database,
    /// Redis.
    pub redis: Redis,
    /// Accounts and tokens.
    pub auth: Auth,
    /// One-time codes.
    pub otp: Otp,
    /// The API of django-rest-sms-auth.
    pub rest_sms_auth: RestSmsAuth,
    /// Which phone numbers are accepted.
    pub phone: Phone,
    /// SMS providers.
    pub sms: Sms,
    /// The worker process.
    pub worker: Worker,
    /// Cron jobs by name, spelt with `-`; those not named here keep what the worker says.
    pub cron: BTreeMap<String, CronJob>,
    /// Logs.
    pub log: Log,
    /// Rate limits.
    pub limits: Limits,
    /// Who is told of what happens.
    pub webhooks: Webhooks,
    /// Against pumping.
    pub guard: Guard,
    /// The log of who did what.
    pub audit: Audit,
    /// What several people run together.
    pub organizations: Organizations,
    /// Who takes money.
    pub payments: Payments,
    /// What users have with us.
    pub wallets: Wallets,
    /// Rooms, sockets and files.
    pub chat: Chat,
    /// The pages for staff.
    pub console: Console,
}

/// Whether anything outside is real.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// For trying out: no account anywhere, texts end in an inbox. Refuses live credentials.
    Sandbox,
    /// For people.
    #[default]
    Production,
}

impl Config {
    /// Reads the file and the environment of this process.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load() -> Result<Self, ConfigErrors> {
        Self::load_with(|_, _| {})
    }

    /// [`Config::load`], with a check of what only the caller knows: the tables of providers, the
    /// names of cron jobs. Its errors are named together with the others. The configuration it
    /// sees has defaults in place of what is wrong.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load_with(
        check: impl FnOnce(&Self, &mut Vec<ConfigError>),
    ) -> Result<Self, ConfigErrors> {
        let one = |error| ConfigErrors(vec![error]);
        let env = environment().map_err(one)?;
        let file = file().map_err(one)?;
        let file = file.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
        Self::build(file, env, check)
    }

    /// [`Config::load`] from what is given: the name and text of a file, and variables.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_parts(
        file: Option<(&str, &str)>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        Self::build(file, env, |_, _| {})
    }

    fn build(
        file: Option<(&str, &str)>,
        env: impl IntoIterator<Item = (String, String)>,
        check: impl FnOnce(&Self, &mut Vec<ConfigError>),
    ) -> Result<Self, ConfigErrors> {
        let Sources { tree, origins, errors } = Sources::gather(file, env).map_err(ConfigErrors)?;
        let mut found = Vec::new();
        let config: Self = parse::parse_all(tree, "", &mut found).unwrap_or_default();
        let broken: Vec<_> = errors.iter().chain(&found).cloned().collect();
        validate::validate(&config, &broken, &mut found);
        check(&config, &mut found);
        let found = found.into_iter().map(|error| origins.locate(error));
        let errors: Vec<_> = errors.into_iter().chain(found).collect();
        if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
    }

    /// The names of the SMS providers to try, in order: `sms.order`, else every configured one by
    /// name, else `sandbox` in sandbox mode.
    pub fn sms_order(&self) -> Vec<String> {
        if !self.sms.order.is_empty() {
            return self.sms.order.clone();
        }
        match (self.sms.providers.is_empty(), self.mode) {
            (true, Mode::Sandbox) => vec![SANDBOX.to_owned()],
            _ => self.sms.providers.keys().cloned().collect(),
        }
    }

    /// The names of the gateways there are: every configured one, else `sandbox` in sandbox mode.
    pub fn gateway_names(&self) -> Vec<String> {
        match (self.payments.gateways.is_empty(), self.mode) {
            (true, Mode::Sandbox) => vec![SANDBOX.to_owned()],
            _ => self.payments.gateways.keys().cloned().collect(),
        }
    }

    /// The gateway of requests that name none; `None`: payments are off.
    pub fn default_gateway(&self) -> Option<String> {
        let named = Some(self.payments.gateway.clone()).filter(|name| !name.is_empty());
        named.or_else(|| self.gateway_names().into_iter().next())
    }

    /// Whether the documentation UI is served.
    pub fn docs(&self) -> bool {
        self.http.docs.unwrap_or(self.mode == Mode::Sandbox)
    }

    /// How log lines look.
    pub fn log_format(&self) -> LogFormat {
        self.log.format.unwrap_or(match self.mode {
            Mode::Sandbox => LogFormat::Pretty,
            Mode::Production => LogFormat::Json,
        })
    }

    /// The settings of one cron job, spelt with `-` or `_`.
    pub fn cron_job(&self, name: &str) -> CronJob {
        self.cron.get(&name.replace('_', "-")).cloned().unwrap_or_default()
    }
}

/// The variables that are settings.
fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(ENV_PREFIX))
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(ConfigError::new(name, "is not UTF-8")),
        })
        .collect()
}

/// The name and text of the file. Only the default file may be missing.
fn file() -> Result<Option<(String, String)>, ConfigError> {
    let named = env::var_os(FILE_VARIABLE);
    let may_miss = named.is_none();
    let name = named.unwrap_or_else(|| DEFAULT_FILE.into());
    let shown = name.to_string_lossy().into_owned();
    match std::fs::read_to_string(&name) {
        Ok(text) => Ok(Some((shown, text))),
        Err(error) if may_miss && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::new(shown, format!("cannot be read: {}", error.kind()))),
    }
}

#[cfg(test)]
mod tests;

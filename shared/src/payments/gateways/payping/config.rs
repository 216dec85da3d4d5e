//! The settings of an account.

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    super::{Problem, Setup, exchange::Api, fields::bearer, said::Record},
    PayPing,
};
use crate::settings::{Problems, base_url};

/// `[payments.gateways.<name>]` with `kind = "payping"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// The account's token. The system we replace called it `MERCHANT_ID`, as it did every
    /// gateway's key.
    #[serde(alias = "merchant_id")]
    pub token: SecretString,
    /// Whether payments are opened so that they can be reversed. PayPing has to be told then, and
    /// pays their money out later.
    #[serde(default)]
    pub reversible: bool,
    /// Where the API is.
    #[serde(default = "default_base_url")]
    pub base_url: String,
}

fn default_base_url() -> String {
    "https://api.payping.ir".to_owned()
}

impl PayPing {
    /// An account named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let base = problems.keep(base_url("base_url", &config.base_url));
        let login = problems.keep(bearer("token", &config.token));
        let http = problems.client(setup.timeouts);
        problems.into_result(base.zip(login).zip(http).map(|((base, login), http)| Self {
            name: name.to_owned(),
            api: Api { http, base, login: Some(login) },
            reversible: config.reversible,
            record: Record::new("payping", [&config.token]),
            budget: setup.timeouts.budget,
        }))
    }
}

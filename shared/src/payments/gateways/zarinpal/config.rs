//! The settings of a terminal.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    super::{Problem, Setup, exchange::Api, fields::bearer, said::Record},
    ZarinPal,
    refund::Refunds,
};
use crate::settings::{Problems, base_url, filled};

const LIVE: &str = "https://payment.zarinpal.com";
const SANDBOX: &str = "https://sandbox.zarinpal.com";

/// `[payments.gateways.<name>]` with `kind = "zarinpal"`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// The terminal's id, a UUID. A secret: whoever has it can verify and reverse.
    pub merchant_id: SecretString,
    /// ZarinPal's own sandbox: no money moves, and any UUID is a merchant's.
    #[serde(default)]
    pub sandbox: bool,
    /// Where the API is; unset: ZarinPal, or its sandbox.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Where payers are sent, below it `/pg/StartPay/…`; unset: `base_url`.
    #[serde(default)]
    pub pages_url: Option<String>,
    /// A personal access token of the panel's API; with it and `terminal_id` payments can be
    /// refunded.
    #[serde(default)]
    pub access_token: Option<SecretString>,
    /// The terminal's number in that API.
    #[serde(default)]
    pub terminal_id: Option<String>,
    /// Where that API is.
    #[serde(default = "default_panel_url")]
    pub panel_url: String,
}

fn default_panel_url() -> String {
    "https://next.zarinpal.com".to_owned()
}

impl ZarinPal {
    /// A terminal named `name` in the configuration.
    ///
    /// # Errors
    /// Every setting that cannot work.
    pub fn new(name: &str, config: &Config, setup: &Setup) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let default = if config.sandbox { SANDBOX } else { LIVE };
        let url = filled(config.base_url.as_ref()).unwrap_or_else(|| default.to_owned());
        let base = problems.keep(base_url("base_url", &url));
        let pages = filled(config.pages_url.as_ref()).unwrap_or(url);
        let pages = problems.keep(base_url("pages_url", &pages));
        let fine = is_uuid(config.merchant_id.expose_secret());
        problems.require(fine, "merchant_id", "must be a UUID of 36 characters");
        let token = config.access_token.as_ref();
        let record = Record::new("zarinpal", [&config.merchant_id].into_iter().chain(token));
        let http = problems.client(setup.timeouts);
        let refunds = match (token, filled(config.terminal_id.as_ref())) {
            (None, None) => None,
            (Some(token), Some(terminal_id)) => {
                let panel = problems.keep(base_url("panel_url", &config.panel_url));
                let login = problems.keep(bearer("access_token", token));
                let panel = panel.zip(login).zip(http.clone());
                panel.map(|((base, login), http)| {
                    let api = Api { http, base, login: Some(login) };
                    Refunds { api, terminal_id, record: record.clone() }
                })
            }
            (Some(_), None) => {
                problems.require(false, "terminal_id", "must be set with access_token");
                None
            }
            (None, Some(_)) => {
                problems.require(false, "access_token", "must be set with terminal_id");
                None
            }
        };
        problems.into_result(base.zip(pages).zip(http).map(|((base, pages), http)| Self {
            name: name.to_owned(),
            api: Api { http, base, login: None },
            pages,
            merchant_id: config.merchant_id.clone(),
            sandbox: config.sandbox,
            refunds,
            record,
            budget: setup.timeouts.budget,
        }))
    }
}

fn is_uuid(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

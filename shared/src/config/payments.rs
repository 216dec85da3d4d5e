//! `[payments]` and `[wallets]`: who takes money, and what a client may choose.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Deserialize;
use toml::Table;

use crate::money::Currency;

/// Gateways, and what requests for payments may ask for.
#[derive(Clone, Deserialize)]
#[serde(default)]
pub struct Payments {
    /// The gateway of requests that name none. Empty (default): the only configured one, and
    /// `sandbox` if none is and the mode is sandbox; [`super::Config::default_gateway`] says which.
    pub gateway: String,
    /// Gateways by name, as written: each reads its own table with [`super::parse_table`]. The key
    /// `kind` (default: the name) chooses the gateway.
    pub gateways: BTreeMap<String, Table>,
    /// Gateways that requests may name. Empty (default): only the one above.
    pub choices: Vec<String>,
    /// What amounts are counted in unless a request says otherwise, and what wallets are shown in.
    /// Default `IRR`.
    pub currency: Currency,
    /// What requests may count in. Default both.
    pub currencies: Vec<Currency>,
    /// What requests may ask the money to be for, `charge_wallet` (`pay_mode` 1, the default of
    /// requests) and `pay_only` (2): the first is that of requests that do not say. Default both.
    pub purposes: Vec<String>,
    /// The least and the most of one payment, in rials; gateways have bounds of their own. Default
    /// 1000 and 2000000000.
    pub least_rials: i64,
    /// See `least_rials`.
    pub most_rials: i64,
    /// Where gateways send the payer back to. Empty (default): `payment/verify/` of this server.
    pub callback_url: String,
    /// Hosts that requests may name in `callback_url`, beside that of `http.public_url` and the
    /// one above. Default none.
    pub callback_hosts: Vec<String>,
    /// Hosts that requests may name in `frontend_callback_url`. Default none.
    pub frontend_hosts: Vec<String>,
    /// Payments one account may begin in an hour. Default 60.
    pub hourly_per_user: u32,
    /// Seconds after which an open payment is looked at whose payer has not come back. Default 60.
    pub watch_after_seconds: u32,
    /// Seconds after which it is looked at again. Default 120.
    pub watch_every_seconds: u32,
    /// Milliseconds one call to a gateway may take in all. Default 10000.
    pub budget_ms: u64,
    /// Milliseconds connecting may take of it. Default 3000.
    pub connect_timeout_ms: u64,
}

/// Without the tables of gateways, which hold secrets.
impl fmt::Debug for Payments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payments")
            .field("gateway", &self.gateway)
            .field("gateways", &self.gateways.keys().collect::<Vec<_>>())
            .field("currency", &self.currency)
            .finish_non_exhaustive()
    }
}

impl Default for Payments {
    fn default() -> Self {
        Self {
            gateway: String::new(),
            gateways: BTreeMap::new(),
            choices: Vec::new(),
            currency: Currency::Irr,
            currencies: Currency::ALL.to_vec(),
            purposes: vec!["charge_wallet".to_owned(), "pay_only".to_owned()],
            least_rials: 1_000,
            most_rials: 2_000_000_000,
            callback_url: String::new(),
            callback_hosts: Vec::new(),
            frontend_hosts: Vec::new(),
            hourly_per_user: 60,
            watch_after_seconds: 60,
            watch_every_seconds: 120,
            budget_ms: 10_000,
            connect_timeout_ms: 3_000,
        }
    }
}

impl Payments {
    /// [`Payments::budget_ms`].
    pub fn budget(&self) -> Duration {
        Duration::from_millis(self.budget_ms)
    }

    /// [`Payments::connect_timeout_ms`].
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// How long one attempt to verify owns its payment: three calls, and two seconds to write down
    /// what came of them.
    pub fn lease(&self) -> Duration {
        self.budget() * 3 + Duration::from_secs(2)
    }

    /// The kind of a configured gateway, else its name.
    pub fn kind<'a>(&'a self, name: &'a str) -> &'a str {
        let table = self.gateways.get(name);
        table.and_then(|table| table.get("kind")).and_then(toml::Value::as_str).unwrap_or(name)
    }
}

/// What users have with us.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Wallets {
    /// The most a wallet may hold, in rials. Default 10000000000.
    pub most_rials: i64,
    /// Seconds after which a hold goes back by itself, unless it says otherwise. Default 604800.
    pub hold_seconds: u32,
}

impl Default for Wallets {
    fn default() -> Self {
        Self { most_rials: 10_000_000_000, hold_seconds: 604_800 }
    }
}

//! `[guard]`: against people who have texts sent to earn from them (SMS pumping).

use ipnetwork::IpNetwork;
use serde::Deserialize;

/// How many codes may be asked for that nobody verifies. docs/guard.md says how to choose.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Guard {
    /// What happens to a send over a threshold. Default `record`.
    pub mode: GuardMode,
    /// Unverified codes of one country in one hour, unless more is usual. 0: no rule. Default 3.
    pub country_per_hour: u32,
    /// The same in one UTC day. Default 20.
    pub country_per_day: u32,
    /// The same of one number prefix in one hour. Default 3.
    pub prefix_per_hour: u32,
    /// The same in one UTC day. Default 20.
    pub prefix_per_day: u32,
    /// Digits of the national number that are a prefix. Default 3.
    pub prefix_digits: u8,
    /// Unverified codes asked for from one address (IPv6: a /64) in one hour. Default 5.
    pub ip_per_hour: u32,
    /// The same in one UTC day. Default 10.
    pub ip_per_day: u32,
    /// Countries one address asks for unverified codes of in one UTC day. Default 3.
    pub countries_per_ip: u32,
    /// Percent: for so many of each hundred verified codes another one may stay unverified, and so
    /// much of what a country or prefix verified on its best day of two weeks. Default 30.
    pub verified_percent: u32,
    /// Countries that are not guarded. Default none.
    pub allow_countries: Vec<String>,
    /// Beginnings of numbers (`+98912`) that are not guarded. Default none.
    pub allow_prefixes: Vec<String>,
    /// Addresses or networks that are not guarded, such as one's own servers. Default none.
    pub allow_ips: Vec<IpNetwork>,
}

/// What happens to a send over a threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardMode {
    /// Nothing is counted.
    Off,
    /// It is written down and passes.
    #[default]
    Record,
    /// It is written down and refused.
    Enforce,
}

impl GuardMode {
    /// The word in the configuration, the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Record => "record",
            Self::Enforce => "enforce",
        }
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            mode: GuardMode::Record,
            country_per_hour: 3,
            country_per_day: 20,
            prefix_per_hour: 3,
            prefix_per_day: 20,
            prefix_digits: 3,
            ip_per_hour: 5,
            ip_per_day: 10,
            countries_per_ip: 3,
            verified_percent: 30,
            allow_countries: Vec::new(),
            allow_prefixes: Vec::new(),
            allow_ips: Vec::new(),
        }
    }
}

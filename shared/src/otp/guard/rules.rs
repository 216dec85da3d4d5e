//! The rules: what each counts, and from where on it is too much.

use std::net::IpAddr;

use chrono::{DateTime, Timelike, Utc};
use serde::{Deserialize, Serialize};

use super::{Guard, UNIT};
use crate::phone::PhoneNumber;

/// What too much was found of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Unverified codes of a country in an hour.
    CountryHour,
    /// The same in a day.
    CountryDay,
    /// Unverified codes of a number prefix in an hour.
    PrefixHour,
    /// The same in a day.
    PrefixDay,
    /// Unverified codes asked for from an address in an hour.
    IpHour,
    /// The same in a day.
    IpDay,
    /// Countries an address asked for unverified codes of in a day.
    IpCountries,
}

impl Rule {
    /// The word in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CountryHour => "country_hour",
            Self::CountryDay => "country_day",
            Self::PrefixHour => "prefix_hour",
            Self::PrefixDay => "prefix_day",
            Self::IpHour => "ip_hour",
            Self::IpDay => "ip_day",
            Self::IpCountries => "ip_countries",
        }
    }
}

/// One rule that a send broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Which one.
    pub rule: Rule,
    /// Unverified texts, this one included, less what verified ones allow; or countries.
    pub measured: i64,
    /// The most there may be.
    pub limit: i64,
}

/// One counter a send is counted by.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) rule: Rule,
    pub(super) scope: String,
    /// What of a place's usual traffic may stay unverified in the rule's window: the scope of its
    /// verified codes, and the divisor.
    pub(super) usual: Option<(String, i64)>,
}

impl Guard {
    /// The counters of a send; none if it is not guarded.
    pub(super) fn counted(
        &self,
        at: DateTime<Utc>,
        phone: &PhoneNumber,
        ip: Option<IpAddr>,
    ) -> Vec<Counted> {
        let (country, prefix) = self.places(phone);
        if self.is_exempt(phone, country.as_deref(), ip) {
            return Vec::new();
        }
        let hour = at.hour();
        let mut counted = Vec::new();
        let mut add = |rule, scope: String, usual| {
            if self.threshold(rule) > 0 {
                counted.push(Counted { rule, scope, usual });
            }
        };
        // Of a day's verified codes an hour of the busiest sixth is given two thirds of its share.
        let mut add_place = |hourly, daily, letter: char, place: &str| {
            let usual = |divisor| Some((verified_scope(place), divisor));
            add(hourly, format!("guard:{letter}{hour}:{place}"), usual(9));
            add(daily, format!("guard:{letter}:{place}"), usual(1));
        };
        if let Some(country) = &country {
            add_place(Rule::CountryHour, Rule::CountryDay, 'c', country);
        }
        add_place(Rule::PrefixHour, Rule::PrefixDay, 'p', &prefix);
        if let Some(household) = ip.map(household) {
            add(Rule::IpHour, format!("guard:i{hour}:{household}"), None);
            add(Rule::IpDay, format!("guard:i:{household}"), None);
            if let Some(country) = country.filter(|_| self.counts_countries()) {
                add(Rule::IpCountries, countries_scope(&household, &country), None);
            }
        }
        counted
    }

    /// Whether the rule about countries can ever be broken.
    pub(super) fn counts_countries(&self) -> bool {
        let most = usize::try_from(self.config.countries_per_ip).unwrap_or(usize::MAX);
        most > 0 && self.served.len() > most
    }

    /// The configured threshold; 0: the rule is off.
    pub(super) fn threshold(&self, rule: Rule) -> i64 {
        let config = &self.config;
        i64::from(match rule {
            Rule::CountryHour => config.country_per_hour,
            Rule::CountryDay => config.country_per_day,
            Rule::PrefixHour => config.prefix_per_hour,
            Rule::PrefixDay => config.prefix_per_day,
            Rule::IpHour => config.ip_per_hour,
            Rule::IpDay => config.ip_per_day,
            Rule::IpCountries => config.countries_per_ip,
        })
    }

    /// What a verified code takes back.
    pub(super) fn given_back(&self) -> i64 {
        UNIT + i64::from(self.config.verified_percent)
    }
}

/// Counts the verified codes of a country or prefix, for what is usual.
pub(super) fn verified_scope(place: &str) -> String {
    format!("verified:{place}")
}

pub(super) fn countries_scope(household: &str, country: &str) -> String {
    format!("guard:n:{household}:{country}")
}

/// An address, IPv6 by its /64.
pub(super) fn household(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, GuardMode};

    fn scopes(config: &Config, phone: &str, ip: &str) -> Vec<String> {
        let at = DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(13 * 60 + 59);
        let phone = PhoneNumber::from_e164(phone).unwrap();
        let counted = Guard::new(config).counted(at, &phone, Some(ip.parse().unwrap()));
        counted.into_iter().map(|one| one.scope).collect()
    }

    const PHONE: &str = "+989123456789";

    #[test]
    fn a_send_is_counted_by_country_prefix_and_address_in_its_hour_and_day() {
        let mut config = Config::default();
        let expected = [
            "guard:c13:IR",
            "guard:c:IR",
            "guard:p13:+98912",
            "guard:p:+98912",
            "guard:i13:2001:db8:1:2::/64",
            "guard:i:2001:db8:1:2::/64",
        ];
        assert_eq!(scopes(&config, PHONE, "2001:db8:1:2:3:4:5:6"), expected);
        config.phone.countries = ["IR", "DE", "AE", "TR"].map(str::to_owned).to_vec();
        let abroad = scopes(&config, "+4915112345678", "203.0.113.7");
        assert_eq!(abroad.last().unwrap(), "guard:n:203.0.113.7:DE");
        assert_eq!(abroad[2], "guard:p13:+49151");
        let longest = scopes(&config, PHONE, "ffff:ffff:ffff:ffff::1");
        assert!(longest.iter().all(|scope| scope.len() <= 48), "{longest:?}");
        config.guard.ip_per_hour = 0;
        assert!(!scopes(&config, PHONE, "203.0.113.7").iter().any(|s| s.starts_with("guard:i13")));
    }

    #[test]
    fn what_is_allowed_is_not_counted() {
        let with = |change: fn(&mut crate::config::Guard)| {
            let mut config = Config::default();
            change(&mut config.guard);
            scopes(&config, PHONE, "::ffff:10.1.2.3").len()
        };
        assert_eq!(with(|_| ()), 6);
        assert_eq!(with(|guard| guard.mode = GuardMode::Off), 0);
        assert_eq!(with(|guard| guard.allow_countries = vec!["IR".to_owned()]), 0);
        assert_eq!(with(|guard| guard.allow_prefixes = vec!["+98912".to_owned()]), 0);
        assert_eq!(with(|guard| guard.allow_prefixes = vec!["+98935".to_owned()]), 6);
        assert_eq!(with(|guard| guard.allow_ips = vec!["10.0.0.0/8".parse().unwrap()]), 0);
    }
}

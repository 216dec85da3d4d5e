//! How many texts with codes a day may go out, in all and per country.

use std::collections::BTreeMap;

use crate::{config::Config, phone::PhoneNumber, sms::budget::Demand};

/// The scope of every send.
const ALL: &str = "all";
/// What all texts cost, codes or not.
const RIALS: &str = "rials:all";

/// Which cap of the day is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DailyCap {
    /// The number's own.
    Number,
    /// That of all numbers of its country.
    Country,
    /// That of all sends, or of what they may cost.
    All,
}

impl DailyCap {
    /// The cap of a scope that has no room.
    pub(super) fn of_scope(scope: &str) -> Self {
        if scope == ALL || scope == RIALS { Self::All } else { Self::Country }
    }
}

/// The configured caps.
#[derive(Debug)]
pub(super) struct Caps {
    all: i64,
    per_country: BTreeMap<String, i64>,
    /// The price of one text and what all may cost, if both are known.
    spend: Option<(i64, i64)>,
}

impl Caps {
    pub(super) fn new(config: &Config) -> Self {
        let limits = &config.limits;
        let rials = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
        let spend = (config.sms.price_rials, limits.daily_spend_rials);
        let caps = limits.daily_sends_per_country.iter();
        Self {
            all: i64::from(limits.daily_sends),
            spend: (spend.0 > 0 && spend.1 > 0).then(|| (rials(spend.0), rials(spend.1))),
            per_country: caps.map(|(name, cap)| (name.clone(), i64::from(*cap))).collect(),
        }
    }

    /// What one send takes, of the widest cap first.
    pub(super) fn demands(&self, phone: &PhoneNumber) -> Vec<Demand> {
        let one = |scope, cap| Demand { scope, amount: 1, cap };
        let mut demands = vec![one(ALL.to_owned(), self.all)];
        let spend = |(amount, cap)| Demand { scope: RIALS.to_owned(), amount, cap };
        demands.extend(self.spend.map(spend));
        if !self.per_country.is_empty() {
            let country = phone.country();
            let cap =
                country.as_ref().and_then(|name| Some((name, *self.per_country.get(&**name)?)));
            demands.extend(cap.map(|(name, cap)| one(format!("country:{name}"), cap)));
        }
        demands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(caps: &Caps) -> Vec<(String, i64)> {
        let phone = PhoneNumber::from_e164("+989123456789").unwrap();
        caps.demands(&phone).into_iter().map(|demand| (demand.scope, demand.cap)).collect()
    }

    #[test]
    fn a_country_without_a_cap_has_only_the_cap_of_all() {
        let caps = |country: &str| Caps {
            all: 10,
            per_country: BTreeMap::from([(country.to_owned(), 5)]),
            spend: None,
        };
        assert_eq!(scopes(&caps("AE")), [("all".to_owned(), 10)]);
        let both = [("all".to_owned(), 10), ("country:IR".to_owned(), 5)];
        assert_eq!(scopes(&caps("IR")), both);
        let spend = Caps { spend: Some((120, 500)), ..caps("AE") };
        assert_eq!(scopes(&spend), [("all".to_owned(), 10), ("rials:all".to_owned(), 500)]);
    }
}

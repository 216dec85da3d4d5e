//! How many texts a day may go out, in all and per country: counted in the accepting
//! transaction, so that no loss of Redis raises them.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::store;
use crate::{config::Config, phone::PhoneNumber};

/// The scope of every send.
const ALL: &str = "all";

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

/// The configured caps.
#[derive(Debug)]
pub(super) struct Caps {
    all: u64,
    per_country: BTreeMap<String, u64>,
}

/// Room that was taken for one batch, by scope: how many it asked for and how many fit.
pub(super) struct Room {
    day: NaiveDate,
    scopes: BTreeMap<String, Taken>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Taken {
    asked: i64,
    fits: i64,
    used: i64,
}

impl Caps {
    pub(super) fn new(config: &Config) -> Self {
        let limits = &config.limits;
        let caps = limits.daily_sends_per_country.iter();
        Self {
            all: limits.daily_sends_at(config.sms.price_rials),
            per_country: caps.map(|(name, cap)| (name.clone(), u64::from(*cap))).collect(),
        }
    }

    /// Takes room for all of `phones`; locks the counters until the transaction ends.
    pub(super) async fn take(
        &self,
        connection: &mut PgConnection,
        now: DateTime<Utc>,
        phones: impl Iterator<Item = &PhoneNumber>,
    ) -> Result<Room, sqlx::Error> {
        let mut scopes: BTreeMap<String, Taken> = BTreeMap::new();
        for scope in phones.flat_map(|phone| self.scopes(phone)) {
            scopes.entry(scope).or_default().asked += 1;
        }
        let asked = scopes.iter().map(|(scope, taken)| (scope.clone(), taken.asked));
        let used = store::count_sends(connection, now.date_naive(), asked.collect()).await?;
        for (scope, taken) in &mut scopes {
            let before = used.get(scope).copied().unwrap_or(0) - taken.asked;
            taken.fits = (self.cap(scope) - before).clamp(0, taken.asked);
        }
        Ok(Room { day: now.date_naive(), scopes })
    }

    /// The scopes of a send that have a cap.
    fn scopes(&self, phone: &PhoneNumber) -> Vec<String> {
        let mut scopes = vec![ALL.to_owned()];
        if !self.per_country.is_empty() {
            let country = phone.country().filter(|name| self.per_country.contains_key(name));
            scopes.extend(country.map(|name| format!("country:{name}")));
        }
        scopes
    }

    fn cap(&self, scope: &str) -> i64 {
        let cap = match scope.strip_prefix("country:") {
            Some(country) => self.per_country.get(country).copied().unwrap_or(u64::MAX),
            None => self.all,
        };
        i64::try_from(cap).unwrap_or(i64::MAX)
    }

    /// Uses up room for one send.
    ///
    /// # Errors
    /// The cap that is reached, the widest if there are several; nothing is used up then.
    pub(super) fn admit(&self, room: &mut Room, phone: &PhoneNumber) -> Result<(), DailyCap> {
        let fits = |scope: &String| room.scopes.get(scope).is_some_and(|t| t.used < t.fits);
        if let Some(full) = self.scopes(phone).iter().find(|scope| !fits(scope)) {
            return Err(if full == ALL { DailyCap::All } else { DailyCap::Country });
        }
        self.change(room, phone, 1);
        Ok(())
    }

    /// Gives back what [`Caps::admit`] used, for a send that was refused after all.
    pub(super) fn give_back(&self, room: &mut Room, phone: &PhoneNumber) {
        self.change(room, phone, -1);
    }

    fn change(&self, room: &mut Room, phone: &PhoneNumber, by: i64) {
        for scope in self.scopes(phone) {
            if let Some(taken) = room.scopes.get_mut(&scope) {
                taken.used += by;
            }
        }
    }
}

impl Room {
    /// Returns what was taken and not used.
    pub(super) async fn settle(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let spare: BTreeMap<String, i64> = self
            .scopes
            .into_iter()
            .filter(|(_, taken)| taken.used < taken.asked)
            .map(|(scope, taken)| (scope, taken.asked - taken.used))
            .collect();
        if !spare.is_empty() {
            store::uncount_sends(connection, self.day, spare).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone() -> PhoneNumber {
        PhoneNumber::from_e164("+989123456789").unwrap()
    }

    fn room(scopes: &[(&str, i64, i64)]) -> Room {
        let scopes = scopes
            .iter()
            .map(|&(scope, asked, fits)| (scope.to_owned(), Taken { asked, fits, used: 0 }));
        Room { day: NaiveDate::MIN, scopes: scopes.collect() }
    }

    #[test]
    fn no_more_are_admitted_than_fit_every_scope() {
        let caps = Caps { all: 10, per_country: BTreeMap::from([("IR".to_owned(), 5)]) };
        let mut room = room(&[("all", 3, 3), ("country:IR", 3, 2)]);
        let admitted: Vec<_> = (0..3).map(|_| caps.admit(&mut room, &phone())).collect();
        assert_eq!(admitted, [Ok(()), Ok(()), Err(DailyCap::Country)]);
        caps.give_back(&mut room, &phone());
        assert_eq!(caps.admit(&mut room, &phone()), Ok(()), "what is given back can be used again");
    }

    #[test]
    fn the_widest_cap_that_is_reached_is_named() {
        let caps = Caps { all: 10, per_country: BTreeMap::from([("IR".to_owned(), 5)]) };
        let mut full = room(&[("all", 1, 0), ("country:IR", 1, 0)]);
        assert_eq!(caps.admit(&mut full, &phone()), Err(DailyCap::All));
    }

    #[test]
    fn a_country_without_a_cap_has_only_the_cap_of_all() {
        let caps = Caps { all: 10, per_country: BTreeMap::from([("AE".to_owned(), 5)]) };
        assert_eq!(caps.scopes(&phone()), ["all"]);
        assert_eq!((caps.cap("all"), caps.cap("country:AE")), (10, 5));
    }
}

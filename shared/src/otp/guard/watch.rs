//! Judging the sends of one transaction by the counters it has taken.

use std::{collections::HashMap, net::IpAddr, sync::PoisonError};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{
    Guard, UNIT,
    rules::{Counted, Reason, Rule, countries_scope, household, verified_scope},
    store,
};
use crate::{config::GuardMode, phone::PhoneNumber, sms::budget::Budget};

/// How long what is usual of a place is remembered.
const REMEMBERED: TimeDelta = TimeDelta::minutes(10);
/// Days back that count for what is usual.
const USUAL_DAYS: i64 = 14;
/// Places remembered at most: more are not in use anywhere.
const PLACES: usize = 10_000;

/// What the guard knows while one transaction accepts sends.
pub(in crate::otp) struct Watch<'a> {
    guard: &'a Guard,
    at: DateTime<Utc>,
    /// Best days of the places, by the scopes of their verified codes.
    usual: HashMap<String, i64>,
    /// Counters of addresses and countries.
    countries: HashMap<String, i64>,
}

impl Guard {
    /// Looks up what the judgement of these sends needs beside the counters they took: what is
    /// usual of their places if that was long ago, and the countries of an address that asks for a
    /// foreign number. Mostly nothing, and then not a statement.
    pub(in crate::otp) async fn watch<'a>(
        &'a self,
        connection: &mut PgConnection,
        at: DateTime<Utc>,
        sends: impl Iterator<Item = (&PhoneNumber, Option<IpAddr>)> + Clone,
    ) -> Result<Watch<'a>, sqlx::Error> {
        let mut watch = Watch { guard: self, at, usual: HashMap::new(), countries: HashMap::new() };
        if self.mode() == GuardMode::Off {
            return Ok(watch);
        }
        watch.usual = self.usual_of(connection, at, sends.clone().map(|(phone, _)| phone)).await?;
        let scopes = if self.counts_countries() { self.foreign(sends) } else { Vec::new() };
        if !scopes.is_empty() {
            watch.countries = store::counters(connection, at.date_naive(), &scopes).await?;
        }
        Ok(watch)
    }

    async fn usual_of<'a>(
        &self,
        connection: &mut PgConnection,
        at: DateTime<Utc>,
        phones: impl Iterator<Item = &'a PhoneNumber>,
    ) -> Result<HashMap<String, i64>, sqlx::Error> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for phone in phones {
            let (country, prefix) = self.places(phone);
            for place in country.into_iter().chain([prefix]) {
                let scope = verified_scope(&place);
                match self.remembered(&scope, at) {
                    Some(best) => drop(found.insert(scope, best)),
                    None if missing.contains(&scope) => {}
                    None => missing.push(scope),
                }
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let days: Vec<NaiveDate> =
            (0..=USUAL_DAYS).map(|ago| at.date_naive() - TimeDelta::days(ago)).collect();
        let best = store::best_days(connection, &days, &missing).await?;
        let mut remembered = self.usual.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() > PLACES {
            remembered.clear();
        }
        for scope in missing {
            let best = best.get(&scope).copied().unwrap_or(0);
            remembered.insert(scope.clone(), (at, best));
            found.insert(scope, best);
        }
        Ok(found)
    }

    fn remembered(&self, scope: &str, at: DateTime<Utc>) -> Option<i64> {
        let remembered = self.usual.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(scope).filter(|(since, _)| at - *since < REMEMBERED).map(|(_, best)| *best)
    }

    /// Every counter of the countries of the addresses that ask for a foreign number.
    fn foreign<'a>(
        &self,
        sends: impl Iterator<Item = (&'a PhoneNumber, Option<IpAddr>)>,
    ) -> Vec<String> {
        let is_foreign = |phone: &PhoneNumber| phone.country().as_deref() != Some(&*self.home);
        let households = sends.filter(|(phone, _)| is_foreign(phone)).filter_map(|(_, ip)| ip);
        let scopes = households.flat_map(|ip| {
            let household = household(ip);
            self.served.iter().map(move |country| countries_scope(&household, country))
        });
        scopes.collect()
    }
}

impl Watch<'_> {
    /// The rules that this send would break, on top of what `room` has admitted so far.
    pub(in crate::otp) fn judge(
        &self,
        phone: &PhoneNumber,
        ip: Option<IpAddr>,
        room: &Budget,
    ) -> Vec<Reason> {
        let counted = self.guard.counted(self.at, phone, ip);
        counted.iter().filter_map(|one| self.judge_one(one, ip, room)).collect()
    }

    fn judge_one(&self, one: &Counted, ip: Option<IpAddr>, room: &Budget) -> Option<Reason> {
        let threshold = self.guard.threshold(one.rule);
        let (measured, limit) = if one.rule == Rule::IpCountries {
            (self.countries_of(ip?, &one.scope, room)?, threshold)
        } else {
            let measured = room.standing(&one.scope).saturating_add(UNIT);
            let percent = i64::from(self.guard.config.verified_percent);
            let usual = one.usual.as_ref().map_or(0, |(scope, divisor)| {
                let best = self.usual.get(scope).copied().unwrap_or(0);
                best.saturating_mul(percent) / 100 / divisor
            });
            // Half a text is one that nobody verified.
            (measured.saturating_add(UNIT - 1).div_euclid(UNIT), threshold.max(usual))
        };
        (measured > limit).then_some(Reason { rule: one.rule, measured, limit })
    }

    /// Countries with unverified codes of this address, that of `own` included; `None` if nothing
    /// was looked up, because the number is of the home country.
    fn countries_of(&self, ip: IpAddr, own: &str, room: &Budget) -> Option<i64> {
        if self.countries.is_empty() {
            return None;
        }
        let household = household(ip);
        let scopes = self.guard.served.iter().map(|country| countries_scope(&household, country));
        let unverified = scopes.filter(|scope| {
            // What this transaction asked for is in the table, admitted or not.
            let there = || self.countries.get(scope).copied().unwrap_or(0);
            scope == own || room.known(scope).unwrap_or_else(there) > 0
        });
        i64::try_from(unverified.count()).ok()
    }
}

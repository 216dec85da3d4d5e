//! The guard against pumping: how many codes may be asked for that nobody verifies, per country,
//! number prefix and address, and of how many countries one address may ask. See docs/guard.md.
//!
//! Counters are rows beside those of the daily caps, taken in the accepting transaction by the same
//! statement, so that neither a loss of Redis nor a restart raises anything and any number of
//! processes count together. Each holds hundredths of texts: a send adds a hundred, its verified
//! code takes back that and `verified_percent` more, in the hour and on the day of the send. So a
//! counter is "unverified, less the share that verified ones allow", and one number beside a
//! threshold says all; no history of an address is read.

mod decisions;
mod returns;
mod rules;
mod store;
mod watch;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use sqlx::PgPool;

pub(super) use self::{
    decisions::Decisions,
    returns::{GiveBack, Return},
};
pub use self::{
    decisions::{Action, Decision},
    rules::{Reason, Rule},
};
use crate::{
    config::{Config, Guard as GuardConfig, GuardMode},
    phone::PhoneNumber,
    purge::{Purged, Slice},
    sms::budget::Demand,
};

/// What one text is in the counters.
const UNIT: i64 = 100;

/// The rules in force.
#[derive(Clone)]
pub(super) struct Guard {
    config: Arc<GuardConfig>,
    /// Countries whose numbers are accepted, and the one most are of.
    served: Arc<[String]>,
    home: Arc<str>,
    /// What a country or prefix verified on its best day of two weeks, and when that was looked up.
    usual: Arc<Mutex<BestDays>>,
}

/// By the scope of a place's verified codes: when it was looked up, and the best day.
type BestDays = HashMap<String, (DateTime<Utc>, i64)>;

impl Guard {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            config: Arc::new(config.guard.clone()),
            served: config.phone.countries.iter().cloned().collect(),
            home: config.phone.default_country.as_str().into(),
            usual: Arc::default(),
        }
    }

    pub(super) fn mode(&self) -> GuardMode {
        self.config.mode
    }

    /// What one send takes. Nothing of it refuses by itself: [`Watch::judge`] does.
    pub(super) fn demands(
        &self,
        at: DateTime<Utc>,
        phone: &PhoneNumber,
        ip: Option<IpAddr>,
    ) -> Vec<Demand> {
        let counted = self.counted(at, phone, ip).into_iter();
        counted.map(|one| Demand { scope: one.scope, amount: UNIT, cap: i64::MAX }).collect()
    }

    /// Whether a send that broke these rules is refused.
    pub(super) fn refuses(&self, broken: &[Reason]) -> bool {
        self.config.mode == GuardMode::Enforce && !broken.is_empty()
    }

    /// Where the number is: its country, if its plan has one, and its prefix.
    pub(super) fn places(&self, phone: &PhoneNumber) -> (Option<String>, String) {
        (phone.country(), phone.prefix(self.config.prefix_digits.into()))
    }

    fn is_exempt(&self, phone: &PhoneNumber, country: Option<&str>, ip: Option<IpAddr>) -> bool {
        let config = &self.config;
        config.mode == GuardMode::Off
            || country.is_some_and(|name| config.allow_countries.iter().any(|one| one == name))
            || config.allow_prefixes.iter().any(|prefix| phone.as_e164().starts_with(prefix))
            || ip.is_some_and(|ip| {
                config.allow_ips.iter().any(|network| network.contains(ip.to_canonical()))
            })
    }
}

/// The latest decisions since a moment, newest first.
///
/// # Errors
/// When the database is away.
pub async fn list(
    pool: &PgPool,
    since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Decision>, sqlx::Error> {
    store::list(pool, since, limit).await
}

/// Deletes decisions, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge_decisions(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge_decisions(pool, slice).await
}

/// How many decisions were taken before `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_decisions(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_decisions(pool, before).await
}

/// Deletes counters of the days before that of `slice.before`, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge_counters(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge_counters(pool, slice).await
}

/// How many counters are of days before that of `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_counters(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_counters(pool, before).await
}

//! What is learnt about providers: how each treats our texts, hour by hour, and whether codes that
//! it carries are used. Counted from the rows that sending writes anyway.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use sqlx::PgPool;

use super::{MessageKind, store};
use crate::purge::{Purged, Slice};

/// Upper bounds, in milliseconds, by which the times of calls are counted; beyond the last one is
/// no bound.
pub const TOOK_BOUNDS_MS: [i64; 8] = [100, 250, 500, 1_000, 2_000, 4_000, 8_000, i64::MAX];

/// How long ago calls may have been whose texts still change: the last question about delivery is
/// asked some seven hours after the text.
const CHANGES_FOR: TimeDelta = TimeDelta::hours(8);
/// How long ago calls may have been whose outcome or verification may still come.
const SETTLES_WITHIN: TimeDelta = TimeDelta::hours(1);
/// Minutes of an hour in which that of [`CHANGES_FOR`] is counted again: once an hour will do.
const THOROUGH_MINUTES: u32 = 5;

/// Calls that one statement counts: it ends long before statements are given up, however many an
/// hour has.
pub const SLICE_CALLS: i64 = 20_000;

/// One provider's calls for one kind of text in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hour {
    /// When it began.
    pub hour: DateTime<Utc>,
    /// Who was called.
    pub provider: String,
    /// What for.
    pub kind: MessageKind,
    /// What came of it.
    pub figures: Figures,
}

/// Counts of calls and texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls that handed over a text.
    pub sends: i64,
    /// … which the provider took.
    pub accepted: i64,
    /// … which it refused: the number, the text or the account.
    pub refused: i64,
    /// … for which it asked for another try.
    pub put_off: i64,
    /// … of which nobody knows.
    pub unknown: i64,
    /// Milliseconds of all that ended.
    pub took_ms: i64,
    /// How many took up to each of [`TOOK_BOUNDS_MS`]; the last is all that ended.
    pub took: Vec<i64>,
    /// Texts it carried, also those of which it said so only when asked.
    pub carried: i64,
    /// … with a code that was used within a minute.
    pub verified: i64,
    /// … that arrived, by its own word.
    pub delivered: i64,
    /// … that will not.
    pub undelivered: i64,
    /// What they cost, by the price each was accepted at or else `sms.price_rials`.
    pub cost_rials: i64,
}

impl Figures {
    /// Adds those of other calls.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.sends, other.sends),
            (&mut self.accepted, other.accepted),
            (&mut self.refused, other.refused),
            (&mut self.put_off, other.put_off),
            (&mut self.unknown, other.unknown),
            (&mut self.took_ms, other.took_ms),
            (&mut self.carried, other.carried),
            (&mut self.verified, other.verified),
            (&mut self.delivered, other.delivered),
            (&mut self.undelivered, other.undelivered),
            (&mut self.cost_rials, other.cost_rials),
        ];
        for (sum, more) in pairs {
            *sum += more;
        }
        self.took.resize(TOOK_BOUNDS_MS.len(), 0);
        for (sum, more) in self.took.iter_mut().zip(&other.took) {
            *sum += more;
        }
    }

    /// Mean time of a call in milliseconds; `None` without calls that ended.
    pub fn mean_ms(&self) -> Option<i64> {
        let ended = self.took.last().copied().filter(|ended| *ended > 0)?;
        Some(self.took_ms / ended)
    }

    /// The bound of [`TOOK_BOUNDS_MS`] within which this percentage of calls ended.
    pub fn within_ms(&self, percent: i64) -> Option<i64> {
        let ended = self.took.last().copied().filter(|ended| *ended > 0)?;
        let place = self.took.iter().position(|up_to| up_to * 100 >= ended * percent)?;
        TOOK_BOUNDS_MS.get(place).copied()
    }
}

/// `part` of `whole` in per cent, rounded; `None` of nothing.
pub fn percent(part: i64, whole: i64) -> Option<i64> {
    (whole > 0).then(|| (part * 100 + whole / 2) / whole)
}

/// The calls that began in `from..to`, straight from the rows of texts, which thirty days keep.
/// `price_rials` is that of texts accepted without a price.
///
/// # Errors
/// When the database is away.
pub async fn count(
    pool: &PgPool,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    price_rials: u64,
) -> Result<Vec<Hour>, sqlx::Error> {
    let mut counting = Counting::of((from, to), price_rials);
    while counting.step(pool).await? {}
    Ok(counting.into_hours())
}

/// A count that is made slice by slice, of at most [`SLICE_CALLS`] each (but calls that began at one
/// moment are counted together).
pub struct Counting {
    /// Where the next slice begins, and the last one ends.
    left: (DateTime<Utc>, DateTime<Utc>),
    price_rials: i64,
    hours: BTreeMap<(DateTime<Utc>, String, &'static str), Hour>,
}

impl Counting {
    /// Of the calls that began in `from..to`; see [`count`].
    pub fn of(left: (DateTime<Utc>, DateTime<Utc>), price_rials: u64) -> Self {
        let price_rials = i64::try_from(price_rials).unwrap_or(i64::MAX);
        Self { left, price_rials, hours: BTreeMap::new() }
    }

    /// Counts one slice more. `false`: there was none.
    ///
    /// # Errors
    /// When the database is away; the same slice may be tried again.
    pub async fn step(&mut self, pool: &PgPool) -> Result<bool, sqlx::Error> {
        let (from, to) = self.left;
        if from >= to {
            return Ok(false);
        }
        let end = store::slice_end(pool, (from, to), SLICE_CALLS).await?.unwrap_or(to);
        let end = end.max(from + TimeDelta::microseconds(1));
        for hour in store::count_calls(pool, (from, end), self.price_rials).await? {
            let key = (hour.hour, hour.provider.clone(), hour.kind.as_str());
            match self.hours.get_mut(&key) {
                Some(sum) => sum.figures.add(&hour.figures),
                None => drop(self.hours.insert(key, hour)),
            }
        }
        self.left.0 = end;
        Ok(true)
    }

    /// How many calls were counted so far.
    pub fn calls(&self) -> i64 {
        self.hours.values().map(|hour| hour.figures.sends).sum()
    }

    /// What was counted so far, by hour, provider and kind.
    pub fn into_hours(self) -> Vec<Hour> {
        self.hours.into_values().collect()
    }
}

/// The hours since `from` that were counted.
///
/// # Errors
/// When the database is away.
pub async fn counted(pool: &PgPool, from: DateTime<Utc>) -> Result<Vec<Hour>, sqlx::Error> {
    store::counted_hours(pool, from).await
}

/// The hours since `from`: as they were counted, and where that is still to be done, as in the hour
/// under way, straight from the rows of texts.
///
/// # Errors
/// When the database is away.
pub async fn since(
    pool: &PgPool,
    (from, now): (DateTime<Utc>, DateTime<Utc>),
    price_rials: u64,
) -> Result<Vec<Hour>, sqlx::Error> {
    let mut hours = counted(pool, from).await?;
    hours.retain(|hour| hour.hour < begin_of_hour(now));
    let known: BTreeSet<_> = hours.iter().map(|hour| hour.hour).collect();
    for hour in store::hours_with_calls(pool, from).await? {
        if hour >= from && !known.contains(&hour) {
            hours.extend(count(pool, (hour, hour + TimeDelta::hours(1)), price_rials).await?);
        }
    }
    Ok(hours)
}

/// The hours whose counts may be wrong by now: those with calls, of the last one or two, once an
/// hour of the last eight, and all since the last that was counted.
///
/// # Errors
/// When the database is away.
pub async fn stale_hours(
    pool: &PgPool,
    now: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, sqlx::Error> {
    let is_thorough = now.minute() < THOROUGH_MINUTES;
    let back = if is_thorough { CHANGES_FOR } else { SETTLES_WITHIN };
    store::hours_with_calls(pool, begin_of_hour(now - back)).await
}

fn begin_of_hour(at: DateTime<Utc>) -> DateTime<Utc> {
    let into = TimeDelta::seconds(at.timestamp().rem_euclid(3_600));
    DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at) - into
}

/// Writes hours down in place of what was counted before.
///
/// # Errors
/// When the database is away; nothing is written then.
pub async fn write(pool: &PgPool, hours: &[Hour]) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    for hour in hours {
        store::write_hour(&mut tx, hour).await?;
    }
    tx.commit().await
}

/// Deletes hours, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge_hours(pool, slice).await
}

/// How many rows [`purge`] would delete in all.
///
/// # Errors
/// When the database is away.
pub async fn count_purgeable(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_purgeable_hours(pool, before).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(took: [i64; 8], took_ms: i64) -> Figures {
        Figures { took: took.to_vec(), took_ms, ..Figures::default() }
    }

    #[test]
    fn times_are_read_off_the_bounds_and_add_up() {
        let mut figures = Figures::default();
        assert_eq!((figures.mean_ms(), figures.within_ms(50)), (None, None));
        figures.add(&took([0, 6, 9, 9, 9, 9, 9, 10], 12_000));
        assert_eq!(figures.mean_ms(), Some(1_200));
        let within = [50, 90, 95].map(|percent| figures.within_ms(percent).unwrap());
        assert_eq!(within, [250, 500, i64::MAX]);
        figures.add(&took([90, 90, 90, 90, 90, 90, 90, 90], 900));
        assert_eq!((figures.within_ms(50), figures.within_ms(95)), (Some(100), Some(250)));
    }

    #[test]
    fn percentages_are_rounded_and_nothing_has_none() {
        assert_eq!([percent(1, 3), percent(2, 3), percent(0, 0)], [Some(33), Some(67), None]);
    }

    #[test]
    fn hours_begin_at_their_first_second() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let begin = at("2026-11-21T06:00:00Z");
        assert_eq!(begin_of_hour(at("2026-11-21T06:59:59.999Z")), begin);
        assert_eq!(begin_of_hour(begin), begin);
    }
}

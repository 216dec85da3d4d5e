//! Hours of the day in which no text to many goes out.

use std::fmt;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, de::Error};

/// From when until when, by the clocks of a place. May go past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct QuietHours {
    /// When they begin, such as `21:00`.
    #[serde(deserialize_with = "time")]
    pub from: NaiveTime,
    /// When they end, such as `09:00`; not the same as `from`.
    #[serde(deserialize_with = "time")]
    pub to: NaiveTime,
    /// Whose clocks: a name of the time zone database, such as `Asia/Tehran`.
    #[serde(deserialize_with = "zone")]
    pub zone: Tz,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = |_| D::Error::custom("must be a time of the day such as 21:00");
    NaiveTime::parse_from_str(&text, "%H:%M").map_err(wrong)
}

fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("must be a time zone such as Asia/Tehran"))
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} in {}", self.from, self.to, self.zone)
    }
}

/// Quiet hours that are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// When they began.
    pub began: DateTime<Utc>,
    /// When they end.
    pub ends: DateTime<Utc>,
}

impl QuietHours {
    /// The quiet hours that are under way at this moment, if any are. The clocks on the wall
    /// decide: a night in which they are changed is an hour longer or shorter.
    pub fn at(&self, moment: DateTime<Utc>) -> Option<Quiet> {
        let local = moment.with_timezone(&self.zone).naive_local();
        let (day, time) = (local.date(), local.time());
        let (first, last) = match (self.from < self.to, time >= self.from, time < self.to) {
            (true, true, true) => (Some(day), Some(day)),
            (false, true, _) => (Some(day), day.checked_add_days(Days::new(1))),
            (false, _, true) => (day.checked_sub_days(Days::new(1)), Some(day)),
            _ => return None,
        };
        let began = self.instants(first?, self.from)?.0;
        let ends = self.instants(last?, self.to)?.1;
        Some(Quiet { began, ends })
    }

    /// How long texts may go out between two nights, about.
    pub fn open_for(&self) -> TimeDelta {
        let open = self.from - self.to;
        if open > TimeDelta::zero() { open } else { open + TimeDelta::days(1) }
    }

    /// The first and the last moment at which the clocks there show this; the first one after it
    /// if they are set past it.
    fn instants(&self, day: NaiveDate, time: NaiveTime) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        const LONGEST_GAP_MINUTES: i64 = 24 * 60;
        let shown: NaiveDateTime = day.and_time(time);
        let both = (0..=LONGEST_GAP_MINUTES).find_map(|minutes| {
            let local = self.zone.from_local_datetime(&(shown + TimeDelta::minutes(minutes)));
            local.earliest().zip(local.latest())
        });
        both.map(|(first, last)| (first.to_utc(), last.to_utc()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: &str, to: &str, zone: &str) -> QuietHours {
        toml::from_str(&format!("from = '{from}'\nto = '{to}'\nzone = '{zone}'")).unwrap()
    }

    fn utc(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn quiet(hours: &QuietHours, at: &str) -> Option<(String, String)> {
        let text = |time: DateTime<Utc>| time.format("%d %H:%M").to_string();
        hours.at(utc(at)).map(|quiet| (text(quiet.began), text(quiet.ends)))
    }

    #[test]
    fn a_night_goes_past_midnight() {
        // 21:00 in Tehran is 17:30 in UTC, 09:00 is 05:30.
        let night = hours("21:00", "09:00", "Asia/Tehran");
        assert_eq!(quiet(&night, "2026-03-10T17:29:59Z"), None);
        for at in ["2026-03-10T17:30:00Z", "2026-03-10T20:45:00Z", "2026-03-11T05:29:59Z"] {
            assert_eq!(
                quiet(&night, at),
                Some(("10 17:30".to_owned(), "11 05:30".to_owned())),
                "{at}"
            );
        }
        assert_eq!(quiet(&night, "2026-03-11T05:30:00Z"), None);
        assert_eq!(night.open_for(), TimeDelta::hours(12));
    }

    #[test]
    fn a_siesta_does_not() {
        let siesta = hours("13:00", "15:30", "UTC");
        assert_eq!(quiet(&siesta, "2026-03-10T12:59:59Z"), None);
        assert_eq!(
            quiet(&siesta, "2026-03-10T13:00:00Z"),
            Some(("10 13:00".to_owned(), "10 15:30".to_owned()))
        );
        assert_eq!(quiet(&siesta, "2026-03-10T15:30:00Z"), None);
        assert_eq!(siesta.open_for(), TimeDelta::minutes(21 * 60 + 30));
    }

    #[test]
    fn the_nights_in_which_clocks_change_are_longer_and_shorter() {
        let night = hours("21:00", "09:00", "Europe/Berlin");
        assert_eq!(
            quiet(&night, "2026-03-29T00:00:00Z"),
            Some(("28 20:00".to_owned(), "29 07:00".to_owned()))
        );
        assert_eq!(
            quiet(&night, "2026-10-25T00:00:00Z"),
            Some(("24 19:00".to_owned(), "25 08:00".to_owned()))
        );
    }

    #[test]
    fn an_end_that_clocks_skip_is_when_they_go_on_and_one_they_show_twice_is_the_second() {
        // Skipped: 02:00 to 03:00 on 29 March. Twice: 02:00 to 03:00 on 25 October.
        let night = hours("22:00", "02:30", "Europe/Berlin");
        assert_eq!(
            quiet(&night, "2026-03-29T00:30:00Z"),
            Some(("28 21:00".to_owned(), "29 01:00".to_owned()))
        );
        assert_eq!(quiet(&night, "2026-03-29T01:00:00Z"), None);
        assert_eq!(
            quiet(&night, "2026-10-25T00:10:00Z"),
            Some(("24 20:00".to_owned(), "25 01:30".to_owned()))
        );
    }

    #[test]
    fn the_end_of_quiet_hours_is_always_ahead_and_never_within_them() {
        let zones = ["Asia/Tehran", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];
        for (from, to) in [("21:00", "09:00"), ("02:15", "02:45"), ("23:59", "00:01")] {
            for zone in zones {
                let hours = hours(from, to, zone);
                let begin = utc("2021-01-01T00:00:00Z");
                for step in 0..365 * 2 * 96 {
                    let at = begin + TimeDelta::minutes(15 * step);
                    let Some(quiet) = hours.at(at) else { continue };
                    assert!(quiet.began <= at && at < quiet.ends, "{hours:?} {at}");
                    assert_eq!(hours.at(quiet.ends), None, "{hours:?} {at}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_time_and_no_zone_is_refused() {
        for (from, zone) in [("24:00", "UTC"), ("9", "UTC"), ("21:00", "Mars/Base")] {
            let text = format!("from = '{from}'\nto = '09:00'\nzone = '{zone}'");
            assert!(toml::from_str::<QuietHours>(&text).is_err(), "{text}");
        }
    }
}

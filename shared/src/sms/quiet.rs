//! When texts to many go out that would have gone out in quiet hours.

use chrono::{DateTime, TimeDelta, Utc};
use rand::{Rng, RngExt};

use crate::config::QuietHours;

/// They are spread over this time, so that not all go out in the same second.
const SPREAD: TimeDelta = TimeDelta::minutes(5);

/// How long after quiet hours texts are spread over: never into the next ones.
pub fn spread(hours: &QuietHours) -> TimeDelta {
    SPREAD.min(hours.open_for() / 2)
}

/// When something goes out that is to go out at `at`; `None`: then.
pub fn put_off(
    hours: Option<&QuietHours>,
    at: DateTime<Utc>,
    rng: &mut impl Rng,
) -> Option<DateTime<Utc>> {
    let hours = hours?;
    let ends = hours.at(at)?.ends;
    let jitter = rng.random_range(0..=spread(hours).num_milliseconds().max(0));
    Some(ends + TimeDelta::milliseconds(jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: &str, to: &str) -> QuietHours {
        toml::from_str(&format!("from = '{from}'\nto = '{to}'\nzone = 'UTC'")).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn what_falls_into_quiet_hours_goes_out_soon_after_them_and_the_rest_in_time() {
        let night = hours("21:00", "09:00");
        let rng = &mut rand::rng();
        let late = at("2026-03-10T23:00:00Z");
        for _ in 0..100 {
            let time = put_off(Some(&night), late, rng).unwrap();
            assert!((at("2026-03-11T09:00:00Z")..=at("2026-03-11T09:05:00Z")).contains(&time));
        }
        assert_eq!(put_off(Some(&night), at("2026-03-10T12:00:00Z"), rng), None);
        assert_eq!(put_off(None, late, rng), None);
    }

    #[test]
    fn nothing_is_put_off_into_the_next_quiet_hours() {
        let nearly_always = hours("09:02", "09:00");
        for _ in 0..100 {
            let time = put_off(Some(&nearly_always), at("2026-03-10T23:00:00Z"), &mut rand::rng());
            assert_eq!(nearly_always.at(time.unwrap()), None);
        }
    }
}

//! A rate limit as it is written in the configuration.

use std::{fmt, str::FromStr};

use serde::Deserialize;

/// So many events in so much time, written `60/1h`, `10/1m`, `5/10s` or `20/1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate {
    /// How many events are allowed, at least 1.
    pub count: u32,
    /// In how many seconds, at least 1.
    pub seconds: u32,
}

/// The text is not a [`Rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a rate such as 60/1h, 10/1m, 5/10s or 20/1d, of at least 1 in at least 1 second")]
pub struct RateError;

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        parse(text).ok_or(RateError)
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

/// Seconds, in the largest unit that divides them.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, letter) = UNITS
            .into_iter()
            .find(|(unit, _)| self.seconds.is_multiple_of(*unit))
            .expect("everything is a multiple of one second");
        write!(f, "{}/{}{letter}", self.count, self.seconds / unit)
    }
}

/// Seconds per unit, largest first.
const UNITS: [(u32, char); 4] = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];

fn parse(text: &str) -> Option<Rate> {
    let (count, period) = text.split_once('/')?;
    let letter = period.chars().next_back()?;
    let (unit, _) = UNITS.into_iter().find(|(_, name)| *name == letter)?;
    let amount = number(period.strip_suffix(letter)?)?;
    Some(Rate { count: number(count)?, seconds: amount.checked_mul(unit)? })
}

/// A positive decimal number without sign.
fn number(digits: &str) -> Option<u32> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| plain && *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_written_back() {
        for (text, count, seconds) in
            [("60/1h", 60, 3_600), ("10/1m", 10, 60), ("5/10s", 5, 10), ("20/1d", 20, 86_400)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate, Rate { count, seconds });
            assert_eq!(rate.to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", "60", "60/", "60/h", "/1h", "0/1h", "5/0s", "5/1w", "-5/1s", "+5/1s", "5/1é",
            "9/99999d",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(RateError), "{text}");
        }
    }
}

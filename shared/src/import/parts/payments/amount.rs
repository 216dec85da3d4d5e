//! Amounts of the old system: floats, written as text, that were meant to be whole. Pure, and without
//! a float.

/// How far from a whole number an amount may be and still be read as it, in billionths: a float that
/// was reckoned with is off by less, and a fraction that somebody meant is off by more.
const NEAR: u64 = 1_000_000;
const WHOLE: u64 = 1_000_000_000;

/// The whole number that a float was meant to be: as any of the databases writes it, `1000`, `1000.0`,
/// `1e+06`, within 0.001 of it. `None` for what has a fraction, is too large or is no number.
pub(in crate::import) fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    let (digits, negative) = match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let (digits, exponent) = match digits.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{before}{after}");
    if all.is_empty() || all.len() > 40 || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let point = i32::try_from(before.len()).ok()?.checked_add(exponent)?;
    let (before, after) = split(&all, point)?;
    let number: i64 = before.parse().ok()?;
    let number = match billionths(&after) {
        near if near < NEAR => number,
        near if near > WHOLE - NEAR => number.checked_add(1)?,
        _ => return None,
    };
    Some(if negative { -number } else { number })
}

/// The digits before and after a point that may be beyond either end.
fn split(digits: &str, point: i32) -> Option<(String, String)> {
    let length = i32::try_from(digits.len()).ok()?;
    if !(-40..=40).contains(&point) {
        return None;
    }
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    Some(if point <= 0 {
        ("0".to_owned(), zeros(-point) + digits)
    } else if point >= length {
        (digits.to_owned() + &zeros(point - length), String::new())
    } else {
        let (before, after) = digits.split_at(usize::try_from(point).ok()?);
        (before.to_owned(), after.to_owned())
    })
}

fn billionths(digits: &str) -> u64 {
    let nine = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
    nine.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_that_are_whole_are_read_as_any_database_writes_them() {
        for (text, number) in [
            ("1000", 1_000),
            ("1000.0", 1_000),
            (" 0.0 ", 0),
            ("1e+06", 1_000_000),
            ("1.5E3", 1_500),
            ("1.0e+15", 1_000_000_000_000_000),
            ("999.9999999999", 1_000),
            ("1000.0000000001", 1_000),
            ("1000.0009", 1_000),
            ("999.9991", 1_000),
            ("9223372036854775807", i64::MAX),
            ("12345678900000e-5", 123_456_789),
            ("-500", -500),
        ] {
            assert_eq!(whole(text), Some(number), "{text}");
        }
    }

    #[test]
    fn fractions_and_what_is_no_number_are_not() {
        for text in [
            "1000.5",
            "1000.001",
            "999.999",
            "0.3",
            "1e-1",
            "",
            ".",
            "-",
            "NaN",
            "Infinity",
            "inf",
            "1,000",
            "1e99",
            "1e",
            "9223372036854775808",
            "0x10",
            "۱۰۰",
            "1 000",
            "--1",
            "+-1",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
    }
}

//! Amounts for people, in both languages' digits. Pure.

use shared::money::Rials;

/// An amount in rials and in tomans, with separators.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) rials: String,
    pub(super) tomans: String,
}

/// `1,234,505` and `123,450.5`.
pub(super) fn english(amount: Rials) -> Shown {
    let (whole, rest) = (amount.get() / 10, amount.get() % 10);
    let rest = if rest == 0 { String::new() } else { format!(".{rest}") };
    Shown { rials: grouped(amount.get()), tomans: grouped(whole) + &rest }
}

/// `۱٬۲۳۴٬۵۰۵` and `۱۲۳٬۴۵۰٫۵`.
pub(super) fn persian(amount: Rials) -> Shown {
    let Shown { rials, tomans } = english(amount);
    Shown { rials: in_persian(&rials), tomans: in_persian(&tomans) }
}

fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn in_persian(text: &str) -> String {
    let one = |letter: char| match letter {
        ',' => '٬',
        '.' => '٫',
        digit => digit.to_digit(10).and_then(|d| char::from_u32('۰' as u32 + d)).unwrap_or(digit),
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_separators_and_tomans_are_a_tenth() {
        for (rials, english_rials, english_tomans) in [
            (999, "999", "99.9"),
            (1_000, "1,000", "100"),
            (12_345, "12,345", "1,234.5"),
            (1_234_500, "1,234,500", "123,450"),
            (1_000_000_000, "1,000,000,000", "100,000,000"),
        ] {
            let shown = english(Rials::new(rials));
            assert_eq!((&*shown.rials, &*shown.tomans), (english_rials, english_tomans));
        }
        let shown = persian(Rials::new(1_234_505));
        assert_eq!((&*shown.rials, &*shown.tomans), ("۱٬۲۳۴٬۵۰۵", "۱۲۳٬۴۵۰٫۵"));
    }
}

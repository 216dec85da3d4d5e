//! Card numbers: nothing that could pay is kept, whatever a gateway gives. Pure.

/// Digits of a whole number of a card, at least and at most (ISO/IEC 7812).
const WHOLE: std::ops::RangeInclusive<usize> = 13..=19;
/// What is shown of a whole one: the bank, and what its owner knows it by.
const FIRST: usize = 6;
const LAST: usize = 4;

/// A card's number with at most the first six and the last four digits to be seen:
/// `603799******1234`. What is too short for a whole number shows its last four at most; `None`: it
/// is no number of a card.
pub fn mask_pan(text: &str) -> Option<String> {
    let mut places = Vec::new();
    for letter in text.trim().chars() {
        match letter {
            ' ' | '-' | '_' | '.' | '\u{a0}' | '\u{200c}'..='\u{200f}' => {}
            '*' | 'x' | 'X' | '#' | '•' | '●' | '×' => places.push('*'),
            digit => places.push(ascii_digit(digit)?),
        }
        if places.len() > *WHOLE.end() {
            return None;
        }
    }
    let count = places.len();
    if count < LAST {
        return None;
    }
    let first = if WHOLE.contains(&count) { FIRST } else { 0 };
    let hidden = first..count - LAST;
    let shown = |(at, place)| if hidden.contains(&at) { '*' } else { place };
    Some(places.into_iter().enumerate().map(shown).collect())
}

/// Also of the digits Persian and Arabic write.
fn ascii_digit(letter: char) -> Option<char> {
    match letter {
        '0'..='9' => Some(letter),
        '\u{6f0}'..='\u{6f9}' => char::from_digit(letter as u32 - 0x6f0, 10),
        '\u{660}'..='\u{669}' => char::from_digit(letter as u32 - 0x660, 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_the_first_six_and_the_last_four_digits_are_seen() {
        for (given, shown) in [
            ("6037991234561234", "603799******1234"),
            ("6037-9912-3456-1234", "603799******1234"),
            ("6037-99**-****-1234", "603799******1234"),
            ("603799******1234", "603799******1234"),
            ("502229xxxxxx5995", "502229******5995"),
            ("502229XX5995", "********5995"),
            ("6037 99## #### 1234", "603799******1234"),
            ("۶۰۳۷۹۹۱۲۳۴۵۶۱۲۳۴", "603799******1234"),
            ("٦٠٣٧٩٩١٢٣٤٥٦١٢٣٤", "603799******1234"),
            ("6037991234567891234", "603799*********1234"),
            ("6037991234561", "603799***4561"),
            ("603799123456", "********3456"),
            ("****1234", "****1234"),
            ("1234", "1234"),
        ] {
            assert_eq!(mask_pan(given).as_deref(), Some(shown), "{given}");
        }
    }

    #[test]
    fn what_is_no_card_is_dropped() {
        for given in ["", "   ", "123", "IR120570028780010957775103", "60379912345678912345", "n/a"]
        {
            assert_eq!(mask_pan(given), None, "{given}");
        }
    }

    #[test]
    fn nothing_shown_has_eight_digits_in_a_row() {
        for count in 0..=19_usize {
            let shown = mask_pan(&"7".repeat(count)).unwrap_or_default();
            assert!(!shown.contains("77777777"), "{shown}");
            assert!(shown.len() <= 32);
        }
    }
}

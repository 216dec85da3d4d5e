//! Masks: enough of a value to tell it from others, too little to use it. Pure.

use std::net::IpAddr;

/// Digits in a row that may be a number somebody can be called by.
const NUMBER_DIGITS: usize = 7;
/// What stands for what is not shown.
const HIDDEN: &str = "***";

/// `09123456789` → `0912***89`; what is too short for that is hidden whole.
pub fn number(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() < NUMBER_DIGITS {
        return HIDDEN.to_owned();
    }
    let (head, tail) = (&chars[..4], &chars[chars.len() - 2..]);
    head.iter().chain(['*'; 3].iter()).chain(tail).collect()
}

/// `sara@example.com` → `s***@***`; nothing stays nothing.
pub fn email(text: &str) -> String {
    match text.split_once('@') {
        Some((name, _)) => format!("{}@{HIDDEN}", word(name)),
        None => word(text),
    }
}

/// `Sara` → `S***`; nothing stays nothing.
pub fn word(text: &str) -> String {
    text.chars().next().map_or_else(String::new, |first| format!("{first}{HIDDEN}"))
}

/// `203.0.113.7` → `203.0.***`, `2001:db8::7` → `2001:db8:***`.
pub fn ip(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            format!("{first}.{second}.{HIDDEN}")
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            format!("{first:x}:{second:x}:{HIDDEN}")
        }
    }
}

/// A user name with every number in it masked: those made by a code hold their number,
/// `G0-09123456789` → `G0-0912***89`.
pub fn username(text: &str) -> String {
    let (mut masked, mut digits) = (String::with_capacity(text.len()), String::new());
    for c in text.chars().chain(['\0']) {
        if c.is_numeric() {
            digits.push(c);
            continue;
        }
        let is_number = digits.chars().count() >= NUMBER_DIGITS;
        masked.push_str(&if is_number { number(&digits) } else { digits.clone() });
        digits.clear();
        if c != '\0' {
            masked.push(c);
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_shows_its_beginning_and_its_end() {
        assert_eq!(number("09123456789"), "0912***89");
        assert_eq!(number("+4915112345678"), "+491***78");
        assert_eq!(number("123456"), "***");
    }

    #[test]
    fn an_address_and_a_name_show_their_first_letter() {
        assert_eq!(email("sara@example.com"), "s***@***");
        assert_eq!(email("@x"), "@***");
        assert_eq!(email("sara"), "s***");
        assert_eq!((email(""), word("")), (String::new(), String::new()));
        assert_eq!(word("سارا"), "س***");
    }

    #[test]
    fn an_address_of_a_machine_shows_its_network() {
        assert_eq!(ip(IpAddr::from([203, 0, 113, 7])), "203.0.***");
        let of_six = "2001:db8::7".parse::<IpAddr>().unwrap();
        assert_eq!(ip(of_six), "2001:db8:***");
    }

    #[test]
    fn a_user_name_hides_the_numbers_in_it() {
        for (name, masked) in [
            ("G0-09123456789", "G0-0912***89"),
            ("G1-09123456789-417", "G1-0912***89-417"),
            ("sara", "sara"),
            ("sara1375", "sara1375"),
            ("09123456789", "0912***89"),
            ("a۰۹۱۲۳۴۵۶۷۸۹", "a۰۹۱۲***۸۹"),
            ("", ""),
        ] {
            assert_eq!(username(name), masked);
        }
    }
}

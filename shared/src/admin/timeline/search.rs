//! What a timeline is asked for. Pure.

use crate::{
    ids,
    phone::{PhoneNumber, PhoneRules, ascii_digit},
};

/// What somebody typed, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// A number and everybody who has it.
    Number(PhoneNumber),
    /// An account, its number and what is its own.
    User(i64),
    /// One text.
    Message(i64),
    /// One payment.
    Payment(i64),
    /// An order, a gateway's authority or reference, a handle, the name of a request.
    Name(String),
}

impl Search {
    /// Reads it in any usual form, with Persian or Arabic digits too. `None`: there is nothing.
    pub fn read(text: &str, phones: &PhoneRules) -> Option<Self> {
        let text: String = text.trim().chars().map(|c| ascii_digit(c).unwrap_or(c)).collect();
        if text.is_empty() {
            return None;
        }
        if let Some((kind, id)) = text.split_once(':')
            && let Some(id) = read_id(id)
        {
            match kind.trim().to_ascii_lowercase().as_str() {
                "user" => return Some(Self::User(id)),
                "message" => return Some(Self::Message(id)),
                "payment" => return Some(Self::Payment(id)),
                _ => {}
            }
        }
        Some(match phones.parse(&text) {
            Ok(phone) => Self::Number(phone),
            Err(_) => Self::Name(text),
        })
    }

    /// The word in the audit log: never what was searched for.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::User(_) => "user",
            Self::Message(_) => "message",
            Self::Payment(_) => "payment",
            Self::Name(_) => "name",
        }
    }
}

/// The same as a gateway's reference, which is a number of its own.
pub(super) fn reference(name: &str) -> Option<i64> {
    read_id(name)
}

/// The same as a handle that a caller was given.
pub(super) fn handle(name: &str) -> Option<&str> {
    ids::is_handle(name).then_some(name)
}

fn read_id(text: &str) -> Option<i64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| is_number && *id > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Search> {
        Search::read(text, &PhoneRules::new(&["IR".to_owned()], "IR").unwrap())
    }

    #[test]
    fn a_number_is_read_in_any_form_and_what_is_marked_as_what_it_says() {
        let number = Some(Search::Number(PhoneNumber::from_e164("+989123456789").unwrap()));
        for text in ["09123456789", "+98 912 345 6789", "۰۹۱۲۳۴۵۶۷۸۹", " 00989123456789 "]
        {
            assert_eq!(read(text), number, "{text}");
        }
        for (text, search) in [
            ("user:17", Search::User(17)),
            (" User: ۱۷ ", Search::User(17)),
            ("message:41", Search::Message(41)),
            ("payment:9", Search::Payment(9)),
        ] {
            assert_eq!(read(text), Some(search), "{text}");
        }
    }

    #[test]
    fn everything_else_is_a_name_and_nothing_is_nothing() {
        for text in ["A-1405-17", "user:0", "user:x", "room:4", "A000000000000000000wwOGYpd", "12"]
        {
            assert_eq!(read(text), Some(Search::Name(text.to_owned())), "{text}");
        }
        assert_eq!(read(" \t"), None);
        assert_eq!(reference("201000201"), Some(201_000_201));
        assert_eq!((reference("A-1"), reference("-5"), reference("0")), (None, None, None));
        assert_eq!(handle("A-1"), None);
        assert!(handle("5f0c1d2e3b4a59687786950413223140").is_some());
    }
}

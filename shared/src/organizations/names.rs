//! What organizations may be called. Pure.

use crate::phone::ascii_digit;

/// Characters of a uname.
const UNAME: std::ops::RangeInclusive<usize> = 3..=32;
/// Characters of a name at most.
const NAME: usize = 100;

/// Words no organization is called by: they would be taken for a part of the service.
const RESERVED: [&str; 31] = [
    "account",
    "admin",
    "administrator",
    "api",
    "auth",
    "billing",
    "chat",
    "docs",
    "help",
    "info",
    "invitations",
    "login",
    "logout",
    "mail",
    "members",
    "new",
    "null",
    "official",
    "organization",
    "organizations",
    "owner",
    "payment",
    "peyk",
    "root",
    "security",
    "settings",
    "staff",
    "support",
    "system",
    "transfer",
    "www",
];

/// The unique name of an organization: 3 to 32 of `a-z 0-9 _`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uname(String);

/// Why a text is no [`Uname`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnameError {
    /// Shorter than 3 or longer than 32 characters.
    #[error("must have 3 to 32 characters")]
    Length,
    /// Something else than letters, digits and `_`, or no letter at all.
    #[error("must be letters a to z, digits and _, with a letter at least")]
    Characters,
    /// A word that is kept for the service.
    #[error("is reserved")]
    Reserved,
}

impl Uname {
    /// Reads what somebody typed: capitals are made small, Persian and Arabic digits become ASCII.
    ///
    /// # Errors
    /// [`UnameError`].
    pub fn parse(text: &str) -> Result<Self, UnameError> {
        let plain = |c: char| ascii_digit(c).unwrap_or_else(|| c.to_ascii_lowercase());
        let uname: String = text.trim().chars().map(plain).collect();
        if !UNAME.contains(&uname.chars().count()) {
            return Err(UnameError::Length);
        }
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        // Without a letter it would read as a number: an id, or somebody's telephone.
        if !uname.bytes().all(allowed) || !uname.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(UnameError::Characters);
        }
        if RESERVED.contains(&uname.trim_matches('_')) {
            return Err(UnameError::Reserved);
        }
        Ok(Self(uname))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an organization, for people: 1 to 100 characters that all show what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Reads what somebody typed. `None`: it is empty, too long, or holds characters that could make
    /// it look like something else: controls, and those that turn the direction of writing.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let fine = (1..=NAME).contains(&text.chars().count())
            && !text.chars().any(|c| c.is_control() || turns(c) || c == '\u{feff}');
        fine.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uname_is_folded_to_its_one_spelling() {
        for (typed, read) in [
            ("my_shop", "my_shop"),
            ("  MyShop ", "myshop"),
            ("shop۱۲۳", "shop123"),
            ("shop٤", "shop4"),
            ("abc", "abc"),
            ("a123456789012345678901234567890b", "a123456789012345678901234567890b"),
        ] {
            assert_eq!(Uname::parse(typed).map(|uname| uname.0), Ok(read.to_owned()));
        }
    }

    #[test]
    fn other_texts_are_no_unames() {
        for (typed, error) in [
            ("", UnameError::Length),
            ("ab", UnameError::Length),
            ("a23456789012345678901234567890123", UnameError::Length),
            ("my-shop", UnameError::Characters),
            ("my shop", UnameError::Characters),
            ("فروشگاه", UnameError::Characters),
            ("şhop", UnameError::Characters),
            ("09123456789", UnameError::Characters),
            ("___", UnameError::Characters),
            ("a.b", UnameError::Characters),
            ("Admin", UnameError::Reserved),
            ("_support_", UnameError::Reserved),
        ] {
            assert_eq!(Uname::parse(typed), Err(error), "{typed}");
        }
    }

    #[test]
    fn every_reserved_word_would_be_a_uname_otherwise() {
        for word in RESERVED {
            assert_eq!(Uname::parse(word), Err(UnameError::Reserved), "{word}");
        }
    }

    #[test]
    fn a_name_may_be_anything_that_shows_what_it_is() {
        let read = |text: &str| Name::parse(text).map(|name| name.0);
        assert_eq!(read(" فروشگاه می‌خواهم "), Some("فروشگاه می‌خواهم".to_owned()));
        assert_eq!(read("Shop & Söhne 🛒"), Some("Shop & Söhne 🛒".to_owned()));
        assert_eq!(read(&"x".repeat(100)), Some("x".repeat(100)));
        for wrong in ["", "  ", "a\nb", "a\u{1b}[2J", "a\u{202e}b", "a\u{2067}b", "\0"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert_eq!(read(&"x".repeat(101)), None);
    }
}

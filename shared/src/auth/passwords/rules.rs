//! Which passwords may be set. The rules, their order and their sentences are Django's; there is no
//! rule about which kinds of characters there have to be.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};

use super::{common::is_common, similar::is_similar};
use crate::phone::PhoneNumber;

/// Characters a password has at least, and at most.
const SHORTEST: usize = 8;
const LONGEST: usize = 128;

/// What everybody may know of a password's owner; nothing of it that is not known yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owner<'a> {
    /// The account's name.
    pub username: &'a str,
    /// Empty if there is none, like the other texts.
    pub first_name: &'a str,
    /// See [`Owner::first_name`].
    pub last_name: &'a str,
    /// See [`Owner::first_name`].
    pub email: &'a str,
    /// The account's number.
    pub phone: Option<&'a PhoneNumber>,
}

/// A rule that a password breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its name.
    pub code: &'static str,
    /// The old system's sentence about it.
    pub message: Cow<'static, str>,
}

/// Every rule the password breaks.
pub fn check(password: &SecretString, owner: &Owner<'_>) -> Vec<Broken> {
    let password = password.expose_secret();
    let length = password.chars().count();
    let mut broken = Vec::new();
    let mut note = |code, message| broken.push(Broken { code, message });
    if let Some(what) = like_what(password, owner) {
        let message = format!("The password is too similar to the {what}.");
        note("password_too_similar", message.into());
    }
    if length < SHORTEST {
        let message = "This password is too short. It must contain at least 8 characters.".into();
        note("password_too_short", message);
    }
    if length > LONGEST {
        let message = format!("Ensure this field has no more than {LONGEST} characters.");
        note("max_length", message.into());
    }
    if is_common(password) {
        note("password_too_common", "This password is too common.".into());
    }
    if length > 0 && password.chars().all(char::is_numeric) {
        note("password_entirely_numeric", "This password is entirely numeric.".into());
    }
    broken
}

/// The first thing the password is like, as Django calls it.
fn like_what(password: &str, owner: &Owner<'_>) -> Option<&'static str> {
    // What is longer than any password is refused for that; comparing takes time.
    if password.chars().count() > LONGEST {
        return None;
    }
    let national = owner.phone.map(PhoneNumber::to_national).unwrap_or_default();
    let international = owner.phone.map_or("", PhoneNumber::as_e164);
    let known = [
        ("username", owner.username),
        ("first name", owner.first_name),
        ("last name", owner.last_name),
        ("email address", owner.email),
        ("mobile number", &national),
        ("mobile number", international),
    ];
    let like =
        known.into_iter().find(|(_, value)| !value.is_empty() && is_similar(password, value));
    like.map(|(what, _)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(password: &str, owner: &Owner<'_>) -> Vec<&'static str> {
        check(&password.into(), owner).into_iter().map(|broken| broken.code).collect()
    }

    #[test]
    fn the_rules_are_djangos_in_its_order_and_words() {
        let texts = |password: &str| -> Vec<_> {
            let owner = Owner { username: "sara.ahmadi", ..Owner::default() };
            check(&password.into(), &owner).into_iter().map(|broken| broken.message).collect()
        };
        assert_eq!(
            texts("1234"),
            [
                "This password is too short. It must contain at least 8 characters.",
                "This password is too common.",
                "This password is entirely numeric.",
            ]
        );
        assert_eq!(texts("password"), ["This password is too common."]);
        let similar = "The password is too similar to the username.";
        assert_eq!(texts("SaraAhmadi"), [similar]);
        assert_eq!(texts("ahmadi")[0], similar);
        let long = "Ensure this field has no more than 128 characters.";
        assert_eq!(texts(&"é7".repeat(65)), [long]);
        assert_eq!(texts("S3cret-pass-77"), Vec::<&str>::new());
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        let nobody = Owner::default();
        assert_eq!(codes("پژواکِ۷", &nobody), ["password_too_short"], "{}", "پژواکِ۷".len());
        assert_eq!(codes("پژواک ۷!", &nobody), Vec::<&str>::new());
        assert_eq!(codes(&"ژ ".repeat(64), &nobody), Vec::<&str>::new());
        assert_eq!(codes(&"ژ ".repeat(65), &nobody), ["max_length"]);
        assert_eq!(codes("     7 z", &nobody), Vec::<&str>::new(), "blanks are characters");
    }

    #[test]
    fn no_kind_of_character_is_demanded() {
        for fine in ["correcthorsebattery", "CORRECTHORSEBATTERY", "!!!!____....", "رمز بلند من"]
        {
            assert_eq!(codes(fine, &Owner::default()), Vec::<&str>::new(), "{fine}");
        }
    }

    #[test]
    fn digits_of_every_script_are_numeric() {
        for numeric in ["8264019357", "۸۲۶۴۰۱۹۳۵۷", "٨٢٦٤٠١٩٣٥٧", "８２６４０１９３", "¹²³⁷⁴⁶⁸⁹"]
        {
            let nobody = Owner::default();
            assert_eq!(codes(numeric, &nobody), ["password_entirely_numeric"], "{numeric}");
        }
        assert_eq!(codes("8264019357x", &Owner::default()), Vec::<&str>::new());
    }

    #[test]
    fn everything_known_of_the_owner_counts() {
        let phone = PhoneNumber::from_e164("+989123456789").unwrap();
        let owner = Owner {
            username: "parvaneh",
            first_name: "Shahrzad",
            last_name: "Golestani",
            email: "moonlight@example.com",
            phone: Some(&phone),
        };
        for (password, what) in [
            ("Parvaneh!1", "username"),
            ("shahrzad77", "first name"),
            ("xGolestani", "last name"),
            ("moonlight.9", "email address"),
            ("moonlight@example.com", "email address"),
            ("09123456789a", "mobile number"),
            ("+989123456789", "mobile number"),
            ("989123456789-", "mobile number"),
        ] {
            let broken = check(&password.into(), &owner);
            let message = format!("The password is too similar to the {what}.");
            assert_eq!(broken[0].message, message, "{password}");
        }
        assert_eq!(codes("something-else-entirely", &owner), Vec::<&str>::new());
    }
}

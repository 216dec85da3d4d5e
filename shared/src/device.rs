//! What a `User-Agent` header says about the device behind a session, for the list of sessions.
//!
//! It is a claim of the client, shown back to the account's owner; nothing is decided by it.

use woothee::{parser::Parser, woothee::VALUE_UNKNOWN};

/// Longest header looked at, in bytes; real ones have about 150.
const MAX_HEADER_BYTES: usize = 1024;

/// Longest name kept, in characters.
const MAX_NAME_CHARS: usize = 64;

/// Browser, operating system and kind of device; `None` where the header does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// `Chrome`, `Firefox` …; for an app the name it gives itself, such as `okhttp` or `Dart`.
    pub browser: Option<String>,
    /// `Android`, `iOS`, `Windows 10` ….
    pub os: Option<String>,
    /// `smartphone`, `tablet`, `pc`, `crawler` ….
    pub device: Option<String>,
}

impl Device {
    /// Reads a `User-Agent` header; any text is allowed, one that says nothing gives three `None`.
    pub fn parse(user_agent: &str) -> Self {
        let header = &user_agent[..user_agent.floor_char_boundary(MAX_HEADER_BYTES)];
        let Some(found) = Parser::new().parse(header) else {
            return Self { browser: product(header), ..Self::default() };
        };
        let (os, device) = match found.os {
            "iPad" => ("iOS", "tablet"),
            "iPhone" | "iPod" => ("iOS", found.category),
            other => (other, found.category),
        };
        Self {
            browser: name(found.name).or_else(|| product(header)),
            os: name(os),
            device: name(device),
        }
    }
}

/// What an app calls itself: the `Shop` of `Shop/1.2 CFNetwork/1494`. `Mozilla` says nothing,
/// since every browser starts with it.
fn product(header: &str) -> Option<String> {
    let (product, _version) = header.split_once('/')?;
    if product == "Mozilla" || product.contains(['(', ';', '<', '"']) {
        return None;
    }
    name(product)
}

/// A name fit to be stored and shown: known, without control characters, of bounded length.
fn name(text: &str) -> Option<String> {
    if text == VALUE_UNKNOWN {
        return None;
    }
    let clean: String = text.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(user_agent: &str) -> [Option<String>; 3] {
        let Device { browser, os, device } = Device::parse(user_agent);
        [browser, os, device]
    }

    #[test]
    fn browsers_are_recognised() {
        for (user_agent, expected) in [
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/124.0.0.0 Mobile Safari/537.36",
                ["Chrome", "Android", "smartphone"],
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
                ["Safari", "iOS", "smartphone"],
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                 Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
                ["Safari", "iOS", "tablet"],
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:125.0) Gecko/20100101 Firefox/125.0",
                ["Firefox", "Windows 10", "pc"],
            ),
        ] {
            assert_eq!(parsed(user_agent), expected.map(|text| Some(text.to_owned())));
        }
    }

    #[test]
    fn an_app_is_shown_by_the_name_it_gives_itself() {
        let browser = |user_agent| Device::parse(user_agent).browser;
        assert_eq!(browser("okhttp/4.12.0").as_deref(), Some("okhttp"));
        assert_eq!(browser("Dart/3.3 (dart:io)").as_deref(), Some("Dart"));
        let app = Device::parse("Shop/1.2 CFNetwork/1494 Darwin/23.4.0");
        assert_eq!((app.browser.as_deref(), app.os.as_deref()), (Some("Shop"), Some("iOS")));
    }

    #[test]
    fn a_header_that_says_nothing_gives_nothing() {
        for user_agent in ["", " ", "-", "UNKNOWN", "\u{1b}[31m", "/", "Mozilla/5.0", "<b>/1"] {
            assert_eq!(Device::parse(user_agent), Device::default(), "{user_agent:?}");
        }
    }

    #[test]
    fn names_are_bounded_and_free_of_control_characters() {
        let long = Device::parse(&format!("{}/1", "ن".repeat(300))).browser.unwrap();
        assert_eq!(long.chars().count(), MAX_NAME_CHARS);
        let control = Device::parse("Sh\u{1b}[31mop\r\n\0/1").browser.unwrap();
        assert!(!control.chars().any(char::is_control), "{control:?}");
    }

    #[test]
    fn a_cut_inside_a_character_does_not_panic() {
        for start in 0..4 {
            let user_agent = format!("{}{}", "a".repeat(start), "😀".repeat(2000));
            assert_eq!(Device::parse(&user_agent), Device::default());
        }
    }
}

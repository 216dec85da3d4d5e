//! What every gateway is told in the same way, and settings they share.

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::{NewPage, Problem};
use crate::settings::secret_header;

/// What a payer reads who was told nothing: "payment".
const UNTOLD: &str = "پرداخت";

/// The description, which gateways insist on, cut at `most` characters.
pub(super) fn description(page: &NewPage, most: usize) -> String {
    let told = page.description.trim();
    let text = if told.is_empty() { UNTOLD } else { told };
    text.chars().take(most).collect()
}

/// `09…`, as every gateway here writes numbers of Iran; others are left as they are.
pub(super) fn local_mobile(mobile: &str) -> String {
    let mobile = mobile.trim();
    let national = mobile.strip_prefix("+98").or_else(|| mobile.strip_prefix("0098"));
    national.map_or_else(|| mobile.to_owned(), |rest| format!("0{rest}"))
}

/// A hash of a card as gateways give it; what is longer or of other letters is none.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// `Authorization: Bearer …` that no log prints.
pub(super) fn bearer(key: &'static str, token: &SecretString) -> Result<HeaderValue, Problem> {
    secret_header(key, token)?;
    let line = SecretString::from(format!("Bearer {}", token.expose_secret()));
    let wrong = |_| Problem::new(key, "must be ASCII without white space, and not empty");
    let mut value = HeaderValue::from_str(line.expose_secret()).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Rials;

    #[test]
    fn numbers_go_as_they_are_written_in_iran() {
        for (given, told) in [
            ("+989123456789", "09123456789"),
            ("00989123456789", "09123456789"),
            (" 09123456789", "09123456789"),
            ("+4915112345678", "+4915112345678"),
            ("", ""),
        ] {
            assert_eq!(local_mobile(given), told);
        }
    }

    #[test]
    fn a_description_is_never_empty_nor_too_long() {
        let page = |text: &str| NewPage {
            amount: Rials::ZERO,
            callback_url: String::new(),
            description: text.to_owned(),
            client_ref: String::new(),
            order_id: String::new(),
            mobile: String::new(),
            email: String::new(),
        };
        assert_eq!(description(&page(" "), 500), UNTOLD);
        assert_eq!(description(&page(&"پ".repeat(600)), 500).chars().count(), 500);
    }

    #[test]
    fn a_bearer_prints_nothing() {
        let header = bearer("token", &SecretString::from("t0k3n")).unwrap();
        assert_eq!((header.to_str().unwrap(), header.is_sensitive()), ("Bearer t0k3n", true));
        assert!(bearer("token", &SecretString::from("a b")).is_err());
    }
}

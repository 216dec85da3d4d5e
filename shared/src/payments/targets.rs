//! Where a payer may be sent: the URLs that requests name, and the hosts they may name. Pure.
//!
//! A host is allowed by its very name (and port), so that neither a stranger's page nor an address
//! inside the installation can be named unless an operator wrote it down.

use reqwest::Url;

use crate::config::Config;

/// Characters a URL has at most.
const LONGEST: usize = 2_000;

/// The hosts that a URL may name.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts(Vec<String>);

/// Why a URL is not taken: a word for programs, and a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrongUrl {
    /// For programs.
    pub(super) code: &'static str,
    /// For people.
    pub(super) message: &'static str,
}

const INVALID: WrongUrl = WrongUrl { code: "invalid", message: "Enter a valid URL." };
const TOO_LONG: WrongUrl =
    WrongUrl { code: "max_length", message: "Ensure this field has no more than 2000 characters." };
const CREDENTIALS: WrongUrl =
    WrongUrl { code: "credentials", message: "The URL must not have a user name or password." };
const FRAGMENT: WrongUrl =
    WrongUrl { code: "fragment", message: "The URL must not have a fragment." };
const HOST: WrongUrl =
    WrongUrl { code: "host_not_allowed", message: "Payers are not sent to this host." };

impl Hosts {
    /// Those of `callback_url`.
    pub(super) fn of_callbacks(config: &Config) -> Self {
        let payments = &config.payments;
        let own = [&config.http.public_url, &payments.callback_url];
        let own = own.into_iter().filter_map(|url| Url::parse(url).ok());
        let own = own.filter_map(|url| host(&url));
        Self(own.chain(payments.callback_hosts.iter().cloned()).collect())
    }

    /// Those of `frontend_callback_url`.
    pub(super) fn of_frontends(config: &Config) -> Self {
        let own = Url::parse(&config.http.public_url).ok().and_then(|url| host(&url));
        Self(own.into_iter().chain(config.payments.frontend_hosts.iter().cloned()).collect())
    }

    /// The URL as every program reads it, if a payer may be sent there.
    ///
    /// # Errors
    /// [`WrongUrl`], the first that is wrong with it.
    pub(super) fn admit(&self, text: &str) -> Result<String, WrongUrl> {
        if text.chars().count() > LONGEST {
            return Err(TOO_LONG);
        }
        // Browsers take these away or read them as something else: other programs may not.
        if text.chars().any(|char| char.is_control() || char.is_whitespace() || char == '\\') {
            return Err(INVALID);
        }
        let url = Url::parse(text).map_err(|_| INVALID)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(INVALID);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(CREDENTIALS);
        }
        if url.fragment().is_some() {
            return Err(FRAGMENT);
        }
        let named = host(&url).ok_or(INVALID)?;
        if !self.0.contains(&named) {
            return Err(HOST);
        }
        let url = String::from(url);
        if url.len() > LONGEST { Err(TOO_LONG) } else { Ok(url) }
    }
}

/// With its port, if that is not the usual one.
fn host(url: &Url) -> Option<String> {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}{port}", url.host_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let mut config = Config::default();
        config.http.public_url = "https://peyk.example".to_owned();
        config.payments.callback_url = "https://pay.example/back".to_owned();
        config.payments.callback_hosts =
            ["shop.example", "xn--mgb.example", "127.0.0.1:3000"].map(str::to_owned).to_vec();
        Hosts::of_callbacks(&config)
    }

    #[test]
    fn hosts_that_are_written_down_are_admitted_in_every_spelling_of_a_url() {
        for (url, read) in [
            ("https://peyk.example/x", "https://peyk.example/x"),
            ("http://pay.example/back?a=1", "http://pay.example/back?a=1"),
            ("HTTPS://Shop.Example:443", "https://shop.example/"),
            ("http://127.0.0.1:3000/cb", "http://127.0.0.1:3000/cb"),
            ("https://shop.example/a/../b%20c", "https://shop.example/b%20c"),
        ] {
            assert_eq!(hosts().admit(url).as_deref(), Ok(read), "{url}");
        }
    }

    #[test]
    fn whatever_names_another_host_or_hides_one_is_refused() {
        let long = format!("https://shop.example/{}", "a".repeat(LONGEST));
        for (url, wrong) in [
            ("javascript:alert(1)", INVALID),
            ("data:text/html,x", INVALID),
            ("ftp://shop.example/", INVALID),
            ("//shop.example/", INVALID),
            ("shop.example", INVALID),
            ("", INVALID),
            ("https://shop.example\\@evil.example/", INVALID),
            ("https://sh\top.example/", INVALID),
            ("https://shop.example/\r\nSet-Cookie:a", INVALID),
            ("https://evil.example/", HOST),
            ("https://shop.example.evil.example/", HOST),
            ("https://evilshop.example/", HOST),
            ("https://shop.example./", HOST),
            ("https://shop.example:8443/", HOST),
            ("https://shop.example@evil.example/", CREDENTIALS),
            ("https://a:b@shop.example/", CREDENTIALS),
            ("https://shop.example/#x", FRAGMENT),
            (long.as_str(), TOO_LONG),
        ] {
            assert_eq!(hosts().admit(url), Err(wrong), "{url}");
        }
    }

    #[test]
    fn no_address_inside_is_admitted_unless_that_very_one_is_written_down() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:3001",
            "localhost:3000",
            "0x7f.1:3000/",
            "2130706433",
            "[::1]",
            "[::ffff:127.0.0.1]:3000",
            "10.0.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "metadata.google.internal",
        ] {
            let admitted = hosts().admit(&format!("http://{host}"));
            // Another spelling of the address that is written down is that address.
            let written_down = host == "0x7f.1:3000/";
            assert_eq!(admitted.is_ok(), written_down, "{host}");
        }
    }

    #[test]
    fn frontends_have_a_list_of_their_own() {
        let mut config = Config::default();
        config.http.public_url = "https://peyk.example".to_owned();
        config.payments.callback_hosts = vec!["shop.example".to_owned()];
        config.payments.frontend_hosts = vec!["app.example".to_owned()];
        let hosts = Hosts::of_frontends(&config);
        assert!(hosts.admit("https://app.example/done").is_ok());
        assert!(hosts.admit("https://peyk.example/").is_ok());
        assert_eq!(hosts.admit("https://shop.example/"), Err(HOST));
    }
}

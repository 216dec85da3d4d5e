//! What several providers read alike in their tables: addresses, keys, names.

use std::collections::BTreeMap;

use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Problem, Setup};
use crate::http_client::HttpClient;

/// Collects what is wrong with a table, so that all of it is named at once.
#[derive(Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// The value, or its problem noted.
    pub(super) fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    /// Notes a problem unless `fine`.
    pub(super) fn require(&mut self, fine: bool, key: &'static str, message: &str) {
        if !fine {
            self.0.push(Problem::new(key, message));
        }
    }

    /// Notes a required setting that is empty.
    pub(super) fn require_filled(&mut self, key: &'static str, setting: &str) {
        self.require(!setting.trim().is_empty(), key, "must not be empty");
    }

    /// The client of an account.
    pub(super) fn client(&mut self, setup: &Setup) -> Option<HttpClient> {
        let no_tls = |error| Problem::new("base_url", &format!("no TLS: {error}"));
        self.keep(HttpClient::new(setup.timeouts).map_err(no_tls))
    }

    /// What the settings make, unless any of them is wrong.
    pub(super) fn into_result<T>(self, made: Option<T>) -> Result<T, Vec<Problem>> {
        made.filter(|_| self.0.is_empty()).ok_or(self.0)
    }
}

/// An absolute http(s) URL without user, query and fragment.
pub(super) fn base_url(key: &'static str, text: &str) -> Result<Url, Problem> {
    let problem = |why: &str| Problem::new(key, why);
    let url = Url::parse(text).map_err(|error| problem(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(problem("must begin with http:// or https://"));
    }
    let bare = url.username().is_empty() && url.password().is_none();
    if !bare || url.query().is_some() || url.fragment().is_some() {
        return Err(problem("must have no user, query or fragment"));
    }
    Ok(url)
}

/// A header that no log prints.
pub(super) fn secret_header(
    key: &'static str,
    secret: &SecretString,
) -> Result<HeaderValue, Problem> {
    let text = secret.expose_secret();
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::from_str(text).ok().filter(|_| plain);
    let mut value = value
        .ok_or_else(|| Problem::new(key, "must be ASCII without white space, and not empty"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The setting without white space around it; none if nothing is left.
pub(super) fn filled(setting: Option<&String>) -> Option<String> {
    setting.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// What a provider calls things we have another name for; without an entry the names are the same.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// The provider's name of `ours`.
    pub fn of<'a>(&'a self, ours: &'a str) -> &'a str {
        self.0.get(ours).map_or(ours, |theirs| theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_http_with_nothing_but_a_path() {
        for url in ["http://127.0.0.1:18080/a.b/", "https://a"] {
            assert!(base_url("base_url", url).is_ok(), "{url}");
        }
        for url in
            ["", "a.example", "ftp://a", "http://u@a", "http://:p@a", "http://a?b", "http://a#b"]
        {
            assert_eq!(base_url("base_url", url).unwrap_err().key, "base_url", "{url}");
        }
    }

    #[test]
    fn a_secret_header_prints_nothing() {
        let header = secret_header("api_key", &SecretString::from("k3y")).unwrap();
        assert_eq!((header.to_str().unwrap(), header.is_sensitive()), ("k3y", true));
        for bad in ["", "a b", "a\n", "کلید"] {
            assert!(secret_header("api_key", &SecretString::from(bad)).is_err());
        }
    }
}

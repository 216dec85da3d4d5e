//! What the tables of providers and gateways hold alike: addresses, keys, names.

use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use crate::{
    config::{ConfigError, parse_table},
    http_client::{HttpClient, Timeouts},
};

/// A setting of a provider or gateway that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key within its table.
    pub key: &'static str,
    /// What is wrong, without the value.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(key: &'static str, message: &str) -> Self {
        Self { key, message: message.to_owned() }
    }
}

/// The table of a provider or gateway, to be built with what all of them are built with.
pub(crate) struct Account<'a, S> {
    /// Of the configuration: `sms.providers`.
    pub(crate) section: &'static str,
    /// The configured name.
    pub(crate) name: &'a str,
    /// Its table.
    pub(crate) table: &'a toml::Table,
    /// What all are built with.
    pub(crate) setup: &'a S,
}

impl<S> Account<'_, S> {
    fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// What `new` makes of the table. `None`: what is wrong was added to `errors`.
    pub(crate) fn build<C: DeserializeOwned, A>(
        &self,
        errors: &mut Vec<ConfigError>,
        new: impl FnOnce(&str, &C, &S) -> Result<A, Vec<Problem>>,
    ) -> Option<A> {
        let settings = parse_table::<C>(self.table, &self.path(), errors)?;
        let built = new(self.name, &settings, self.setup);
        built.map_err(|problems| self.report(problems, errors)).ok()
    }

    /// Adds the problems, except where the path has an error already.
    pub(crate) fn report(&self, problems: Vec<Problem>, errors: &mut Vec<ConfigError>) {
        for Problem { key, message } in problems {
            let path = format!("{}.{key}", self.path());
            if errors.iter().all(|error| error.path != path) {
                errors.push(ConfigError::new(path, message));
            }
        }
    }
}

/// Collects what is wrong with a table, so that all of it is named at once.
#[derive(Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// The value, or its problem noted.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    /// Notes a problem unless `fine`.
    pub(crate) fn require(&mut self, fine: bool, key: &'static str, message: &str) {
        if !fine {
            self.0.push(Problem::new(key, message));
        }
    }

    /// Notes a required setting that is empty.
    pub(crate) fn require_filled(&mut self, key: &'static str, setting: &str) {
        self.require(!setting.trim().is_empty(), key, "must not be empty");
    }

    /// The client of an account.
    pub(crate) fn client(&mut self, timeouts: Timeouts) -> Option<HttpClient> {
        let no_tls = |error| Problem::new("base_url", &format!("no TLS: {error}"));
        self.keep(HttpClient::new(timeouts).map_err(no_tls))
    }

    /// What the settings make, unless any of them is wrong.
    pub(crate) fn into_result<T>(self, made: Option<T>) -> Result<T, Vec<Problem>> {
        made.filter(|_| self.0.is_empty()).ok_or(self.0)
    }
}

/// An absolute http(s) URL without user, query and fragment.
pub(crate) fn base_url(key: &'static str, text: &str) -> Result<Url, Problem> {
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
pub(crate) fn secret_header(
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
pub(crate) fn filled(setting: Option<&String>) -> Option<String> {
    setting.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
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

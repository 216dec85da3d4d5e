//! What types cannot say: ranges, required settings, and settings that contradict each other.

mod access;
mod audit;
mod chat;
mod console;
mod delivery;
mod guard;
mod limits;
mod organizations;
mod outward;
mod payments;
mod rest_sms_auth;
mod service;
mod webhooks;

use std::ops::RangeInclusive;

use super::{Config, error::ConfigError};

/// Pushes everything impossible in `config` to `errors`. Paths `broken` names have been reported:
/// there `config` holds a default nobody asked for, so they are not checked.
pub(super) fn validate(config: &Config, broken: &[ConfigError], errors: &mut Vec<ConfigError>) {
    let mut checks = Checks { broken, errors };
    service::check(&mut checks, config);
    access::check(&mut checks, config);
    delivery::check(&mut checks, config);
    limits::check(&mut checks, config);
    webhooks::check(&mut checks, config);
    guard::check(&mut checks, config);
    audit::check(&mut checks, config);
    organizations::check(&mut checks, config);
    chat::check(&mut checks, config);
    console::check(&mut checks, config);
    payments::check(&mut checks, config);
    rest_sms_auth::check(&mut checks, config);
}

/// Collects what is wrong.
struct Checks<'a> {
    broken: &'a [ConfigError],
    errors: &'a mut Vec<ConfigError>,
}

impl Checks<'_> {
    /// Notes `message` at `path` unless `fine`. The message must not hold a secret.
    fn require(&mut self, path: &str, fine: bool, message: &str) {
        if !fine && self.is_read(path) {
            self.errors.push(ConfigError::new(path, message));
        }
    }

    /// [`Checks::require`] for a setting that must fit another one.
    fn relate(&mut self, path: &str, other: &str, fine: bool, message: &str) {
        self.require(path, fine || !self.is_read(other), message);
    }

    /// Notes a number outside of `range`.
    fn range<N: TryInto<u64>>(&mut self, path: &str, number: N, range: RangeInclusive<u64>) {
        // What is too large for u64 is too large for every range.
        let fine = number.try_into().is_ok_and(|number| range.contains(&number));
        let message = match (*range.start(), *range.end()) {
            (least, u64::MAX) => format!("must be at least {least}"),
            (least, most) => format!("must be {least} to {most}"),
        };
        self.require(path, fine, &message);
    }

    /// Whether the value at `path` is what was written there.
    fn is_read(&self, path: &str) -> bool {
        !self.broken.iter().any(|error| error.touches(path))
    }
}

/// Whether `text` has `least` to `most` of `a-z 0-9 _ -`.
fn is_name(text: &str, least: usize, most: usize) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (least..=most).contains(&text.len()) && text.bytes().all(plain)
}

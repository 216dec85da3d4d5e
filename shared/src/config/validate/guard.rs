//! Checks of `[guard]`.

use super::{Checks, access::is_country};
use crate::config::Config;

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    let guard = &config.guard;
    for (path, count) in [
        ("guard.country_per_hour", guard.country_per_hour),
        ("guard.country_per_day", guard.country_per_day),
        ("guard.prefix_per_hour", guard.prefix_per_hour),
        ("guard.prefix_per_day", guard.prefix_per_day),
        ("guard.ip_per_hour", guard.ip_per_hour),
        ("guard.ip_per_day", guard.ip_per_day),
    ] {
        checks.range(path, count, 0..=1_000_000_000);
    }
    checks.range("guard.countries_per_ip", guard.countries_per_ip, 0..=300);
    checks.range("guard.prefix_digits", guard.prefix_digits, 1..=6);
    checks.range("guard.verified_percent", guard.verified_percent, 0..=1_000);
    let countries = guard.allow_countries.iter().all(|code| is_country(code));
    let message = "must only name countries, such as IR (ISO 3166 alpha-2, upper case)";
    checks.require("guard.allow_countries", countries, message);
    let is_prefix = |text: &String| {
        let digits = text.strip_prefix('+').unwrap_or_default();
        (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let prefixes = guard.allow_prefixes.iter().all(is_prefix);
    checks.require("guard.allow_prefixes", prefixes, "must be like +98912");
}

//! Checks of `[webhooks]`: where events go, and that they are signed.

use reqwest::Url;

use super::{Checks, is_name, outward::is_loopback};
use crate::{
    config::{Config, Mode, WebhookEndpoint},
    webhooks::{
        events::{Kind, matches},
        signature::Secret,
    },
};

/// Endpoints at most: each is a label in metrics and a row per event.
const MOST: usize = 16;

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    let webhooks = &config.webhooks;
    checks.range("webhooks.max_attempts", webhooks.max_attempts, 1..=1_000);
    let (path, seconds) = ("webhooks.give_up_after_seconds", webhooks.give_up_after_seconds);
    checks.range(path, seconds, 60..=2_592_000);
    checks.range("webhooks.keep_days", webhooks.keep_days, 1..=3_650);
    let days = u64::from(webhooks.keep_days) * 86_400;
    let message = "must be at least webhooks.give_up_after_seconds: what is tried is kept";
    checks.relate("webhooks.keep_days", path, days >= u64::from(seconds), message);
    let mut patterns = webhooks.endpoints.values().flat_map(|endpoint| &endpoint.events);
    let passed_on = patterns.any(|pattern| matches(pattern, Kind::SmsInbound));
    let fine = !passed_on || webhooks.keep_days <= config.sms.inbound_retention_days;
    let path = "sms.inbound_retention_days";
    let message = "must be at most sms.inbound_retention_days: sms.inbound events hold the text";
    checks.relate("webhooks.keep_days", path, fine, message);
    let message = format!("must be {MOST} endpoints at most");
    checks.require("webhooks.endpoints", webhooks.endpoints.len() <= MOST, &message);
    for (name, endpoint) in &webhooks.endpoints {
        self::endpoint(checks, config.mode, name, endpoint);
    }
}

fn endpoint(checks: &mut Checks<'_>, mode: Mode, name: &str, endpoint: &WebhookEndpoint) {
    let path = format!("webhooks.endpoints.{name}");
    checks.require(&path, is_name(name, 1, 32), "must have a name of 1 to 32 of a-z 0-9 _ -");
    url(checks, mode, &format!("{path}.url"), &endpoint.url);
    let secrets = format!("{path}.secrets");
    let count = endpoint.secrets.len();
    checks.require(&secrets, (1..=2).contains(&count), "must be one secret, or two to rotate");
    let fine = endpoint.secrets.iter().all(|secret| Secret::parse(secret).is_some());
    checks.require(&secrets, fine, "must each be whsec_ and the base64 of 24 to 64 bytes");
    let events = format!("{path}.events");
    checks.require(&events, !endpoint.events.is_empty(), "must not be empty");
    let known = |pattern: &String| Kind::ALL.into_iter().any(|kind| matches(pattern, kind));
    let names: Vec<_> = Kind::ALL.map(Kind::as_str).into();
    let message = format!("must be *, groups such as sms.*, or of: {}", names.join(", "));
    checks.require(&events, endpoint.events.iter().all(known), &message);
    checks.range(&format!("{path}.timeout_ms"), endpoint.timeout_ms, 100..=60_000);
}

fn url(checks: &mut Checks<'_>, mode: Mode, path: &str, text: &str) {
    let Some(url) = Url::parse(text).ok().filter(Url::has_host) else {
        return checks.require(path, false, "must be an https URL");
    };
    let known = matches!(url.scheme(), "http" | "https");
    checks.require(path, known, "must be an https URL");
    let plain = url.scheme() == "http" && mode == Mode::Production && !is_loopback(&url);
    let message = "must be https: only a loopback host may be http, or any in sandbox mode";
    checks.require(path, !plain, message);
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    checks.require(path, bare, "must hold no credentials and no fragment: requests are signed");
}

//! Checks of `[sms]`: where texts go, and that trying out never texts anybody.

use std::{collections::BTreeSet, net::IpAddr};

use reqwest::Url;
use toml::{Table, Value};

use super::{Checks, is_name};
use crate::config::{Config, Mode, SANDBOX, Sms};

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    checks.range("sms.budget_ms", config.sms.budget_ms, 1..=60_000);
    checks.range("sms.connect_timeout_ms", config.sms.connect_timeout_ms, 1..=60_000);
    checks.relate(
        "sms.connect_timeout_ms",
        "sms.budget_ms",
        config.sms.connect_timeout_ms <= config.sms.budget_ms,
        "must not be more than sms.budget_ms",
    );
    checks.range("sms.max_attempts", config.sms.max_attempts, 1..=1_000);
    order(checks, config);
    for (name, table) in &config.sms.providers {
        provider(checks, config, name, table);
    }
}

fn order(checks: &mut Checks<'_>, config: &Config) {
    let Sms { order, providers, .. } = &config.sms;
    let known = |name: &String| name == SANDBOX || providers.contains_key(name);
    let fine = order.iter().all(known);
    let message = "must only name tables of sms.providers, or sandbox";
    checks.relate("sms.order", "sms.providers", fine, message);
    let distinct: BTreeSet<_> = order.iter().collect();
    checks.require("sms.order", distinct.len() == order.len(), "must not repeat a provider");
    let sandboxed = config.sms_order().iter().any(|name| config.sms.kind(name) == SANDBOX);
    checks.require(
        "sms.order",
        config.mode != Mode::Production || !sandboxed,
        "must not use a sandbox provider in production: its texts reach nobody",
    );
}

fn provider(checks: &mut Checks<'_>, config: &Config, name: &str, table: &Table) {
    let path = format!("sms.providers.{name}");
    checks.require(&path, is_name(name, 1, 32), "must have a name of 1 to 32 of a-z 0-9 _ -");
    let kind = table.get("kind");
    checks.require(&format!("{path}.kind"), kind.is_none_or(Value::is_str), "must be a string");
    let base_url = format!("{path}.base_url");
    let reach = reach(table.get("base_url"));
    let fine = !matches!(reach, Reach::Nowhere);
    checks.require(&base_url, fine, "must be an http or https URL with a host");
    let fine = !matches!(reach, Reach::Plain);
    checks.require(&base_url, fine, "must be https: only a loopback host may be http");
    let live = config.sms.kind(name) != SANDBOX && !matches!(reach, Reach::Loopback);
    checks.require(
        &base_url,
        config.mode != Mode::Sandbox || !live || matches!(reach, Reach::Nowhere),
        "would text real people: mode is sandbox, which refuses to start beside live credentials. \
         Remove the provider, or give it a base_url with a loopback host",
    );
}

/// Where calls to a provider go.
enum Reach {
    /// Its own default.
    Default,
    /// This machine.
    Loopback,
    /// The network, over TLS.
    Secure,
    /// The network, readable by all.
    Plain,
    /// Not a URL.
    Nowhere,
}

fn reach(base_url: Option<&Value>) -> Reach {
    let Some(value) = base_url else {
        return Reach::Default;
    };
    let url = value.as_str().and_then(|text| Url::parse(text).ok());
    match url.as_ref().map(|url| (url.scheme(), is_loopback(url))) {
        Some(("http" | "https", true)) => Reach::Loopback,
        Some(("https", false)) => Reach::Secure,
        Some(("http", false)) => Reach::Plain,
        _ => Reach::Nowhere,
    }
}

/// `localhost`, 127.0.0.0/8 or `::1`, as the URL names it; no name is looked up.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

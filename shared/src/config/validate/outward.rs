//! The check of every account at somebody outside, SMS providers and payment gateways alike: nothing
//! readable leaves this machine, and trying out never reaches anybody real.

use std::net::IpAddr;

use reqwest::Url;
use toml::{Table, Value};

use super::{Checks, is_name};
use crate::config::{Mode, SANDBOX};

/// Keys of addresses that are called or that people are sent to.
const URLS: [&str; 3] = ["base_url", "pages_url", "panel_url"];

/// An account with a table of its own.
pub(super) struct Account<'a> {
    /// Of its table: `sms.providers.<name>`.
    pub(super) path: String,
    pub(super) name: &'a str,
    /// Its kind, in any case.
    pub(super) kind: &'a str,
    pub(super) table: &'a Table,
    /// What would happen if it were used for trying out: "text real people".
    pub(super) harm: &'static str,
}

pub(super) fn check(checks: &mut Checks<'_>, mode: Mode, account: &Account<'_>) {
    let Account { path, name, kind, table, harm } = account;
    checks.require(path, is_name(name, 1, 32), "must have a name of 1 to 32 of a-z 0-9 _ -");
    let written = table.get("kind").is_none_or(Value::is_str);
    checks.require(&format!("{path}.kind"), written, "must be a string");
    for key in URLS {
        let reach = reach(table.get(key));
        let path = format!("{path}.{key}");
        let fine = !matches!(reach, Reach::Nowhere);
        checks.require(&path, fine, "must be an http or https URL with a host");
        let fine = !matches!(reach, Reach::Plain);
        checks.require(&path, fine, "must be https: only a loopback host may be http");
    }
    let base_url = format!("{path}.base_url");
    let reach = reach(table.get("base_url"));
    let live = !is_sandbox(kind) && !has_own_sandbox(table) && !matches!(reach, Reach::Loopback);
    checks.require(
        &base_url,
        mode != Mode::Sandbox || !live || matches!(reach, Reach::Nowhere),
        &format!(
            "would {harm}: mode is sandbox, which refuses to start beside live credentials. \
             Remove the table, or give it a base_url with a loopback host"
        ),
    );
}

/// Whether accounts of this kind are our own play.
pub(super) fn is_sandbox(kind: &str) -> bool {
    kind.eq_ignore_ascii_case(SANDBOX)
}

/// Whether the account is at the other side's own sandbox. Gateways that have one read this key and
/// see to it themselves that nothing real is paid there.
fn has_own_sandbox(table: &Table) -> bool {
    match table.get("sandbox") {
        Some(Value::Boolean(sandbox)) => *sandbox,
        // From the environment.
        Some(Value::String(sandbox)) => sandbox == "true",
        _ => false,
    }
}

/// Where calls to an account go.
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
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

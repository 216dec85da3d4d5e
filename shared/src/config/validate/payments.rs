//! Checks of `[payments] [wallets]`. Gateways check their own tables when they are built.

use reqwest::Url;

use super::{
    Checks,
    outward::{self, Account, is_sandbox},
};
use crate::{
    config::{Config, Mode, Payments},
    payments::Purpose,
};

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    let payments = &config.payments;
    gateways(checks, config);
    let fine = payments.currencies.contains(&payments.currency);
    let message = "must hold payments.currency";
    checks.relate("payments.currencies", "payments.currency", fine, message);
    let known = |word: &String| Purpose::ALL.iter().any(|purpose| purpose.as_str() == word);
    let fine = !payments.purposes.is_empty() && payments.purposes.iter().all(known);
    checks.require("payments.purposes", fine, "must be charge_wallet, pay_only or both");
    amounts(checks, payments);
    let path = "payments.callback_url";
    let fine = payments.callback_url.is_empty() || is_page(&payments.callback_url);
    checks.require(path, fine, "must be an http or https URL without credentials");
    for (path, hosts) in [
        ("payments.callback_hosts", &payments.callback_hosts),
        ("payments.frontend_hosts", &payments.frontend_hosts),
    ] {
        let fine = hosts.iter().all(|host| is_host(host));
        checks.require(path, fine, "must be hosts such as shop.example or 127.0.0.1:3000");
    }
    checks.range("payments.hourly_per_user", payments.hourly_per_user, 1..=1_000_000);
    checks.range("payments.budget_ms", payments.budget_ms, 100..=60_000);
    // Where nothing but the sandbox is, nobody is waited for.
    let outside = !payments.gateways.is_empty();
    let fine = !outside || payments.budget_ms < config.http.request_timeout_ms;
    let message = "must be less than http.request_timeout_ms";
    checks.relate("payments.budget_ms", "http.request_timeout_ms", fine, message);
    checks.range("payments.connect_timeout_ms", payments.connect_timeout_ms, 1..=60_000);
    checks.range("wallets.most_rials", config.wallets.most_rials, 1..=1_000_000_000_000_000);
    checks.range("wallets.hold_seconds", config.wallets.hold_seconds, 60..=31_536_000);
}

fn gateways(checks: &mut Checks<'_>, config: &Config) {
    let payments = &config.payments;
    for (name, table) in &payments.gateways {
        let path = format!("payments.gateways.{name}");
        let kind = payments.kind(name);
        let fine = config.mode != Mode::Production || !is_sandbox(kind);
        let message = "must not be a sandbox in production: nobody would pay there";
        checks.require(&format!("{path}.kind"), fine, message);
        let harm = "take real money";
        outward::check(checks, config.mode, &Account { path, name, kind, table, harm });
    }
    let known = |name: &str| config.gateway_names().iter().any(|known| known == name);
    let fine = payments.gateway.is_empty() || known(&payments.gateway);
    checks.relate("payments.gateway", "payments.gateways", fine, "is no configured gateway");
    let several = payments.gateway.is_empty() && payments.gateways.len() > 1;
    let message = "is required where there are several gateways";
    checks.relate("payments.gateway", "payments.gateways", !several, message);
    let fine = payments.choices.iter().all(|name| known(name));
    checks.relate("payments.choices", "payments.gateways", fine, "must be configured gateways");
}

fn amounts(checks: &mut Checks<'_>, payments: &Payments) {
    const MOST: u64 = 1_000_000_000_000;
    checks.range("payments.least_rials", payments.least_rials, 1..=MOST);
    checks.range("payments.most_rials", payments.most_rials, 1..=MOST);
    let fine = payments.least_rials <= payments.most_rials;
    let message = "must not be less than payments.least_rials";
    checks.relate("payments.most_rials", "payments.least_rials", fine, message);
}

fn is_page(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.has_host()
    })
}

/// A host as it stands in a URL, with a port if that is not the usual one.
fn is_host(text: &str) -> bool {
    Url::parse(&format!("http://{text}/")).is_ok_and(|url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        url.path() == "/" && format!("{}{port}", url.host_str().unwrap_or_default()) == text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_hosts_alone() {
        for fine in ["shop.example", "127.0.0.1:3000", "[::1]:3000", "localhost"] {
            assert!(is_host(fine), "{fine}");
        }
        for wrong in ["", "https://shop.example", "shop.example/x", "a@shop.example", "*.example?"]
        {
            assert!(!is_host(wrong), "{wrong}");
        }
    }
}

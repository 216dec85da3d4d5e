//! Checks of `[sms]`: where texts go, and that trying out never texts anybody.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;
use toml::Table;

use super::{
    Checks,
    outward::{self, Account, is_sandbox},
};
use crate::{
    config::{Config, Mode, SANDBOX, Sms, SmsTemplate},
    fold::keyword,
    phone::PhoneNumber,
    sms::providers::has_templates,
};

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
    checks.range("sms.user_daily_sends", config.sms.user_daily_sends, 1..=100_000_000);
    checks.range("sms.message_ttl_seconds", config.sms.message_ttl_seconds, 60..=2_592_000);
    webhooks(checks, &config.sms);
    checks.range("sms.account_pause_seconds", config.sms.account_pause_seconds, 1..=3_600);
    if let Some(hours) = &config.sms.quiet_hours {
        let message = "must not begin and end at the same time";
        checks.require("sms.quiet_hours", hours.from != hours.to, message);
    }
    order(checks, config);
    weights(checks, config);
    for (name, template) in &config.sms.templates {
        self::template(checks, config, name, template);
    }
    if let Some(anonymous) = &config.sms.anonymous {
        let some = !anonymous.templates.is_empty() || !anonymous.numbers.is_empty();
        let message = "must list templates or numbers: anything else would be an open relay";
        checks.require("sms.anonymous", some, message);
        let fine = anonymous.numbers.iter().all(|number| PhoneNumber::from_e164(number).is_ok());
        checks.require("sms.anonymous.numbers", fine, "must hold numbers such as +989123456789");
    }
    for (name, table) in &config.sms.providers {
        provider(checks, config, name, table);
    }
}

fn webhooks(checks: &mut Checks<'_>, sms: &Sms) {
    let secret = sms.webhook_secret.as_ref().map(|secret| secret.expose_secret().len());
    let fine = secret.is_none_or(|length| length >= 32);
    checks.require("sms.webhook_secret", fine, "must be at least 32 characters, or not be set");
    let days = sms.inbound_retention_days;
    checks.range("sms.inbound_retention_days", days, 1..=3_650);
    let stop: BTreeSet<_> = sms.stop_words.iter().map(|word| keyword(word)).collect();
    let start: BTreeSet<_> = sms.start_words.iter().map(|word| keyword(word)).collect();
    for (path, words) in [("sms.stop_words", &stop), ("sms.start_words", &start)] {
        checks.require(path, !words.contains(""), "must hold words of letters or digits");
    }
    let message = "must not hold a word of sms.stop_words";
    checks.relate("sms.start_words", "sms.stop_words", stop.is_disjoint(&start), message);
}

/// What providers refuse is better found here: a text without a variable it declares, one with an
/// unknown variable, links (which Iranian providers take out), names that are too long.
fn template(checks: &mut Checks<'_>, config: &Config, name: &str, template: &SmsTemplate) {
    let path = format!("sms.templates.{name}");
    let has_name = (1..=64).contains(&name.chars().count());
    checks.require(&path, has_name, "must have a name of 1 to 64 characters");
    let known =
        |provider: &String| config.sms.providers.contains_key(provider) || provider == SANDBOX;
    let fine = template.providers.keys().all(known);
    let message = "must only name tables of sms.providers";
    checks.require(&format!("{path}.providers"), fine, message);
    let at_providers = template.name.is_some() || !template.providers.is_empty();
    let some = template.text.is_some() || at_providers;
    checks.require(&path, some, "must have a text, or a provider that knows it");
    let plain = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let variables = format!("{path}.variables");
    checks.require(&variables, template.variables.iter().all(plain), "must be of a-z 0-9 _");
    for (key, text) in [("text", &template.text), ("text_en", &template.text_en)] {
        if let Some(text) = text {
            template_text(checks, &format!("{path}.{key}"), text, template);
        }
    }
    // Where there are no templates, what one is called is a text.
    let is_text = |(provider, _): &(&String, _)| !has_templates(config.sms.kind(provider));
    for (provider, text) in template.providers.iter().filter(is_text) {
        template_text(checks, &format!("{path}.providers.{provider}"), text, template);
        let is_of_codes = config.otp.template.as_deref() == Some(name);
        let fine = !is_of_codes || template.variables == ["token"];
        checks.require(&variables, fine, "must be token alone: otp.template sends codes with it");
    }
}

fn template_text(checks: &mut Checks<'_>, path: &str, text: &str, template: &SmsTemplate) {
    let whole = template.variables.iter().all(|name| text.contains(&format!("{{{name}}}")));
    checks.require(path, whole, "must hold every variable, as {token}");
    let mut rest = text.to_owned();
    for name in &template.variables {
        rest = rest.replace(&format!("{{{name}}}"), "");
    }
    checks.require(path, !rest.contains(['{', '}']), "must hold declared variables only");
    let link = rest.contains("http://") || rest.contains("https://") || rest.contains("www.");
    checks.require(path, !link, "must hold no link: providers refuse it");
}

fn order(checks: &mut Checks<'_>, config: &Config) {
    let Sms { order, providers, .. } = &config.sms;
    let known = |name: &String| name == SANDBOX || providers.contains_key(name);
    let fine = order.iter().all(known);
    let message = "must only name tables of sms.providers, or sandbox";
    checks.relate("sms.order", "sms.providers", fine, message);
    let distinct: BTreeSet<_> = order.iter().collect();
    checks.require("sms.order", distinct.len() == order.len(), "must not repeat a provider");
    let sandboxed = config.sms_order().iter().any(|name| is_sandbox(config.sms.kind(name)));
    checks.require(
        "sms.order",
        config.mode != Mode::Production || !sandboxed,
        "must not use a sandbox provider in production: its texts reach nobody",
    );
}

/// Of providers that are used; and somebody must be the first.
fn weights(checks: &mut Checks<'_>, config: &Config) {
    let Sms { weights, low_balance, .. } = &config.sms;
    let order = config.sms_order();
    let message = "must only name providers of sms.order";
    checks.relate("sms.weights", "sms.order", weights.keys().all(|w| order.contains(w)), message);
    let fine = weights.values().all(|weight| *weight <= 1_000);
    checks.require("sms.weights", fine, "must be numbers of 0 to 1000");
    let some = weights.is_empty() || weights.values().any(|weight| *weight > 0);
    checks.require("sms.weights", some, "must not all be 0");
    let fine = low_balance.keys().all(|name| order.contains(name));
    checks.relate("sms.low_balance", "sms.order", fine, message);
}

fn provider(checks: &mut Checks<'_>, config: &Config, name: &str, table: &Table) {
    let path = format!("sms.providers.{name}");
    let kind = config.sms.kind(name);
    outward::check(
        checks,
        config.mode,
        &Account { path, name, kind, table, harm: "text real people" },
    );
}

//! Checks of `[http] [database] [redis] [worker] [cron] [log]`.

use std::{collections::BTreeSet, str::FromStr};

use reqwest::Url;
use secrecy::ExposeSecret;
use tracing_subscriber::EnvFilter;

use super::{Checks, is_name};
use crate::config::{Config, Http, Worker};

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    http(checks, &config.http);
    prefixes(checks, &config.http.prefixes);
    stores(checks, config);
    worker(checks, &config.worker);
    for (name, job) in &config.cron {
        let fine =
            job.schedule.as_deref().is_none_or(|text| cron::Schedule::from_str(text).is_ok());
        let path = format!("cron.{name}.schedule");
        checks.require(&path, fine, "must be a cron expression of six fields, seconds first");
    }
    let filter = EnvFilter::builder().parse(&config.log.filter);
    checks.require("log.filter", filter.is_ok(), "must be levels such as info,shared::otp=debug");
}

fn http(checks: &mut Checks<'_>, http: &Http) {
    checks.require(
        "http.public_url",
        is_public_url(&http.public_url),
        "must be an http or https URL without credentials, query or slash at the end",
    );
    checks.range("http.max_body_bytes", http.max_body_bytes, 1_024..=u64::MAX);
    checks.range("http.max_connections", http.max_connections, 1..=u64::MAX);
    checks.range("http.header_timeout_ms", http.header_timeout_ms, 1..=u64::MAX);
    checks.range("http.request_timeout_ms", http.request_timeout_ms, 1..=u64::MAX);
    checks.relate(
        "http.wait_ms",
        "http.request_timeout_ms",
        http.wait_ms < http.request_timeout_ms,
        "must be less than http.request_timeout_ms, which would end the request first",
    );
    let clash = http.listen.port() != 0 && http.operations_listen == Some(http.listen);
    checks.relate(
        "http.operations_listen",
        "http.listen",
        !clash,
        "must not be the same as http.listen",
    );
}

fn prefixes(checks: &mut Checks<'_>, prefixes: &[String]) {
    let path = "http.prefixes";
    checks.require(path, !prefixes.is_empty(), "must not be empty");
    let fine = prefixes.iter().all(|prefix| is_prefix(prefix));
    checks.require(path, fine, "must each begin with / and not end with it, such as /api");
    let distinct: BTreeSet<_> = prefixes.iter().collect();
    checks.require(path, distinct.len() == prefixes.len(), "must not repeat one");
}

fn stores(checks: &mut Checks<'_>, config: &Config) {
    let url = config.database.url.expose_secret();
    checks.require("database.url", !url.is_empty(), "is required");
    checks.require(
        "database.url",
        url.is_empty() || has_scheme(url, &["postgres", "postgresql"]),
        "must be a URL such as postgres://user:password@host/name",
    );
    checks.range("database.max_connections", config.database.max_connections, 1..=10_000);
    checks.range("database.acquire_timeout_ms", config.database.acquire_timeout_ms, 1..=u64::MAX);
    checks.require(
        "redis.url",
        has_scheme(config.redis.url.expose_secret(), &["redis", "rediss"]),
        "must be a URL such as redis://:password@host:6379/0",
    );
    checks.require(
        "redis.prefix",
        is_name(&config.redis.prefix, 1, 32),
        "must be 1 to 32 of a-z 0-9 _ -",
    );
}

fn worker(checks: &mut Checks<'_>, worker: &Worker) {
    checks.range("worker.otp_concurrency", worker.otp_concurrency, 1..=10_000);
    checks.range("worker.sms_concurrency", worker.sms_concurrency, 1..=10_000);
    checks.range("worker.bulk_concurrency", worker.bulk_concurrency, 1..=10_000);
    checks.range("worker.webhook_concurrency", worker.webhook_concurrency, 1..=10_000);
    checks.range("worker.payment_concurrency", worker.payment_concurrency, 1..=10_000);
    checks.range("worker.sweep_ms", worker.sweep_ms, 10..=60_000);
    checks.range("worker.queue_window", worker.queue_window, 1..=1_000_000);
}

fn is_public_url(text: &str) -> bool {
    let clean = !text.ends_with('/') && !text.contains(char::is_whitespace);
    clean
        && Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        })
}

fn is_prefix(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(|part| !part.is_empty() && part.bytes().all(plain)))
}

fn has_scheme(text: &str, schemes: &[&str]) -> bool {
    Url::parse(text).is_ok_and(|url| schemes.contains(&url.scheme()))
}

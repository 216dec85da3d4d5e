//! Logs and metrics of a process.

use std::{io::IsTerminal, sync::LazyLock};

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, TextEncoder,
};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Config, LogFormat};

/// Libraries whose finer levels print URLs, headers or commands, and with them keys and numbers.
/// No configured filter opens them.
const QUIET: [&str; 7] = [
    "fred=info",
    "h2=info",
    "hyper=info",
    "hyper_util=info",
    "redis=info",
    "reqwest=info",
    "rustls=info",
];

/// Starts logging to standard output, JSON or pretty. Call once.
///
/// # Errors
/// When the filter cannot be parsed or logging was started before.
pub fn init(config: &Config) -> anyhow::Result<()> {
    let mut filter = EnvFilter::try_new(&config.log.filter)?;
    for library in QUIET {
        filter = filter.add_directive(library.parse()?);
    }
    let registry = tracing_subscriber::registry().with(filter);
    match config.log_format() {
        LogFormat::Json => registry.with(fmt::layer().json().flatten_event(true)).try_init()?,
        LogFormat::Pretty => {
            let colours = std::io::stdout().is_terminal();
            registry.with(fmt::layer().compact().with_ansi(colours)).try_init()?;
        }
    }
    Ok(())
}

/// Ends the process with a line when a panic would otherwise be lost in a task; panics are logged
/// without their payload's data, which may hold personal data.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
        tracing::error!(place = place.unwrap_or_default(), "panic");
    }));
}

/// Latency buckets in seconds, from a millisecond to the longest budget.
const LATENCY: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let counter = IntCounterVec::new(Opts::new(name, help), labels).expect("the name is valid");
    register(counter.clone());
    counter
}

fn histogram(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(LATENCY.to_vec());
    let histogram = HistogramVec::new(options, labels).expect("the name is valid");
    register(histogram.clone());
    histogram
}

fn gauge(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let gauge = IntGaugeVec::new(Opts::new(name, help), labels).expect("the name is valid");
    register(gauge.clone());
    gauge
}

fn register(collector: impl prometheus::core::Collector + 'static) {
    prometheus::default_registry()
        .register(Box::new(collector))
        .expect("each metric is registered once");
}

/// Answered requests by path (with names for its variable parts) and status.
pub static HTTP_REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_http_requests_total", "Answered requests.", &["path", "status"])
});
/// Time to answer, in seconds.
pub static HTTP_SECONDS: LazyLock<HistogramVec> =
    LazyLock::new(|| histogram("peyk_http_request_seconds", "Time to answer.", &["path"]));
/// Sends by what came of them: accepted, cooldown, limited, refused.
pub static OTP_SENDS: LazyLock<IntCounterVec> =
    LazyLock::new(|| counter("peyk_otp_sends_total", "Sends by result.", &["result"]));
/// Checked codes by result: accepted, refused, limited.
pub static OTP_CHECKS: LazyLock<IntCounterVec> =
    LazyLock::new(|| counter("peyk_otp_checks_total", "Checked codes by result.", &["result"]));
/// Calls to providers by outcome class.
pub static PROVIDER_CALLS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_provider_calls_total", "Calls to providers.", &["provider", "outcome"])
});
/// Latency of calls to providers, in seconds.
pub static PROVIDER_SECONDS: LazyLock<HistogramVec> =
    LazyLock::new(|| histogram("peyk_provider_call_seconds", "Time of a call.", &["provider"]));
/// State of a provider's circuit breaker: 0 closed, 1 probing, 2 open.
pub static PROVIDER_BREAKER: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("peyk_provider_breaker_state", "0 closed, 1 probing, 2 open.", &["provider"])
});
/// Sends under way, of the places the provider's bulkhead has.
pub static PROVIDER_CALLS_RUNNING: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("peyk_provider_calls_running", "Sends under way.", &["provider"]));
/// Time from accept to a final state, in seconds.
pub static DELIVERY_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram("peyk_delivery_seconds", "From accept to a final state.", &["status"])
});
/// Ids waiting in Redis.
pub static QUEUE_DEPTH: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("peyk_queue_depth", "Ids waiting in Redis.", &["queue"]));
/// Due rows in PostgreSQL.
pub static QUEUE_DUE: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("peyk_queue_due_rows", "Due rows in PostgreSQL.", &["queue"]));
/// Age of the oldest due row.
pub static QUEUE_OLDEST_MS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("peyk_queue_oldest_due_milliseconds", "Age of the oldest due row.", &["queue"])
});
/// Rows the sweep found, by what they were.
pub static SWEPT_ROWS: LazyLock<IntCounterVec> =
    LazyLock::new(|| counter("peyk_swept_rows_total", "Rows found by the sweep.", &["found"]));
/// Cron firings by result: ok, error, skipped, stopped, died.
pub static CRON_RUNS: LazyLock<IntCounterVec> =
    LazyLock::new(|| counter("peyk_cron_runs_total", "Cron firings.", &["job", "result"]));
/// How long the latest run of a cron job took in this process.
pub static CRON_LAST_MS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("peyk_cron_last_run_milliseconds", "How long the latest run took.", &["job"])
});
/// Age of a cron job's latest success, in the process that leads the cron jobs.
pub static CRON_SUCCESS_AGE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("peyk_cron_seconds_since_success", "Age of the latest success.", &["job"])
});
/// Duties this process leads.
pub static LEADER: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("peyk_leader", "1 while this process leads the duty.", &["duty"]));

/// Everything measured so far, in the Prometheus text format.
pub fn metrics_text() -> String {
    let mut text = Vec::new();
    let families = prometheus::default_registry().gather();
    if TextEncoder::new().encode(&families, &mut text).is_err() {
        return String::new();
    }
    String::from_utf8(text).unwrap_or_default()
}

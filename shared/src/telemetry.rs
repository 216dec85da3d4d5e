//! Logs and metrics of a process.

use std::{io::IsTerminal, sync::LazyLock};

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    TextEncoder,
};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Config, LogFormat};

/// Libraries whose finer levels print URLs, headers or commands, and with them keys and numbers.
/// No configured filter opens them.
const QUIET: [&str; 9] = [
    "fred=info",
    "h2=info",
    "hyper=info",
    "hyper_util=info",
    "redis=info",
    "reqwest=info",
    "rustls=info",
    "tokio_tungstenite=info",
    "tungstenite=info",
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
/// Refresh tokens that somebody came with, by what came of them: rotated, repeated (the same successor
/// again), imported (of the old system), refused, reused (the session was ended).
pub static TOKEN_REFRESHES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_token_refreshes_total", "Refresh tokens by result.", &["result"])
});
/// Logins by password by result: accepted, refused, limited, busy.
pub static PASSWORD_LOGINS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_password_logins_total", "Logins by password by result.", &["result"])
});
/// Time a password waits for its turn to be hashed or checked, in seconds.
pub static PASSWORD_WAIT_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    let options = HistogramOpts::new("peyk_password_wait_seconds", "Wait for a turn to hash.");
    let histogram = Histogram::with_opts(options.buckets(LATENCY.to_vec())).expect("it is valid");
    register(histogram.clone());
    histogram
});
/// Sends that broke a rule of the guard, by its mode, what became of them (passed, refused) and the
/// rule; one that broke several counts once for each.
pub static GUARD_DECISIONS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let labels = ["mode", "action", "reason"];
    counter("peyk_guard_decisions_total", "Sends that broke a rule of the guard.", &labels)
});
/// Time to accept a send, daily caps and shared commit included, in seconds.
pub static OTP_ACCEPT_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    let options = HistogramOpts::new("peyk_otp_accept_seconds", "Time to accept a send.");
    let histogram = Histogram::with_opts(options.buckets(LATENCY.to_vec())).expect("it is valid");
    register(histogram.clone());
    histogram
});
/// Time of a shared commit, from its first statement on, in seconds; its count is that of commits.
pub static BATCH_SECONDS: LazyLock<HistogramVec> =
    LazyLock::new(|| histogram("peyk_batch_seconds", "Time of a shared commit.", &["write"]));
/// Writes that shared commits, by what became of them: written, singly, away.
pub static BATCHED_WRITES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_batched_writes_total", "Writes that shared commits.", &["write", "result"])
});
/// Connections of the pools, by what they do: busy or idle.
pub static POOL_CONNECTIONS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("peyk_pool_connections", "Connections to PostgreSQL.", &["pool", "state"])
});
/// Time a statement would wait for a connection, measured once a second, in seconds.
pub static POOL_WAIT_SECONDS: LazyLock<HistogramVec> =
    LazyLock::new(|| histogram("peyk_pool_wait_seconds", "Time to get a connection.", &["pool"]));
/// Calls to providers by outcome class.
pub static PROVIDER_CALLS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_provider_calls_total", "Calls to providers.", &["provider", "outcome"])
});
/// Latency of calls to providers, in seconds.
pub static PROVIDER_SECONDS: LazyLock<HistogramVec> =
    LazyLock::new(|| histogram("peyk_provider_call_seconds", "Time of a call.", &["provider"]));
/// Calls to payment gateways, by what they were for and how they ended.
pub static GATEWAY_CALLS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_gateway_calls_total", "Calls to gateways.", &["gateway", "call", "outcome"])
});
/// Latency of calls to payment gateways, in seconds.
pub static GATEWAY_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram("peyk_gateway_call_seconds", "Time of a call.", &["gateway", "call"])
});
/// Circuit breakers of payment gateways in this process.
pub static GATEWAY_BREAKER: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("peyk_gateway_breaker_state", "0 closed, 1 probing, 2 open.", &["gateway"])
});
/// Attempts to have a gateway give money back, by what came of them: done, refused, later, unknown (a
/// person has to look).
pub static PAYMENT_RETURNS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_payment_returns_total", "Money on its way back.", &["gateway", "result"])
});
/// What the latest comparison of a gateway, the payments and the ledger found, by kind.
pub static PAYMENT_DIFFERENCES: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let about = "Differences of the latest reconciliation.";
    gauge("peyk_payment_differences", about, &["gateway", "kind"])
});
/// What the proof of the ledger found, by what did not agree. Anything but nothing is an alarm.
pub static LEDGER_DIFFERENCES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_ledger_differences_total", "Differences in the ledger.", &["check"])
});
/// Payments that came into a state, by gateway.
pub static PAYMENTS_SETTLED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "peyk_payments_settled_total",
        "Payments that came into a state.",
        &["gateway", "state"],
    )
});
/// Payments that wait for a person, counted to ten thousand; every worker shows the same.
pub static PAYMENTS_TO_REVIEW: LazyLock<IntGauge> = LazyLock::new(|| {
    let about = "Payments that wait for a person.";
    let gauge = IntGauge::new("peyk_payments_to_review", about).expect("it is valid");
    register(gauge.clone());
    gauge
});
/// What providers said of messages they took, by what it was: recorded, repeated, unmatched.
pub static SMS_REPORTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_sms_reports_total", "Delivery reports.", &["provider", "result"])
});
/// Texts to our lines, by what they were: stored, repeated, stop, start.
pub static INBOUND_TEXTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_inbound_texts_total", "Texts to our lines.", &["provider", "result"])
});
/// Whether a queue rests because staff said so; every worker shows the same.
pub static QUEUE_PAUSED: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("peyk_queue_paused", "1: staff let it rest.", &["queue"]));
/// Whether a provider rests because staff said so; every worker shows the same.
pub static PROVIDER_PAUSED: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("peyk_provider_paused", "1: staff let it rest.", &["provider"]));
/// State of a provider's circuit breaker: 0 closed, 1 probing, 2 open.
pub static PROVIDER_BREAKER: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("peyk_provider_breaker_state", "0 closed, 1 probing, 2 open.", &["provider"])
});
/// Whether a provider refuses our account (1) or not (0); every worker shows the same.
pub static PROVIDER_OUT: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("peyk_provider_out", "1: it refuses our account.", &["provider"]));
/// What is left at a provider: texts, rials, or hundredths of another currency.
pub static PROVIDER_BALANCE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let about = "What is left: texts, rials (IRR), or hundredths of another currency.";
    gauge("peyk_provider_balance", about, &["provider", "unit"])
});
/// Whether that is below `sms.low_balance` (1) or not (0).
pub static PROVIDER_LOW_CREDIT: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("peyk_provider_low_credit", "1: below sms.low_balance.", &["provider"]));
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
/// Jobs running now.
pub static JOBS_RUNNING: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("peyk_jobs_running", "Jobs running now.", &["queue"]));
/// Time of a job, in seconds.
pub static JOB_SECONDS: LazyLock<HistogramVec> =
    LazyLock::new(|| histogram("peyk_job_seconds", "Time of a job.", &["queue"]));
/// Time since a queue was last heard of; -1 before the first time.
pub static LAST_FETCH_MS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("peyk_last_fetch_milliseconds", "Since the queue was last heard of.", &["queue"])
});
/// How long no thread of the jobs has been free.
pub static THREADS_BLOCKED_MS: LazyLock<IntGauge> = LazyLock::new(|| {
    let about = "How long no thread of the jobs has been free.";
    let gauge = IntGauge::new("peyk_job_threads_blocked_milliseconds", about).expect("it is valid");
    register(gauge.clone());
    gauge
});
/// Whether this process leads a duty (1) or not (0).
pub static LEADER: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("peyk_leader", "Whether this process leads.", &["duty"]));
/// Time of a sweep of one queue's rows, in seconds.
pub static SWEEP_SECONDS: LazyLock<HistogramVec> =
    LazyLock::new(|| histogram("peyk_sweep_seconds", "Time of a sweep.", &["queue"]));
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

/// Events that were emitted, by what happened; those of a transaction that failed are counted too.
pub static WEBHOOK_EVENTS: LazyLock<IntCounterVec> =
    LazyLock::new(|| counter("peyk_webhook_events_total", "Events emitted.", &["kind"]));
/// Attempts to tell an endpoint, by what came of them: sent, retry, `gave_up`.
pub static WEBHOOK_DELIVERIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("peyk_webhook_deliveries_total", "Attempts to tell.", &["endpoint", "result"])
});
/// Latency of calls to endpoints, in seconds.
pub static WEBHOOK_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram("peyk_webhook_call_seconds", "Time of a call to an endpoint.", &["endpoint"])
});
/// State of an endpoint's circuit breaker: 0 closed, 1 probing, 2 open.
pub static WEBHOOK_BREAKER: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("peyk_webhook_breaker_state", "0 closed, 1 probing, 2 open.", &["endpoint"])
});
/// Age of an endpoint's oldest due delivery.
pub static WEBHOOK_OLDEST_MS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("peyk_webhook_oldest_due_milliseconds", "Age of the oldest due.", &["endpoint"])
});

/// Open WebSockets, by what they listen to: room, all.
pub static SOCKETS_OPEN: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("peyk_sockets_open", "Open WebSockets.", &["scope"]));
/// WebSockets that ended, by why: client, `slow_reader`, `signed_out` …
pub static SOCKETS_CLOSED: LazyLock<IntCounterVec> =
    LazyLock::new(|| counter("peyk_sockets_closed_total", "WebSockets that ended.", &["reason"]));
/// Frames of WebSockets, by direction: in, out.
pub static SOCKET_FRAMES: LazyLock<IntCounterVec> =
    LazyLock::new(|| counter("peyk_socket_frames_total", "Frames.", &["direction"]));
/// From an event of a room to its being handed to this process's sockets, in seconds.
pub static CHAT_DELIVERY_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    let about = "From an event to the sockets of this process.";
    let options = HistogramOpts::new("peyk_chat_delivery_seconds", about);
    let histogram = Histogram::with_opts(options.buckets(LATENCY.to_vec())).expect("it is valid");
    register(histogram.clone());
    histogram
});

/// Everything measured so far, in the Prometheus text format.
pub fn metrics_text() -> String {
    let mut text = Vec::new();
    let families = prometheus::default_registry().gather();
    if TextEncoder::new().encode(&families, &mut text).is_err() {
        return String::new();
    }
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// Names of series in a text, as they are registered.
    fn names(text: &str) -> BTreeSet<String> {
        let word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let series = text.split(word).filter(|word| word.starts_with("peyk_"));
        series
            .map(|name| {
                let suffix = ["_bucket", "_count", "_sum"];
                let base = suffix.iter().find_map(|suffix| name.strip_suffix(suffix));
                base.unwrap_or(name).to_owned()
            })
            .collect()
    }

    #[test]
    fn the_dashboard_and_the_page_about_metrics_show_exactly_what_is_measured() {
        let source = include_str!("telemetry.rs");
        let measured = names(source.split("mod tests").next().unwrap());
        assert!(measured.len() > 20, "{measured:?}");
        assert_eq!(names(include_str!("../../deploy/grafana-dashboard.json")), measured);
        assert_eq!(names(include_str!("../../docs/metrics.md")), measured);
    }
}

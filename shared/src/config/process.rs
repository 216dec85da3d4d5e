//! `[worker]`, `[cron.*]` and `[log]`: how the processes run.

use std::{net::SocketAddr, time::Duration};

use serde::Deserialize;

use crate::jobs::Queue;

/// The worker process.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Worker {
    /// Where the worker serves `/livez`, `/readyz` and `/metrics`. Default `127.0.0.1:8081`.
    pub operations_listen: SocketAddr,
    /// OTP texts in flight at once. Default 64.
    pub otp_concurrency: usize,
    /// Texts to one recipient in flight at once. Default 32.
    pub sms_concurrency: usize,
    /// Texts to many in flight at once. Default 16.
    pub bulk_concurrency: usize,
    /// Webhooks in flight at once. Default 32.
    pub webhook_concurrency: usize,
    /// Payments looked at at once, and as many whose money goes back. Default 32.
    pub payment_concurrency: usize,
    /// Milliseconds running jobs have to end after SIGTERM. Default 15000.
    pub drain_ms: u64,
    /// Milliseconds between two sweeps for due work. Default 1000.
    pub sweep_ms: u64,
    /// Ids of one queue that are in Redis at most. Default 2000.
    pub queue_window: u32,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            operations_listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            otp_concurrency: 64,
            sms_concurrency: 32,
            bulk_concurrency: 16,
            webhook_concurrency: 32,
            payment_concurrency: 32,
            drain_ms: 15_000,
            sweep_ms: 1_000,
            queue_window: 2_000,
        }
    }
}

impl Worker {
    /// How many jobs of a queue run at once in one process.
    pub fn concurrency(&self, queue: Queue) -> usize {
        match queue {
            Queue::Otp => self.otp_concurrency,
            Queue::Sms => self.sms_concurrency,
            Queue::Bulk => self.bulk_concurrency,
            Queue::Webhooks => self.webhook_concurrency,
            Queue::Payments | Queue::Returns => self.payment_concurrency,
        }
    }

    /// [`Worker::drain_ms`].
    pub fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    /// [`Worker::sweep_ms`].
    pub fn sweep(&self) -> Duration {
        Duration::from_millis(self.sweep_ms)
    }
}

/// One cron job; what is not set keeps what the worker says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CronJob {
    /// Six fields in UTC: second minute hour day-of-month month day-of-week. `None` (default): the
    /// job's own schedule.
    pub schedule: Option<String>,
    /// Whether the job fires by itself. Default true.
    pub enabled: bool,
    /// What becomes of firings that nobody made in time. Default `once`.
    pub missed: Missed,
}

impl Default for CronJob {
    fn default() -> Self {
        Self { schedule: None, enabled: true, missed: Missed::Once }
    }
}

/// What becomes of a cron job's firings that nobody made in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// One run catches up with all of them.
    #[default]
    Once,
    /// A firing that is more than a minute late is recorded as skipped.
    Skip,
}

/// Logs, on standard output.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Log {
    /// `None` (default): `pretty` in sandbox mode, `json` in production;
    /// [`super::Config::log_format`] says which.
    pub format: Option<LogFormat>,
    /// Levels, as `tracing` writes them: `info`, `info,shared::otp=debug`. Default `info`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: None, filter: "info".to_owned() }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
}

//! Delivery reports: what providers say of the messages they took, asked or by themselves.
//!
//! A report only ever moves a message on: what arrives late, twice or out of order changes nothing,
//! and nothing follows a final word. The provider's own word is kept beside ours.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::sync::Semaphore;

use super::{
    events::{self, Moment},
    providers::{DeliveryStatus, Report},
    store,
};
use crate::{telemetry::SMS_REPORTS, webhooks::Outbox};

/// Pauses before a report that fits no message is looked at again: it may have been faster than
/// the worker that sent the message and still writes down who took it.
const PAUSES_MS: [u64; 7] = [50, 100, 200, 400, 800, 1_600, 1_600];
/// Reports of one process that may wait so; more are dropped at once.
const WAITERS: usize = 64;

/// A message a report moved on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The message.
    pub id: i64,
    /// Whose it is; see [`super::messages::Owner`].
    pub api_key_id: Option<i64>,
    /// Where it was before …
    pub before: Option<DeliveryStatus>,
    /// … and is now. The same as before if only the provider's own word changed.
    pub delivery: Option<DeliveryStatus>,
}

/// What became of reports.
#[derive(Debug, Default)]
pub struct Recorded {
    /// The messages they changed.
    pub changed: Vec<Changed>,
    /// The provider's ids that are those of messages here, changed or not.
    pub known: Vec<String>,
}

/// Takes down what a provider said; the messages it changed.
///
/// # Errors
/// When the database is away.
pub async fn record(
    pool: &PgPool,
    outbox: &Outbox,
    provider: &str,
    reports: &[Report],
) -> Result<Recorded, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let recorded = store::record_reports(&mut transaction, provider, reports).await?;
    let moved = recorded.changed.iter().filter(|changed| changed.before != changed.delivery);
    let moved: Vec<_> = moved.map(|changed| changed.id).collect();
    events::tell(&mut transaction, outbox, &moved, Moment::Reported).await?;
    transaction.commit().await?;
    let count = |result, n: usize| {
        SMS_REPORTS.with_label_values(&[provider, result]).inc_by(n as u64);
    };
    count("recorded", recorded.changed.len());
    count("repeated", recorded.known.len().saturating_sub(recorded.changed.len()));
    Ok(recorded)
}

/// Reports that come by themselves.
#[derive(Clone)]
pub struct Reports {
    pool: PgPool,
    outbox: Outbox,
    waiters: Arc<Semaphore>,
}

impl Reports {
    /// Over one database.
    pub fn new(pool: PgPool, outbox: Outbox) -> Self {
        Self { pool, outbox, waiters: Arc::new(Semaphore::new(WAITERS)) }
    }

    /// Takes down what a provider told. What fits no message is tried again for some seconds, and
    /// then forgotten: what can be asked about is, and nobody is served by being told it again.
    ///
    /// # Errors
    /// When the database is away; the provider tells it again.
    pub async fn told(&self, provider: &str, reports: &[Report]) -> Result<(), sqlx::Error> {
        let mut left = reports.to_vec();
        self.try_all(provider, &mut left).await?;
        if left.is_empty() {
            return Ok(());
        }
        if let Ok(_place) = self.waiters.try_acquire() {
            for pause in PAUSES_MS {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                self.try_all(provider, &mut left).await?;
                if left.is_empty() {
                    return Ok(());
                }
            }
        }
        SMS_REPORTS.with_label_values(&[provider, "unmatched"]).inc_by(left.len() as u64);
        Ok(())
    }

    /// Records what fits a message and leaves the rest.
    async fn try_all(&self, provider: &str, left: &mut Vec<Report>) -> Result<(), sqlx::Error> {
        let recorded = record(&self.pool, &self.outbox, provider, left).await?;
        left.retain(|report| !recorded.known.contains(&report.provider_message_id));
        Ok(())
    }
}

/// The ids of messages about which the provider is to be asked now, at most `limit`; they come up
/// again 3, 10 and 30 minutes and 6 hours later unless a report was final, and then no more.
///
/// # Errors
/// When the database is away.
pub async fn take_due(
    pool: &PgPool,
    provider: &str,
    limit: usize,
) -> Result<Vec<String>, sqlx::Error> {
    store::take_polls(pool, provider, i64::try_from(limit).unwrap_or(i64::MAX)).await
}

/// How many messages wait for such a question now.
///
/// # Errors
/// When the database is away.
pub async fn count_due(pool: &PgPool) -> Result<i64, sqlx::Error> {
    store::count_polls(pool).await
}

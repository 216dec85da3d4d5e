//! One run of a cron job: what its work asks whether it may go on, and the one loop of purges.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use shared::purge::{Purged, Slice};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::store;

/// Rows deleted by one statement, which is one short transaction.
const BATCH: i64 = 1_000;
/// Least pause between two batches. A longer batch is followed by a pause of its own length, so
/// that a purge takes at most half of what the database can do for it.
const LEAST_PAUSE: Duration = Duration::from_millis(5);

/// How work that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// There is nothing left to do.
    Done,
    /// It was told to stop; the next firing does the rest.
    Stopped,
}

/// One run, recorded in `cron_runs`.
#[derive(Debug)]
pub struct Run {
    pub(super) pool: PgPool,
    pub(super) job: &'static str,
    pub(super) fire_at: DateTime<Utc>,
    pub(super) holder: String,
    pub(super) stop: CancellationToken,
    pub(super) rows: AtomicI64,
}

impl Run {
    /// Whether the work may go on. Not after SIGTERM, not when this run was taken for dead, and
    /// not when its leader lost the lease. Ask before each step: the answer also keeps the run
    /// from being taken for dead, for half a minute.
    ///
    /// # Errors
    /// When the database cannot be asked; the work must not go on then.
    pub async fn still_mine(&self) -> Result<bool, sqlx::Error> {
        if self.stop.is_cancelled() {
            return Ok(false);
        }
        store::renew(self).await
    }

    /// Adds rows the work has changed.
    pub fn count(&self, rows: i64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// The rows changed so far.
    pub fn rows(&self) -> i64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Deletes batch after batch of what ended before `before`, with a pause after each, until
    /// nothing is left or the run has to stop.
    ///
    /// # Errors
    /// The first one of a batch, or of [`Run::still_mine`].
    pub async fn in_batches<F>(
        &self,
        before: DateTime<Utc>,
        mut batch: impl FnMut(Slice) -> F,
    ) -> Result<End, sqlx::Error>
    where
        F: Future<Output = Result<Purged, sqlx::Error>>,
    {
        let mut slice = Slice::first(before, BATCH);
        while self.still_mine().await? {
            let began = Instant::now();
            let purged = batch(slice).await?;
            self.count(purged.rows);
            match slice.next(&purged) {
                Some(next) => slice = next,
                None => return Ok(End::Done),
            }
            self.pause(began.elapsed().max(LEAST_PAUSE)).await;
        }
        Ok(End::Stopped)
    }

    async fn pause(&self, length: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(length) => {}
        }
    }
}

//! Which processes run: each writes a row every few seconds, so that any of them can say who is there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::purge::{Purged, Slice};

mod store;

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(5);
/// A process that was not seen for longer is not alive.
const GONE_AFTER: Duration = Duration::from_secs(20);

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Kind {
    /// Serves HTTP.
    Api,
    /// Consumes queues.
    Worker,
}

impl Kind {
    /// The word in the database and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

/// A process that runs.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its name, unlike any other's.
    pub process: String,
    /// What it is.
    pub kind: Kind,
    /// Of the binary.
    pub version: String,
    /// When it began to beat.
    pub started_at: DateTime<Utc>,
    /// When it was last seen.
    pub seen_at: DateTime<Utc>,
    /// WebSockets open at it.
    pub sockets: i64,
}

/// Shows this process until it is told to stop, and takes its row away then. `sockets`: how many are
/// open now.
pub async fn beat(
    pool: PgPool,
    process: String,
    kind: Kind,
    sockets: fn() -> i64,
    shutdown: CancellationToken,
) {
    let version = env!("CARGO_PKG_VERSION");
    loop {
        if let Err(error) = store::beat(&pool, &process, kind, version, sockets().max(0)).await {
            tracing::debug!(%error, "the row of this process is not renewed");
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(BEAT) => {}
        }
    }
    if let Err(error) = store::leave(&pool, &process).await {
        tracing::debug!(%error, "the row of this process stays until the purge");
    }
}

/// The processes that run, the oldest first.
///
/// # Errors
/// When the database is away.
pub async fn alive(pool: &PgPool) -> Result<Vec<Process>, sqlx::Error> {
    store::alive(pool, GONE_AFTER.as_secs_f64()).await
}

/// Deletes the rows of processes that are gone, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge(pool, slice).await
}

/// How many processes were last seen before `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_gone(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_gone(pool, before).await
}

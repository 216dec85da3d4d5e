//! What the guard found, for metrics and for support.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::{Guard, Reason, store};
use crate::{
    batch::{BatchWrite, Batcher},
    config::GuardMode,
    otp::NewSend,
    telemetry::GUARD_DECISIONS,
};

/// Decisions a process writes down in a minute at most; metrics count all.
const A_MINUTE: u32 = 600;

/// What became of a send that broke a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It was accepted all the same.
    Passed,
    /// It was refused.
    Refused,
}

impl Action {
    /// The word in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Refused => "refused",
        }
    }
}

/// A decision about one send.
#[derive(Debug, Clone)]
pub struct Decision {
    /// When.
    pub at: DateTime<Utc>,
    /// Of the number: its country.
    pub country: Option<String>,
    /// Its first digits, `+98912`.
    pub prefix: String,
    /// Its last two digits.
    pub number_end: String,
    /// Who asked.
    pub ip: Option<IpAddr>,
    /// `record` or `enforce`.
    pub mode: String,
    /// `passed` or `refused`.
    pub action: String,
    /// The rules it broke.
    pub reasons: Vec<Reason>,
    /// The request.
    pub request_id: Option<String>,
}

/// Writes decisions down, in batches and behind the answer.
#[derive(Clone)]
pub(in crate::otp) struct Decisions {
    guard: Guard,
    batcher: Batcher<StoreDecisions>,
    /// The minute, and how many of it are written down.
    written: Arc<Mutex<(i64, u32)>>,
}

impl Decisions {
    pub(in crate::otp) fn new(guard: Guard, pool: &PgPool) -> Self {
        let batcher = Batcher::start(StoreDecisions(AtomicU64::new(0)), pool, 1);
        Self { guard, batcher, written: Arc::default() }
    }

    /// Notes what became of a send that broke rules; nothing if it broke none.
    pub(in crate::otp) fn note(
        &self,
        at: DateTime<Utc>,
        new: &NewSend,
        action: Action,
        reasons: Vec<Reason>,
    ) {
        let mode = self.guard.mode();
        for reason in &reasons {
            let labels = [mode.as_str(), action.as_str(), reason.rule.as_str()];
            GUARD_DECISIONS.with_label_values(&labels).inc();
        }
        if reasons.is_empty() || mode == GuardMode::Off || !self.has_room(at) {
            return;
        }
        let (country, prefix) = self.guard.places(&new.phone);
        let digits = new.phone.digits();
        let decision = Decision {
            at,
            country,
            prefix,
            number_end: digits[digits.len().saturating_sub(2)..].to_owned(),
            ip: new.ip,
            mode: mode.as_str().to_owned(),
            action: action.as_str().to_owned(),
            reasons,
            request_id: new.trace.clone(),
        };
        let batcher = self.batcher.clone();
        tokio::spawn(async move {
            if let Err(error) = batcher.write(decision).await {
                tracing::warn!(%error, "a decision of the guard is not written down");
            }
        });
    }

    fn has_room(&self, at: DateTime<Utc>) -> bool {
        let minute = at.timestamp() / 60;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.0 != minute {
            *written = (minute, 0);
        }
        written.1 += 1;
        written.1 <= A_MINUTE
    }
}

/// The shared write of decisions.
pub(super) struct StoreDecisions(AtomicU64);

impl BatchWrite for StoreDecisions {
    const NAME: &'static str = "guard_decisions";

    type Item = Decision;
    type Answer = ();
    type Key = u64;

    /// No two are the same.
    fn key(&self, _: &Decision) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        decisions: &[Decision],
    ) -> Result<Vec<()>, sqlx::Error> {
        store::insert_decisions(connection, decisions).await?;
        Ok(vec![(); decisions.len()])
    }
}

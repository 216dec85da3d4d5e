//! What all workers know of the providers: who refuses our account, who fails, what is left where.
//!
//! It is one row per provider. Workers read all of them once a second and write only when
//! something changes; no send asks for it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use super::{providers::Balance, store};
use crate::webhooks::{
    Outbox,
    events::{Kind, NewEvent},
};

/// Longest pause of a provider that refuses our account.
const LONGEST_PAUSE_SECONDS: i32 = 3_600;

/// What is known of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its configured name.
    pub provider: String,
    /// `None`: it takes our account.
    pub out: Option<Outage>,
    /// When some worker last found it failing; `None`: never.
    pub failing_at: Option<DateTime<Utc>>,
    /// `None`: never asked, or it cannot say.
    pub credit: Option<Credit>,
    /// `None`: it is used.
    pub paused: Option<Pause>,
}

/// A provider that nothing is sent through because somebody said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub at: DateTime<Utc>,
    /// Who said so; `None`: a command on the server.
    pub by: Option<i64>,
    /// Why.
    pub reason: String,
}

/// A provider that refuses our account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Since when.
    pub since: DateTime<Utc>,
    /// When one text will find out whether it still does.
    pub until: DateTime<Utc>,
    /// What it said, bounded: `kavenegar.418`.
    pub code: Option<String>,
    /// Whether it is time to find out, and nobody is about to.
    pub is_due: bool,
}

/// What was left on an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// How much.
    pub balance: Balance,
    /// When it was asked.
    pub at: DateTime<Utc>,
    /// Since when that is below `sms.low_balance`.
    pub low_since: Option<DateTime<Utc>>,
}

/// What a worker has to say of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It refuses our account.
    Refused {
        /// What it said.
        code: String,
        /// Whether that was the call that was to find out.
        probe: bool,
    },
    /// It took the text that was to find out.
    Passed,
    /// The call that was to find out ended without a word about the account.
    Silent,
    /// It failed so often that this worker stopped asking for a while.
    Failing,
}

/// What operators want to hear of, once each time it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event<'a> {
    Out { code: &'a str },
    Back,
    LowCredit { balance: &'a Balance },
    CreditBack,
}

impl Event<'_> {
    fn to_tell(self, provider: &str) -> Option<NewEvent> {
        let (kind, data) = match self {
            Self::Out { code } => {
                (Kind::ProviderOut, json!({ "provider": provider, "reason": code }))
            }
            Self::Back => (Kind::ProviderBack, json!({ "provider": provider })),
            Self::LowCredit { balance } => {
                let left = json!({ "amount": balance.amount(), "unit": balance.unit() });
                let data = json!({ "provider": provider, "balance": left });
                (Kind::ProviderLowCredit, data)
            }
            Self::CreditBack => return None,
        };
        Some(NewEvent { kind, subject: format!("provider:{provider}"), data })
    }
}

/// The one place that tells of such events, in the transaction of the change.
async fn tell(
    connection: &mut PgConnection,
    outbox: &Outbox,
    provider: &str,
    event: Event<'_>,
) -> Result<(), sqlx::Error> {
    match event {
        Event::Out { code } => {
            tracing::error!(provider, code, "provider refuses our account");
        }
        Event::Back => tracing::info!(provider, "provider takes our account again"),
        Event::LowCredit { .. } => tracing::warn!(provider, "provider has little credit left"),
        Event::CreditBack => tracing::info!(provider, "provider has enough credit again"),
    }
    let events: Vec<_> = event.to_tell(provider).into_iter().collect();
    outbox.emit(connection, &events).await.map(drop)
}

/// What is known of every provider there ever was.
///
/// # Errors
/// When the database is away.
pub async fn all(pool: &PgPool) -> Result<Vec<Standing>, sqlx::Error> {
    store::standings(pool).await
}

/// Takes down a worker's word. `pause` is that of a provider whose account is refused the first
/// time. Of many workers that say the same, one tells the operators.
///
/// # Errors
/// When the database is away.
pub async fn record(
    pool: &PgPool,
    outbox: &Outbox,
    provider: &str,
    word: &Word,
    pause: Duration,
) -> Result<(), sqlx::Error> {
    let pause = i32::try_from(pause.as_secs()).unwrap_or(LONGEST_PAUSE_SECONDS);
    let mut tx = pool.begin().await?;
    match word {
        Word::Refused { code, probe } => {
            let pauses = (pause, LONGEST_PAUSE_SECONDS);
            if store::take_out(&mut tx, provider, code, *probe, pauses).await? {
                tell(&mut tx, outbox, provider, Event::Out { code }).await?;
            }
        }
        Word::Passed => {
            if store::bring_back(&mut tx, provider).await? {
                tell(&mut tx, outbox, provider, Event::Back).await?;
            }
        }
        Word::Silent => store::put_off_probe(&mut tx, provider, pause).await?,
        Word::Failing => store::note_failing(&mut tx, provider).await?,
    }
    tx.commit().await
}

/// Takes, for `length`, the right to find out whether a provider takes our account again.
/// `false`: it is not time, or another worker has it.
///
/// # Errors
/// When the database is away; there is no right then.
pub async fn take_probe(
    pool: &PgPool,
    provider: &str,
    length: Duration,
) -> Result<bool, sqlx::Error> {
    store::take_probe(pool, provider, length).await
}

/// Lets the next text find out, whatever is left of the pause. `false`: the provider is not out.
///
/// # Errors
/// When the database is away.
pub async fn end_pause(pool: &PgPool, provider: &str) -> Result<bool, sqlx::Error> {
    store::end_pause(pool, provider).await
}

/// Stops the use of a provider, inside the caller's transaction. `false`: somebody had before.
///
/// # Errors
/// When the database is away.
pub async fn pause(
    connection: &mut PgConnection,
    provider: &str,
    by: Option<i64>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    store::pause_provider(connection, provider, by, reason, now).await
}

/// Takes a provider into use again, inside the caller's transaction. `false`: it was.
///
/// # Errors
/// When the database is away.
pub async fn resume(connection: &mut PgConnection, provider: &str) -> Result<bool, sqlx::Error> {
    store::resume_provider(connection, provider).await
}

/// Takes down what is left on an account. Where it has become more while the account is refused,
/// the next text finds out whether that was the reason.
///
/// # Errors
/// When the database is away.
pub async fn record_balance(
    pool: &PgPool,
    outbox: &Outbox,
    provider: &str,
    balance: &Balance,
    least: Option<u32>,
) -> Result<(), sqlx::Error> {
    let is_low = least.is_some_and(|least| balance.is_below(least));
    let mut tx = pool.begin().await?;
    let was_low = store::record_balance(&mut tx, provider, balance, is_low).await?;
    let event = match (was_low, is_low) {
        (false, true) => Some(Event::LowCredit { balance }),
        (true, false) => Some(Event::CreditBack),
        _ => None,
    };
    if let Some(event) = event {
        tell(&mut tx, outbox, provider, event).await?;
    }
    tx.commit().await
}

//! What went wrong on the way in: sends that were refused, codes and passwords that were not right.
//! For whoever is asked "why does no code come"; see [`crate::admin::timeline`].
//!
//! Written behind the answer and together with what others have to tell, so that no login waits for
//! it, and so many per minute and number at most, so that no flood becomes rows. What went well is not
//! here: the rows of messages and sessions tell it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    batch::{BatchWrite, Batcher},
    clock::SharedClock,
    otp::Purpose,
    phone::PhoneNumber,
    purge::{Purged, Slice},
};

mod store;

/// Events a process writes down in a minute at most.
const A_MINUTE: u32 = 600;
/// … of them of one number or account.
const OF_ONE: u32 = 20;

/// From where, and in which request, something was tried.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The request's `X-Request-Id`.
    pub request_id: Option<String>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A code was asked for and is not sent; [`NewEvent::reason`] says why.
    SendRefused,
    /// A code was tried that is another one.
    CodeWrong,
    /// A code was tried, and there is nothing to compare it with: the store says why.
    CodeRefused,
    /// A right code or password of an account that is disabled.
    AccountDisabled,
    /// A password was tried that is another one.
    PasswordWrong,
}

impl Kind {
    /// The word in the database. In place of `code_refused` the store writes what it is.
    const fn as_str(self) -> &'static str {
        match self {
            Self::SendRefused => "send_refused",
            Self::CodeWrong => "code_wrong",
            Self::CodeRefused => "code_refused",
            Self::AccountDisabled => "account_disabled",
            Self::PasswordWrong => "password_wrong",
        }
    }
}

/// Something that went wrong, to be written down.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// What.
    pub kind: Kind,
    /// The number that was tried; one of number and account is there.
    pub phone: Option<PhoneNumber>,
    /// The account.
    pub user_id: Option<i64>,
    /// What the code was to be good for.
    pub purpose: Option<Purpose>,
    /// Why a send was refused: the code of the answer.
    pub reason: Option<&'static str>,
    /// From where.
    pub trace: Trace,
}

impl NewEvent {
    /// Of a number.
    pub fn of_number(kind: Kind, phone: PhoneNumber, purpose: Purpose, trace: Trace) -> Self {
        let (phone, purpose) = (Some(phone), Some(purpose));
        Self { kind, phone, user_id: None, purpose, reason: None, trace }
    }

    /// Of an account.
    pub fn of_account(kind: Kind, user_id: i64, trace: Trace) -> Self {
        Self { kind, phone: None, user_id: Some(user_id), purpose: None, reason: None, trace }
    }

    /// Whose it is, as one word.
    fn whose(&self) -> String {
        match (&self.phone, self.user_id) {
            (Some(phone), _) => phone.as_e164().to_owned(),
            (None, id) => format!("user:{}", id.unwrap_or_default()),
        }
    }
}

/// Writes events down.
#[derive(Clone)]
pub struct LoginEvents {
    batcher: Batcher<StoreEvents>,
    clock: SharedClock,
    written: Arc<Mutex<Written>>,
}

/// What was written in a minute.
#[derive(Default)]
struct Written {
    minute: i64,
    all: u32,
    of_one: HashMap<String, u32>,
}

impl LoginEvents {
    /// Over one database.
    pub fn start(pool: &PgPool, clock: SharedClock) -> Self {
        let batcher = Batcher::start(StoreEvents(AtomicU64::new(0)), pool, 1);
        Self { batcher, clock, written: Arc::default() }
    }

    /// Writes an event down, behind the caller's back; one that does not fit into its minute is
    /// forgotten.
    pub fn note(&self, event: NewEvent) {
        let at = self.clock.now();
        if !self.has_room(at, &event) {
            return;
        }
        let batcher = self.batcher.clone();
        tokio::spawn(async move {
            if let Err(error) = batcher.write((at, event)).await {
                tracing::warn!(%error, "an event of a login is not written down");
            }
        });
    }

    fn has_room(&self, at: DateTime<Utc>, event: &NewEvent) -> bool {
        let minute = at.timestamp() / 60;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.minute != minute {
            *written = Written { minute, ..Written::default() };
        }
        if written.all >= A_MINUTE {
            return false;
        }
        let of_one = written.of_one.entry(event.whose()).or_default();
        if *of_one >= OF_ONE {
            return false;
        }
        *of_one += 1;
        written.all += 1;
        true
    }
}

/// The shared write of events.
struct StoreEvents(AtomicU64);

impl BatchWrite for StoreEvents {
    const NAME: &'static str = "login_events";

    type Item = (DateTime<Utc>, NewEvent);
    type Answer = ();
    type Key = u64;

    /// No two are the same.
    fn key(&self, _: &Self::Item) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        events: &[Self::Item],
    ) -> Result<Vec<()>, sqlx::Error> {
        store::insert(connection, events).await?;
        Ok(vec![(); events.len()])
    }
}

/// Forgets how codes of a number were asked for and tried.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn forget_number(
    connection: &mut PgConnection,
    phone: &PhoneNumber,
    purposes: &[Purpose],
) -> Result<(), sqlx::Error> {
    store::forget_number(connection, phone, purposes).await
}

/// Forgets how an account was tried.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn forget_account(
    connection: &mut PgConnection,
    user_id: i64,
) -> Result<(), sqlx::Error> {
    store::forget_account(connection, user_id).await
}

/// Deletes old events, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge(pool, slice).await
}

/// How many events are older than `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_old(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_old(pool, before).await
}

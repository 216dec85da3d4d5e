//! One-time codes: accept a send, say what it will say, check a code.
//!
//! A code is never stored: a row per (phone, purpose) keeps a nonce, see [`code`].

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};

use crate::{
    batch::Batcher,
    blocks::Blocks,
    clock::SharedClock,
    config::{self, Config, GuardMode, Otp as OtpConfig},
    login_events::{self, LoginEvents},
    phone::PhoneNumber,
    purge::{Purged, Slice},
    sms::{self, MessageStatus},
};

mod caps;
pub mod code;
mod form;
pub mod guard;
mod send;
mod store;
mod verify;
mod wording;

pub use caps::DailyCap;
pub use send::{AcceptedSend, NewSend, SendCodeError};
pub use verify::{CheckedCode, GivenCode, VerifyCodeError};
pub use wording::ReadableMessage;
pub(crate) use wording::text_of;

/// No code lives longer than this, however often it is sent again (OWASP ASVS 6.5.5).
pub const LONGEST_LIFE: TimeDelta = TimeDelta::minutes(10);

/// Batchers of each kind of write per process.
const WRITERS: usize = 1;

/// What a code is good for. A code for one purpose opens nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Logging in, which also signs up.
    Login,
    /// Proving that one owns the number an account is to have.
    ChangePhone,
    /// Setting a new password without the old one.
    ResetPassword,
    /// Proving anew who one is, within a session.
    Confirm,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Login, Self::ChangePhone, Self::ResetPassword, Self::Confirm];

    /// Reads [`Purpose::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }

    /// The word in the database and in the derivation of the code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::ChangePhone => "change_phone",
            Self::ResetPassword => "reset_password",
            Self::Confirm => "confirm",
        }
    }
}

/// The OTP feature: its settings, keys and clock over the database.
#[derive(Clone)]
pub struct Otp {
    pool: PgPool,
    clock: SharedClock,
    config: std::sync::Arc<OtpConfig>,
    /// What the codes of mounts are sent with, where that is not `otp.text`.
    mount_texts: std::sync::Arc<std::collections::HashMap<String, String>>,
    keys: std::sync::Arc<code::CodeKeys>,
    sends: Batcher<send::AcceptSends>,
    checks: Batcher<verify::ReserveAttempts>,
    codes: Batcher<wording::ReadCodes>,
    guarded: bool,
    decisions: guard::Decisions,
    /// Whom staff have refused; `None` where nothing is accepted.
    blocks: Option<Blocks>,
    returns: Batcher<guard::GiveBack>,
    events: LoginEvents,
}

/// State of one request, for its owner.
#[derive(Debug, Clone)]
pub struct RequestView {
    /// The handle.
    pub request_id: String,
    /// Where its text is.
    pub status: MessageStatus,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// Whole seconds the code still lives; 0 when it is over or used.
    pub expires_in: i64,
    /// Whole seconds until another send is accepted.
    pub resend_after: i64,
}

impl Otp {
    /// The feature over one database.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn new(pool: PgPool, clock: SharedClock, config: &Config) -> anyhow::Result<Self> {
        let keys = std::sync::Arc::new(code::CodeKeys::new(&config.otp)?);
        let guard = guard::Guard::new(config);
        let decisions = guard::Decisions::new(guard.clone(), &pool);
        let returns = Batcher::start(guard::GiveBack(guard.clone()), &pool, WRITERS);
        let sends = send::AcceptSends::new(config, keys.active_id(), clock.clone(), guard);
        let sends = Batcher::start(sends, &pool, WRITERS);
        let checks = verify::ReserveAttempts::new(&config.otp, clock.clone());
        let checks = Batcher::start(checks, &pool, WRITERS);
        let codes = Batcher::start(wording::ReadCodes, &pool, WRITERS);
        let events = LoginEvents::start(&pool, clock.clone());
        let guarded = config.guard.mode != GuardMode::Off;
        let text_of =
            |(path, mount): (&String, &config::Mount)| Some((path.clone(), mount.text.clone()?));
        let mounts = config.rest_sms_auth.0.iter();
        Ok(Self {
            pool,
            clock,
            config: config.otp.clone().into(),
            mount_texts: std::sync::Arc::new(mounts.filter_map(text_of).collect()),
            keys,
            sends,
            checks,
            codes,
            guarded,
            decisions,
            blocks: None,
            returns,
            events,
        })
    }

    /// Where what goes wrong on the way in is written down.
    pub const fn events(&self) -> &LoginEvents {
        &self.events
    }

    /// The same for a process that accepts sends: whom staff have refused is refused.
    #[must_use]
    pub fn refusing(self, blocks: Blocks) -> Self {
        Self { blocks: Some(blocks), ..self }
    }

    /// Whether staff have refused this number; nobody logs in with it by a code. Known as soon as the
    /// table was read once.
    pub fn is_blocked(&self, phone: &PhoneNumber) -> bool {
        self.blocks.as_ref().is_some_and(|blocks| blocks.number(phone))
    }

    /// A cool-down never outlives the code it is about.
    fn resend_at(&self, last_sent_at: DateTime<Utc>, expires_at: DateTime<Utc>) -> DateTime<Utc> {
        send::cooldown(&self.config)
            .map_or(expires_at, |pause| (last_sent_at + pause).min(expires_at))
    }

    /// State of the request with this handle. Of one for a new password nobody hears anything: it
    /// would tell who has an account.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn request(&self, request_id: &str) -> Result<Option<RequestView>, sqlx::Error> {
        let Some(request) = store::find_request(&self.pool, request_id).await? else {
            return Ok(None);
        };
        let Some(message) = sms::find_by_local_id(&self.pool, request.local_id).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let resend_at = match message.status {
            MessageStatus::Failed | MessageStatus::Expired => now,
            _ if request.consumed => now,
            _ => self.resend_at(message.created_at, request.expires_at),
        };
        Ok(Some(RequestView {
            request_id: request_id.to_owned(),
            status: message.status,
            created_at: message.created_at,
            expires_in: if request.consumed { 0 } else { seconds_until(request.expires_at, now) },
            resend_after: seconds_until(resend_at, now),
        }))
    }

    fn derive(&self, row: &store::CodeRow) -> Option<String> {
        if let Some(code) = self.test_code(&row.phone) {
            return Some(code);
        }
        let digits = u8::try_from(row.digits).ok()?;
        self.keys.derive(&row.key_id, row.purpose, &row.phone, &row.nonce, digits)
    }

    /// Deletes codes that ended, one slice.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn purge_codes(&self, slice: Slice) -> Result<Purged, sqlx::Error> {
        store::purge_codes(&self.pool, slice).await
    }

    /// Deletes requests that ended, one slice.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn purge_requests(&self, slice: Slice) -> Result<Purged, sqlx::Error> {
        store::purge_requests(&self.pool, slice).await
    }

    /// How many codes and requests ended before `before`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_purgeable(&self, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
        let codes = store::count_codes(&self.pool, before).await?;
        Ok(codes + store::count_requests(&self.pool, before).await?)
    }

    /// Deletes counters of the days before that of `slice.before`, one slice.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn purge_counters(&self, slice: Slice) -> Result<Purged, sqlx::Error> {
        store::purge_counters(&self.pool, slice).await
    }

    /// How many counters are of days before that of `before`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_counters(&self, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
        store::count_counters(&self.pool, before).await
    }

    /// Marks the code used, inside the caller's transaction. Exactly one caller gets `true`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn consume(
        &self,
        connection: &mut PgConnection,
        checked: &CheckedCode,
    ) -> Result<bool, sqlx::Error> {
        let consumed = consume_all(connection, &[checked], self.clock.now()).await?;
        Ok(consumed.first().copied().unwrap_or(false))
    }
}

/// Marks codes used, inside the caller's transaction; for each, in their order, whether this was the
/// one caller who did. No two may be for one number and purpose.
///
/// # Errors
/// When the database is away.
pub async fn consume_all(
    connection: &mut PgConnection,
    checked: &[&CheckedCode],
    now: DateTime<Utc>,
) -> Result<Vec<bool>, sqlx::Error> {
    let consumed = store::consume(connection, checked, now).await?;
    let key =
        |code: &CheckedCode| (code.phone.as_e164().to_owned(), code.purpose.as_str().to_owned());
    Ok(checked.iter().map(|code| consumed.contains(&key(code))).collect())
}

impl Otp {
    /// A code was verified, and that is committed: the guard counts its send back, behind the
    /// caller's back.
    pub fn verified(&self, checked: CheckedCode) {
        self.give_back(guard::Return::Verified(checked));
    }

    /// Nobody got the message of this idempotency key: the guard does not hold it against anybody.
    pub fn unsent(&self, local_id: i64) {
        self.give_back(guard::Return::Unsent(local_id));
    }

    fn give_back(&self, item: guard::Return) {
        if self.guarded {
            let returns = self.returns.clone();
            tokio::spawn(async move {
                if let Err(error) = returns.write(item).await {
                    tracing::warn!(%error, "a send is not counted back");
                }
            });
        }
    }
}

/// Makes codes of a number useless, inside the caller's transaction: nobody proves anything with them
/// any more, and what is still on its way is not sent. Who asked for them, or tried them, from where, is
/// forgotten. Their daily counters stay. Locks their rows.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    phone: &PhoneNumber,
    purposes: &[Purpose],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    store::void(connection, phone, purposes, now).await?;
    login_events::forget_number(connection, phone, purposes).await?;
    store::delete_requests(connection, phone, purposes).await
}

/// Whole seconds, rounded up, never negative.
fn seconds_until(at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    let left = (at - now).num_milliseconds().max(0);
    (left + 999) / 1000
}

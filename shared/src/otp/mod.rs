//! One-time codes: accept a send, say what it will say, check a code.
//!
//! A code is never stored: a row per (phone, purpose) keeps a nonce, see [`code`].

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};

use crate::{
    clock::SharedClock,
    config::{Cooldown, Otp as OtpConfig},
    ids,
    jobs::RowId,
    phone::PhoneNumber,
    sms::{self, MessageStatus, NewOtpMessage, providers::Content},
};

pub mod code;
mod store;
mod verify;

pub use verify::{CheckedCode, VerifyCodeError};

/// No code lives longer than this, however often it is sent again (OWASP ASVS 6.5.5).
const LONGEST_LIFE: TimeDelta = TimeDelta::minutes(10);

/// What a code is good for. A code for one purpose opens nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Logging in, which also signs up.
    Login,
}

impl Purpose {
    /// The word in the database and in the derivation of the code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
        }
    }
}

/// The OTP feature: its settings, keys and clock over the database.
#[derive(Clone)]
pub struct Otp {
    pool: PgPool,
    clock: SharedClock,
    config: std::sync::Arc<OtpConfig>,
    keys: std::sync::Arc<code::CodeKeys>,
}

/// An accepted send.
#[derive(Debug, Clone)]
pub struct AcceptedSend {
    /// The caller's handle.
    pub request_id: String,
    /// The message row that carries the code.
    pub message: RowId,
    /// Whole seconds the code will live from now.
    pub expires_in: i64,
    /// Whole seconds until another send is accepted.
    pub resend_after: i64,
}

/// Why a send is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SendCodeError {
    /// A code is under way or was just sent.
    #[error("cool-down")]
    CoolDown {
        /// Whole seconds to wait.
        retry_after: i64,
    },
    /// The number had its share of texts for today.
    #[error("daily cap of the number")]
    DailyCap {
        /// Whole seconds until the next day (UTC) begins.
        retry_after: i64,
    },
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
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

/// A text as it can be shown in the sandbox.
#[derive(Debug, Clone)]
pub struct ReadableMessage {
    /// The text; for a code that was replaced since, a note in its place.
    pub text: String,
    /// The code, unless it was replaced since.
    pub code: Option<String>,
}

impl Otp {
    /// The feature over one database.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn new(pool: PgPool, clock: SharedClock, config: &OtpConfig) -> anyhow::Result<Self> {
        let keys = code::CodeKeys::new(config)?.into();
        Ok(Self { pool, clock, config: config.clone().into(), keys })
    }

    /// Accepts one send: commits the code's row, the request and the message, and returns the id
    /// to push. `reply_to` names the process that waits for the outcome.
    ///
    /// # Errors
    /// [`SendCodeError`]; nothing is written then.
    pub async fn accept_send(
        &self,
        phone: &PhoneNumber,
        purpose: Purpose,
        ip: Option<std::net::IpAddr>,
        reply_to: Option<&str>,
        rng: &mut (impl Rng + Send),
    ) -> Result<AcceptedSend, SendCodeError> {
        let new = self.new_send(phone, purpose, ip, rng);
        match self.try_accept(&new, reply_to, None).await {
            // A send that failed starts no cool-down: let it pass if that is what stands there.
            Err(SendCodeError::CoolDown { .. })
                if let Some(failed) = self.failed_send(&new).await? =>
            {
                self.try_accept(&new, reply_to, Some(failed)).await
            }
            other => other,
        }
    }

    fn new_send<'a>(
        &'a self,
        phone: &'a PhoneNumber,
        purpose: Purpose,
        ip: Option<std::net::IpAddr>,
        rng: &mut impl Rng,
    ) -> store::NewSend<'a> {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        store::NewSend {
            request_id: ids::random_handle(rng),
            local_id: ids::random_local_id(rng),
            phone,
            purpose,
            nonce,
            key_id: self.keys.active_id(),
            digits: i16::from(self.config.length),
            now: self.clock.now(),
            ttl: TimeDelta::seconds(i64::from(self.config.ttl_seconds)),
            longest_life: LONGEST_LIFE,
            cooldown: self.cooldown(),
            daily_sends: i32::try_from(self.config.daily_sends_per_target).unwrap_or(i32::MAX),
            ip: ip.map(Into::into),
        }
    }

    /// `None`: no other send while a code lives.
    fn cooldown(&self) -> Option<TimeDelta> {
        match self.config.cooldown {
            Cooldown::Fixed => {
                Some(TimeDelta::seconds(i64::from(self.config.resend_after_seconds)))
            }
            Cooldown::UntilExpiry => None,
        }
    }

    /// The idempotency key of the last message of this code, if that message failed for good.
    async fn failed_send(&self, new: &store::NewSend<'_>) -> Result<Option<i64>, sqlx::Error> {
        let Some(state) = store::find(&self.pool, new.phone, new.purpose).await? else {
            return Ok(None);
        };
        let message = sms::find_by_local_id(&self.pool, state.last_local_id).await?;
        let failed = message.is_some_and(|message| {
            matches!(message.status, MessageStatus::Failed | MessageStatus::Expired)
        });
        Ok(failed.then_some(state.last_local_id))
    }

    async fn try_accept(
        &self,
        new: &store::NewSend<'_>,
        reply_to: Option<&str>,
        instead_of: Option<i64>,
    ) -> Result<AcceptedSend, SendCodeError> {
        let mut tx = self.pool.begin().await?;
        let Some(issued) = store::issue(&mut tx, new, instead_of).await? else {
            drop(tx);
            return Err(self.why_refused(new).await?);
        };
        let message = NewOtpMessage {
            phone: new.phone,
            local_id: new.local_id,
            created_at: new.now,
            expires_at: issued.expires_at,
            reply_to,
        };
        let id = sms::accept_otp(&mut tx, &message).await?;
        store::insert_request(&mut tx, new, issued.generation).await?;
        tx.commit().await?;
        let resend_at = self.cooldown().map_or(issued.expires_at, |pause| new.now + pause);
        Ok(AcceptedSend {
            request_id: new.request_id.clone(),
            message: RowId(id),
            expires_in: seconds_until(issued.expires_at, new.now),
            resend_after: seconds_until(resend_at, new.now),
        })
    }

    async fn why_refused(&self, new: &store::NewSend<'_>) -> Result<SendCodeError, sqlx::Error> {
        let state = store::find(&self.pool, new.phone, new.purpose).await?;
        let today = new.now.date_naive();
        Ok(match state {
            Some(state) if state.day == today && state.sends_today >= new.daily_sends => {
                let tomorrow = (today + chrono::Days::new(1)).and_time(chrono::NaiveTime::MIN);
                SendCodeError::DailyCap {
                    retry_after: seconds_until(tomorrow.and_utc(), new.now).max(1),
                }
            }
            Some(state) => {
                let until = self.resend_at(state.last_sent_at, state.expires_at);
                // Another process's send may be later than our `now`: no cool-down is longer than one.
                let longest = self.cooldown().map_or(i64::MAX, |pause| pause.num_seconds());
                let retry_after = seconds_until(until, new.now).clamp(1, longest.max(1));
                SendCodeError::CoolDown { retry_after }
            }
            // Purged between the two statements: the next try will do.
            None => SendCodeError::CoolDown { retry_after: 1 },
        })
    }

    /// A cool-down never outlives the code it is about.
    fn resend_at(&self, last_sent_at: DateTime<Utc>, expires_at: DateTime<Utc>) -> DateTime<Utc> {
        self.cooldown().map_or(expires_at, |pause| (last_sent_at + pause).min(expires_at))
    }

    /// State of the request with this handle.
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

    /// What the message with this idempotency key says now; `None` when its code is over, used or
    /// replaced, so that there is nothing worth sending.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn content(&self, local_id: i64) -> Result<Option<Content>, sqlx::Error> {
        let Some(row) = store::code_of_message(&self.pool, local_id).await? else {
            return Ok(None);
        };
        if row.consumed_at.is_some() || row.expires_at <= self.clock.now() {
            return Ok(None);
        }
        let Some(code) = self.derive(&row) else { return Ok(None) };
        Ok(Some(match &self.config.template {
            Some(name) => {
                Content::Template { name: name.clone(), tokens: vec![("token".to_owned(), code)] }
            }
            None => Content::Text(self.text_with(&code)),
        }))
    }

    /// What the message said, derived now; for the sandbox inbox only.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn readable(&self, local_id: i64) -> Result<ReadableMessage, sqlx::Error> {
        let row = store::code_of_message(&self.pool, local_id).await?;
        let code = row.and_then(|row| self.derive(&row));
        let text = match &code {
            Some(code) => self.text_with(code),
            None => "(this code was replaced by a newer one)".to_owned(),
        };
        Ok(ReadableMessage { text, code })
    }

    fn text_with(&self, code: &str) -> String {
        self.config.text.replace("{code}", code)
    }

    fn derive(&self, row: &store::CodeRow) -> Option<String> {
        let digits = u8::try_from(row.digits).ok()?;
        self.keys.derive(&row.key_id, row.purpose, &row.phone, &row.nonce, digits)
    }

    /// Deletes codes and requests that ended before `before`, one batch of each; with `dry_run`
    /// only counts them. Returns the rows.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn purge(
        &self,
        before: DateTime<Utc>,
        batch: i64,
        dry_run: bool,
    ) -> Result<u64, sqlx::Error> {
        if dry_run {
            return store::count_purgeable(&self.pool, before).await;
        }
        let codes = store::purge_codes(&self.pool, before, batch).await?;
        Ok(codes + store::purge_requests(&self.pool, before, batch).await?)
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
        store::consume(connection, checked, self.clock.now()).await
    }
}

/// Whole seconds, rounded up, never negative.
fn seconds_until(at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    let left = (at - now).num_milliseconds().max(0);
    (left + 999) / 1000
}

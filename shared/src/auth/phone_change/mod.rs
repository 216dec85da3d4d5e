//! Changing the number of an account: a code sent to the new number proves that it is the caller's,
//! and the old number hears of it.
//!
//! A code of [`Purpose::ChangePhone`] logs nobody in, and no other code changes a number. What a
//! code was asked for is a row of the account and the session that asked; whether the new number
//! has an account of its own is told only to somebody who proved that the number is theirs.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use super::Auth;
use crate::{
    batch::WriteError,
    config::Config,
    jobs::RowId,
    login_events::Trace,
    otp::{GivenCode, LONGEST_LIFE, Purpose, VerifyCodeError},
    phone::PhoneNumber,
    purge::{Purged, Slice},
    sessions::{EndReason, Which},
    sms::{
        notices::Notices,
        templates::{TextLanguage, Wording},
    },
    users::{self, ChangePhoneError, User},
    webhooks::events::{Kind, NewEvent},
};

mod store;

/// How numbers are changed.
#[derive(Debug)]
pub(super) struct PhoneChanges {
    /// At least between two changes of one account; the first is free.
    every: TimeDelta,
    notice: Notice,
    notices: Notices,
}

/// What the old number is told.
#[derive(Debug)]
struct Notice {
    text: String,
    text_en: String,
    template: Option<String>,
}

impl PhoneChanges {
    pub(super) fn new(config: &Config) -> Self {
        let auth = &config.auth;
        let notice = Notice {
            text: auth.phone_notice_text.clone(),
            text_en: auth.phone_notice_text_en.clone(),
            template: auth.phone_notice_template.clone(),
        };
        let every = TimeDelta::seconds(auth.phone_change_every_seconds.into());
        Self { every, notice, notices: Notices::new(config) }
    }

    /// # Errors
    /// When the number was changed a moment ago.
    fn allow(&self, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), TooSoon> {
        let left = last.map(|last| (last + self.every - now).num_milliseconds());
        match left.filter(|left| *left > 0) {
            Some(left) => Err(TooSoon { retry_after: (left + 999) / 1000 }),
            None => Ok(()),
        }
    }
}

impl Notice {
    /// `None`: the old number is told nothing.
    fn wording(&self, language: TextLanguage, new: &PhoneNumber) -> Option<Wording> {
        if self.text.is_empty() {
            return None;
        }
        let english = language == TextLanguage::En && !self.text_en.is_empty();
        let text = if english { &self.text_en } else { &self.text };
        let number = new.masked();
        let token = |name: &String| (name.clone(), vec![("token".to_owned(), number.clone())]);
        let template = self.template.as_ref().map(token);
        Some(Wording { text: Some(text.replace("{number}", &number)), template })
    }
}

/// The account changed its number not long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("changed not long ago")]
pub struct TooSoon {
    /// Whole seconds until it may change it again.
    pub retry_after: i64,
}

/// A number somebody wants for their account.
#[derive(Debug, Clone, Copy)]
pub struct BeginPhoneChange<'a> {
    /// The account.
    pub user_id: i64,
    /// The session that asks, and alone may confirm.
    pub session_id: i64,
    /// The number it is to have.
    pub phone: &'a PhoneNumber,
}

/// Why a change cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginPhoneChangeError {
    /// There is no such account any more, or it is disabled.
    #[error("account disabled")]
    AccountDisabled,
    /// It is the account's number already.
    #[error("the same number")]
    SameNumber,
    /// Not yet.
    #[error(transparent)]
    TooSoon(#[from] TooSoon),
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The proof that the new number is the caller's.
#[derive(Clone, Copy)]
pub struct ConfirmPhoneChange<'a> {
    /// The account.
    pub user_id: i64,
    /// The session that asked.
    pub session_id: i64,
    /// What the person typed.
    pub code: &'a str,
    /// The handle of the send, if the client kept it.
    pub request_id: Option<&'a str>,
    /// From where.
    pub trace: &'a Trace,
    /// What the old number is told in.
    pub language: TextLanguage,
}

/// A changed number.
#[derive(Debug)]
pub struct PhoneChanged {
    /// The account as it is now.
    pub user: User,
    /// The text to the old number, to be pushed; `None` if there is none.
    pub notice: Option<RowId>,
}

/// Why a number is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmPhoneChangeError {
    /// Wrong, expired, used or unknown code, none asked for by this session, no attempts left.
    #[error("no such code")]
    NoSuchCode,
    /// There is no such account any more, or it is disabled.
    #[error("account disabled")]
    AccountDisabled,
    /// Another account has the number; the code is used up.
    #[error("another account has the number")]
    Taken,
    /// Not yet.
    #[error(transparent)]
    TooSoon(#[from] TooSoon),
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The shared commit failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<VerifyCodeError> for ConfirmPhoneChangeError {
    fn from(error: VerifyCodeError) -> Self {
        match error {
            VerifyCodeError::NoSuchCode => Self::NoSuchCode,
            VerifyCodeError::Write(error) => Self::Write(error),
        }
    }
}

impl Auth {
    /// Notes which number the account is to have. The caller then sends a code of
    /// [`Purpose::ChangePhone`] there; until that is confirmed nothing is changed, and a crash
    /// between the two leaves nothing but a note.
    ///
    /// # Errors
    /// [`BeginPhoneChangeError`]. None of them says anything of the new number's owner.
    pub async fn begin_phone_change(
        &self,
        begin: &BeginPhoneChange<'_>,
    ) -> Result<(), BeginPhoneChangeError> {
        let now = self.clock.now();
        let account = users::find(&self.pool, begin.user_id).await?;
        let account = account.filter(|account| account.user.is_active);
        let account = account.ok_or(BeginPhoneChangeError::AccountDisabled)?;
        if account.user.phone.as_ref() == Some(begin.phone) {
            return Err(BeginPhoneChangeError::SameNumber);
        }
        self.phone_changes.allow(account.phone_changed_at, now)?;
        // No code lives longer, so a note need not either.
        store::note(&self.pool, begin, now, now + LONGEST_LIFE).await?;
        Ok(())
    }

    /// The number this session of the account asked for not long ago.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn asked_phone(
        &self,
        user_id: i64,
        session_id: i64,
    ) -> Result<Option<PhoneNumber>, sqlx::Error> {
        store::noted(&self.pool, (user_id, session_id), self.clock.now()).await
    }

    /// Checks the code of the number that this session asked for and, in one transaction with the
    /// account locked, consumes it, changes the number, ends the account's other sessions and
    /// writes the text to the old number.
    ///
    /// # Errors
    /// [`ConfirmPhoneChangeError`]. Exactly one of parallel right answers succeeds.
    pub async fn confirm_phone_change(
        &self,
        confirm: &ConfirmPhoneChange<'_>,
    ) -> Result<PhoneChanged, ConfirmPhoneChangeError> {
        use ConfirmPhoneChangeError::{AccountDisabled, NoSuchCode, Taken};
        let now = self.clock.now();
        let of = (confirm.user_id, confirm.session_id);
        let phone = store::noted(&self.pool, of, now).await?.ok_or(NoSuchCode)?;
        let ConfirmPhoneChange { code, request_id, trace, .. } = *confirm;
        let given = GivenCode { code, request_id, trace };
        let checked = self.otp.check(&phone, Purpose::ChangePhone, &given).await?;
        let mut tx = self.pool.begin().await?;
        if !self.otp.consume(&mut tx, &checked).await? {
            return Err(NoSuchCode);
        }
        let account = users::lock(&mut tx, confirm.user_id).await?;
        let account = account.filter(|account| account.user.is_active).ok_or(AccountDisabled)?;
        // It is another one if the session asked anew meanwhile.
        if !store::take(&mut tx, of, &phone, now).await? {
            return Err(NoSuchCode);
        }
        self.phone_changes.allow(account.phone_changed_at, now)?;
        let user = match users::change_phone(&mut tx, &account.user, &phone, now).await {
            Ok(user) => user,
            Err(ChangePhoneError::Taken) => {
                tx.commit().await?;
                self.otp.verified(checked);
                return Err(Taken);
            }
            // Taken this very moment: PostgreSQL takes everything back.
            Err(ChangePhoneError::TakenMeanwhile) => return Err(Taken),
            Err(ChangePhoneError::Database(error)) => return Err(error.into()),
        };
        let others = Which::AllBut(confirm.session_id);
        let ended = self.end_sessions(&mut tx, confirm.user_id, others, EndReason::Phone).await?;
        let event = NewEvent::of_user(Kind::UserPhoneChanged, confirm.user_id, []);
        self.outbox.emit(&mut tx, &[event]).await?;
        let told = self.tell_old_number(&mut tx, &account.user, &phone, confirm.language).await?;
        tx.commit().await?;
        self.announce(ended);
        self.otp.verified(checked);
        Ok(PhoneChanged { user, notice: told })
    }

    async fn tell_old_number(
        &self,
        connection: &mut PgConnection,
        before: &User,
        new: &PhoneNumber,
        language: TextLanguage,
    ) -> Result<Option<RowId>, sqlx::Error> {
        let wording = self.phone_changes.notice.wording(language, new);
        let Some((old, wording)) = before.phone.as_ref().zip(wording) else { return Ok(None) };
        let now = self.clock.now();
        self.phone_changes.notices.accept(connection, old, wording, now).await.map(Some)
    }
}

/// The number the account is to have, if one was asked for; for its erasure.
///
/// # Errors
/// When the database is away.
pub(crate) async fn asked(
    connection: &mut PgConnection,
    user_id: i64,
) -> Result<Option<PhoneNumber>, sqlx::Error> {
    store::asked(connection, user_id).await
}

/// Forgets which number an account is to have, inside the caller's transaction.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn forget(connection: &mut PgConnection, user_id: i64) -> Result<(), sqlx::Error> {
    store::forget(connection, user_id).await
}

/// Deletes changes that were not confirmed in time, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge(pool, slice).await
}

/// How many changes were not confirmed in time before `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_purgeable(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_purgeable(pool, before).await
}

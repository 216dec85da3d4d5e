//! Refresh tokens of the system Peyk replaces: each becomes a session here, once.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use super::{
    Auth,
    bearers::TokenError,
    refresh::{RefreshError, refused},
    store,
    verify::Legacy,
};
use crate::{
    purge::{Purged, Slice},
    sessions::{
        EndReason, Method, Origin, Session,
        rotation::{Presented, Verdict},
    },
    telemetry::TOKEN_REFRESHES,
    users::{self, User},
};

/// How much earlier than its account's first moment here a token may say that it was made: the clocks
/// of two machines.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(60);

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    /// A session.
    Exchanged { session_id: i64, at: DateTime<Utc> },
    /// Nothing: its owner logged out with it.
    Ended,
}

impl Auth {
    /// The token becomes a session. Whoever comes with it again within `auth.refresh_grace_seconds`
    /// gets the same session with its first refresh token, byte for byte; later that ends it.
    pub(super) async fn exchange(
        &self,
        legacy: &Legacy,
        origin: &Origin,
    ) -> Result<Session, RefreshError> {
        let mut tx = self.pool.begin().await?;
        let user = owner(&mut tx, legacy).await?;
        if !store::spend_refresh_token(&mut tx, &legacy.fingerprint, legacy.expires_at).await? {
            drop(tx);
            return self.exchanged_before(legacy).await;
        }
        let admitted = self.admit(&mut tx, &user, origin, Method::Import).await?;
        let (session, now) = (admitted.session.id, self.clock.now());
        store::note_exchange(&mut tx, &legacy.fingerprint, session, now).await?;
        tx.commit().await?;
        let session = self.entered(admitted, origin);
        TOKEN_REFRESHES.with_label_values(&["imported"]).inc();
        Ok(session)
    }

    async fn exchanged_before(&self, legacy: &Legacy) -> Result<Session, RefreshError> {
        let spent = store::spent_refresh_token(&self.pool, &legacy.fingerprint).await?;
        match spent {
            Some(Spent::Exchanged { session_id, at }) => {
                self.follow(Self::family(legacy, session_id), Some(at)).await
            }
            Some(Spent::Ended) | None => Err(TokenError::Blacklisted.into()),
        }
    }

    /// Whether it would be exchanged, or answered once more. Changes nothing.
    pub(super) async fn check_legacy(&self, legacy: &Legacy) -> Result<(), RefreshError> {
        owner(&mut *self.pool.acquire().await?, legacy).await?;
        match store::spent_refresh_token(&self.pool, &legacy.fingerprint).await? {
            None => Ok(()),
            Some(Spent::Ended) => Err(TokenError::Blacklisted.into()),
            Some(Spent::Exchanged { session_id, at }) => {
                let (_, verdict) = self.judge(&Self::family(legacy, session_id), Some(at)).await?;
                if verdict == Verdict::Replaced { Ok(()) } else { Err(refused(verdict)) }
            }
        }
    }

    /// Nobody shall use it any more, nor the session that it became. `false`: that was so before.
    pub(super) async fn end_legacy(&self, legacy: &Legacy) -> Result<bool, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let (fingerprint, expires_at) = (&legacy.fingerprint, legacy.expires_at);
        if store::spend_refresh_token(&mut connection, fingerprint, expires_at).await? {
            return Ok(true);
        }
        drop(connection);
        match store::spent_refresh_token(&self.pool, &legacy.fingerprint).await? {
            Some(Spent::Exchanged { session_id, .. }) => {
                self.end(&Self::family(legacy, session_id), EndReason::Logout).await
            }
            Some(Spent::Ended) | None => Ok(false),
        }
    }

    /// The token as the one before the first of the session it became.
    fn family(legacy: &Legacy, session_id: i64) -> Presented {
        Presented { user_id: legacy.user_id, session_id, generation: 0 }
    }
}

/// The account a token names, locked against being disabled. An account that was made here after the
/// token is somebody else's: the number was not imported.
async fn owner(connection: &mut PgConnection, legacy: &Legacy) -> Result<User, RefreshError> {
    let user = users::find_by_id(connection, legacy.user_id).await?;
    let known_then = |user: &User| legacy.issued_at + CLOCKS_APART >= user.created_at;
    let user = user.filter(known_then).ok_or(TokenError::Invalid)?;
    if user.is_active { Ok(user) } else { Err(RefreshError::Inactive) }
}

/// Deletes what is known of tokens that have expired, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge_used_refresh_tokens(pool, slice).await
}

/// How many tokens of which something is known expired before `before`.
///
/// # Errors
/// When the database is away.
pub async fn count_expired(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_used_refresh_tokens(pool, before).await
}

//! Refresh tokens: exchanged for the next pair, checked, and ended.

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;

use super::{
    Auth,
    bearers::TokenError,
    legacy,
    tokens::TokenPair,
    verify::{Legacy, Refresh},
};
use crate::{
    batch::WriteError,
    sessions::{
        EndReason, Method, Origin, Session, Which,
        rotation::{self, Presented, Rotation, Standing, Verdict},
    },
    telemetry::TOKEN_REFRESHES,
    users,
};

/// Why a token is good for nothing here.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The account is disabled or erased.
    #[error("account disabled")]
    Inactive,
    /// The database is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The shared commit failed. The token may have been replaced: the next try gets its successor.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Auth {
    /// A new access token and the next refresh token for one that is current, or was a moment ago.
    ///
    /// Whoever comes with the same token within `auth.refresh_grace_seconds` gets the same successor,
    /// byte for byte: tabs that refresh at once and clients that lost the answer. One that comes
    /// later ends the session everywhere: two hold what only one should.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn refresh(
        &self,
        token: &str,
        origin: &Origin,
        rng: &mut (impl Rng + Send),
    ) -> Result<TokenPair, RefreshError> {
        let now = self.clock.now();
        let refreshed = match self.bearers.tokens().read_refresh(token, now) {
            Ok(Refresh::Own(presented)) => self.next(presented, now).await,
            Ok(Refresh::Legacy(legacy)) => self.exchange(&legacy, origin).await,
            Err(error) => Err(error.into()),
        };
        if let Err(RefreshError::Token(_) | RefreshError::Inactive) = refreshed {
            TOKEN_REFRESHES.with_label_values(&["refused"]).inc();
        }
        Ok(self.bearers.pair(&refreshed?, now, rng))
    }

    async fn next(
        &self,
        presented: Presented,
        now: DateTime<Utc>,
    ) -> Result<Session, RefreshError> {
        let rotation = Rotation::new(presented, &self.lifetimes, self.grace, now);
        if let Some(session) = self.rotations.write(rotation).await? {
            TOKEN_REFRESHES.with_label_values(&["rotated"]).inc();
            return Ok(session);
        }
        let standing = self.standing(&presented, now).await?;
        match standing.judge(presented.generation, now) {
            Verdict::Replaced => {
                TOKEN_REFRESHES.with_label_values(&["repeated"]).inc();
                Ok(standing.session)
            }
            Verdict::Reused => {
                self.end(&presented, EndReason::Reuse).await?;
                TOKEN_REFRESHES.with_label_values(&["reused"]).inc();
                let Presented { user_id, session_id, .. } = presented;
                tracing::warn!(user_id, session_id, "refresh token used again, session ended");
                Err(TokenError::Blacklisted.into())
            }
            verdict => Err(refused(verdict)),
        }
    }

    /// One of the old system's tokens becomes a session here, once.
    async fn exchange(&self, legacy: &Legacy, origin: &Origin) -> Result<Session, RefreshError> {
        let mut tx = self.pool.begin().await?;
        let user = users::find_by_id(&mut tx, legacy.user_id).await?;
        let user = user.ok_or(TokenError::Invalid)?;
        if !user.is_active {
            return Err(RefreshError::Inactive);
        }
        if !legacy::spend(&mut tx, legacy).await? {
            return Err(TokenError::Blacklisted.into());
        }
        let admitted = self.admit(&mut tx, &user, origin, Method::Import).await?;
        tx.commit().await?;
        let session = self.entered(admitted, origin);
        TOKEN_REFRESHES.with_label_values(&["imported"]).inc();
        Ok(session)
    }

    /// Whether a token, access or refresh, would be taken where it belongs. Changes nothing.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn check_token(&self, token: &str) -> Result<(), RefreshError> {
        let now = self.clock.now();
        let tokens = self.bearers.tokens();
        let refresh = match self.bearers.check(token, now) {
            Ok(_) => return Ok(()),
            // Refresh tokens are of the wrong type there, or of another system.
            Err(error @ (TokenError::WrongType | TokenError::Invalid)) => {
                // An access token of a session that has ended is of a good type.
                let as_it_was = |other| if other == TokenError::WrongType { error } else { other };
                tokens.read_refresh(token, now).map_err(as_it_was)?
            }
            Err(error) => return Err(error.into()),
        };
        match refresh {
            Refresh::Own(presented) => {
                let standing = self.standing(&presented, now).await?;
                match standing.judge(presented.generation, now) {
                    Verdict::Current | Verdict::Replaced => Ok(()),
                    verdict => Err(refused(verdict)),
                }
            }
            Refresh::Legacy(legacy) if legacy::is_spent(&self.pool, &legacy).await? => {
                Err(TokenError::Blacklisted.into())
            }
            Refresh::Legacy(_) => Ok(()),
        }
    }

    /// Ends the session of a refresh token, everywhere, whichever of its family it is: whoever has
    /// one may always say that nobody shall use it any more.
    ///
    /// # Errors
    /// [`RefreshError`], also when the session had ended before.
    pub async fn log_out_by_refresh(&self, token: &str) -> Result<(), RefreshError> {
        let now = self.clock.now();
        let ended = match self.bearers.tokens().read_refresh(token, now)? {
            Refresh::Own(presented) => self.end(&presented, EndReason::Logout).await?,
            Refresh::Legacy(legacy) => {
                legacy::spend(&mut *self.pool.acquire().await?, &legacy).await?
            }
        };
        if ended { Ok(()) } else { Err(TokenError::Blacklisted.into()) }
    }

    /// Ends a session of `user_id`, everywhere.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn log_out(&self, user_id: i64, session_id: i64) -> Result<(), sqlx::Error> {
        let presented = Presented { user_id, session_id, generation: 0 };
        self.end(&presented, EndReason::Logout).await.map(drop)
    }

    async fn standing(
        &self,
        presented: &Presented,
        now: DateTime<Utc>,
    ) -> Result<Standing, RefreshError> {
        let standing = rotation::standing(&self.pool, presented, now - self.grace).await?;
        standing.ok_or(TokenError::Invalid.into())
    }

    /// `false`: it had ended before.
    async fn end(&self, family: &Presented, reason: EndReason) -> Result<bool, sqlx::Error> {
        let which = Which::One(family.session_id);
        let mut tx = self.pool.begin().await?;
        let ended = self.end_sessions(&mut tx, family.user_id, which, reason).await?;
        tx.commit().await?;
        let any = ended.count() > 0;
        self.announce(ended);
        Ok(any)
    }
}

/// The grace of a validated configuration.
pub(super) fn grace(config: &crate::config::Auth) -> TimeDelta {
    TimeDelta::seconds(config.refresh_grace_seconds.into())
}

fn refused(verdict: Verdict) -> RefreshError {
    match verdict {
        Verdict::Slow | Verdict::Reused | Verdict::Revoked => TokenError::Blacklisted.into(),
        Verdict::Expired => TokenError::Expired.into(),
        Verdict::Inactive => RefreshError::Inactive,
        Verdict::Unknown | Verdict::Current | Verdict::Replaced => TokenError::Invalid.into(),
    }
}

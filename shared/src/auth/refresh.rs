//! Refresh tokens: exchanged for the next pair, checked, and ended.

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;

use super::{Auth, bearers::TokenError, tokens::TokenPair, verify::Refresh};
use crate::{
    batch::WriteError,
    sessions::{
        EndReason, Origin, Session, Which,
        rotation::{self, Presented, Rotation, Verdict},
    },
    telemetry::TOKEN_REFRESHES,
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
        self.follow(presented, None).await
    }

    /// The session of a token that was used before, if that was a moment ago. `exchanged`: when the
    /// family began, of a token that came before its first one.
    pub(super) async fn follow(
        &self,
        presented: Presented,
        exchanged: Option<DateTime<Utc>>,
    ) -> Result<Session, RefreshError> {
        let (session, verdict) = self.judge(&presented, exchanged).await?;
        match verdict {
            Verdict::Replaced => {
                TOKEN_REFRESHES.with_label_values(&["repeated"]).inc();
                Ok(session)
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

    /// How a token of a family stands at this moment, and the family's current one.
    pub(super) async fn judge(
        &self,
        presented: &Presented,
        exchanged: Option<DateTime<Utc>>,
    ) -> Result<(Session, Verdict), RefreshError> {
        let now = self.clock.now();
        let standing = rotation::standing(&self.pool, presented, now - self.grace).await?;
        let mut standing = standing.ok_or(TokenError::Invalid)?;
        // The first token of a family replaced another one then.
        standing.recent += i64::from(exchanged.is_some_and(|at| at > now - self.grace));
        let verdict = standing.judge(presented.generation, now);
        Ok((standing.session, verdict))
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
            Refresh::Own(presented) => match self.judge(&presented, None).await?.1 {
                Verdict::Current | Verdict::Replaced => Ok(()),
                verdict => Err(refused(verdict)),
            },
            Refresh::Legacy(legacy) => self.check_legacy(&legacy).await,
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
            Refresh::Legacy(legacy) => self.end_legacy(&legacy).await?,
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

    /// `false`: it had ended before.
    pub(super) async fn end(
        &self,
        family: &Presented,
        reason: EndReason,
    ) -> Result<bool, sqlx::Error> {
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

pub(super) fn refused(verdict: Verdict) -> RefreshError {
    match verdict {
        Verdict::Slow | Verdict::Reused | Verdict::Revoked => TokenError::Blacklisted.into(),
        Verdict::Expired => TokenError::Expired.into(),
        Verdict::Inactive => RefreshError::Inactive,
        Verdict::Unknown | Verdict::Current | Verdict::Replaced => TokenError::Invalid.into(),
    }
}

//! Checking access tokens: who calls.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;
use rand::Rng;
use sha2::{Digest, Sha256};

use super::{
    tokens::{TokenPair, Tokens},
    verify::{Access, is_sane},
};
use crate::sessions::{Session, revocations::Revocations};

/// Tokens whose signature was checked and need not be again, per process.
const REMEMBERED: usize = 20_000;

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// The account.
    pub user_id: i64,
    /// The session the token belongs to.
    pub session_id: i64,
    /// When the token ends, Unix seconds.
    pub expires_at: i64,
}

/// Why a token opens nothing. The texts are simplejwt's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Forged, unreadable, of another issuer, or its session has ended.
    #[error("Token is invalid")]
    Invalid,
    /// A refresh token that was used, or whose session has ended.
    #[error("Token is blacklisted")]
    Blacklisted,
    /// Past its time.
    #[error("Token is expired")]
    Expired,
    /// A refresh token where an access token is wanted, or the other way round.
    #[error("Token has wrong type")]
    WrongType,
    /// Who is out is not known yet; nothing is said of the token.
    #[error("revocations are not loaded")]
    NotReady,
}

/// Checks access tokens. A token that was seen before costs a hash and a look at two tables in
/// memory.
#[derive(Clone)]
pub struct Bearers {
    tokens: Arc<Tokens>,
    /// By SHA-256 of the token: no token is kept.
    seen: Arc<Cache<[u8; 32], Access>>,
    revocations: Revocations,
}

impl Bearers {
    /// With these keys, and what this process knows of who is out.
    pub fn new(tokens: Arc<Tokens>, revocations: Revocations) -> Self {
        Self { tokens, seen: Cache::new(REMEMBERED).into(), revocations }
    }

    /// Whose access token this is.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn check(&self, token: &str, now: DateTime<Utc>) -> Result<Bearer, TokenError> {
        if !self.revocations.is_loaded() {
            return Err(TokenError::NotReady);
        }
        if !is_sane(token) {
            return Err(TokenError::Invalid);
        }
        let fingerprint = fingerprint(token);
        let seen = self.seen.get(&fingerprint);
        let access = seen.map_or_else(|| self.tokens.read_access(token, now), Ok)?;
        if seen.is_none() {
            self.seen.insert(fingerprint, access);
        }
        let Access { bearer, key_until } = access;
        if bearer.expires_at <= now.timestamp() {
            return Err(TokenError::Expired);
        }
        let key_ended = key_until.is_some_and(|until| until <= now.timestamp());
        if key_ended || self.revocations.contains(bearer.session_id) {
            return Err(TokenError::Invalid);
        }
        Ok(bearer)
    }

    /// The tokens of a session that is committed. The access token is taken for checked here, with
    /// what a check would find: its client comes with it next.
    pub(super) fn pair(
        &self,
        session: &Session,
        now: DateTime<Utc>,
        rng: &mut impl Rng,
    ) -> TokenPair {
        let (pair, known) = self.tokens.known_pair(session, now, rng);
        self.seen.insert(fingerprint(&pair.access), known);
        pair
    }

    /// The maker of tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// What this process knows of who is out.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }
}

fn fingerprint(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

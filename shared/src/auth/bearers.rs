//! Checking access tokens: who calls.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use quick_cache::sync::Cache;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::tokens::{TokenType, Tokens};
use crate::sessions::revocations::Revocations;

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

/// The claims Peyk reads. Numbers are strings, as simplejwt writes them.
#[derive(Deserialize)]
struct ReadClaims {
    token_type: String,
    exp: i64,
    user_id: String,
    sid: String,
    iss: Option<String>,
    aud: Option<String>,
}

impl ReadClaims {
    fn user_id(&self) -> Result<i64, TokenError> {
        self.user_id.parse().map_err(|_| TokenError::Invalid)
    }

    fn session_id(&self) -> Result<i64, TokenError> {
        self.sid.parse().map_err(|_| TokenError::Invalid)
    }
}

/// Checks access tokens. A token that was seen before costs a hash and a look at two tables in
/// memory.
#[derive(Clone)]
pub struct Bearers {
    tokens: Arc<Tokens>,
    /// By SHA-256 of the token: no token is kept.
    seen: Arc<Cache<[u8; 32], Bearer>>,
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
        let fingerprint: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let seen = self.seen.get(&fingerprint);
        let bearer = seen.map_or_else(|| self.tokens.verify_access(token, now), Ok)?;
        if seen.is_none() {
            self.seen.insert(fingerprint, bearer);
        }
        if bearer.expires_at <= now.timestamp() {
            return Err(TokenError::Expired);
        }
        if self.revocations.contains(bearer.session_id) {
            return Err(TokenError::Invalid);
        }
        Ok(bearer)
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

impl Tokens {
    /// Checks signature, algorithm, type, issuer, audience and expiry of an access token; not
    /// whether its session still goes on.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify_access(&self, token: &str, now: DateTime<Utc>) -> Result<Bearer, TokenError> {
        let claims = self.read(token, TokenType::Access, now)?;
        Ok(Bearer {
            user_id: claims.user_id()?,
            session_id: claims.session_id()?,
            expires_at: claims.exp,
        })
    }

    /// The key is chosen by the header's `kid` alone, the algorithm by the key: what else a header
    /// says (`alg`, `jwk`, `jku`, `x5u`) opens nothing.
    fn read(
        &self,
        token: &str,
        wanted: TokenType,
        now: DateTime<Utc>,
    ) -> Result<ReadClaims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        // Refresh tokens carry no kid: there is one key for them, and it signs nothing else.
        let (key, algorithm) = match header.kid.as_deref() {
            Some(id) => self.verifying_keys.get(id).ok_or(TokenError::Invalid)?,
            None => &self.refresh_verifying_key,
        };
        let claims: ReadClaims = verified(token, key, *algorithm)?;
        let is_refresh = header.kid.is_none();
        let means = if is_refresh { TokenType::Refresh } else { TokenType::Access };
        if claims.token_type != means.as_str() {
            return Err(TokenError::Invalid);
        }
        let of_another =
            |ours: &Option<String>, theirs: &Option<String>| ours.is_some() && ours != theirs;
        if of_another(&self.issuer, &claims.iss) || of_another(&self.audience, &claims.aud) {
            return Err(TokenError::Invalid);
        }
        if claims.exp <= now.timestamp() {
            return Err(TokenError::Expired);
        }
        if means != wanted {
            return Err(TokenError::WrongType);
        }
        Ok(claims)
    }
}

/// Signature only: times are compared with our clock, the rest by [`Tokens::read`].
fn verified(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> Result<ReadClaims, TokenError> {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let decoded = jsonwebtoken::decode::<ReadClaims>(token, key, &validation);
    Ok(decoded.map_err(|_| TokenError::Invalid)?.claims)
}

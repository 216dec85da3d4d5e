//! Checking tokens: what a token says, and whether one of our keys said it.

mod claims;
#[cfg(test)]
mod tests;

use std::slice;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use sha2::{Digest, Sha256};

use self::claims::Claims;
use super::{
    bearers::{Bearer, TokenError},
    tokens::{LegacyKey, TokenType, Tokens, VerifyingKey},
};
use crate::sessions::rotation::Presented;

/// Ours have some 400 bytes; nobody gets more than this hashed or parsed.
const MAX_BYTES: usize = 4096;
/// What the id of an old token may have; simplejwt writes 32.
const MAX_JTI_BYTES: usize = 255;

/// A good access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) bearer: Bearer,
    /// When the key that signed it ends, Unix seconds.
    pub(super) key_until: Option<i64>,
}

/// A good refresh token.
#[derive(Debug)]
pub(super) enum Refresh {
    /// One of ours.
    Own(Presented),
    /// One of the system Peyk replaces.
    Legacy(Legacy),
}

/// A refresh token of the system Peyk replaces.
#[derive(Debug)]
pub(super) struct Legacy {
    /// The account it names.
    pub(super) user_id: i64,
    /// SHA-256 of its id: each is exchanged once.
    pub(super) fingerprint: [u8; 32],
    pub(super) issued_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

/// Whether a token is short enough to be looked at.
pub(super) fn is_sane(token: &str) -> bool {
    token.len() <= MAX_BYTES
}

impl Tokens {
    /// Checks signature, algorithm, type, issuer, audience and times of an access token; not whether
    /// its session still goes on.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(super) fn read_access(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Access, TokenError> {
        let (claims, key) = self.read(token, TokenType::Access, now)?;
        let bearer = Bearer {
            user_id: claims.id("user_id").ok_or(TokenError::Invalid)?,
            session_id: claims.id("sid").ok_or(TokenError::Invalid)?,
            expires_at: claims.exp,
        };
        Ok(Access { bearer, key_until: key.until })
    }

    /// The same of a refresh token, ours or, while they are accepted, the old system's.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(super) fn read_refresh(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Refresh, TokenError> {
        match self.read_own_refresh(token, now) {
            Err(TokenError::Invalid) => {
                let open = |key: &&LegacyKey| now.timestamp() < key.until;
                let key = self.legacy.as_ref().filter(open).ok_or(TokenError::Invalid)?;
                read_legacy(token, key, now).map(Refresh::Legacy)
            }
            own => own.map(Refresh::Own),
        }
    }

    fn read_own_refresh(&self, token: &str, now: DateTime<Utc>) -> Result<Presented, TokenError> {
        let (claims, _) = self.read(token, TokenType::Refresh, now)?;
        Ok(Presented {
            user_id: claims.id("user_id").ok_or(TokenError::Invalid)?,
            session_id: claims.id("sid").ok_or(TokenError::Invalid)?,
            generation: claims.generation.unwrap_or(1),
        })
    }

    /// The key is chosen by the header's `kid` alone, the algorithm by the key: what else a header
    /// says (`alg`, `jwk`, `jku`, `x5u`) opens nothing.
    fn read<'a>(
        &'a self,
        token: &str,
        wanted: TokenType,
        now: DateTime<Utc>,
    ) -> Result<(Claims, &'a VerifyingKey), TokenError> {
        // Refresh tokens carry no kid: there is one key for them, two while it is changed, and they
        // sign nothing else.
        let (keys, means) = match key_id(token)? {
            Some(id) => {
                let key = self.verifying_keys.get(&id).ok_or(TokenError::Invalid)?;
                (slice::from_ref(key), TokenType::Access)
            }
            None => (&*self.refresh_verifying_keys, TokenType::Refresh),
        };
        let open = |key: &&VerifyingKey| key.until.is_none_or(|until| now.timestamp() < until);
        let read =
            |key: &'a VerifyingKey| Some((verified(token, &key.key, key.algorithm).ok()?, key));
        let (claims, key) = keys.iter().filter(open).find_map(read).ok_or(TokenError::Invalid)?;
        let of_another = self.issuer.is_some() && self.issuer != claims.iss
            || self.audience.as_ref().is_some_and(|ours| !claims.aud.names(ours));
        if claims.token_type != means.as_str() || of_another {
            return Err(TokenError::Invalid);
        }
        check_times(&claims, now)?;
        if means != wanted {
            return Err(TokenError::WrongType);
        }
        Ok((claims, key))
    }
}

/// The header's `kid`. A token that demands extensions (`crit`) is refused: there are none here
/// (RFC 7515, 4.1.11).
fn key_id(token: &str) -> Result<Option<String>, TokenError> {
    if !is_sane(token) {
        return Err(TokenError::Invalid);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
    if header.crit.is_some() {
        return Err(TokenError::Invalid);
    }
    Ok(header.kid)
}

/// Signature only: times are compared with our clock, the rest by whoever asks.
fn verified(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Claims, TokenError> {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let decoded = jsonwebtoken::decode::<Claims>(token, key, &validation);
    Ok(decoded.map_err(|_| TokenError::Invalid)?.claims)
}

fn check_times(claims: &Claims, now: DateTime<Utc>) -> Result<(), TokenError> {
    if claims.exp <= now.timestamp() {
        return Err(TokenError::Expired);
    }
    if claims.nbf.is_some_and(|from| from > now.timestamp()) {
        return Err(TokenError::Invalid);
    }
    Ok(())
}

/// A refresh token as simplejwt writes it: HS256, no `kid`, no session.
fn read_legacy(token: &str, key: &LegacyKey, now: DateTime<Utc>) -> Result<Legacy, TokenError> {
    if key_id(token)?.is_some() {
        return Err(TokenError::Invalid);
    }
    let claims = verified(token, &key.key, Algorithm::HS256)?;
    // With one secret for both, a token of ours is never taken for an old one.
    if claims.others.contains_key("sid") {
        return Err(TokenError::Invalid);
    }
    check_times(&claims, now)?;
    if claims.token_type != TokenType::Refresh.as_str() {
        return Err(TokenError::WrongType);
    }
    let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(TokenError::Invalid);
    let jti = claims.others.get("jti").and_then(|jti| jti.as_str());
    let jti = jti.filter(|jti| (1..=MAX_JTI_BYTES).contains(&jti.len()));
    Ok(Legacy {
        user_id: claims.id(&key.user_id_claim).ok_or(TokenError::Invalid)?,
        fingerprint: Sha256::digest(jti.ok_or(TokenError::Invalid)?).into(),
        issued_at: time(claims.iat.ok_or(TokenError::Invalid)?)?,
        expires_at: time(claims.exp)?,
    })
}

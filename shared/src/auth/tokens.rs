//! Access and refresh tokens with the claims of djangorestframework-simplejwt.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, jwk::Jwk};
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rand::Rng;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{bearers::Bearer, signatures, verify::Access};
use crate::{
    config::{self, SigningKey},
    ids,
    sessions::Session,
};

/// For how long others may keep a copy of the public keys.
pub const KEYS_FRESH_SECONDS: u32 = 300;

/// What a login gives the client.
pub struct TokenPair {
    /// Short-lived, for the API.
    pub access: String,
    /// Long-lived, for new access tokens.
    pub refresh: String,
}

/// Never prints a token.
impl std::fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenPair(…)")
    }
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenType {
    /// Requests.
    Access,
    /// New tokens.
    Refresh,
}

impl TokenType {
    /// The `token_type` claim.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

/// The claims of both token types, in the order simplejwt writes them. `user_id` is a string
/// there too.
#[derive(Serialize)]
struct Claims<'a> {
    token_type: &'a str,
    exp: i64,
    iat: i64,
    jti: String,
    user_id: String,
    sid: String,
    /// Of refresh tokens alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

/// The public keys, for `/.well-known/jwks.json`.
#[derive(Debug)]
pub struct KeySet {
    /// The document.
    pub json: String,
    /// Another one for another document.
    pub tag: String,
}

/// What checks the tokens of one key, for its one algorithm.
pub(super) struct VerifyingKey {
    pub(super) key: DecodingKey,
    pub(super) algorithm: Algorithm,
    /// When it checks none any more, Unix seconds.
    pub(super) until: Option<i64>,
}

/// What checks the refresh tokens of the system Peyk replaces.
pub(super) struct LegacyKey {
    pub(super) key: DecodingKey,
    /// When none is accepted any more, Unix seconds.
    pub(super) until: i64,
    pub(super) user_id_claim: String,
}

/// Makes tokens.
pub struct Tokens {
    header: Header,
    signing_key: EncodingKey,
    /// When its tokens are checked no more, Unix seconds.
    signing_until: Option<i64>,
    public_keys: Vec<Jwk>,
    /// By `kid`.
    pub(super) verifying_keys: HashMap<String, VerifyingKey>,
    refresh_key: EncodingKey,
    /// The one that signs, and another one while it is changed.
    pub(super) refresh_verifying_keys: Vec<VerifyingKey>,
    pub(super) legacy: Option<LegacyKey>,
    refresh_secret: SecretSlice<u8>,
    access_ttl_seconds: i64,
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Reads the keys of a validated configuration.
    ///
    /// # Errors
    /// Names the key (never its value) that cannot be read.
    pub fn new(config: &config::Auth) -> anyhow::Result<Self> {
        signatures::install();
        let mut public_keys = Vec::new();
        let mut verifying_keys = HashMap::new();
        let mut signing = None;
        for (id, key) in &config.keys {
            let (encoding, algorithm) =
                read_key(key).map_err(|_| anyhow::anyhow!("auth.keys.{id} is not a usable key"))?;
            // Symmetric keys are secrets: they never get into the public set.
            let verifying = if algorithm == Algorithm::ES256 {
                let public = public_key(id, &encoding)?;
                let verifying = DecodingKey::from_jwk(&public)?;
                public_keys.push(public);
                verifying
            } else {
                let secret = key.secret.as_ref().map_or("", |secret| secret.expose_secret());
                DecodingKey::from_secret(secret.as_bytes())
            };
            let until = key.verify_until.map(|until| until.timestamp());
            verifying_keys.insert(id.clone(), VerifyingKey { key: verifying, algorithm, until });
            if *id == config.signing_key {
                signing = Some((encoding, algorithm, until));
            }
        }
        let (signing_key, algorithm, signing_until) =
            signing.ok_or_else(|| anyhow::anyhow!("auth.signing_key names no key"))?;
        let refresh_secret = read_secret("refresh_key", &config.refresh_key)?;
        let mut refresh_verifying_keys = vec![refresh_verifying_key(&refresh_secret)];
        if let Some(other) = &config.other_refresh_key {
            let other = read_secret("other_refresh_key", other)?;
            refresh_verifying_keys.push(refresh_verifying_key(&other));
        }
        Ok(Self {
            header: Header { kid: Some(config.signing_key.clone()), ..Header::new(algorithm) },
            signing_key,
            signing_until,
            public_keys,
            verifying_keys,
            refresh_key: EncodingKey::from_secret(&refresh_secret),
            refresh_verifying_keys,
            legacy: config.legacy_refresh.as_ref().map(|legacy| LegacyKey {
                key: DecodingKey::from_secret(legacy.secret.expose_secret().as_bytes()),
                until: legacy.until.timestamp(),
                user_id_claim: legacy.user_id_claim.clone(),
            }),
            refresh_secret: SecretSlice::from(refresh_secret),
            access_ttl_seconds: i64::from(config.access_ttl_seconds),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        })
    }

    /// The public keys that check tokens at this moment, as RFC 7517 writes them.
    pub fn key_set(&self, now: DateTime<Utc>) -> KeySet {
        let json = serde_json::json!({ "keys": self.public_keys(now) }).to_string();
        let tag = ids::hex(&Sha256::digest(json.as_bytes())[..16]);
        KeySet { json, tag }
    }

    /// Symmetric keys are never among them.
    pub(super) fn public_keys(&self, now: DateTime<Utc>) -> Vec<&Jwk> {
        let ended = |id: &String| {
            let until = self.verifying_keys.get(id).and_then(|key| key.until);
            until.is_some_and(|until| until <= now.timestamp())
        };
        let is_over = |jwk: &Jwk| jwk.common.key_id.as_ref().is_some_and(ended);
        self.public_keys.iter().filter(|jwk| !is_over(jwk)).collect()
    }

    /// A new access token and the session's current refresh token.
    pub fn pair(&self, session: &Session, now: DateTime<Utc>, rng: &mut impl Rng) -> TokenPair {
        self.known_pair(session, now, rng).0
    }

    /// The same, with what checking the access token would find out.
    pub(super) fn known_pair(
        &self,
        session: &Session,
        now: DateTime<Utc>,
        rng: &mut impl Rng,
    ) -> (TokenPair, Access) {
        let (access, known) = self.access(session, now, rng);
        (TokenPair { access, refresh: self.refresh(session) }, known)
    }

    /// Ends with the session at the latest.
    fn access(
        &self,
        session: &Session,
        now: DateTime<Utc>,
        rng: &mut impl Rng,
    ) -> (String, Access) {
        let issued = now.timestamp();
        let ends = (issued + self.access_ttl_seconds).min(session.refresh_expires_at.timestamp());
        let claims = self.claims(TokenType::Access, session, issued, ends, ids::random_handle(rng));
        let token = jsonwebtoken::encode(&self.header, &claims, &self.signing_key)
            .expect("the key was read for this algorithm");
        let bearer = Bearer { user_id: session.user_id, session_id: session.id, expires_at: ends };
        (token, Access { bearer, key_until: self.signing_until })
    }

    /// All claims come from the session's row, so one generation always has the same bytes and
    /// nothing secret needs to be stored.
    fn refresh(&self, session: &Session) -> String {
        let claims = self.claims(
            TokenType::Refresh,
            session,
            session.refresh_issued_at.timestamp(),
            session.refresh_expires_at.timestamp(),
            self.refresh_jti(session),
        );
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.refresh_key)
            .expect("HS256 takes any key")
    }

    fn refresh_jti(&self, session: &Session) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.refresh_secret.expose_secret())
            .expect("HMAC takes keys of any length");
        mac.update(b"refresh jti\0");
        mac.update(&session.id.to_be_bytes());
        mac.update(&session.refresh_generation.to_be_bytes());
        ids::hex(&mac.finalize().into_bytes()[..16])
    }

    fn claims<'a>(
        &'a self,
        token_type: TokenType,
        session: &Session,
        iat: i64,
        exp: i64,
        jti: String,
    ) -> Claims<'a> {
        Claims {
            token_type: token_type.as_str(),
            exp,
            iat,
            jti,
            user_id: session.user_id.to_string(),
            sid: session.id.to_string(),
            generation: (token_type == TokenType::Refresh).then_some(session.refresh_generation),
            iss: self.issuer.as_deref(),
            aud: self.audience.as_deref(),
        }
    }
}

fn read_secret(name: &str, secret: &SecretString) -> anyhow::Result<Vec<u8>> {
    let bytes = STANDARD.decode(secret.expose_secret());
    bytes.map_err(|_| anyhow::anyhow!("auth.{name} is not base64"))
}

fn refresh_verifying_key(secret: &[u8]) -> VerifyingKey {
    let key = DecodingKey::from_secret(secret);
    VerifyingKey { key, algorithm: Algorithm::HS256, until: None }
}

fn read_key(key: &SigningKey) -> anyhow::Result<(EncodingKey, Algorithm)> {
    let missing = || anyhow::anyhow!("missing");
    let unreadable = || anyhow::anyhow!("no P-256 key");
    match key.algorithm {
        config::Algorithm::ES256 => {
            let pem: &SecretString = key.private_key.as_ref().ok_or_else(missing)?;
            // Written anew: `ring` wants the public key in it, which not every tool puts there.
            let key =
                p256::SecretKey::from_pkcs8_pem(pem.expose_secret()).map_err(|_| unreadable())?;
            let key = key.to_pkcs8_der().map_err(|_| unreadable())?;
            let key = EncodingKey::from_ec_der(key.as_bytes());
            Ok((key, Algorithm::ES256))
        }
        config::Algorithm::HS256 => {
            // Raw bytes, as Django uses its SECRET_KEY.
            let secret = key.secret.as_ref().ok_or_else(missing)?;
            let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
            Ok((key, Algorithm::HS256))
        }
    }
}

fn public_key(id: &str, key: &EncodingKey) -> anyhow::Result<Jwk> {
    let mut jwk = Jwk::from_encoding_key(key, Algorithm::ES256)
        .map_err(|_| anyhow::anyhow!("auth.keys.{id} is not a usable key"))?;
    jwk.common.key_id = Some(id.to_owned());
    jwk.common.public_key_use = Some(jsonwebtoken::jwk::PublicKeyUse::Signature);
    Ok(jwk)
}

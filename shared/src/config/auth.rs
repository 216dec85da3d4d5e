//! `[auth]`: accounts and their tokens.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// How people log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginMethod {
    /// With a one-time code sent to their number.
    Otp,
    /// With a name and a password.
    Password,
}

/// `[auth.passwords]`: what hashing costs, and how much of it there may be at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Passwords {
    /// Passwords of one process that are hashed or checked at once; 0: as many as there are cores.
    /// Default 0.
    pub max_parallel: usize,
    /// Passwords that may wait for their turn; more are answered 503. Default 256.
    pub max_waiting: usize,
    /// Kibibytes of memory one hash (Argon2id) fills. Default 19456.
    pub memory_kib: u32,
    /// How often it does. Default 2.
    pub passes: u32,
    /// In how many lanes, worked on one after the other. Default 1.
    pub lanes: u32,
}

/// The least of what OWASP names (Password Storage Cheat Sheet, 2025).
impl Default for Passwords {
    fn default() -> Self {
        Self { max_parallel: 0, max_waiting: 256, memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

/// Which accounts log in, and how their tokens are signed.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Auth {
    /// How people may log in; what is not named is closed. Default both.
    pub methods: Vec<LoginMethod>,
    /// Values `group` may have at `authenticate/`, each at least 0. Default 0 and 1.
    pub groups: Vec<i32>,
    /// Seconds an access token lives. Default 300.
    pub access_ttl_seconds: u32,
    /// Seconds a refresh token lives; a session that is not refreshed for so long has ended.
    /// Default 86400.
    pub refresh_ttl_seconds: u32,
    /// Seconds after which a session has ended however often it is refreshed. Default 7776000
    /// (90 days).
    pub session_ttl_seconds: u32,
    /// Seconds for which proving who one is (a login, `me/confirm/`) counts as recent, for what needs
    /// that. Default 600.
    pub step_up_seconds: u32,
    /// Sessions one account may have; the one that is unseen the longest ends when another begins. 0
    /// (default): any number.
    pub max_sessions: u32,
    /// Seconds between two writes of when sessions were last seen. Default 30.
    pub last_seen_every_seconds: u32,
    /// The id in `keys` of the key that signs; the others only verify. Required.
    pub signing_key: String,
    /// Keys by id (the tokens' `kid`).
    pub keys: BTreeMap<String, SigningKey>,
    /// Base64 of at least 32 bytes: the key refresh tokens are signed with. Required.
    pub refresh_key: SecretString,
    /// The tokens' `iss`. `None` (default): tokens have none and none is asked for.
    pub issuer: Option<String>,
    /// The tokens' `aud`. `None` (default): tokens have none and none is asked for.
    pub audience: Option<String>,
    /// Milliseconds every failed login takes at least, whatever failed. Default 50.
    pub failure_floor_ms: u64,
    /// Hashing passwords.
    pub passwords: Passwords,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            methods: vec![LoginMethod::Otp, LoginMethod::Password],
            groups: vec![0, 1],
            access_ttl_seconds: 300,
            refresh_ttl_seconds: 86_400,
            session_ttl_seconds: 7_776_000,
            step_up_seconds: 600,
            max_sessions: 0,
            last_seen_every_seconds: 30,
            signing_key: String::new(),
            keys: BTreeMap::new(),
            refresh_key: SecretString::default(),
            issuer: None,
            audience: None,
            failure_floor_ms: 50,
            passwords: Passwords::default(),
        }
    }
}

impl Auth {
    /// [`Auth::access_ttl_seconds`].
    pub fn access_ttl(&self) -> Duration {
        Duration::from_secs(self.access_ttl_seconds.into())
    }

    /// [`Auth::refresh_ttl_seconds`].
    pub fn refresh_ttl(&self) -> Duration {
        Duration::from_secs(self.refresh_ttl_seconds.into())
    }

    /// [`Auth::last_seen_every_seconds`].
    pub fn last_seen_every(&self) -> Duration {
        Duration::from_secs(self.last_seen_every_seconds.into())
    }

    /// [`Auth::failure_floor_ms`].
    pub fn failure_floor(&self) -> Duration {
        Duration::from_millis(self.failure_floor_ms)
    }
}

/// One key of `auth.keys`; exactly the secret its algorithm needs is set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SigningKey {
    /// Default `ES256`.
    pub algorithm: Algorithm,
    /// For `ES256`: a P-256 private key, PKCS#8 in PEM.
    pub private_key: Option<SecretString>,
    /// For `HS256`: at least 32 bytes, taken as they are (UTF-8), as Django takes its
    /// `SECRET_KEY`.
    pub secret: Option<SecretString>,
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    ES256,
    /// HMAC with SHA-256: for tokens of the systems Peyk replaces.
    HS256,
}

/// The bytes of a key that is written in base64 (standard alphabet, padded); `None` if it is not.
/// [`super::Config`]'s own keys are always `Some`: that is checked when it is loaded.
pub fn decode_key(key: &SecretString) -> Option<Vec<u8>> {
    STANDARD.decode(key.expose_secret()).ok()
}

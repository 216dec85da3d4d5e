//! `[auth]`: accounts and their tokens.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};

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
    /// Seconds for which a refresh token that was used already is answered with the tokens that took
    /// its place, because the first answer may be lost. After that its use ends the session. 0 to
    /// 60. Default 30.
    pub refresh_grace_seconds: u32,
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
    /// The same: one more key whose refresh tokens are taken. While `refresh_key` is changed it is the
    /// next one, then the one before. `None` (default): none.
    pub other_refresh_key: Option<SecretString>,
    /// The tokens' `iss`. `None` (default): tokens have none and none is asked for.
    pub issuer: Option<String>,
    /// The tokens' `aud`. `None` (default): tokens have none and none is asked for.
    pub audience: Option<String>,
    /// Seconds between two changes of an account's number; the first is free. Default 604800 (7 days);
    /// 0: none.
    pub phone_change_every_seconds: u32,
    /// What the old number of an account is told when it changes; `{number}` in it is the new one,
    /// masked. Empty: nothing.
    pub phone_notice_text: String,
    /// The same for those who use the API in English. Empty: `phone_notice_text`.
    pub phone_notice_text_en: String,
    /// The template to tell it with, whose `token` is the new number, masked. `None` (default):
    /// `phone_notice_text` is sent.
    pub phone_notice_template: Option<String>,
    /// Milliseconds every failed login takes at least, whatever failed. Default 50.
    pub failure_floor_ms: u64,
    /// The refresh tokens of the system Peyk replaces. `None` (default): none are accepted.
    pub legacy_refresh: Option<LegacyRefresh>,
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
            refresh_grace_seconds: 30,
            step_up_seconds: 600,
            max_sessions: 0,
            last_seen_every_seconds: 30,
            signing_key: String::new(),
            keys: BTreeMap::new(),
            refresh_key: SecretString::default(),
            other_refresh_key: None,
            issuer: None,
            audience: None,
            phone_change_every_seconds: 604_800,
            phone_notice_text:
                "شمارهٔ موبایل حساب شما به {number} تغییر کرد. اگر کار شما نبوده، با \
                پشتیبانی تماس بگیرید."
                    .to_owned(),
            phone_notice_text_en:
                "The mobile number of your account was changed to {number}. If it \
                was not you, contact support."
                    .to_owned(),
            phone_notice_template: None,
            failure_floor_ms: 50,
            legacy_refresh: None,
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
    /// When its tokens are refused and it is published no more: the end of the overlap after another
    /// key signs. `None` (default): as long as it is there.
    #[serde(deserialize_with = "optional_moment")]
    pub verify_until: Option<DateTime<Utc>>,
}

/// Refresh tokens of djangorestframework-simplejwt (HS256), each exchanged once for a session here.
#[derive(Debug, Clone, Deserialize)]
pub struct LegacyRefresh {
    /// What the old system signed with (`SIGNING_KEY`, by default `SECRET_KEY`): at least 32 bytes,
    /// taken as they are.
    pub secret: SecretString,
    /// When none is accepted any more.
    #[serde(deserialize_with = "moment")]
    pub until: DateTime<Utc>,
    /// The claim that names the account (`USER_ID_CLAIM`). Default `user_id`.
    #[serde(default = "user_id_claim")]
    pub user_id_claim: String,
}

fn user_id_claim() -> String {
    "user_id".to_owned()
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = |_| D::Error::custom("must be a time such as 2027-01-31T20:30:00Z");
    Ok(DateTime::parse_from_rfc3339(&text).map_err(wrong)?.to_utc())
}

fn optional_moment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    moment(deserializer).map(Some)
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

//! API keys: for programs, where people log in. Stored as hashes, shown once.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use rand::Rng;
use sha2::{Digest, Sha256};
use sqlx::{PgExecutor, PgPool, types::ipnetwork::IpNetwork};

use super::store;
use crate::ids;

/// What every key begins with, so that scanners of leaked secrets know one.
const MARK: &str = "peyk_";
/// Characters of a key that are kept readable.
const SHOWN: usize = 12;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Sending texts.
    SmsSend,
    /// Looking at texts that were sent with the same key.
    SmsRead,
    /// Moving money in and out of wallets.
    WalletWrite,
    /// Looking at anybody's wallet.
    WalletRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::SmsSend, Self::SmsRead, Self::WalletWrite, Self::WalletRead];

    /// The word in the database and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SmsSend => "sms:send",
            Self::SmsRead => "sms:read",
            Self::WalletWrite => "wallet:write",
            Self::WalletRead => "wallet:read",
        }
    }

    /// Reads [`Scope::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// Where it may be used from; empty: anywhere.
    pub allowed_ips: Vec<IpNetwork>,
    /// Texts per UTC day.
    pub daily_sends: Option<i64>,
    /// Rials per UTC day.
    pub daily_spend_rials: Option<i64>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key as it is stored.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The row.
    pub id: i64,
    /// Its beginning.
    pub prefix: String,
    /// What it was made with.
    pub settings: NewApiKey,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was used last, to within a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Why a key does not open.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Unknown, revoked or expired.
    #[error("no such key")]
    Unknown,
    /// Not from this address.
    #[error("address not allowed")]
    Address,
    /// Not for this.
    #[error("scope missing")]
    Scope,
    /// The database is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Makes a key and returns it with its only readable copy.
///
/// # Errors
/// When the database refuses or is away.
pub async fn create(
    executor: impl PgExecutor<'_>,
    new: &NewApiKey,
    now: DateTime<Utc>,
    rng: &mut (impl Rng + Send),
) -> Result<(i64, String), sqlx::Error> {
    let key = format!("{MARK}{}{}", ids::random_handle(rng), ids::random_handle(rng));
    let id = store::insert_api_key(executor, new, &key[..SHOWN], &hash(&key), now).await?;
    Ok((id, key))
}

/// Whether the text begins as every key does.
pub fn is_marked(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Checks a key for one use. Keeps the time of it, once a minute at most.
///
/// # Errors
/// [`KeyError`].
pub async fn check(
    pool: &PgPool,
    key: &str,
    ip: IpAddr,
    scope: Scope,
    now: DateTime<Utc>,
) -> Result<ApiKey, KeyError> {
    if !is_marked(key) {
        return Err(KeyError::Unknown);
    }
    // The hash of 256 random bits is looked up: its bytes tell nothing of the key's.
    let found = store::find_api_key(pool, &hash(key)).await?.ok_or(KeyError::Unknown)?;
    let ended = found.settings.expires_at.is_some_and(|at| at <= now);
    if ended || found.revoked_at.is_some() {
        return Err(KeyError::Unknown);
    }
    let allowed = &found.settings.allowed_ips;
    if !allowed.is_empty() && !allowed.iter().any(|net| net.contains(ip.to_canonical())) {
        return Err(KeyError::Address);
    }
    if !found.settings.scopes.contains(&scope) {
        return Err(KeyError::Scope);
    }
    if found.last_used_at.is_none_or(|at| (now - at).num_seconds() >= 60) {
        store::touch_api_key(pool, found.id, now).await?;
    }
    Ok(found)
}

/// All keys, newest first.
///
/// # Errors
/// When the database is away.
pub async fn list(pool: &PgPool) -> Result<Vec<ApiKey>, sqlx::Error> {
    store::list_api_keys(pool).await
}

/// Ends a key at once. `false`: there is none with this id, or it has ended already.
///
/// # Errors
/// When the database is away.
pub async fn revoke(
    executor: impl PgExecutor<'_>,
    id: i64,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    store::revoke_api_key(executor, id, now).await
}

fn hash(key: &str) -> Vec<u8> {
    Sha256::digest(key.as_bytes()).to_vec()
}

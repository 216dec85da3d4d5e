//! `[database]` and `[redis]`.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// PostgreSQL, the truth.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Database {
    /// `postgres://user:password@host/name`. Required.
    pub url: SecretString,
    /// Connections of one process. Default 16.
    pub max_connections: u32,
    /// Milliseconds to wait for a free connection. Default 3000.
    pub acquire_timeout_ms: u64,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: SecretString::default(), max_connections: 16, acquire_timeout_ms: 3_000 }
    }
}

impl Database {
    /// [`Database::acquire_timeout_ms`].
    pub fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }
}

/// Redis, the wake-up.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Redis {
    /// Default `redis://127.0.0.1:6379`.
    pub url: SecretString,
    /// What every key and channel begins with: 1 to 32 of `a-z 0-9 _ -`. Default `peyk`.
    pub prefix: String,
}

impl Default for Redis {
    fn default() -> Self {
        Self { url: "redis://127.0.0.1:6379".into(), prefix: "peyk".to_owned() }
    }
}

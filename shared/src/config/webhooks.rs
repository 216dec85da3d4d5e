//! `[webhooks]`: who is told of what happens.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

/// Endpoints and how long each event is tried.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Webhooks {
    /// Endpoints by name, 16 at most. Default none.
    pub endpoints: BTreeMap<String, WebhookEndpoint>,
    /// Attempts per event and endpoint at most. Default 20.
    pub max_attempts: u32,
    /// Seconds after which an event is not tried any more. Default 259200: three days.
    pub give_up_after_seconds: u32,
    /// Days events are kept, for replays. Default 30.
    pub keep_days: u32,
}

/// One endpoint.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct WebhookEndpoint {
    /// Where events are posted to. Required.
    pub url: String,
    /// `whsec_` and base64 of 24 to 64 bytes; one, or two while one takes the other's place: each
    /// signs. Required.
    pub secrets: Vec<SecretString>,
    /// Which events: names, groups (`sms.*`) or everything. Default `*`.
    pub events: Vec<String>,
    /// Milliseconds one call may take in all. Default 10000.
    pub timeout_ms: u64,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            endpoints: BTreeMap::new(),
            max_attempts: 20,
            give_up_after_seconds: 259_200,
            keep_days: 30,
        }
    }
}

impl Default for WebhookEndpoint {
    fn default() -> Self {
        Self {
            url: String::new(),
            secrets: Vec::new(),
            events: vec!["*".to_owned()],
            timeout_ms: 10_000,
        }
    }
}

impl Webhooks {
    /// [`Webhooks::give_up_after_seconds`].
    pub fn give_up_after(&self) -> Duration {
        Duration::from_secs(self.give_up_after_seconds.into())
    }

    /// How long one attempt owns its delivery: the longest time-out and two seconds to write down
    /// the outcome.
    pub fn lease(&self) -> Duration {
        let longest = self.endpoints.values().map(WebhookEndpoint::timeout).max();
        longest.unwrap_or_default() + Duration::from_secs(2)
    }
}

impl WebhookEndpoint {
    /// [`WebhookEndpoint::timeout_ms`].
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

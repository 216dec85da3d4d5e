//! Publish, subscribe and scripts over Redis. The only file that names fred.
//!
//! Everything here is best effort with short time-outs: no caller may depend on Redis for more
//! than speed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fred::{
    clients::{Client, SubscriberClient},
    interfaces::{ClientLike, EventInterface, LuaInterface, PubsubInterface},
    types::{
        Builder, InfoKind,
        config::{Config, ReconnectPolicy},
    },
};
use secrecy::ExposeSecret;
use tokio::sync::mpsc;

/// Longest wait for any command.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Redis could not be asked or refused the command.
#[derive(Debug, thiserror::Error)]
#[error("redis: {0}")]
pub struct RedisError(#[from] fred::error::Error);

/// A connection for commands that reconnects by itself.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    prefix: String,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Redis {
    /// Starts connecting in the background and returns at once.
    ///
    /// # Errors
    /// When the URL cannot be parsed; the message does not contain it.
    pub fn start(config: &crate::config::Redis) -> anyhow::Result<Self> {
        let client = builder(config)?.build().map_err(without_url)?;
        let connecting = client.clone();
        tokio::spawn(async move {
            if let Err(error) = connecting.init().await {
                tracing::warn!(%error, "redis is away, connecting in the background");
            }
        });
        Ok(Self { client, prefix: config.prefix.clone() })
    }

    /// The configured key prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        self.client.is_connected()
    }

    /// Publishes `payload` to whoever listens on `channel`. Waits a moment for a connection that
    /// is being made: what is not published now nobody hears later.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn publish(&self, channel: &str, payload: &str) -> Result<(), RedisError> {
        if !self.is_connected() {
            let _ = tokio::time::timeout(TIMEOUT, self.client.wait_for_connect()).await;
        }
        self.ensure_connected()?;
        let _: i64 = self.client.publish(channel, payload).await?;
        Ok(())
    }

    /// Publishes several at once, each a channel and a payload. What cannot be published now is
    /// forgotten: for what its listeners find out in another way.
    pub async fn publish_some(&self, payloads: Vec<(String, String)>) {
        if !self.is_connected() {
            return;
        }
        let pipeline = self.client.pipeline();
        for (channel, payload) in payloads {
            // Within a pipeline nothing is sent yet.
            let _: Result<(), _> = pipeline.publish(channel, payload).await;
        }
        if let Err(error) = pipeline.all::<Vec<i64>>().await {
            tracing::debug!(%error, "notices are not published");
        }
    }

    /// Runs a script with keys (prefixed here) and integer arguments; returns integers.
    ///
    /// # Errors
    /// When Redis is away or the script fails.
    pub async fn eval(
        &self,
        script: &'static str,
        keys: Vec<String>,
        args: Vec<i64>,
    ) -> Result<Vec<i64>, RedisError> {
        self.ensure_connected()?;
        let keys: Vec<_> = keys.iter().map(|key| format!("{}:{key}", self.prefix)).collect();
        Ok(self.client.eval(script, keys, args).await?)
    }

    /// Whether Redis answers now.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), RedisError> {
        self.ensure_connected()?;
        let _: String = self.client.ping(None).await?;
        Ok(())
    }

    /// Warns, once connected, about a server that throws keys away under pressure: it would forget
    /// queued ids and spent limits.
    pub fn check_eviction(&self) {
        let client = self.client.clone();
        tokio::spawn(async move {
            if client.wait_for_connect().await.is_err() {
                return;
            }
            let info: Result<String, _> = client.info(Some(InfoKind::Memory)).await;
            let info = info.unwrap_or_default();
            let policy = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
            match policy.map(str::trim) {
                Some("noeviction") => {}
                Some(policy) => tracing::warn!(policy, "redis: set maxmemory-policy to noeviction"),
                None => tracing::warn!("redis: maxmemory-policy unknown, it should be noeviction"),
            }
        });
    }

    /// Commands queue up inside the client while it reconnects; failing at once is better.
    fn ensure_connected(&self) -> Result<(), RedisError> {
        if self.is_connected() {
            return Ok(());
        }
        Err(fred::error::Error::new(fred::error::ErrorKind::IO, "not connected").into())
    }
}

/// Subscribes to one channel for the life of the process; re-subscribes by itself after a lost
/// connection. Messages published meanwhile are lost, as always with pub/sub.
///
/// # Errors
/// When the URL cannot be parsed.
pub fn subscribe(
    config: &crate::config::Redis,
    channel: String,
) -> anyhow::Result<(mpsc::Receiver<String>, Listening)> {
    let mut builder = builder(config)?;
    // The default of 32 silently drops under load. Not more than needed, and not for clients that
    // hear nothing: each of a client's channels takes the memory for all of it at once.
    builder.with_performance_config(|settings| settings.broadcast_channel_capacity = 2_048);
    let client = builder.build_subscriber_client().map_err(without_url)?;
    let (sender, receiver) = mpsc::channel(4_096);
    let listening = Listening { client: client.clone(), subscribed: Arc::default() };
    let subscribed = listening.subscribed.clone();
    tokio::spawn(async move {
        let _resubscriber = client.manage_subscriptions();
        let mut messages = client.message_rx();
        tokio::spawn(subscribe_when_connected(client.clone(), channel, subscribed));
        loop {
            match messages.recv().await {
                Ok(message) => {
                    let Ok(text) = message.value.convert::<String>() else { continue };
                    if sender.send(text).await.is_err() {
                        return;
                    }
                }
                Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "replies missed: the process is overloaded");
                }
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
    });
    Ok((receiver, listening))
}

/// Whether a subscription hears anything now.
#[derive(Clone)]
pub struct Listening {
    client: SubscriberClient,
    subscribed: Arc<AtomicBool>,
}

impl Listening {
    /// Connected, and subscribed at least once: later connections repeat that by themselves.
    pub fn is_on(&self) -> bool {
        self.subscribed.load(Ordering::Relaxed) && self.client.is_connected()
    }
}

/// The first subscription; later connections repeat it by themselves.
async fn subscribe_when_connected(
    client: SubscriberClient,
    channel: String,
    subscribed: Arc<AtomicBool>,
) {
    // An error means that the first try failed; the client goes on trying.
    let _ = client.init().await;
    loop {
        if client.is_connected() && client.subscribe(channel.clone()).await.is_ok() {
            subscribed.store(true, Ordering::Relaxed);
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn builder(config: &crate::config::Redis) -> anyhow::Result<Builder> {
    let url = config.url.expose_secret();
    let mut builder = Builder::from_config(Config {
        fail_fast: false,
        ..Config::from_url(url).map_err(without_url)?
    });
    builder
        .with_connection_config(|connection| {
            connection.connection_timeout = Duration::from_secs(2);
            connection.internal_command_timeout = Duration::from_secs(2);
            connection.max_command_attempts = 1;
        })
        .with_performance_config(|performance| {
            performance.default_command_timeout = TIMEOUT;
        })
        .set_policy(ReconnectPolicy::new_exponential(0, 100, 2_000, 2));
    Ok(builder)
}

fn without_url(_: fred::error::Error) -> anyhow::Error {
    anyhow::anyhow!("redis.url is not a Redis URL")
}

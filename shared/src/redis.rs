//! Publish, subscribe and scripts over Redis. The only file that names fred.
//!
//! Everything here is best effort with short time-outs: no caller may depend on Redis for more
//! than speed.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
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
use tokio::sync::{Notify, broadcast::error::RecvError, mpsc};

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
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "replies missed: the process is overloaded");
                }
                Err(RecvError::Closed) => return,
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

/// For how long a channel is still listened to that nobody wants any more: who comes back, or
/// moves to another process and back, finds it as it was.
const GRACE: Duration = Duration::from_secs(10);
/// Channels of one command.
const CHANNELS_AT_ONCE: usize = 500;
/// Between two tries to subscribe while Redis is away.
const TRY_EVERY: Duration = Duration::from_millis(200);

/// What is heard on [`Subscriptions`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Somebody published this.
    Message {
        /// Where.
        channel: String,
        /// What.
        text: String,
    },
    /// What is published on this channel is heard from now on.
    Begun(String),
    /// Something may have been missed on any channel: the connection was lost, or too much came.
    Gap,
}

/// Any number of channels that come and go, over one connection. Wishes are noted at once and
/// carried out one after the other by one task, so that coming and going cannot overtake each other.
#[derive(Clone, Default)]
pub struct Subscriptions {
    wishes: Arc<Mutex<Wishes>>,
    changed: Arc<Notify>,
}

/// What is wanted, and what is to be done about it.
#[derive(Default)]
struct Wishes {
    /// By how many each channel is wanted; nobody: for the time of [`GRACE`].
    wanted: HashMap<String, usize>,
    /// Wanted and not subscribed to.
    fresh: Vec<String>,
    /// Not wanted any more, and since when, the oldest first.
    left: VecDeque<(Instant, String)>,
}

impl Wishes {
    /// Forgets channels that nobody has wanted since then, and gives them.
    fn drop_left_before(&mut self, then: Instant) -> Vec<String> {
        let mut dropped = Vec::new();
        while self.left.front().is_some_and(|(since, _)| *since <= then) {
            let Some((_, channel)) = self.left.pop_front() else { break };
            if self.wanted.get(&channel) == Some(&0) {
                self.wanted.remove(&channel);
                dropped.push(channel);
            }
        }
        dropped
    }
}

impl Subscriptions {
    /// Starts listening for the life of the process; `hears` is told everything and must be quick.
    ///
    /// # Errors
    /// When the URL cannot be parsed.
    pub fn start(
        &self,
        config: &crate::config::Redis,
        hears: impl Fn(Heard) + Send + Sync + 'static,
    ) -> anyhow::Result<()> {
        let mut builder = builder(config)?;
        builder.with_performance_config(|settings| settings.broadcast_channel_capacity = 4_096);
        let client = builder.build_subscriber_client().map_err(without_url)?;
        let hears = Arc::new(hears);
        tokio::spawn(hear_all(client.clone(), hears.clone()));
        tokio::spawn(self.clone().carry_out(client, hears));
        Ok(())
    }

    /// Somebody wants to hear this channel.
    pub fn want(&self, channel: String) {
        let mut wishes = self.wishes();
        match wishes.wanted.entry(channel) {
            Entry::Occupied(mut wanted) => *wanted.get_mut() += 1,
            Entry::Vacant(unknown) => {
                let channel = unknown.key().clone();
                unknown.insert(1);
                wishes.fresh.push(channel);
                self.changed.notify_one();
            }
        }
    }

    /// One of those who wanted it does not any more.
    pub fn unwant(&self, channel: &str) {
        let mut wishes = self.wishes();
        let Some(wanted) = wishes.wanted.get_mut(channel) else { return };
        *wanted = wanted.saturating_sub(1);
        if *wanted == 0 {
            wishes.left.push_back((Instant::now(), channel.to_owned()));
        }
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry_out(self, client: SubscriberClient, hears: Arc<impl Fn(Heard)>) {
        let _resubscriber = client.manage_subscriptions();
        // An error means that the first try failed; the client goes on trying.
        let _ = client.init().await;
        let mut leaving = Vec::new();
        loop {
            let begun = self.subscribe(&client, &*hears).await;
            leaving.extend(self.wishes().drop_left_before(before(GRACE)));
            self.unsubscribe(&client, &mut leaving).await;
            if begun {
                let _ = tokio::time::timeout(Duration::from_secs(1), self.changed.notified()).await;
            } else {
                tokio::time::sleep(TRY_EVERY).await;
            }
        }
    }

    /// Whether everything that is wanted is subscribed to.
    async fn subscribe(&self, client: &SubscriberClient, hears: &impl Fn(Heard)) -> bool {
        let fresh = std::mem::take(&mut self.wishes().fresh);
        let mut failed = Vec::new();
        for some in fresh.chunks(CHANNELS_AT_ONCE) {
            if client.is_connected() && client.subscribe(some.to_vec()).await.is_ok() {
                for channel in some {
                    hears(Heard::Begun(channel.clone()));
                }
            } else {
                failed.extend_from_slice(some);
            }
        }
        let all = failed.is_empty();
        self.wishes().fresh.extend(failed);
        all
    }

    /// Tries to leave; what is not left stays in the list, unless it is wanted again.
    async fn unsubscribe(&self, client: &SubscriberClient, leaving: &mut Vec<String>) {
        let known = |wishes: &Wishes, channel: &String| wishes.wanted.contains_key(channel);
        leaving.retain(|channel| !known(&self.wishes(), channel));
        let mut failed = Vec::new();
        for some in leaving.chunks(CHANNELS_AT_ONCE) {
            if !client.is_connected() || client.unsubscribe(some.to_vec()).await.is_err() {
                failed.extend_from_slice(some);
            }
        }
        *leaving = failed;
    }
}

/// That long ago.
fn before(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_sub(time).unwrap_or(now)
}

async fn hear_all(client: SubscriberClient, tell: Arc<impl Fn(Heard)>) {
    let (mut messages, mut connections) = (client.message_rx(), client.reconnect_rx());
    loop {
        let heard = tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => {
                    let Ok(text) = message.value.convert() else { continue };
                    Heard::Message { channel: message.channel.to_string(), text }
                }
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "notices missed: the process is overloaded");
                    Heard::Gap
                }
                Err(RecvError::Closed) => return,
            },
            again = connections.recv() => match again {
                Ok(_) | Err(RecvError::Lagged(_)) => Heard::Gap,
                Err(RecvError::Closed) => return,
            },
        };
        tell(heard);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_left_a_while_after_the_last_one_who_wants_it() {
        let subscriptions = Subscriptions::default();
        subscriptions.want("a".to_owned());
        subscriptions.want("a".to_owned());
        subscriptions.want("b".to_owned());
        assert_eq!(subscriptions.wishes().fresh, ["a", "b"]);
        subscriptions.unwant("a");
        subscriptions.unwant("b");
        subscriptions.want("b".to_owned());
        subscriptions.unwant("c");
        assert_eq!(subscriptions.wishes().drop_left_before(Instant::now()), [""; 0]);
        subscriptions.unwant("a");
        assert_eq!(subscriptions.wishes().drop_left_before(before(GRACE)), [""; 0]);
        assert_eq!(subscriptions.wishes().drop_left_before(Instant::now()), ["a"]);
        assert_eq!(subscriptions.wishes().fresh, ["a", "b"], "nothing is asked for twice");
        subscriptions.want("a".to_owned());
        assert_eq!(subscriptions.wishes().fresh, ["a", "b", "a"]);
    }
}

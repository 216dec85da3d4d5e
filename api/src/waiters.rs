//! Requests that wait for a worker's outcome.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use shared::{
    config::Config,
    events::{Outcome, ReplyTo, Settled, reply_channel},
    redis::{self, Listening},
    sms::MessageStatus,
};
use tokio::sync::{mpsc, oneshot};

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Outcome>>>>;

/// Everyone who waits in this process, on its one reply channel.
pub(crate) struct Waiters {
    process: String,
    max: usize,
    next: AtomicU64,
    waiting: Waiting,
    listening: Listening,
}

/// One who waits; leaves the list when dropped.
pub(crate) struct Waiter {
    reply_to: ReplyTo,
    outcome: oneshot::Receiver<Outcome>,
    waiting: Waiting,
}

impl Waiters {
    /// Listens on the process's reply channel.
    ///
    /// # Errors
    /// When the Redis URL cannot be read.
    pub(crate) fn start(config: &Config, process: String) -> anyhow::Result<Self> {
        let channel = reply_channel(&config.redis.prefix, &process);
        let (replies, listening) = redis::subscribe(&config.redis, channel)?;
        let waiting = Waiting::default();
        tokio::spawn(hear(replies, waiting.clone()));
        let max = config.http.max_waiters;
        Ok(Self { process, max, next: AtomicU64::new(1), waiting, listening })
    }

    /// Whether outcomes can be heard now.
    pub(crate) fn is_listening(&self) -> bool {
        self.listening.is_on()
    }

    /// Joins the list; `None` when it is full or nothing can be heard. Join before the commit: the outcome may be there
    /// before the next statement.
    pub(crate) fn join(&self) -> Option<Waiter> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, outcome) = oneshot::channel();
        let mut waiting = self.waiting.lock().expect("no holder of this lock panics");
        if waiting.len() >= self.max || !self.is_listening() {
            return None;
        }
        waiting.insert(number, sender);
        let reply_to = ReplyTo { process: self.process.clone(), waiter: number };
        Some(Waiter { reply_to, outcome, waiting: self.waiting.clone() })
    }
}

impl Waiter {
    /// Where the outcome is to be sent.
    pub(crate) fn reply_to(&self) -> String {
        self.reply_to.to_string()
    }

    /// The outcome, if it comes within `limit`.
    async fn outcome(mut self, limit: Duration) -> Option<Outcome> {
        tokio::time::timeout(limit, &mut self.outcome).await.ok()?.ok()
    }

    /// The outcome of a message, if it comes within `limit`.
    pub(crate) async fn wait(self, limit: Duration) -> Option<MessageStatus> {
        match self.outcome(limit).await? {
            Outcome::Message(status) => Some(status),
            Outcome::Payment => None,
        }
    }

    /// Waits until the gateway of a payment has answered, `limit` at most.
    pub(crate) async fn wait_for_payment(self, limit: Duration) {
        self.outcome(limit).await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.remove(&self.reply_to.waiter);
        }
    }
}

async fn hear(mut replies: mpsc::Receiver<String>, waiting: Waiting) {
    while let Some(reply) = replies.recv().await {
        let Ok(settled) = serde_json::from_str::<Settled>(&reply) else {
            tracing::warn!("unreadable reply dropped");
            continue;
        };
        let waiter = waiting.lock().expect("no holder of this lock panics").remove(&settled.waiter);
        if let Some(waiter) = waiter {
            // An error says that the request has just given up waiting: it reads the row.
            let _ = waiter.send(settled.outcome);
        }
    }
}

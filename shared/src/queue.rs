//! Queues of row ids in Redis: the pusher, and the apalis backend that consumes.
//!
//! The only file that names apalis-redis. Its `Config` names the keys and its client makes the
//! connections; its storage type is not used, because as documented it loses and doubles jobs
//! (README, "Decisions"). Redis is a doorbell: an id that is lost here is pushed again by the
//! sweep, an id that arrives twice finds its row already claimed.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::{Task, builder::TaskBuilder, task_id::TaskId},
    worker::context::WorkerContext,
};
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::jobs::{Queue, RowId};

/// Seconds a blocking pop waits before it asks again. Must stay below [`RESPONSE_TIMEOUT`].
const BLOCK_SECONDS: u64 = 2;
/// How long Redis may stall before a connection is given up.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Ids popped but not yet started; they wait for the sweep if the process dies.
const PREFETCH: usize = 10;
/// Pause before a lost connection is made anew.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

/// Where the queues are.
#[derive(Debug, Clone)]
pub struct QueueServer {
    url: SecretString,
    prefix: String,
}

impl QueueServer {
    /// Queues on the configured Redis, below its key prefix.
    pub fn new(config: &crate::config::Redis) -> Self {
        Self { url: config.url.clone(), prefix: config.prefix.clone() }
    }

    /// The Redis list that holds the ids of `queue`.
    pub fn key(&self, queue: Queue) -> String {
        let name = format!("{}:{}", self.prefix, queue.name());
        apalis_redis::Config::default().queue(name).active_jobs_list()
    }

    async fn connect(&self, response: Duration) -> redis::RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(response));
        apalis_redis::Client::open(self.url.expose_secret())?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}

/// Looks at the lengths of queues, over one connection that is kept.
#[derive(Debug)]
pub struct QueueDepths {
    server: QueueServer,
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
}

impl QueueDepths {
    /// Connects with the first look.
    pub fn new(server: QueueServer) -> Self {
        Self { server, connection: tokio::sync::Mutex::default() }
    }

    /// How many ids wait in `queue`.
    ///
    /// # Errors
    /// When Redis does not answer within a second.
    pub async fn of(&self, queue: Queue) -> redis::RedisResult<u64> {
        let mut kept = self.connection.lock().await;
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.server.connect(Duration::from_secs(1)).await?,
        };
        let key = self.server.key(queue);
        let depth = redis::cmd("LLEN").arg(key).query_async(&mut connection).await?;
        *kept = Some(connection);
        Ok(depth)
    }
}

/// Appends as many of the ids in `ARGV` as fit into a list of at most `ARGV[1]`, and says how many.
const PUSH_SCRIPT: &str = r"
local room = tonumber(ARGV[1]) - redis.call('LLEN', KEYS[1])
local count = math.min(room, #ARGV - 1)
if count <= 0 then return 0 end
redis.call('RPUSH', KEYS[1], unpack(ARGV, 2, count + 1))
return count";
/// Ids of one push; the script's `unpack` bears some thousands.
const PUSH_BATCH: usize = 500;

/// Hands ids to Redis in the background. Never blocks, never fails: what does not get through,
/// or has no room in the queue's window, is found by the sweep.
#[derive(Debug, Clone)]
pub struct Pusher(mpsc::Sender<(Queue, RowId)>);

impl Pusher {
    /// Starts the background task; it ends when every clone of the pusher is dropped. No queue
    /// grows beyond `window` ids.
    pub fn start(server: QueueServer, window: u32) -> Self {
        let (sender, receiver) = mpsc::channel(10_000);
        tokio::spawn(push_all(server, window, receiver));
        Self(sender)
    }

    /// Rings for one row.
    pub fn push(&self, queue: Queue, id: RowId) {
        if self.0.try_send((queue, id)).is_err() {
            tracing::debug!(queue = queue.name(), "push skipped: the buffer is full");
        }
    }
}

async fn push_all(server: QueueServer, window: u32, mut ids: mpsc::Receiver<(Queue, RowId)>) {
    let mut connection = None;
    let mut batch = Vec::new();
    // While one command is on its way the next batch gathers; an idle pusher adds no delay.
    while ids.recv_many(&mut batch, PUSH_BATCH).await > 0 {
        let mut by_queue: HashMap<Queue, Vec<String>> = HashMap::new();
        for (queue, id) in batch.drain(..) {
            by_queue.entry(queue).or_default().push(id.encode());
        }
        for (queue, ids) in by_queue {
            match push_batch(&server, &mut connection, queue, window, &ids).await {
                Ok(pushed) if pushed == ids.len() => {}
                Ok(pushed) => {
                    let left = ids.len() - pushed;
                    tracing::debug!(queue = queue.name(), left, "window full, left to the sweep");
                }
                Err(error) => {
                    connection = None;
                    tracing::warn!(queue = queue.name(), ids = ids.len(), %error, "push failed");
                }
            }
        }
    }
}

async fn push_batch(
    server: &QueueServer,
    connection: &mut Option<MultiplexedConnection>,
    queue: Queue,
    window: u32,
    ids: &[String],
) -> redis::RedisResult<usize> {
    if connection.is_none() {
        *connection = Some(server.connect(Duration::from_secs(1)).await?);
    }
    let connection = connection.as_mut().expect("connected above");
    redis::cmd("EVAL")
        .arg(PUSH_SCRIPT)
        .arg(1)
        .arg(server.key(queue))
        .arg(window)
        .arg(ids)
        .query_async(connection)
        .await
}

/// The apalis backend over one queue: a blocking pop on a connection of its own, so there is
/// neither polling nor a wake-up that can get lost.
#[derive(Debug)]
pub struct Consumer {
    ids: mpsc::Receiver<RowId>,
    entrance: mpsc::WeakSender<RowId>,
    server: QueueServer,
    queue: Queue,
    handing_back: TaskTracker,
}

/// A way into the consumer of a queue in this process past Redis, for the sweep while that is away.
#[derive(Debug, Clone, Default)]
pub struct SideDoor(Arc<Mutex<Option<mpsc::WeakSender<RowId>>>>);

impl SideDoor {
    /// How many ids the consumer has room for now.
    pub fn room(&self) -> usize {
        self.entrance().filter(|ids| !ids.is_closed()).map_or(0, |ids| ids.capacity())
    }

    /// Hands an id in. Without room it is left to the sweep, as an id that Redis lost.
    pub fn hand_in(&self, id: RowId) {
        if let Some(ids) = self.entrance() {
            let _ = ids.try_send(id);
        }
    }

    fn entrance(&self) -> Option<mpsc::Sender<RowId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.upgrade()
    }
}

/// When a consumer last heard from Redis; for health checks.
#[derive(Debug, Clone, Default)]
pub struct LastFetch(Arc<AtomicI64>);

impl LastFetch {
    fn mark(&self) {
        self.0.store(uptime_ms().max(1), Ordering::Relaxed);
    }

    /// Time since the last answer of Redis, be it empty; `None` before the first.
    pub fn age(&self) -> Option<Duration> {
        let at = self.0.load(Ordering::Relaxed);
        let age = u64::try_from(uptime_ms() - at).unwrap_or(0);
        (at > 0).then(|| Duration::from_millis(age))
    }
}

/// Milliseconds of the process's life.
fn uptime_ms() -> i64 {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    i64::try_from(START.elapsed().as_millis()).unwrap_or(i64::MAX)
}

impl Consumer {
    /// Starts fetching ids of `queue` until `shutdown` or until the consumer is dropped, but none while
    /// the queue `rests`. What it then has popped and not started is handed back on a task of
    /// `handing_back`: wait for that.
    pub fn start(
        server: QueueServer,
        queue: Queue,
        last_fetch: LastFetch,
        rests: watch::Receiver<bool>,
        shutdown: CancellationToken,
        handing_back: TaskTracker,
    ) -> Self {
        let (sender, ids) = mpsc::channel(PREFETCH);
        let entrance = sender.downgrade();
        tokio::spawn(fetch_all(server.clone(), queue, sender, (last_fetch, rests), shutdown));
        Self { ids, entrance, server, queue, handing_back }
    }

    /// Lets the door lead to this consumer.
    pub fn open(&self, door: &SideDoor) {
        let entrance = Some(self.entrance.clone());
        *door.0.lock().unwrap_or_else(PoisonError::into_inner) = entrance;
    }

    /// Takes what was popped and not started, to hand it back.
    fn drain(&mut self) -> Vec<String> {
        self.ids.close();
        std::iter::from_fn(|| self.ids.try_recv().ok()).map(RowId::encode).collect()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let ids = self.drain();
        if ids.is_empty() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (server, queue) = (self.server.clone(), self.queue);
        self.handing_back.spawn(async move {
            // Best effort, spares the next worker the wait for the sweep.
            let mut connection = None;
            let _ = push_batch(&server, &mut connection, queue, u32::MAX, &ids).await;
        });
    }
}

async fn fetch_all(
    server: QueueServer,
    queue: Queue,
    ids: mpsc::Sender<RowId>,
    (last_fetch, mut rests): (LastFetch, watch::Receiver<bool>),
    shutdown: CancellationToken,
) {
    loop {
        let fetching = fetch_until_error(&server, queue, &ids, &last_fetch, &mut rests);
        let error = tokio::select! {
            () = shutdown.cancelled() => return,
            () = ids.closed() => return,
            error = fetching => error,
        };
        tracing::warn!(queue = queue.name(), %error, "queue connection lost");
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn fetch_until_error(
    server: &QueueServer,
    queue: Queue,
    ids: &mpsc::Sender<RowId>,
    last_fetch: &LastFetch,
    rests: &mut watch::Receiver<bool>,
) -> redis::RedisError {
    let mut connection = match server.connect(RESPONSE_TIMEOUT).await {
        Ok(connection) => connection,
        Err(error) => return error,
    };
    // Connecting takes an answer, too: an idle queue is silent for two seconds.
    last_fetch.mark();
    loop {
        // Never pop what cannot be buffered.
        if ids.reserve().await.is_err() {
            return redis::RedisError::from((redis::ErrorKind::Io, "consumer closed"));
        }
        if *rests.borrow_and_update() {
            // What is in Redis stays there; that it answers is worth knowing all the same.
            if let Err(error) = redis::cmd("PING").query_async::<()>(&mut connection).await {
                return error;
            }
            last_fetch.mark();
            let _ = tokio::time::timeout(Duration::from_secs(BLOCK_SECONDS), rests.changed()).await;
            continue;
        }
        let room = ids.capacity().max(1);
        let popped: redis::RedisResult<Option<(String, Vec<Vec<u8>>)>> = redis::cmd("BLMPOP")
            .arg(BLOCK_SECONDS)
            .arg(1)
            .arg(server.key(queue))
            .arg("LEFT")
            .arg("COUNT")
            .arg(room)
            .query_async(&mut connection)
            .await;
        let payloads = match popped {
            Ok(popped) => popped.map(|(_, payloads)| payloads).unwrap_or_default(),
            Err(error) => return error,
        };
        last_fetch.mark();
        for payload in payloads {
            if let Some(id) = RowId::decode(&payload) {
                // An error says that the consumer is gone; so will the next reservation.
                let _ = ids.send(id).await;
            } else {
                tracing::error!(queue = queue.name(), "undecodable payload dropped");
            }
        }
    }
}

/// A consumer has no failures of its own: the fetch loop reconnects by itself.
#[derive(Debug, thiserror::Error)]
#[error("queue closed")]
pub struct QueueClosed;

impl Backend for Consumer {
    type Task = Task<RowId>;
    type Error = QueueClosed;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), QueueClosed>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Task<RowId>, QueueClosed>>> {
        self.ids.poll_recv(cx).map(|id| {
            id.map(|id| Ok(TaskBuilder::new(id).task_id(TaskId::from_string(id.encode())).build()))
        })
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), QueueClosed>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Consumer {
    type Args = RowId;
    type Id = u64;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = tower::layer::util::Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        Self::Layer::default()
    }
}

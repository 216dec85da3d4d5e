//! The queue as Redis sees it.

use redis::aio::MultiplexedConnection;
use shared::{config, jobs::Queue, queue::QueueServer};

use super::{TestRedis, wait_for};

/// The list of ids of one queue.
#[derive(Debug, Clone)]
pub struct RedisQueue {
    connection: MultiplexedConnection,
    key: String,
}

impl TestRedis {
    /// Where Peyk's queues are, below the default prefix.
    pub fn queue_server(&self) -> QueueServer {
        QueueServer::new(&config::Redis { url: self.url().into(), ..config::Redis::default() })
    }

    /// The queue of one-time codes.
    ///
    /// # Panics
    /// When Redis is away.
    pub async fn queue(&self) -> RedisQueue {
        self.queue_of(Queue::Otp).await
    }

    /// Another queue.
    ///
    /// # Panics
    /// When Redis is away.
    pub async fn queue_of(&self, queue: Queue) -> RedisQueue {
        let key = self.queue_server().key(queue);
        RedisQueue { connection: self.connection().await, key }
    }
}

impl RedisQueue {
    /// Everything on it, oldest first.
    ///
    /// # Panics
    /// When Redis does not answer.
    pub async fn payloads(&self) -> Vec<String> {
        let mut command = redis::cmd("LRANGE");
        command.arg(&self.key).arg(0).arg(-1);
        command.query_async(&mut self.connection.clone()).await.expect("Redis answers")
    }

    /// How much is on it.
    ///
    /// # Panics
    /// When Redis does not answer.
    pub async fn length(&self) -> usize {
        let mut command = redis::cmd("LLEN");
        command.arg(&self.key);
        command.query_async(&mut self.connection.clone()).await.expect("Redis answers")
    }

    /// Puts payloads on it, as they are.
    ///
    /// # Panics
    /// When Redis does not answer.
    pub async fn push<T: redis::ToRedisArgs>(&self, payloads: &[T]) {
        let mut command = redis::cmd("RPUSH");
        command.arg(&self.key).arg(payloads);
        command.exec_async(&mut self.connection.clone()).await.expect("Redis answers");
    }

    /// Waits until so many connections are in a blocking pop: a worker has one for each queue.
    pub async fn wait_for_poppers(&self, count: usize) {
        let what = format!("{count} blocking pops");
        wait_for(&what, || async { (self.poppers().await? == count).then_some(()) }).await;
    }

    /// How many connections are in a blocking pop; `None`: Redis does not answer.
    pub async fn poppers(&self) -> Option<usize> {
        let mut command = redis::cmd("INFO");
        command.arg("clients");
        let info: String = command.query_async(&mut self.connection.clone()).await.ok()?;
        info.lines().find_map(|line| line.strip_prefix("blocked_clients:"))?.parse().ok()
    }
}

//! A private Peyk for one test.

mod database;
mod gate;
mod peyk;
mod postgres;
mod process;
mod redis;
mod redis_queue;
mod rows;
mod table_lock;
mod web_socket;

use std::{future::Future, time::Duration};

pub use self::{
    database::TestDatabase,
    gate::Gate,
    peyk::{Answer, Peyk, PeykBuilder},
    postgres::TestPostgres,
    process::Process,
    redis::TestRedis,
    redis_queue::RedisQueue,
    rows::{MessageRow, Story},
    table_lock::TableLock,
    web_socket::{Incoming, NotOpened, WebSocket},
};

/// Longest wait for anything a test expects to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until `condition` gives something.
///
/// # Panics
/// After [`PATIENCE`], naming `what` was waited for.
pub async fn wait_for<T, F>(what: &str, condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    wait_within(PATIENCE, what, condition).await
}

/// [`wait_within`] that notices at once, for what has to come right after the condition.
///
/// # Panics
/// After `limit`, naming `what` was waited for.
pub async fn catch_within<T, F>(limit: Duration, what: &str, condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let found = look(limit, Duration::from_millis(5), condition).await;
    found.unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// [`wait_for`] with a patience of its own.
///
/// # Panics
/// After `limit`, naming `what` was waited for.
pub async fn wait_within<T, F>(limit: Duration, what: &str, condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let found = look_within(limit, condition).await;
    found.unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// [`wait_within`] for what need not come: `None` after `limit`.
pub async fn look_within<T, F>(limit: Duration, condition: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    look(limit, Duration::from_millis(10), condition).await
}

async fn look<T, F>(limit: Duration, pause: Duration, mut condition: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        let begun = tokio::time::Instant::now();
        if let Some(found) = condition().await {
            return Some(found);
        }
        if tokio::time::Instant::now() >= deadline {
            return None;
        }
        // Between two looks, not to let time pass. Not less than a look takes, or looking keeps a
        // busy machine busy.
        tokio::time::sleep(pause.max(begun.elapsed())).await;
    }
}

/// A mobile number no other call gives.
pub fn fresh_mobile() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(10_000_000);
    format!("091{}", NEXT.fetch_add(7, Ordering::Relaxed))
}

/// A port nobody listens on at this moment. It is outside of the range the system takes the local
/// ports of connections from (32768 and up), or one of those could be faster than its owner.
///
/// # Panics
/// Never.
pub fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| rand::random_range(20_000..32_000));
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).expect("it goes on forever")
}

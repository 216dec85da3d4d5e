//! A private Peyk for one test.

mod database;
mod peyk;
mod process;
mod redis;

use std::{future::Future, time::Duration};

pub use self::{
    database::TestDatabase,
    peyk::{Answer, Peyk, PeykBuilder},
    process::Process,
    redis::TestRedis,
};

/// Longest wait for anything a test expects to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until `condition` gives something.
///
/// # Panics
/// After [`PATIENCE`], naming `what` was waited for.
pub async fn wait_for<T, F>(what: &str, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A mobile number no other call gives.
pub fn fresh_mobile() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(10_000_000);
    format!("091{}", NEXT.fetch_add(7, Ordering::Relaxed))
}

/// A port nobody listens on at this moment.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}

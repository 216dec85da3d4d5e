//! Time that passes outside of Peyk: what is simulated is that it passes. A test of its own accord
//! waits for a condition or moves a clock.

use std::time::Duration;

/// A provider that takes its time: a pause before its answer, for `on_call`. Where what matters is
/// not how long it takes but what happens meanwhile, hold the answer and let it go.
pub async fn slow_answer(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The pace of somebody outside who does not wait for anything: the gap before their next request.
pub async fn pace(gap: Duration) {
    tokio::time::sleep(gap).await;
}

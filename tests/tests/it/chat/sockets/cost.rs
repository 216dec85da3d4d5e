//! What an idle socket costs.

use std::fs;

use peyk_tests::harness::{Peyk, WebSocket};
use serde_json::json;

use super::steps::{Chatter, group, old_socket, people, post};
use crate::session_steps::forgeable;

/// Sockets opened at a time.
const STEP: usize = 300;

async fn open_some(peyk: &Peyk, room: i64, who: &Chatter, sockets: &mut Vec<WebSocket>) -> u64 {
    for _ in 0..STEP {
        let mut socket = old_socket(peyk, 0, room, who).await;
        socket.send(&json!({"type": "ping"})).await;
        assert_eq!(socket.frame().await["type"], "pong");
        sockets.push(socket);
    }
    resident(peyk)
}

/// KiB of memory that the api holds.
fn resident(peyk: &Peyk) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", peyk.apis[0].pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn an_idle_socket_takes_a_few_kilobytes() {
    let settings = forgeable().workers(0).set("CHAT__SOCKETS__PER_USER", "100000");
    let peyk = settings.start().await;
    let [ann] = people(&peyk).await;
    let room = group(&peyk, &[&ann]).await;
    let mut sockets = Vec::new();
    // What the process takes once, it has taken.
    let before = open_some(&peyk, room, &ann, &mut sockets).await;
    open_some(&peyk, room, &ann, &mut sockets).await;
    let after = open_some(&peyk, room, &ann, &mut sockets).await;
    let each = (after.saturating_sub(before)) / (2 * u64::try_from(STEP).unwrap());
    assert!(each <= 12, "{each} KiB each ({before} to {after})");
    // All of them hear.
    post(&peyk, 0, room, &ann, "hello").await;
    for socket in &mut sockets {
        assert_eq!(socket.frame().await["message"], "hello");
    }
}

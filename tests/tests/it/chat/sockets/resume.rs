//! Coming back: what was missed comes once and in order, whatever happens at the seam.

use std::time::Duration;

use peyk_tests::harness::{Incoming, PATIENCE, WebSocket};
use serde_json::json;
use tokio::time::Instant;

use super::steps::{Chatter, address, group, numbers, people, post, socket, two_apis, write_log};
use crate::session_steps::forgeable;

async fn since(
    peyk: &peyk_tests::harness::Peyk,
    api: usize,
    room: i64,
    who: &Chatter,
    seq: i64,
) -> WebSocket {
    let url = format!("{}&since={seq}", address(peyk, api, room, who));
    WebSocket::open(&url, &[]).await.unwrap()
}

#[tokio::test]
async fn who_comes_back_gets_what_was_missed_and_then_what_happens() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    write_log(&peyk, room, &ann, 300).await;
    let mut back = since(&peyk, 1, room, &bob, 120).await;
    let mut frames = Vec::new();
    let resumed = loop {
        let frame = back.frame().await;
        if frame["type"] == "resumed" {
            break frame;
        }
        frames.push(frame);
    };
    assert_eq!(resumed["head"], 300);
    assert_eq!(numbers(&frames), (121..=300).collect::<Vec<_>>());
    post(&peyk, 0, room, &ann, "live").await;
    assert_eq!(back.frame_of("chat_message").await["seq"], 301);
    // Who missed nothing is told so, and who is ahead of everything has to read anew.
    let mut level = since(&peyk, 1, room, &bob, 301).await;
    assert_eq!(level.frame_of("resumed").await["head"], 301);
    let mut ahead = since(&peyk, 1, room, &bob, 900).await;
    assert_eq!(ahead.frame_of("resync").await["head"], 301);
}

#[tokio::test]
async fn who_missed_too_much_is_told_to_read_anew_and_hears_what_happens() {
    let peyk = forgeable().workers(0).set("CHAT__SOCKETS__RESUME", "50").start().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    write_log(&peyk, room, &ann, 60).await;
    let mut far = since(&peyk, 0, room, &bob, 9).await;
    assert_eq!(far.frame().await, json!({"type": "resync", "room": room, "head": 60}));
    let mut near = since(&peyk, 0, room, &bob, 10).await;
    assert_eq!(near.frame_of("chat_message").await["seq"], 11);
    write_log(&peyk, room, &ann, 1).await;
    assert_eq!(far.frame_of("chat_message").await["seq"], 61);
}

/// Two people post as fast as they can, through both processes, while a third one comes and goes and
/// always says where they were. They get every number once, in order.
#[tokio::test]
async fn nothing_is_lost_doubled_or_out_of_turn_while_clients_come_and_go() {
    let fast = forgeable().apis(2).workers(0).set("CHAT__RATE", "100000/1s");
    let fast = fast.set("CHAT__SOCKETS__RATE", "100000/1s");
    let peyk = std::sync::Arc::new(fast.start().await);
    let [ann, bob, eve] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob, &eve]).await;
    let until = Instant::now() + Duration::from_secs(4);
    let mut posting = Vec::new();
    for (api, who) in [(0, ann), (1, bob)] {
        let peyk = peyk.clone();
        posting.push(tokio::spawn(async move {
            let mut socket = socket(&peyk, api, room, &who).await;
            let mut posted = 0;
            while Instant::now() < until {
                socket.send(&json!({"message": "x"})).await;
                match socket.next_within(PATIENCE).await {
                    Some(Incoming::Frame(_)) => posted += 1,
                    other => panic!("{other:?}"),
                }
            }
            posted
        }));
    }
    let (mut seen, mut comings) = (0_i64, 0);
    while Instant::now() < until {
        let mut socket = since(&peyk, comings % 2, room, &eve, seen).await;
        comings += 1;
        for _ in 0..20 {
            let Some(Incoming::Frame(frame)) = socket.next_within(Duration::from_millis(200)).await
            else {
                break;
            };
            if frame["type"] == "chat_message" {
                seen += 1;
                assert_eq!(frame["seq"], seen, "coming {comings}");
            }
        }
        // Half of them go without a word.
        if comings % 4 < 2 {
            socket.close().await;
        }
    }
    for posting in posting {
        assert!(posting.await.unwrap() > 0);
    }
    let head = "SELECT head FROM rooms WHERE id = $1";
    let head = sqlx::query_scalar::<_, i64>(head).bind(room);
    let head = head.fetch_one(&peyk.database.pool).await.unwrap();
    let mut last = since(&peyk, 0, room, &eve, seen).await;
    while seen < head {
        let frame = last.frame().await;
        if frame["type"] == "chat_message" {
            seen += 1;
            assert_eq!(frame["seq"], seen, "the last time");
        }
    }
    assert!(comings > 5 && head > 20, "{comings} {head}");
}

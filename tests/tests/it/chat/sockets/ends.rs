//! Sockets end with what opened them: the membership, the room, the session, the token, the process.

use std::time::Duration;

use chrono::TimeDelta;
use peyk_tests::harness::{Incoming, Peyk, WebSocket, wait_for};
use serde_json::json;
use shared::clock::{Clock, SystemClock};
use tokio::time::Instant;

use super::steps::{
    OUT, all_rooms, group, old_socket, people, post, socket, try_socket, two_apis, write_event,
};
use crate::session_steps::{BOUND, access_of, end_at, forgeable, session_until};

/// The code of the end, and that it came in time.
async fn ends_in_time(socket: &mut WebSocket, begun: Instant) -> u16 {
    let code = socket.end().await;
    let took = begun.elapsed();
    assert!(took <= BOUND, "{took:?}");
    code
}

#[tokio::test]
async fn whoever_is_put_out_hears_it_and_nothing_more() {
    let peyk = two_apis().await;
    let [ann, bob, eve] = people(&peyk).await;
    for kind in ["member.left", "member.removed", "member.banned"] {
        let room = group(&peyk, &[&ann, &bob, &eve]).await;
        let mut ann_here = socket(&peyk, 0, room, &ann).await;
        let mut typed = socket(&peyk, 1, room, &bob).await;
        let mut old = old_socket(&peyk, 0, room, &bob).await;
        let mut all = all_rooms(&peyk, 1, &bob).await;
        all.frame_of("heartbeat").await;
        // The worst case: nobody is told.
        let begun = Instant::now();
        write_event(&peyk, room, kind, &bob, OUT).await;
        let frame = typed.frame_of("member").await;
        let word = kind.strip_prefix("member.").unwrap();
        assert_eq!((&frame["event"], &frame["user"]["id"]), (&json!(word), &json!(bob.id)));
        assert_eq!(ends_in_time(&mut typed, begun).await, 4403);
        assert_eq!(ends_in_time(&mut old, begun).await, 4403);
        assert_eq!(all.frame_of("member").await["event"], word);
        assert_eq!(ann_here.frame_of("member").await["event"], word);
        post(&peyk, 0, room, &ann, "without them").await;
        assert_eq!(ann_here.frame_of("chat_message").await["message"], "without them");
        assert_eq!(all.until_pong().await.len(), 0);
        let refused = try_socket(&peyk, 1, room, &bob).await.unwrap_err();
        assert_eq!(refused.status, 404);
    }
}

#[tokio::test]
async fn a_deleted_room_closes_its_sockets() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut there = socket(&peyk, 1, room, &bob).await;
    let begun = Instant::now();
    let delete = "UPDATE rooms SET deleted_at = now() WHERE id = $1 AND $2 > 0";
    write_event(&peyk, room, "room.deleted", &ann, delete).await;
    assert_eq!(there.frame_of("room").await["event"], "deleted");
    assert_eq!(ends_in_time(&mut there, begun).await, 4404);
}

#[tokio::test]
async fn leaving_an_organization_ends_sockets_although_the_log_says_nothing() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut there = socket(&peyk, 1, room, &bob).await;
    let out = sqlx::query(OUT).bind(room).bind(bob.id);
    out.execute(&peyk.database.pool).await.unwrap();
    assert_eq!(there.end().await, 4403);
}

#[tokio::test]
async fn a_session_that_ends_closes_its_sockets_in_every_process() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut here = socket(&peyk, 0, room, &bob).await;
    let mut there = old_socket(&peyk, 1, room, &bob).await;
    let mut all = all_rooms(&peyk, 1, &bob).await;
    let mut others = socket(&peyk, 1, room, &ann).await;
    let begun = Instant::now();
    assert_eq!(end_at(&peyk, 0, &bob.token, bob.session).await.status, 200);
    for socket in [&mut here, &mut there, &mut all] {
        assert_eq!(ends_in_time(socket, begun).await, 4401);
    }
    assert_eq!(try_socket(&peyk, 1, room, &bob).await.unwrap_err().status, 401);
    others.until_pong().await;
}

#[tokio::test]
async fn logging_out_closes_sockets_without_redis_too() {
    let mut peyk = two_apis().await;
    let [ann] = people(&peyk).await;
    let room = group(&peyk, &[&ann]).await;
    let mut there = socket(&peyk, 1, room, &ann).await;
    peyk.redis.kill();
    let begun = Instant::now();
    assert_eq!(end_at(&peyk, 0, &ann.token, ann.session).await.status, 200);
    assert_eq!(ends_in_time(&mut there, begun).await, 4401);
}

/// An access token that ends in so many seconds.
fn short_token(person: &super::steps::Chatter, seconds: i64) -> String {
    let now = SystemClock.now();
    let whole = i64::from(shared::config::Auth::default().access_ttl_seconds);
    let begun = now - TimeDelta::seconds(whole - seconds);
    access_of(&session_until(person.id, person.session, now + TimeDelta::days(1)), begun)
}

#[tokio::test]
async fn a_token_that_ends_closes_the_socket_unless_a_newer_one_is_shown() {
    let peyk = forgeable().workers(0).start().await;
    let [mut ann] = people(&peyk).await;
    let room = group(&peyk, &[&ann]).await;
    let short = short_token(&ann, 3);
    let whole = std::mem::replace(&mut ann.token, short);
    let mut ends = socket(&peyk, 0, room, &ann).await;
    let mut lasts = socket(&peyk, 0, room, &ann).await;
    lasts.send(&json!({"type": "token", "token": "x"})).await;
    assert_eq!(lasts.frame_of("error").await["code"], "token_not_valid");
    lasts.send(&json!({"type": "token", "token": whole})).await;
    lasts.frame_of("pong").await;
    assert_eq!(ends.end().await, 4401);
    lasts.until_pong().await;
}

#[tokio::test]
async fn a_process_that_stops_says_so_and_closes_its_sockets_in_time() {
    let mut peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut typed = socket(&peyk, 0, room, &ann).await;
    let mut old = old_socket(&peyk, 0, room, &ann).await;
    let mut there = socket(&peyk, 1, room, &bob).await;
    let begun = Instant::now();
    typed.send(&json!({"message": "the last", "client_id": "1"})).await;
    peyk.apis[0].signal("TERM").await;
    let drain = typed.frame_of("drain").await;
    assert!(drain["reconnect_after"].as_u64().unwrap() <= 5_000, "{drain}");
    assert_eq!(typed.end().await, 4000);
    assert_eq!(old.end().await, 1001);
    assert!(peyk.apis[0].wait().await.success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // Whoever comes back finds the other process, and all that was posted.
    let mut back = socket(&peyk, 1, room, &ann).await;
    back.send(&json!({"message": "the last", "client_id": "1"})).await;
    back.frame_of("ack").await;
    assert_eq!(there.frame_of("chat_message").await["message"], "the last");
    assert_eq!(there.until_pong().await.len(), 0, "it is there once");
}

#[tokio::test]
async fn a_client_that_is_gone_without_a_word_is_not_kept() {
    let peyk = forgeable().workers(0).set("CHAT__SOCKETS__PING_SECONDS", "5").start().await;
    let [ann] = people(&peyk).await;
    let room = group(&peyk, &[&ann]).await;
    let silent = old_socket(&peyk, 0, room, &ann).await;
    let mut answers = old_socket(&peyk, 0, room, &ann).await;
    // The one answers pings while it is read; the other is not read.
    let reading = tokio::spawn(async move {
        let came = answers.next_within(Duration::from_secs(25)).await;
        assert_eq!(came, None::<Incoming>);
    });
    wait_for_open(&peyk, 1).await;
    reading.abort();
    drop(silent);
}

async fn wait_for_open(peyk: &Peyk, count: usize) {
    wait_for("a socket to be given up", || async {
        let text = peyk.client().get(peyk.url("/metrics")).send().await.unwrap();
        let text = text.text().await.unwrap();
        text.contains(&format!("peyk_sockets_open{{scope=\"room\"}} {count}\n")).then_some(())
    })
    .await;
}

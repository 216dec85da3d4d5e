//! Who may open a socket, and that no log says with what.

use peyk_tests::harness::{Answer, Peyk, WebSocket};
use serde_json::json;

use super::steps::{Chatter, address, all_rooms, group, people, socket, two_apis};
use crate::session_steps::forgeable;

async fn open(
    peyk: &Peyk,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<WebSocket, (u16, String)> {
    let opened = WebSocket::open(&peyk.url(path), headers).await;
    opened.map_err(|no| (no.status, no.json["code"].as_str().unwrap_or_default().to_owned()))
}

fn refused(opened: Result<WebSocket, (u16, String)>) -> (u16, String) {
    opened.expect_err("it is not opened")
}

fn no(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn only_members_with_a_token_open_a_rooms_socket() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann]).await;
    let ban = "INSERT INTO room_bans (room_id, user_id, created_at) VALUES ($1, $2, now())";
    let banned = group(&peyk, &[&ann]).await;
    sqlx::query(ban).bind(banned).bind(bob.id).execute(&peyk.database.pool).await.unwrap();
    let path = format!("/api/chat/{room}/");
    assert_eq!(refused(open(&peyk, &path, &[]).await), no(401, "not_authenticated"));
    let bad = format!("{path}?token=x.y.z");
    assert_eq!(refused(open(&peyk, &bad, &[]).await), no(401, "token_not_valid"));
    let with = |path: &str, who: &Chatter| format!("{path}?token={}", who.token);
    assert_eq!(refused(open(&peyk, &with(&path, &bob), &[]).await), no(404, "not_found"));
    let there = format!("/api/chat/{banned}/");
    assert_eq!(refused(open(&peyk, &with(&there, &bob), &[]).await), no(403, "banned"));
    for path in ["/api/chat/999999/", "/api/chat/x/", "/api/nowhere/", "/ws/chat/"] {
        assert_eq!(refused(open(&peyk, &with(path, &ann), &[]).await).0, 404, "{path}");
    }
    let since = format!("{}&since=-1", with(&path, &ann));
    assert_eq!(refused(open(&peyk, &since, &[]).await), no(400, "validation"));
    // Not everything that has this path is a socket.
    let plain = peyk.get(&with(&path, &ann)).await;
    assert_eq!(plain.status, 404, "{plain:?}");
}

#[tokio::test]
async fn a_token_comes_in_a_header_in_the_address_or_among_the_protocols() {
    let peyk = forgeable().workers(0).start().await;
    let [ann] = people(&peyk).await;
    let room = group(&peyk, &[&ann]).await;
    let path = format!("/drfchelseru/chat/{room}/");
    let bearer = format!("Bearer {}", ann.token);
    open(&peyk, &path, &[("Authorization", &bearer)]).await.unwrap();
    open(&peyk, &format!("{path}?token={}", ann.token), &[]).await.unwrap();
    for (offered, chosen) in [
        (format!("bearer, {}", ann.token), "bearer"),
        (format!("bearer, {}, peyk.v1", ann.token), "peyk.v1"),
        (format!("peyk.v1, bearer, {}", ann.token), "peyk.v1"),
    ] {
        let opened = open(&peyk, &path, &[("Sec-WebSocket-Protocol", &offered)]).await.unwrap();
        assert_eq!(opened.protocol.as_deref(), Some(chosen));
    }
    assert!(!peyk.output().contains(&ann.token), "a token is in a log");
}

async fn ticket(peyk: &Peyk, who: &Chatter) -> Answer {
    let request = peyk.client().post(peyk.url("/api/chat/ticket/"));
    peyk.send(request.bearer_auth(&who.token)).await
}

#[tokio::test]
async fn a_ticket_opens_one_socket_and_is_in_no_log() {
    let peyk = forgeable().workers(0).set("LOG__FILTER", "trace").start().await;
    let [ann] = people(&peyk).await;
    let room = group(&peyk, &[&ann]).await;
    let sold = ticket(&peyk, &ann).await;
    assert_eq!(sold.status, 201, "{sold:?}");
    let ticket = sold.json["ticket"].as_str().unwrap();
    let path = format!("/api/chat/{room}/?ticket={ticket}");
    let mut socket = open(&peyk, &path, &[]).await.unwrap();
    socket.send(&json!({"message": "a secret that nobody logs"})).await;
    socket.frame_of("chat_message").await;
    assert_eq!(refused(open(&peyk, &path, &[]).await), no(401, "token_not_valid"));
    let other = format!("/api/chat/{room}/?ticket={}", "0".repeat(32));
    assert_eq!(refused(open(&peyk, &other, &[]).await), no(401, "token_not_valid"));
    let url = address(&peyk, 0, room, &ann);
    WebSocket::open(&url, &[]).await.unwrap();
    let output = peyk.output();
    for secret in [ticket, &ann.token, "a secret that nobody logs"] {
        assert!(!output.contains(secret), "it is in a log");
    }
    let stored: Vec<String> = sqlx::query_scalar("SELECT encode(hash, 'hex') FROM socket_tickets")
        .fetch_all(&peyk.database.pool)
        .await
        .unwrap();
    assert_eq!(stored, [""; 0], "it is used up");
    // It ends with the session it was bought in.
    let late = super::opening::ticket(&peyk, &ann).await;
    let late = format!("/api/chat/{room}/?ticket={}", late.json["ticket"].as_str().unwrap());
    crate::session_steps::end_at(&peyk, 0, &ann.token, ann.session).await;
    assert_eq!(refused(open(&peyk, &late, &[]).await), no(401, "token_not_valid"));
}

#[tokio::test]
async fn pages_of_other_origins_open_nothing() {
    let peyk = forgeable().workers(0).set("CHAT__SOCKETS__ORIGINS", "[\"https://app.example\"]");
    let peyk = peyk.start().await;
    let [ann] = people(&peyk).await;
    let room = group(&peyk, &[&ann]).await;
    let path = format!("/api/chat/{room}/?token={}", ann.token);
    let evil = open(&peyk, &path, &[("Origin", "https://evil.example")]).await;
    assert_eq!(refused(evil), no(403, "origin_not_allowed"));
    open(&peyk, &path, &[("Origin", "https://app.example")]).await.unwrap();
    open(&peyk, &path, &[]).await.unwrap();
}

#[tokio::test]
async fn somebody_has_so_many_sockets_and_more_when_one_is_closed() {
    let peyk = forgeable().workers(0).set("CHAT__SOCKETS__PER_USER", "2").start().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let first = socket(&peyk, 0, room, &ann).await;
    let _second = all_rooms(&peyk, 0, &ann).await;
    let path = format!("/api/chat/{room}/?token={}", ann.token);
    assert_eq!(refused(open(&peyk, &path, &[]).await), no(429, "too_many_sockets"));
    socket(&peyk, 0, room, &bob).await;
    first.close().await;
    peyk_tests::harness::wait_for("room for another", || async {
        open(&peyk, &path, &[]).await.ok()
    })
    .await;
}

//! Frames that are wrong: the socket says so and stays, or is closed; nobody else notices.

use peyk_tests::harness::{Incoming, Peyk, WebSocket};
use serde_json::json;

use super::steps::{Chatter, all_rooms, group, old_socket, people, socket, two_apis};
use crate::session_steps::forgeable;

#[tokio::test]
async fn a_bad_frame_is_answered_and_the_socket_stays() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut typed = socket(&peyk, 0, room, &ann).await;
    let mut old = old_socket(&peyk, 0, room, &ann).await;
    let mut hears = socket(&peyk, 0, room, &bob).await;
    for (frame, code, field) in [
        ("hello", "bad_frame", None),
        ("[1]", "bad_frame", None),
        ("\"x\"", "bad_frame", None),
        ("{\"message\":", "bad_frame", None),
        ("{}", "validation", Some("message")),
        ("{\"message\": null}", "validation", Some("message")),
        ("{\"message\": \"  \"}", "validation", Some("message")),
        ("{\"message\": [\"x\"]}", "validation", Some("message")),
        ("{\"message\": \"a\\u0000b\"}", "validation", Some("message")),
        ("{\"message\": \"a\\u202eb\"}", "validation", Some("message")),
        (
            "{\"message\": \"x\", \"message_type\": \"aaaaaaaaaaa\"}",
            "validation",
            Some("message_type"),
        ),
        ("{\"message\": \"x\", \"lat\": \"north\"}", "validation", Some("lat")),
        ("{\"message\": \"x\", \"lat\": 91, \"lng\": 0}", "validation", Some("lat")),
        ("{\"message\": \"x\", \"attach_id\": 77}", "validation", Some("attach_id")),
        ("{\"message\": \"x\", \"reply_to\": 77}", "validation", Some("reply_to")),
        ("{\"message\": \"x\", \"room\": 77}", "not_found", None),
        ("{\"type\": \"read\"}", "validation", Some("seq")),
        ("{\"type\": \"edit\", \"id\": 9999, \"message\": \"x\"}", "not_found", None),
        ("{\"type\": \"react\", \"id\": 9999}", "validation", Some("emoji")),
    ] {
        for socket in [&mut typed, &mut old] {
            socket.send_text(frame).await;
            let answer = socket.frame_of("error").await;
            assert_eq!(
                (&answer["code"], answer["field"].as_str()),
                (&json!(code), field),
                "{frame}"
            );
            assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()));
        }
    }
    typed.send(&json!({"type": "dance"})).await;
    assert_eq!(typed.frame_of("error").await["code"], "unknown_type");
    typed.send(&json!({"message": 7, "message_type": "text", "client_id": "c"})).await;
    assert_eq!(typed.frame_of("ack").await["client_id"], "c");
    typed.send_bytes(vec![0, 1, 2]).await;
    assert_eq!(typed.frame_of("error").await["code"], "bad_frame");
    assert_eq!(hears.frame().await["message"], "7", "nothing else was posted");
    assert_eq!(hears.until_pong().await.len(), 0);
}

#[tokio::test]
async fn a_socket_for_all_rooms_names_the_room_and_only_rooms_of_its_person() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let theirs = group(&peyk, &[&bob]).await;
    let mut all = all_rooms(&peyk, 0, &ann).await;
    for (frame, code) in [
        (json!({"message": "x"}), "validation"),
        (json!({"message": "x", "room": "a"}), "validation"),
        (json!({"message": "x", "room": theirs}), "not_found"),
        (json!({"message": "x", "room": 99_999}), "not_found"),
        (json!({"type": "subscribe", "room": theirs}), "not_found"),
        (json!({"type": "unsubscribe", "room": theirs}), "not_found"),
        (json!({"type": "typing", "room": theirs}), "not_found"),
        (json!({"type": "read", "room": theirs, "seq": 1}), "not_found"),
        (json!({"message_type": "webrtc_signal", "room": theirs}), "not_found"),
    ] {
        all.send(&frame).await;
        assert_eq!(all.frame_of("error").await["code"], code, "{frame}");
    }
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_refused_and_one_that_is_far_too_long_ends_the_socket() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut hears = socket(&peyk, 1, room, &bob).await;
    let mut long = socket(&peyk, 0, room, &ann).await;
    long.send(&json!({"message": "x".repeat(4_096)})).await;
    assert_eq!(long.frame_of("error").await["code"], "frame_too_long");
    long.send(&json!({"message": "x".repeat(5 * 4_096)})).await;
    assert_eq!(long.end().await, 1009);
    let mut huge = socket(&peyk, 0, room, &ann).await;
    huge.send(&json!({"message": "x".repeat(1 << 20)})).await;
    // It is not read to its end: the word about it may be lost with it.
    let code = huge.end().await;
    assert!(code == 1009 || code == 1006, "{code}");
    assert_eq!(hears.until_pong().await.len(), 0);
}

#[tokio::test]
async fn a_text_that_is_too_long_for_a_frame_is_cut_and_says_so() {
    let peyk = forgeable().workers(0).start().await;
    let [ann] = people(&peyk).await;
    let room = group(&peyk, &[&ann]).await;
    let mut socket = socket(&peyk, 0, room, &ann).await;
    let text = "پیک ".repeat(900).trim_end().to_owned();
    super::steps::post(&peyk, 0, room, &ann, &text).await;
    let frame = socket.frame_of("chat_message").await;
    assert_eq!(frame["truncated"], true);
    let got = frame["message"].as_str().unwrap();
    assert!(text.starts_with(got) && got.len() > 3_000, "{}", got.len());
    assert!(frame.to_string().len() <= 4_096);
}

#[tokio::test]
async fn a_flood_ends_its_socket_and_nobody_elses() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut hears = socket(&peyk, 0, room, &bob).await;
    let mut floods = socket(&peyk, 0, room, &ann).await;
    for _ in 0..10_000 {
        floods.send_text("{}").await;
    }
    let code = end_of_flood(&mut floods).await;
    assert!(code == 4429 || code == 1006, "{code}");
    assert_eq!(hears.until_pong().await.len(), 0);
    posts(&peyk, &mut hears, room, &bob).await;
    // A slower one is warned, and may go on when there is room again.
    let mut fast = socket(&peyk, 0, room, &ann).await;
    for _ in 0..130 {
        fast.send(&json!({"type": "ping"})).await;
    }
    let warning = fast.frame_of("error").await;
    assert_eq!((&warning["code"], &warning["retry_after"]), (&json!("rate_limited"), &json!(1)));
}

async fn end_of_flood(socket: &mut WebSocket) -> u16 {
    loop {
        match socket.next().await {
            Incoming::Closed(code, _) => return code,
            Incoming::Frame(frame) => assert_ne!(frame["type"], "chat_message"),
        }
    }
}

async fn posts(peyk: &Peyk, socket: &mut WebSocket, room: i64, who: &Chatter) {
    super::steps::post(peyk, 1, room, who, "still here").await;
    assert_eq!(socket.frame_of("chat_message").await["message"], "still here");
}

//! Messages reach every socket of their room, wherever they come from.

use peyk_tests::harness::{Incoming, wait_for};
use serde_json::{Value, json};

use super::steps::{
    all_rooms, group, numbers, old_socket, people, post, socket, two_apis, write_texts,
};
use crate::session_steps::forgeable;

#[tokio::test]
async fn what_is_posted_anywhere_reaches_the_sockets_of_every_process() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut here = socket(&peyk, 0, room, &ann).await;
    let mut there = socket(&peyk, 1, room, &bob).await;
    let posted = post(&peyk, 0, room, &ann, "over HTTP").await;
    for socket in [&mut here, &mut there] {
        let frame = socket.frame_of("chat_message").await;
        assert_eq!((&frame["message"], &frame["id"]), (&json!("over HTTP"), &posted.json["id"]));
        assert_eq!((&frame["room"], &frame["seq"]), (&json!(room), &json!(1)));
    }
    let (message, name) = ("over WebSocket", "c1");
    there
        .send(&json!({"message": message, "client_id": name, "reply_to": posted.json["id"]}))
        .await;
    let ack = there.frame_of("ack").await;
    assert_eq!(
        (&ack["client_id"], &ack["seq"], &ack["repeated"]),
        (&json!(name), &json!(2), &json!(false))
    );
    let frame = here.frame_of("chat_message").await;
    assert_eq!((&frame["message"], &frame["id"]), (&json!(message), &ack["id"]));
    assert_eq!(frame["reply_to"], posted.json["id"]);
    let url = format!("/api/chat/messages/?chat_room={room}");
    let history = crate::session_steps::get_from(&peyk, 0, &url, &ann.token).await;
    let texts: Vec<_> =
        history.json["results"].as_array().unwrap().iter().map(|it| it["text"].clone()).collect();
    assert_eq!(texts, [json!(message), json!("over HTTP")]);
    // The same again is the same, also elsewhere.
    here.send(&json!({"message": "mine", "client_id": "x"})).await;
    let first = here.frame_of("ack").await;
    let mut other = socket(&peyk, 1, room, &ann).await;
    other.send(&json!({"message": "mine", "client_id": "x"})).await;
    let again = other.frame_of("ack").await;
    assert_eq!((&again["id"], &again["repeated"]), (&first["id"], &json!(true)));
}

#[tokio::test]
async fn old_sockets_get_the_frames_they_know_and_nothing_else() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut old = old_socket(&peyk, 0, room, &bob).await;
    let url = format!("{}/ws/chat/{room}/?token={}", peyk.urls[1], bob.token);
    let mut by_name = peyk_tests::harness::WebSocket::open(&url, &[]).await.unwrap();
    let url = format!("{}/chat/{room}?token={}", peyk.urls[1], bob.token);
    let mut at_root = peyk_tests::harness::WebSocket::open(&url, &[]).await.unwrap();
    let mut ann_there = socket(&peyk, 1, room, &ann).await;
    ann_there.send(&json!({"type": "typing"})).await;
    ann_there
        .send(&json!({"message": "hi", "message_type": "location", "lat": 35.7, "lng": 51.4}))
        .await;
    let expected = |sender: Value| {
        json!({"type": "chat_message", "message": "hi", "message_type": "location", "file_url": null,
            "lat": 35.7, "lng": 51.4, "sender": sender})
    };
    let object = expected(json!({"id": ann.id, "username": ann.username}));
    for (socket, expected) in [
        (&mut old, object.clone()),
        (&mut at_root, object),
        (&mut by_name, expected(json!(ann.username))),
    ] {
        let frame = socket.frame().await;
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(frame[name], *value, "{name} of {frame}");
        }
        assert!(frame["id"].is_i64() && frame["created_at"].is_string());
    }
    // What old sockets send is posted, and nothing answers.
    old.send(&json!({"message": "from old"})).await;
    for socket in [&mut old, &mut at_root, &mut by_name] {
        assert_eq!(socket.frame().await["message"], "from old");
    }
    assert_eq!(old.until_pong().await, [Value::Null; 0]);
}

#[tokio::test]
async fn one_socket_hears_all_rooms_and_new_ones() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let first = group(&peyk, &[&ann, &bob]).await;
    let mut bob_all = all_rooms(&peyk, 1, &bob).await;
    assert_eq!(
        bob_all.frame_of("heartbeat").await,
        json!({"type": "heartbeat", "heads": {first.to_string(): 0}})
    );
    post(&peyk, 0, first, &ann, "one").await;
    assert_eq!(bob_all.frame_of("chat_message").await["room"], first);
    let second = group(&peyk, &[&ann, &bob]).await;
    while !bob_all.frame_of("heartbeat").await["heads"][second.to_string()].is_i64() {}
    bob_all.send(&json!({"message": "to the second", "room": second})).await;
    let frame = bob_all.frame_of("chat_message").await;
    assert_eq!((&frame["room"], &frame["message"]), (&json!(second), &json!("to the second")));
    // The same path as the list of rooms.
    let url = format!("{}/api/chat/?token={}", peyk.urls[0], ann.token);
    let mut other = peyk_tests::harness::WebSocket::open(&url, &[]).await.unwrap();
    let heads = other.frame_of("heartbeat").await;
    assert_eq!(heads["heads"], json!({first.to_string(): 1, second.to_string(): 1}));
    // It says what it does not want to hear.
    bob_all.send(&json!({"type": "unsubscribe", "room": first})).await;
    bob_all.until_pong().await;
    post(&peyk, 0, first, &ann, "two").await;
    post(&peyk, 0, second, &ann, "three").await;
    assert_eq!(bob_all.frame_of("chat_message").await["message"], "three");
    bob_all.send(&json!({"type": "subscribe", "room": first, "since": 1})).await;
    assert_eq!(bob_all.frame_of("chat_message").await["message"], "two");
    let resumed = bob_all.frame_of("resumed").await;
    assert_eq!(resumed, json!({"type": "resumed", "room": first, "head": 2}));
}

#[tokio::test]
async fn without_redis_posting_works_and_every_socket_hears_it() {
    let mut peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut there = socket(&peyk, 1, room, &bob).await;
    peyk.redis.kill();
    let mut here = socket(&peyk, 0, room, &ann).await;
    for count in 1..=5 {
        here.send(&json!({"message": format!("{count}")})).await;
        assert_eq!(there.frame_of("chat_message").await["seq"], count);
    }
    peyk.redis.restart().await;
    post(&peyk, 0, room, &ann, "again").await;
    assert_eq!(there.frame_of("chat_message").await["seq"], 6);
    assert_eq!(numbers(&there.until_pong().await), [0; 0]);
}

#[tokio::test]
async fn a_socket_that_reads_too_slowly_is_closed_and_others_are_not_held_up() {
    let peyk = forgeable().workers(0).set("CHAT__SOCKETS__QUEUE", "64").start().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut deaf = socket(&peyk, 0, room, &bob).await;
    let mut hears = socket(&peyk, 0, room, &ann).await;
    let mut frames = 0;
    // Until what it does not read fills what the kernel holds for it, too.
    let closed = "peyk_sockets_closed_total{reason=\"slow_reader\"}";
    while !metrics(&peyk).await.contains(closed) {
        write_texts(&peyk, room, &ann, 50, &"x".repeat(3_000)).await;
        for _ in 0..50 {
            frames += 1;
            assert_eq!(hears.frame_of("chat_message").await["seq"], frames);
        }
        assert!(frames < 100_000, "it is never closed");
    }
    let mut got = 0;
    let code = loop {
        match deaf.next().await {
            Incoming::Frame(frame) if frame["type"] == "chat_message" => {
                got += 1;
                assert_eq!(frame["seq"], got, "nothing is left out before the end");
            }
            Incoming::Frame(_) => {}
            Incoming::Closed(code, _) => break code,
        }
    };
    assert!(code == 4408 || code == 1006, "{code}");
    assert!(got < frames);
    wait_for("it to be gone", || async {
        metrics(&peyk).await.contains("peyk_sockets_open{scope=\"room\"} 1").then_some(())
    })
    .await;
}

async fn metrics(peyk: &peyk_tests::harness::Peyk) -> String {
    let answer = peyk.client().get(peyk.url("/metrics")).send().await.unwrap();
    answer.text().await.unwrap()
}

//! What passes and is not stored: typing, reading, who is there, signals.

use reqwest::Method;
use serde_json::{Value, json};

use super::steps::{group, old_socket, people, post, socket, try_socket, two_apis};

#[tokio::test]
async fn a_signal_goes_as_it_is_to_other_people_and_to_no_device_of_ones_own() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut ann_here = old_socket(&peyk, 0, room, &ann).await;
    let mut ann_away = socket(&peyk, 1, room, &ann).await;
    let mut bob_here = old_socket(&peyk, 0, room, &bob).await;
    let mut bob_away = socket(&peyk, 1, room, &bob).await;
    // Redis carries it: listen before it is sent.
    fence(&peyk, room, &ann, &mut [&mut ann_here, &mut ann_away, &mut bob_here, &mut bob_away])
        .await;
    let signal = json!({"message_type": "webrtc_signal", "signal": {"type": "offer", "sdp": "v=0"},
        "extra": [1, null]});
    ann_here.send(&signal).await;
    assert_eq!(bob_here.frame().await, signal);
    assert_eq!(bob_away.frame().await, signal);
    assert_eq!(ann_away.until_pong().await, [Value::Null; 0]);
    assert_eq!(ann_here.until_pong().await, [Value::Null; 0]);
    let stored = sqlx::query_scalar("SELECT count(*) FROM chat_messages WHERE room_id = $1");
    let stored: i64 = stored.bind(room).fetch_one(&peyk.database.pool).await.unwrap();
    assert_eq!(stored, 1, "only what made sure that everybody listens");
}

#[tokio::test]
async fn typing_and_reading_reach_the_others_of_the_room() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let other = group(&peyk, &[&ann, &bob]).await;
    let mut ann_here = socket(&peyk, 0, room, &ann).await;
    let mut bob_there = socket(&peyk, 1, room, &bob).await;
    let mut elsewhere = socket(&peyk, 1, other, &bob).await;
    fence(&peyk, room, &ann, &mut [&mut ann_here, &mut bob_there]).await;
    for _ in 0..5 {
        ann_here.send(&json!({"type": "typing"})).await;
    }
    let typing =
        json!({"type": "typing", "room": room, "user_id": ann.id, "on": true, "expires_in": 6});
    assert_eq!(bob_there.frame().await, typing);
    ann_here.send(&json!({"type": "typing", "on": false})).await;
    let stopped = json!({"type": "typing", "room": room, "user_id": ann.id, "on": false});
    assert_eq!(bob_there.frame().await, stopped, "five times in a moment are once");
    bob_there.send(&json!({"type": "read", "seq": 1})).await;
    let read = json!({"type": "read", "room": room, "user_id": bob.id, "seq": 1});
    assert_eq!(ann_here.frame_of("read").await, read);
    assert_eq!(elsewhere.until_pong().await, [Value::Null; 0]);
}

#[tokio::test]
async fn only_those_who_want_it_are_seen_to_be_there() {
    let peyk = two_apis().await;
    let [ann, bob, eve] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob, &eve]).await;
    let shows = "UPDATE room_members SET shows_presence = true WHERE user_id = ANY($1)";
    let shows = sqlx::query(shows).bind([ann.id, bob.id]);
    shows.execute(&peyk.database.pool).await.unwrap();
    let mut eve_here = socket(&peyk, 0, room, &eve).await;
    let presence = |person: i64, on: bool| json!({"type": "presence", "room": room, "user_id": person, "on": on});
    let bob_first = socket(&peyk, 0, room, &bob).await;
    assert_eq!(eve_here.frame().await, presence(bob.id, true));
    let bob_second = socket(&peyk, 0, room, &bob).await;
    bob_first.close().await;
    // Whoever comes hears who is there.
    let mut ann_here = try_socket(&peyk, 0, room, &ann).await.unwrap();
    assert_eq!(ann_here.frame().await, presence(bob.id, true));
    assert_eq!(eve_here.frame().await, presence(ann.id, true), "bob is there all the time");
    bob_second.close().await;
    assert_eq!(eve_here.frame().await, presence(bob.id, false));
}

#[tokio::test]
async fn who_shows_that_they_are_there_is_seen_in_every_process_and_who_hides_it_is_not() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut ann_here = socket(&peyk, 0, room, &ann).await;
    let _bob_there = socket(&peyk, 1, room, &bob).await;
    fence(&peyk, room, &ann, &mut [&mut ann_here]).await;
    let url = format!("{}/api/chat/chatrooms/{room}/presence/", peyk.urls[0]);
    for (method, on) in [(Method::POST, true), (Method::DELETE, false)] {
        let request = peyk.client().request(method, &url).bearer_auth(&bob.token);
        assert_eq!(peyk.send(request).await.status, 200);
        let seen = json!({"type": "presence", "room": room, "user_id": bob.id, "on": on});
        assert_eq!(ann_here.frame_of("presence").await, seen);
    }
}

#[tokio::test]
async fn edits_reactions_and_deletions_come_as_frames() {
    let peyk = two_apis().await;
    let [ann, bob] = people(&peyk).await;
    let room = group(&peyk, &[&ann, &bob]).await;
    let mut here = socket(&peyk, 0, room, &ann).await;
    let mut there = socket(&peyk, 1, room, &bob).await;
    here.send(&json!({"message": "first"})).await;
    let id = here.frame_of("ack").await["id"].clone();
    here.send(&json!({"type": "edit", "id": id, "message": "second"})).await;
    let edited = there.frame_of("message_edited").await;
    assert_eq!(
        (&edited["id"], &edited["message"], &edited["seq"]),
        (&id, &json!("second"), &json!(2))
    );
    there.send(&json!({"type": "react", "id": id, "emoji": "👍"})).await;
    let reaction = here.frame_of("reaction").await;
    assert_eq!((&reaction["id"], &reaction["by"]["id"]), (&id, &json!(bob.id)));
    assert_eq!(reaction["data"]["emoji"], "👍");
    here.send(&json!({"type": "delete", "id": id})).await;
    let deleted = there.frame_of("message_deleted").await;
    assert_eq!((&deleted["id"], &deleted["seq"]), (&id, &json!(4)));
    assert_eq!(deleted.get("message"), None);
}

/// Everybody listens, through Redis too, when they have heard this.
async fn fence(
    peyk: &peyk_tests::harness::Peyk,
    room: i64,
    who: &super::steps::Chatter,
    sockets: &mut [&mut peyk_tests::harness::WebSocket],
) {
    let channel = format!("peyk:room:{room}");
    peyk_tests::harness::wait_for("both processes to listen", || async {
        let mut redis = peyk.redis.connection().await;
        let mut ask = redis::cmd("PUBSUB");
        ask.arg("NUMSUB").arg(&channel);
        let (_, listening): (String, usize) = ask.query_async(&mut redis).await.unwrap();
        (listening == 2).then_some(())
    })
    .await;
    post(peyk, 0, room, who, "fence").await;
    for socket in sockets {
        socket.frame_of("chat_message").await;
    }
}

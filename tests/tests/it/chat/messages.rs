//! Messages over HTTP.

use std::collections::BTreeSet;

use peyk_tests::harness::{Answer, Peyk};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    login_steps::{header, patient, text},
    people::{Person, column},
};

/// A group; the first is its owner.
async fn group(peyk: &Peyk, people: &[&Person]) -> i64 {
    let ids: Vec<_> = people.iter().map(|person| person.id).collect();
    let make = "WITH made AS (
            INSERT INTO rooms (name, head_at, created_at) VALUES ('Group', now(), now())
            RETURNING id),
        members AS (
            INSERT INTO room_members (room_id, user_id, role, levels, joined_at)
            SELECT made.id, m.user_id, CASE m.place WHEN 1 THEN 'owner' ELSE 'member' END, 2, now()
            FROM made, unnest($1::bigint[]) WITH ORDINALITY AS m(user_id, place))
        SELECT id FROM made";
    sqlx::query_scalar(make).bind(ids).fetch_one(&peyk.database.pool).await.unwrap()
}

async fn post(peyk: &Peyk, person: &Person, room: i64, more: Value) -> Answer {
    let mut body = json!({"chat_room": room});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    person.post(peyk, "chat/messages/", &body).await
}

/// The number of a message that is posted.
async fn say(peyk: &Peyk, person: &Person, room: i64, words: &str) -> i64 {
    let posted = post(peyk, person, room, json!({"text": words})).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    posted.json["id"].as_i64().unwrap()
}

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, text(answer, "code")), (status, code.to_owned()), "{answer:?}");
}

/// What is wrong with which field.
fn wrong(answer: &Answer) -> (String, String) {
    assert_refused(answer, 400, "validation");
    let error = &answer.json["errors"][0];
    let member = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (member("field"), member("message"))
}

async fn two(peyk: &Peyk) -> (Person, Person, i64) {
    let (a, b) = (Person::new(peyk).await, Person::new(peyk).await);
    let room = group(peyk, &[&a, &b]).await;
    (a, b, room)
}

#[tokio::test]
async fn a_message_is_answered_as_old_clients_read_it_and_nothing_of_it_can_be_forged() {
    let peyk = patient().start().await;
    let (a, b, room) = two(&peyk).await;
    let forged = json!({"text": " سلام ", "sender": b.id, "read_by": [b.id], "seq": 900,
        "created_at": "2001-01-01T00:00:00Z", "is_deleted": true, "id": 4});
    let posted = post(&peyk, &a, room, forged).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    let message = &posted.json;
    assert_eq!(message["sender"]["id"], a.id);
    assert_eq!((&message["text"], &message["message_type"]), (&json!("سلام"), &json!("text")));
    assert_eq!(
        (&message["file_url"], &message["lat"], &message["lng"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!((&message["seq"], &message["is_deleted"]), (&json!(1), &json!(false)));
    assert_eq!(message["timestamp"], message["created_at"]);
    let of_room = &message["chat_room"];
    assert_eq!((&of_room["id"], &of_room["status"]), (&json!(room), &json!(1)));
    let users: BTreeSet<_> =
        of_room["users"].as_array().unwrap().iter().filter_map(Value::as_i64).collect();
    assert_eq!(users, BTreeSet::from([a.id, b.id]));
    let place = json!({"text": "here", "message_type": "location", "lat": "35.7", "lng": 51.4});
    let place = post(&peyk, &b, room, place).await;
    assert_eq!((&place.json["lat"], &place.json["lng"]), (&json!(35.7), &json!(51.4)));
    // Whoever else is in the room sees the same, newest first, and no number of anybody's.
    let list = b.get(&peyk, &format!("chat/messages/?chat_room={room}")).await;
    assert_eq!(column(&list, "id"), [&place.json["id"], &message["id"]]);
    assert!(!list.json.to_string().contains(&a.mobile[1..]), "{list:?}");
    let id = message["id"].as_i64().unwrap();
    for path in [format!("chat/messages/{id}/"), format!("chat/messages/{id}/?chat_room={room}")] {
        let one = b.get(&peyk, &path).await;
        assert_eq!((one.status, &one.json["id"]), (200, &message["id"]));
    }
    let elsewhere = b.get(&peyk, &format!("chat/messages/{id}/?chat_room={}", room + 1)).await;
    assert_refused(&elsewhere, 404, "not_found");
    assert_eq!(text(&elsewhere, "detail"), "No MessageChat matches the given query.");
    for form in ["chat_room={room}&text=form+text", "chat_room={room}&text=x&lat=&lng="] {
        let url = peyk.url("/api/chat/messages/");
        let request = peyk.client().post(url).bearer_auth(&a.token);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let sent = peyk.send(request.body(form.replace("{room}", &room.to_string()))).await;
        assert_eq!(sent.status, 201, "{sent:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_message_is_said_in_the_old_words() {
    let peyk = patient().set("CHAT__MESSAGE_CHARS", "20").start().await;
    let (a, _, room) = two(&peyk).await;
    for (body, field, sentence) in [
        (json!({}), "text", "This field is required."),
        (json!({"text": ""}), "text", "This field may not be blank."),
        (json!({"text": "  "}), "text", "This field may not be blank."),
        (
            json!({"text": "x".repeat(21)}),
            "text",
            "Ensure this field has no more than 20 characters.",
        ),
        (json!({"text": "a\u{0}b"}), "text", "Null characters are not allowed."),
        (json!({"text": "a\u{1b}[2J"}), "text", "Control characters are not allowed."),
        (
            json!({"text": "a\u{202e}b"}),
            "text",
            "Characters that override the direction of text are not allowed.",
        ),
        (
            json!({"text": "x", "message_type": "video"}),
            "message_type",
            "\"video\" is not a valid choice.",
        ),
        (json!({"text": "x", "lat": "north"}), "lat", "A valid number is required."),
        (
            json!({"text": "x", "lat": 91, "lng": 0}),
            "lat",
            "Ensure this value is less than or equal to 90.",
        ),
        (json!({"text": "x", "message_type": "location"}), "lat", "This field is required."),
        (json!({"text": "x", "chat_room": "abc"}), "chat_room", "A valid integer is required."),
        (
            json!({"text": "x", "client_id": "چ"}),
            "client_id",
            "Only printable ASCII characters are allowed.",
        ),
        (
            json!({"text": "x", "reply_to": 999_999_999}),
            "reply_to",
            "There is no such thing, or not for this message.",
        ),
        (
            json!({"text": "x", "attach_id": 999_999_999}),
            "attach_id",
            "There is no such thing, or not for this message.",
        ),
    ] {
        let answer = post(&peyk, &a, room, body.clone()).await;
        assert_eq!(wrong(&answer), (field.to_owned(), sentence.to_owned()), "{body}");
    }
    let nowhere = a.post(&peyk, "chat/messages/", &json!({"text": "x"})).await;
    assert_eq!(text(&nowhere, "details"), "فیلد chat_room اجباری است.");
    let unknown = post(&peyk, &a, 999_999_999, json!({"text": "x"})).await;
    assert_refused(&unknown, 404, "not_found");
    assert_eq!(text(&unknown, "detail"), "چت‌روم پیدا نشد.");
    let none = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM chat_messages");
    assert_eq!(none.fetch_one(&peyk.database.pool).await.unwrap(), 0);
}

#[tokio::test]
async fn a_message_sent_again_and_again_to_two_apis_is_posted_once() {
    let peyk = patient().apis(2).set("CHAT__RATE", "1000/1m").start().await;
    let (a, b, room) = two(&peyk).await;
    let body = json!({"chat_room": room, "text": "once", "client_id": "c-1"});
    let mut tasks = JoinSet::new();
    for n in 0..30 {
        let url = format!("{}/api/chat/messages/", peyk.urls[n % 2]);
        let request = peyk.client().post(url).bearer_auth(&a.token).json(&body);
        tasks.spawn(async move {
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            (status, answer.json::<Value>().await.unwrap()["id"].as_i64())
        });
    }
    let answers = tasks.join_all().await;
    let made = answers.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(made, 1, "{answers:?}");
    let ids: BTreeSet<_> = answers.iter().map(|(_, id)| *id).collect();
    assert!(ids.len() == 1 && answers.iter().all(|(status, _)| [200, 201].contains(status)));
    let other = post(&peyk, &a, room, json!({"text": "other", "client_id": "c-1"})).await;
    assert_refused(&other, 409, "client_id_used");
    let theirs = post(&peyk, &b, room, json!({"text": "other", "client_id": "c-1"})).await;
    assert_eq!((theirs.status, &theirs.json["seq"]), (201, &json!(2)));
}

#[tokio::test]
async fn a_list_goes_on_where_its_next_page_says_and_is_empty_for_everybody_else() {
    let peyk = patient().start().await;
    let (a, b, room) = two(&peyk).await;
    let stranger = Person::new(&peyk).await;
    let mut posted = Vec::new();
    for n in 0..5 {
        posted.push(json!(say(&peyk, &a, room, &n.to_string()).await));
    }
    let (mut seen, mut path) = (Vec::new(), format!("chat/messages/?chat_room={room}&limit=2"));
    loop {
        let page = b.get(&peyk, &path).await;
        seen.extend(column(&page, "id").into_iter().cloned());
        let Some(next) = page.json["next"].as_str() else { break };
        path = next.split_once("/api/").unwrap().1.to_owned();
    }
    posted.reverse();
    assert_eq!(seen, posted);
    for path in [
        format!("chat/messages/?chat_room={room}"),
        "chat/messages/?chat_room=999999999".to_owned(),
        "chat/messages/".to_owned(),
    ] {
        let page = stranger.get(&peyk, &path).await;
        assert_eq!(page.json, json!({"next": null, "previous": null, "results": []}), "{path}");
    }
    let odd = a.get(&peyk, "chat/messages/?chat_room=abc").await;
    assert_eq!(odd.status, 400, "{odd:?}");
}

#[tokio::test]
async fn an_edit_is_seen_and_a_deletion_leaves_nothing_but_the_place() {
    let peyk = patient().start().await;
    let (a, b, room) = two(&peyk).await;
    let id = say(&peyk, &a, room, "first words").await;
    let path = format!("chat/messages/{id}/");
    let edited = a.ask(&peyk, Method::PATCH, &path, Some(&json!({"text": "second words"}))).await;
    assert_eq!((edited.status, &edited.json["text"]), (200, &json!("second words")));
    assert!(edited.json["edited_at"].is_string(), "{edited:?}");
    let blank = a.ask(&peyk, Method::PUT, &path, Some(&json!({"text": ""}))).await;
    assert_eq!(wrong(&blank).1, "This field may not be blank.");
    let missing = a.ask(&peyk, Method::PATCH, &path, Some(&json!({}))).await;
    assert_eq!(wrong(&missing).1, "This field is required.");
    let reactions = format!("{path}reactions/");
    let liked = b.post(&peyk, &reactions, &json!({"emoji": "👍"})).await;
    assert_eq!(liked.json, json!({"reactions": [{"emoji": "👍", "count": 1, "mine": true}]}));
    let seen = a.get(&peyk, &path).await;
    assert_eq!(seen.json["reactions"], json!([{"emoji": "👍", "count": 1, "mine": false}]));
    let bad = b.post(&peyk, &reactions, &json!({"emoji": "not one"})).await;
    assert_eq!(wrong(&bad).0, "emoji");
    let gone = a.ask(&peyk, Method::DELETE, &path, None).await;
    assert_eq!((gone.status, gone.json), (204, Value::Null));
    for answer in [a.get(&peyk, &path).await, a.ask(&peyk, Method::DELETE, &path, None).await] {
        assert_refused(&answer, 404, "not_found");
    }
    let list = b.get(&peyk, &format!("chat/messages/?chat_room={room}")).await;
    assert!(column(&list, "id").is_empty());
    let log = b.get(&peyk, &format!("chat/chatrooms/{room}/events/")).await;
    let kinds: Vec<_> = column(&log, "type").into_iter().filter_map(Value::as_str).collect();
    assert_eq!(kinds, ["chat_message", "message_edited", "reaction", "message_deleted"]);
    assert!(!log.json.to_string().contains("words"), "{log:?}");
    assert_eq!(log.json["results"][0]["is_deleted"], true);
}

#[tokio::test]
async fn a_client_that_comes_back_reads_on_where_it_was() {
    let peyk = patient().start().await;
    let (a, b, room) = two(&peyk).await;
    for n in 0..5 {
        say(&peyk, &a, room, &n.to_string()).await;
    }
    let mut path = format!("chat/chatrooms/{room}/events/?since=1&limit=2");
    let mut seen = Vec::new();
    loop {
        let page = b.get(&peyk, &path).await;
        seen.extend(column(&page, "seq").into_iter().filter_map(Value::as_i64));
        let Some(next) = page.json["next"].as_str() else { break };
        path = next.split_once("/api/").unwrap().1.to_owned();
    }
    assert_eq!(seen, [2, 3, 4, 5]);
    let read = |body: Value| {
        let (peyk, b) = (&peyk, &b);
        async move { b.post(peyk, &format!("chat/chatrooms/{room}/read/"), &body).await.json }
    };
    assert_eq!(read(json!({"seq": 2})).await, json!({"seq": 2, "unread_count": 3}));
    assert_eq!(read(json!({"seq": 1})).await, json!({"seq": 2, "unread_count": 3}));
    assert_eq!(read(json!({"seq": "900"})).await, json!({"seq": 5, "unread_count": 0}));
    say(&peyk, &b, room, "own").await;
    say(&peyk, &a, room, "other").await;
    assert_eq!(read(json!({"seq": 5})).await, json!({"seq": 5, "unread_count": 1}));
    assert_eq!(read(json!({})).await, json!({"seq": 7, "unread_count": 0}));
    let two = b
        .post(&peyk, &format!("chat/chatrooms/{room}/read/"), &json!({"seq": 1, "message_id": 1}))
        .await;
    assert_eq!(wrong(&two).0, "message_id");
}

#[tokio::test]
async fn whoever_writes_too_much_waits_and_so_do_members_of_a_slow_room() {
    let peyk = patient().set("CHAT__RATE", "3/1h").start().await;
    let (a, b, room) = two(&peyk).await;
    let id = say(&peyk, &a, room, "1").await;
    let path = format!("chat/messages/{id}/");
    let edited = a.ask(&peyk, Method::PATCH, &path, Some(&json!({"text": "2"}))).await;
    assert_eq!(edited.status, 200, "{edited:?}");
    let liked = a.post(&peyk, &format!("{path}reactions/"), &json!({"emoji": "x"})).await;
    assert_eq!(liked.status, 200, "{liked:?}");
    let more = post(&peyk, &a, room, json!({"text": "4"})).await;
    assert_refused(&more, 429, "rate_limited");
    assert!(header(&more, "retry-after").is_some() && header(&more, "ratelimit").is_some());
    // What is refused before it is counted costs nothing, and others have their own share.
    let slow = "UPDATE rooms SET slow_seconds = 600 WHERE id = $1";
    sqlx::query(slow).bind(room).execute(&peyk.database.pool).await.unwrap();
    for _ in 0..5 {
        assert_eq!(wrong(&post(&peyk, &b, room, json!({"text": ""})).await).0, "text");
    }
    say(&peyk, &b, room, "first").await;
    let early = post(&peyk, &b, room, json!({"text": "second"})).await;
    assert_refused(&early, 429, "slow_mode");
    let wait: u64 = header(&early, "retry-after").unwrap().parse().unwrap();
    assert!((400..=600).contains(&wait), "{wait}");
    let gone = a.ask(&peyk, Method::DELETE, &path, None).await;
    assert_eq!(gone.status, 204, "deleting is not counted: {gone:?}");
}

#[tokio::test]
async fn messages_are_found_by_their_words_in_ones_own_rooms() {
    let peyk = patient().start().await;
    let (a, b, room) = two(&peyk).await;
    let stranger = Person::new(&peyk).await;
    let other = group(&peyk, &[&stranger]).await;
    let first = say(&peyk, &a, room, "كتاب‌هاي من").await;
    let second = say(&peyk, &b, room, "کتابهای شما ۱۲۳").await;
    let hidden = say(&peyk, &stranger, other, "کتابهای او 123").await;
    let find = |person: &Person, query: String| {
        let (peyk, person) = (&peyk, person.clone());
        async move {
            let page = person.get(peyk, &format!("chat/messages/search/?{query}")).await;
            column(&page, "id").into_iter().filter_map(Value::as_i64).collect::<Vec<_>>()
        }
    };
    assert_eq!(find(&a, "q=کتاب".to_owned()).await, [second, first]);
    assert_eq!(find(&a, "q=123".to_owned()).await, [second]);
    assert_eq!(find(&a, format!("q=کتاب&chat_room={room}&limit=1")).await, [second]);
    assert_eq!(find(&a, format!("q=کتاب&before={second}")).await, [first]);
    assert!(find(&a, format!("q=کتاب&chat_room={other}")).await.is_empty());
    assert!(find(&a, "q=...".to_owned()).await.is_empty());
    assert_eq!(find(&stranger, "q=کتاب".to_owned()).await, [hidden]);
    let page = a.get(&peyk, "chat/messages/search/?q=کتاب&limit=1").await;
    let next = page.json["next"].as_str().unwrap().split_once("/api/").unwrap().1.to_owned();
    assert_eq!(column(&a.get(&peyk, &next).await, "id"), [first]);
    let long = format!("chat/messages/search/?q={}", "x".repeat(201));
    assert_eq!(a.get(&peyk, &long).await.status, 400);
}

#[tokio::test]
async fn messages_are_posted_while_redis_is_away() {
    let mut peyk = patient().start().await;
    let (a, b, room) = two(&peyk).await;
    peyk.redis.kill();
    let id = say(&peyk, &a, room, "still here").await;
    let list = b.get(&peyk, &format!("chat/messages/?chat_room={room}")).await;
    assert_eq!(column(&list, "id"), [&json!(id)]);
}

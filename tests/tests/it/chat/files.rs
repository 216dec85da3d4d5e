//! Files over HTTP.

use std::path::{Path, PathBuf};

use peyk_tests::{
    harness::{Answer, Peyk, wait_for},
    multipart::Form,
};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::{
    login_steps::{header, patient, text},
    people::Person,
};

/// A megabyte, as settings count.
pub(super) const MB: usize = 1 << 20;

/// The smallest PNG, with a place on earth in it.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\x0atEXtGPS\0Tehrancsum\
    \0\0\0\rIDATx\x9cc\xf8\xff\xff?\0\x05\xfe\x02\xfe\xa7csum\0\0\0\0IEND\xaeB`\x82";

/// What stays of it.
fn picture() -> Vec<u8> {
    let at = PNG.windows(4).position(|four| four == b"tEXt").unwrap() - 4;
    [&PNG[..at], &PNG[at + 12 + 10..]].concat()
}

/// A group; the first is its owner.
pub(super) async fn group(peyk: &Peyk, people: &[&Person]) -> i64 {
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

pub(super) async fn send(peyk: &Peyk, person: &Person, form: Form) -> Answer {
    let request = peyk.client().post(peyk.url("/api/message/file/upload/"));
    let request = request.bearer_auth(&person.token).header("Content-Type", Form::content_type());
    // Some are large, and the machine may be busy.
    let request = request.timeout(std::time::Duration::from_mins(2));
    peyk.send(request.body(form.body())).await
}

pub(super) async fn upload(
    peyk: &Peyk,
    person: &Person,
    room: i64,
    called: &str,
    content: &[u8],
) -> Answer {
    let form = Form::default().field("chatroom", &room.to_string());
    send(peyk, person, form.file("file", called, None, content)).await
}

/// The number and the path of a file that is taken.
pub(super) async fn uploaded(
    peyk: &Peyk,
    person: &Person,
    room: i64,
    called: &str,
    content: &[u8],
) -> (i64, String) {
    let answer = upload(peyk, person, room, called, content).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    (answer.json["id"].as_i64().unwrap(), text(&answer, "file"))
}

/// What is at an address, for whoever has it.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) async fn get(peyk: &Peyk, path: &str, headers: &[(&str, &str)]) -> Got {
    let request = peyk.client().get(peyk.url(path));
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Got { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

pub(super) async fn rows(peyk: &Peyk) -> i64 {
    let count = "SELECT count(*) FROM attachments";
    sqlx::query_scalar(count).fetch_one(&peyk.database.pool).await.unwrap()
}

/// Every file in the folder, hidden ones too.
fn stored(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(stored(&path)) } else { found.push(path) }
    }
    found
}

fn wrong(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 400, "{answer:?}");
    let error = &answer.json["errors"][0];
    let member = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (member("field"), member("message"))
}

#[tokio::test]
async fn a_picture_is_uploaded_posted_once_and_got_by_whoever_has_its_address() {
    let peyk = patient().start().await;
    let (a, b) = (Person::new(&peyk).await, Person::new(&peyk).await);
    let room = group(&peyk, &[&a, &b]).await;
    let other = group(&peyk, &[&a]).await;
    let form = Form::default().field("chatroom", &room.to_string()).field("text", " عکس ");
    let answer = send(&peyk, &a, form.file("file", "../عکس.png", Some("text/html"), PNG)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let file = &answer.json;
    assert_eq!((&file["chatroom"], &file["text"]), (&json!(room), &json!("عکس")));
    assert_eq!((&file["name"], &file["mime"]), (&json!("عکس.png"), &json!("image/png")));
    assert_eq!(file["bytes"], picture().len());
    // To a message of its uploader's in its room, once.
    let with =
        |room: i64| json!({"chat_room": room, "message_type": "image", "attach_id": file["id"]});
    for (person, room) in [(&b, room), (&a, other)] {
        let refused = person.post(&peyk, "chat/messages/", &with(room)).await;
        assert_eq!(wrong(&refused).0, "attach_id");
    }
    let posted = a.post(&peyk, "chat/messages/", &with(room)).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    let again = a.post(&peyk, "chat/messages/", &with(room)).await;
    assert_eq!(wrong(&again).0, "attach_id");
    // The other member reads its address in the message; the address alone opens it.
    let list = b.get(&peyk, &format!("chat/messages/?chat_room={room}")).await;
    let url = list.json["results"][0]["file_url"].as_str().unwrap();
    let (_, path) = url.split_once("/media/").unwrap();
    let path = format!("/media/{path}");
    let got = get(&peyk, &path, &[]).await;
    assert_eq!((got.status, got.body.as_slice()), (200, picture().as_slice()));
    for (name, expected) in [
        ("content-type", "image/png"),
        (
            "content-disposition",
            "inline; filename=\"___.png\"; filename*=UTF-8''%D8%B9%DA%A9%D8%B3.png",
        ),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("cache-control", "private, max-age=3600, immutable"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(got.header(name), expected, "{name}");
    }
    assert_eq!(got.header("content-length"), picture().len().to_string());
    // A part, and nothing if it is known.
    let part = get(&peyk, &path, &[("Range", "bytes=1-3")]).await;
    assert_eq!((part.status, part.body.as_slice()), (206, b"PNG".as_slice()));
    assert_eq!(part.header("content-range"), format!("bytes 1-3/{}", picture().len()));
    let beyond = get(&peyk, &path, &[("Range", "bytes=900-")]).await;
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{}", picture().len()));
    let known = get(&peyk, &path, &[("If-None-Match", got.header("etag"))]).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let head = peyk.client().head(peyk.url(&path)).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), head.headers()["content-type"].to_str().unwrap()),
        (200, "image/png")
    );
    // With its message it is gone.
    let id = posted.json["id"].as_i64().unwrap();
    a.ask(&peyk, reqwest::Method::DELETE, &format!("chat/messages/{id}/"), None).await;
    assert_eq!(get(&peyk, &path, &[]).await.status, 404);
}

#[tokio::test]
async fn only_who_may_write_in_a_room_uploads_to_it_and_a_refusal_leaves_nothing() {
    let peyk = patient().start().await;
    let (a, b, stranger) =
        (Person::new(&peyk).await, Person::new(&peyk).await, Person::new(&peyk).await);
    let room = group(&peyk, &[&a, &b]).await;
    let unknown = room + 1_000;
    let theirs = upload(&peyk, &stranger, room, "a.txt", b"x").await;
    let nobodys = upload(&peyk, &stranger, unknown, "a.txt", b"x").await;
    let sentence = |room| format!("Invalid pk \"{room}\" - object does not exist.");
    assert_eq!(wrong(&theirs), ("chatroom".to_owned(), sentence(room)));
    assert_eq!(wrong(&nobodys), ("chatroom".to_owned(), sentence(unknown)));
    let ban = "INSERT INTO room_bans (room_id, user_id, created_at) VALUES ($1, $2, now())";
    sqlx::query(ban).bind(room).bind(b.id).execute(&peyk.database.pool).await.unwrap();
    let banned = upload(&peyk, &b, room, "a.txt", b"x").await;
    assert_eq!((banned.status, text(&banned, "code")), (403, "banned".to_owned()));
    let close = "UPDATE rooms SET status = 2 WHERE id = $1";
    sqlx::query(close).bind(room).execute(&peyk.database.pool).await.unwrap();
    let closed = upload(&peyk, &a, room, "a.txt", b"x").await;
    assert_eq!((closed.status, text(&closed, "code")), (403, "room_closed".to_owned()));
    let form = Form::default().field("chatroom", "1").file("file", "a.txt", None, b"x");
    let nobody = peyk.client().post(peyk.url("/api/message/file/upload/"));
    let nobody = nobody.header("Content-Type", Form::content_type()).body(form.body());
    assert_eq!(peyk.send(nobody).await.status, 401);
    assert_eq!((rows(&peyk).await, stored(peyk.files())), (0, Vec::new()));
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_said_and_its_parts_come_in_any_order() {
    let peyk = patient().start().await;
    let a = Person::new(&peyk).await;
    let room = group(&peyk, &[&a]).await;
    let named = || Form::default().field("chatroom", &room.to_string());
    let file = |form: Form| form.file("file", "a.txt", None, b"x");
    for (form, field, message) in [
        (named(), "file", "No file was submitted."),
        (
            named().field("file", "x"),
            "file",
            "The submitted data was not a file. Check the encoding type on the form.",
        ),
        (named().file("file", "a.txt", None, b""), "file", "The submitted file is empty."),
        (named().file("file", "a.png", None, b"x"), "file", "The file is not what its name says."),
        (
            named().file("file", "a.png", None, &PNG[..60]),
            "file",
            "Upload a valid image. The file you uploaded was either not an image or a corrupted image.",
        ),
        (file(Form::default()), "chatroom", "This field is required."),
        (file(Form::default().field("chatroom", "")), "chatroom", "This field may not be null."),
        (
            file(Form::default().field("chatroom", "x")),
            "chatroom",
            "Incorrect type. Expected pk value, received str.",
        ),
        (
            file(named()).field("text", &"x".repeat(4_001)),
            "text",
            "Ensure this field has no more than 4000 characters.",
        ),
        (file(file(named())), "file", "Only one file can be submitted."),
    ] {
        let answer = send(&peyk, &a, form).await;
        assert_eq!(wrong(&answer), (field.to_owned(), message.to_owned()));
    }
    let both = send(&peyk, &a, Form::default()).await;
    assert_eq!(both.json["file"], json!(["No file was submitted."]));
    assert_eq!(both.json["chatroom"], json!(["This field is required."]));
    // What a refused upload left is removed behind its answer.
    wait_for("no rows", || async { (rows(&peyk).await == 0).then_some(()) }).await;
    wait_for("no files", || async { stored(peyk.files()).is_empty().then_some(()) }).await;
    let form = Form::default().file("file", "a.txt", None, b"hello").field("text", "t");
    let answer = send(&peyk, &a, form.field("chatroom", &room.to_string())).await;
    assert_eq!((answer.status, text(&answer, "text")), (201, "t".to_owned()), "{answer:?}");
    assert_eq!(get(&peyk, &text(&answer, "file"), &[]).await.body, b"hello");
    let json = a.post(&peyk, "message/file/upload/", &json!({"chatroom": room})).await;
    assert_eq!(json.status, 415);
    let refused = a.get(&peyk, "message/file/upload/").await;
    assert_eq!((refused.status, header(&refused, "allow")), (405, Some("POST, OPTIONS")));
}

#[tokio::test]
async fn a_room_gets_a_picture_that_its_owner_uploaded_and_no_message_has_it() {
    let peyk = patient().start().await;
    let (a, b) = (Person::new(&peyk).await, Person::new(&peyk).await);
    let room = group(&peyk, &[&a, &b]).await;
    let (theirs, _) = uploaded(&peyk, &b, room, "a.png", PNG).await;
    let (words, _) = uploaded(&peyk, &a, room, "a.txt", b"x").await;
    let (mine, _) = uploaded(&peyk, &a, room, "a.png", PNG).await;
    let room_path = format!("chat/chatrooms/{room}/");
    let set = async |person: &Person, id: Value| {
        let body = json!({"avatar_id": id});
        person.ask(&peyk, reqwest::Method::PATCH, &room_path, Some(&body)).await
    };
    for id in [theirs, words, mine + 1_000] {
        assert_eq!(wrong(&set(&a, json!(id)).await).0, "avatar_id");
    }
    assert_eq!(set(&b, json!(theirs)).await.status, 403);
    let changed = set(&a, json!(mine)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let path = text(&changed, "avatar_url").split_once("/media/").unwrap().1.to_owned();
    assert_eq!(get(&peyk, &format!("/media/{path}"), &[]).await.body, picture());
    let message = json!({"chat_room": room, "message_type": "image", "attach_id": mine});
    assert_eq!(wrong(&a.post(&peyk, "chat/messages/", &message).await).0, "attach_id");
    assert_eq!(set(&a, Value::Null).await.json["avatar_url"], Value::Null);
    assert_eq!(get(&peyk, &format!("/media/{path}"), &[]).await.status, 404);
}

#[tokio::test]
async fn nothing_that_is_uploaded_runs_in_a_browser() {
    let peyk = patient().start().await;
    let a = Person::new(&peyk).await;
    let room = group(&peyk, &[&a]).await;
    for (called, content) in [
        ("x.html", b"<!DOCTYPE html><script>alert(1)</script>".as_slice()),
        ("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("x.js", b"alert(1)"),
        ("x.html", PNG),
        ("x", b"<html><script>alert(1)</script></html>"),
    ] {
        let (_, path) = uploaded(&peyk, &a, room, called, content).await;
        let got = get(&peyk, &path, &[]).await;
        assert_eq!(got.status, 200);
        assert_eq!(got.header("content-type"), "application/octet-stream", "{called}");
        assert!(got.header("content-disposition").starts_with("attachment; "), "{called}");
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert_eq!(got.header("content-security-policy"), "default-src 'none'; sandbox");
        assert!(path.rsplit('.').next() == Some("bin"), "{path}");
    }
}

#[tokio::test]
async fn only_an_address_that_was_made_here_opens_a_file() {
    let peyk = patient().start().await;
    let a = Person::new(&peyk).await;
    let room = group(&peyk, &[&a]).await;
    let (_, path) = uploaded(&peyk, &a, room, "a.txt", b"hello").await;
    let (_, another) = uploaded(&peyk, &a, room, "b.txt", b"hello").await;
    let parts = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (parts(&path), parts(&another));
    let later = (one[1].parse::<i64>().unwrap() + 3_600).to_string();
    for forged in [
        format!("{}.{}.{}.txt", one[0], later, one[2]),
        format!("{}.{}.{}.txt", one[0], one[1], other[2]),
        format!("{}.{}.{}.html", one[0], one[1], one[2]),
        format!("{}.txt", one[0]),
        path.replace("/media/uploads/chat_files/20", "/media/uploads/chat_files/19"),
        "/media/uploads/chat_files/2026/01/01/..%2f..%2f..%2fpeyk.toml".to_owned(),
    ] {
        let got = get(&peyk, &forged, &[]).await;
        let problem: Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!((got.status, &problem["code"]), (404, &json!("not_found")), "{forged}");
    }
    assert_eq!(get(&peyk, &path, &[]).await.status, 200);
    // Neither the log nor the database has a signature in it.
    assert!(!peyk.output().contains(&one[2]));
}

//! Uploads that are large, many or cut off, and where their bytes end.

use std::time::Duration;

use peyk_tests::{
    fake::{FakeS3, S3_KEY},
    harness::{Peyk, wait_for},
    multipart::Form,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use super::files::{MB, get, group, rows, send, upload, uploaded};
use crate::{
    login_steps::{patient, text},
    people::Person,
};

/// What many megabytes may take on a busy machine.
const LONG: Duration = Duration::from_mins(3);

/// How often a process is looked at while it works.
const LOOK: Duration = Duration::from_millis(20);

/// Bytes that no compression and no sharing makes fewer.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// Sends the head of an upload and some of its body, and no more.
async fn half_an_upload(peyk: &Peyk, person: &Person, room: i64, bytes: usize) -> TcpStream {
    let host = peyk.urls[0].trim_start_matches("http://");
    let form = Form::default().field("chatroom", &room.to_string());
    let body = form.file("file", "a.bin", None, &noise(bytes)).half_a_body();
    let head = format!(
        "POST /api/message/file/upload/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: {}\r\nContent-Length: {}\r\n\r\n",
        person.token,
        Form::content_type(),
        body.len() + MB,
    );
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream
}

fn stored_files(peyk: &Peyk) -> usize {
    fn count(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
    }
    count(peyk.files())
}

#[tokio::test]
async fn large_uploads_pass_through_without_filling_the_memory() {
    let peyk = patient().start().await;
    let a = Person::new(&peyk).await;
    let room = group(&peyk, &[&a]).await;
    // What the first upload needs once is not what the others need each.
    uploaded(&peyk, &a, room, "a.bin", &noise(MB)).await;
    let before = peyk.apis[0].resident_bytes();
    let content = noise(20 * MB);
    let mut uploads = JoinSet::new();
    for _ in 0..5 {
        let form = Form::default().field("chatroom", &room.to_string());
        let body = form.file("file", "a.bin", None, &content).body();
        let request = peyk.client().post(peyk.url("/api/message/file/upload/"));
        let request = request.bearer_auth(&a.token).header("Content-Type", Form::content_type());
        uploads.spawn(request.timeout(LONG).body(body).send());
    }
    let mut most = before;
    let mut statuses = Vec::new();
    while !uploads.is_empty() {
        let ended = tokio::time::timeout(LOOK, uploads.join_next()).await;
        most = most.max(peyk.apis[0].resident_bytes());
        if let Ok(Some(ended)) = ended {
            statuses.push(ended.unwrap().unwrap().status().as_u16());
        }
    }
    assert_eq!(statuses, [201; 5]);
    let grown = (most - before) / MB as u64;
    assert!(grown < 30, "the api grew by {grown} MB");
    let all = "SELECT count(*) FROM attachments WHERE bytes = $1";
    let all = sqlx::query_scalar::<_, i64>(all).bind(i64::try_from(20 * MB).unwrap());
    assert_eq!(all.fetch_one(&peyk.database.pool).await.unwrap(), 5);
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_refused_and_leaves_nothing() {
    let peyk = patient().set("CHAT__FILES__MAX_MB", "2").set("CHAT__FILES__DAILY_MB", "3");
    let peyk = peyk.start().await;
    let a = Person::new(&peyk).await;
    let room = group(&peyk, &[&a]).await;
    for bytes in [2 * MB + 1, 3 * MB] {
        let refused = upload(&peyk, &a, room, "a.bin", &noise(bytes)).await;
        assert_eq!((refused.status, text(&refused, "code")), (413, "payload_too_large".to_owned()));
        // The same before the room is known.
        let form = Form::default().file("file", "a.bin", None, &noise(bytes));
        let refused = send(&peyk, &a, form.field("chatroom", &room.to_string())).await;
        assert_eq!(refused.status, 413);
    }
    wait_for("no rows", || async { (rows(&peyk).await == 0).then_some(()) }).await;
    wait_for("no files", || async { (stored_files(&peyk) == 0).then_some(()) }).await;
    uploaded(&peyk, &a, room, "a.bin", &noise(2 * MB)).await;
    let over = upload(&peyk, &a, room, "a.bin", &noise(MB)).await;
    assert_eq!((over.status, text(&over, "code")), (429, "daily_upload_limit".to_owned()));
    // Somebody else has a share of their own, and a little is left of this one.
    uploaded(&peyk, &a, room, "a.bin", &noise(MB / 2)).await;
    let b = Person::new(&peyk).await;
    let other = group(&peyk, &[&b]).await;
    uploaded(&peyk, &b, other, "a.bin", &noise(MB)).await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let peyk = patient().start().await;
    let a = Person::new(&peyk).await;
    let room = group(&peyk, &[&a]).await;
    let stream = half_an_upload(&peyk, &a, room, 2 * MB).await;
    wait_for("the row", || async { (rows(&peyk).await == 1).then_some(()) }).await;
    drop(stream);
    wait_for("no rows", || async { (rows(&peyk).await == 0).then_some(()) }).await;
    wait_for("no files", || async { (stored_files(&peyk) == 0).then_some(()) }).await;
}

#[tokio::test]
async fn an_api_killed_in_the_middle_of_an_upload_leaves_nothing_that_the_purge_does_not_find() {
    let mut peyk = patient().start().await;
    let a = Person::new(&peyk).await;
    let room = group(&peyk, &[&a]).await;
    let (kept, _) = uploaded(&peyk, &a, room, "a.bin", &noise(100)).await;
    let _stream = half_an_upload(&peyk, &a, room, 2 * MB).await;
    wait_for("a file on its way", || async { (stored_files(&peyk) == 2).then_some(()) }).await;
    peyk.apis[0].kill().await;
    let age = "UPDATE attachments SET created_at = created_at - interval '25 hours' WHERE id <> $1";
    sqlx::query(age).bind(kept).execute(&peyk.database.pool).await.unwrap();
    let (done, output) = peyk.run("worker", &["cron", "run", "purge-unused-files"]).await;
    assert!(done, "{output}");
    assert_eq!((rows(&peyk).await, stored_files(&peyk)), (1, 1));
}

#[tokio::test]
async fn files_are_kept_in_a_store_that_speaks_s3() {
    let s3 = FakeS3::start().await;
    let mut peyk = patient()
        .set("CHAT__FILES__STORAGE", "s3://bucket/files")
        .set("CHAT__FILES__S3__ENDPOINT", s3.url())
        .set("CHAT__FILES__S3__ACCESS_KEY", S3_KEY)
        .set("CHAT__FILES__S3__SECRET_KEY", "not-in-any-log")
        .start()
        .await;
    let a = Person::new(&peyk).await;
    let room = group(&peyk, &[&a]).await;
    // One of a single part, one of several.
    for bytes in [100, 12 * MB] {
        let content = noise(bytes);
        let (_, path) = uploaded(&peyk, &a, room, "a.bin", &content).await;
        assert!(get(&peyk, &path, &[]).await.body == content);
        let part = get(&peyk, &path, &[("Range", "bytes=50-59")]).await;
        assert_eq!((part.status, part.body.as_slice()), (206, &content[50..60]));
    }
    let names: Vec<_> = s3.objects().into_keys().collect();
    assert_eq!((names.len(), s3.waiting_parts()), (2, 0));
    assert!(names.iter().all(|name| name.starts_with("/bucket/files/")), "{names:?}");
    // While it is away there is a word for it, and nothing is left.
    s3.set_down(true);
    let refused = upload(&peyk, &a, room, "a.bin", b"x").await;
    assert_eq!((refused.status, text(&refused, "code")), (503, "unavailable".to_owned()));
    s3.set_down(false);
    // An upload that is killed leaves parts, which the purge finds by its row.
    let _stream = half_an_upload(&peyk, &a, room, 6 * MB).await;
    wait_for("a part", || async { (s3.waiting_parts() == 1).then_some(()) }).await;
    peyk.apis[0].kill().await;
    let age = "UPDATE attachments SET message_id = id WHERE stored_at IS NOT NULL";
    sqlx::query(age).execute(&peyk.database.pool).await.unwrap();
    let age = "UPDATE attachments SET created_at = created_at - interval '25 hours'";
    sqlx::query(age).execute(&peyk.database.pool).await.unwrap();
    let (done, output) = peyk.run("worker", &["cron", "run", "purge-unused-files"]).await;
    assert!(done, "{output}");
    assert_eq!((rows(&peyk).await, s3.waiting_parts(), s3.objects().len()), (2, 0, 2));
    assert!(!peyk.output().contains("not-in-any-log"));
}

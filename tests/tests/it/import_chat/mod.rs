//! `api import-django`: rooms, what was said in them, and files.

use peyk_tests::harness::Peyk;
use serde_json::{Value, json};

use super::import_steps::{Old, empty_peyk, import};

mod old;

use self::old::{PNG, Site, files, messages, picture, rooms, stored, texts};

/// Accounts 1 to 12, of which 10 has a bad number, with rooms of every kind.
async fn fill(site: &Site) {
    site.old.accounts(12).await;
    site.room(3, 1, &[2, 1]).await;
    site.list("pinned_for", 3, 1).await;
    site.room(4, 1, &[1, 2, 3, 5]).await;
    site.old.execute("UPDATE drfchelseru_chatroom SET name = 'دوستان' WHERE id = 4").await;
    for (id, access, people) in [(1, 3, &[2][..]), (2, 12, &[2, 9]), (3, 0, &[3])] {
        site.level(id, 4, access, people).await;
    }
    site.list("banneds", 4, 5).await;
    site.room(5, 2, &[1, 2]).await;
    site.room(6, 3, &[1, 10]).await;
    site.room(7, 1, &[10]).await;
    for (id, room, sender, kind, text) in [
        (11, 3, 1, "text", "سلام 🌷"),
        (12, 4, 2, "text", "first"),
        (13, 3, 2, "image", ""),
        (14, 3, 1, "location", ""),
        (15, 3, 2, "file", "a page"),
        (16, 6, 10, "text", "of nobody"),
        (17, 7, 1, "text", "nowhere"),
        (18, 4, 5, "voice", "of who is banned"),
        (19, 3, 1, "text", "the last"),
    ] {
        site.message(id, room, sender, kind, text).await;
    }
    site.old
        .execute("UPDATE drfchelseru_messagechat SET lat = 35.7, lng = 51.4 WHERE id = 14")
        .await;
}

/// Files of every kind that comes and that does not.
async fn fill_files(site: &Site) {
    let page = b"<script>alert(1)</script>";
    for (id, place, message, name, content) in [
        (21, (3, 2), Some(13), "uploads/عکس.png", Some(PNG)),
        (22, (3, 2), Some(15), "uploads/page.html", Some(&page[..])),
        (23, (3, 2), Some(15), "uploads/second.txt", Some(b"x")),
        (24, (3, 1), None, "uploads/unused.png", Some(PNG)),
        (25, (3, 1), Some(11), "uploads/lies.png", Some(page)),
        (26, (4, 2), Some(12), "uploads/gone.png", None),
        (27, (3, 1), Some(12), "uploads/foreign.png", Some(PNG)),
        (28, (6, 10), Some(16), "uploads/nobody.png", Some(PNG)),
        (29, (3, 1), Some(14), "../secret.txt", None),
        (30, (3, 1), Some(19), "uploads/half.png", Some(&PNG[..40])),
    ] {
        site.file(id, place, message, name, content).await;
    }
    std::fs::write(site.media.with_file_name("secret.txt"), "s").unwrap();
}

fn expected_rooms() -> [&'static str; 4] {
    [
        "3|1+2|-|1|5|03-01 10:00:00.000003|03-02 10:00:00.000003|1:o:8190:5:pin 2:o:8190:5|-",
        "4|group|دوستان|1|2|03-01 10:00:00.000004|03-02 10:00:00.000004|1:m:2:2 2:o:8190:2 3:m:1:2|5",
        "5|group|-|2|0|03-01 10:00:00.000005|03-02 10:00:00.000005|1:o:8190:0 2:m:2:0|-",
        "6|group|-|3|0|03-01 10:00:00.000006|03-02 10:00:00.000006|1:o:8190:0|-",
    ]
}

fn expected_messages() -> [&'static str; 7] {
    [
        "11|3|1|1|text|سلام 🌷|-|-|11:00:00.000011",
        "12|4|1|2|text|first|-|-|11:00:00.000012",
        "13|3|2|2|image||-|21|11:00:00.000013",
        "14|3|3|1|location||35.7,51.4|-|11:00:00.000014",
        "15|3|4|2|file|a page|-|22|11:00:00.000015",
        "18|4|2|5|text|of who is banned|-|-|11:00:00.000018",
        "19|3|5|1|text|the last|-|-|11:00:00.000019",
    ]
}

fn expected_files() -> [(String, Vec<u8>); 2] {
    let page = b"<script>alert(1)</script>".to_vec();
    let picture = picture();
    [
        (format!("21|3|2|13|عکس.png|image/png|of 21|{}|t|f", picture.len()), picture),
        ("22|3|2|15|page.html|application/octet-stream|of 22|25|t|f".to_owned(), page),
    ]
}

async fn assert_all_is_here(peyk: &Peyk) {
    assert_eq!(rooms(peyk).await, expected_rooms());
    assert_eq!(messages(peyk).await, expected_messages());
    assert_eq!(files(peyk).await, expected_files());
    assert_eq!(stored(peyk.files()), 2, "nothing is stored that no row knows");
}

#[tokio::test]
async fn rooms_messages_and_files_come_and_what_does_not_is_said() {
    for old in [Old::sqlite().await, Old::postgres().await] {
        let site = Site::new(old);
        fill(&site).await;
        fill_files(&site).await;
        let peyk = empty_peyk().await;
        let media = site.media_option();
        let report = site.media.join("report");
        let file = report.display().to_string();
        let options = ["--allow-refused", &media, "--report", &file];
        let mut said = Vec::new();
        for mode in [&["--check"][..], &["--dry-run"], &[]] {
            // One a batch: what collides is never in the same.
            let batch = if mode.is_empty() { "--batch=1" } else { "--batch=4" };
            let (good, output) =
                import(&peyk, &site.old, &[mode, &options, &[batch]].concat()).await;
            assert!(good, "{mode:?}: {output}");
            for counts in ["rooms: 5 read, 4 ", "messages: 9 read, 7 ", "files: 10 read, 2 "] {
                assert!(output.contains(counts), "{mode:?}: {output}");
            }
            said.push(std::fs::read_to_string(&report).unwrap());
            if !mode.is_empty() {
                assert_eq!((rooms(&peyk).await.len(), stored(peyk.files())), (0, 0), "{mode:?}");
            }
        }
        assert!(said.iter().all(|text| *text == said[2]), "{said:?}");
        assert_eq!(
            lines(&said[2]),
            [
                "rooms 4 levels_left_out",
                "rooms 5 pair_taken 3",
                "rooms 6 member_missing",
                "rooms 7 room_empty",
                "messages 16 sender_missing",
                "messages 17 room_missing",
                "messages 18 type_unknown",
                "files 23 file_not_shown 22",
                "files 24 file_unused",
                "files 25 file_bad",
                "files 26 file_missing",
                "files 27 file_foreign",
                "files 28 message_missing",
                "files 29 file_missing",
                "files 30 file_bad",
            ]
        );
        assert_all_is_here(&peyk).await;
        for (next_value, next) in [
            ("SELECT nextval('rooms_id_seq')", 8),
            ("SELECT nextval('chat_messages_id_seq')", 20),
            ("SELECT nextval('attachments_id_seq')", 31),
        ] {
            assert_eq!(peyk.database.count(next_value).await, next, "{next_value}");
        }
        let looked = "SELECT message_id FROM absence_looks";
        assert_eq!(peyk.database.count(looked).await, 19, "nobody is told of what was there");
        let again = [&["--again"][..], &options].concat();
        let (_, output) = import(&peyk, &site.old, &again).await;
        for counts in ["5 read, 0 imported, 4 here", "9 read, 0 imported, 7 here", "10 read, 0 "] {
            assert!(output.contains(counts), "{output}");
        }
        assert_all_is_here(&peyk).await;
    }
}

/// The lines of a report about chat: part, id, reason and what is in the way.
fn lines(report: &str) -> Vec<String> {
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let words = format!("{} {} {}", line["part"], line["id"], line["reason"]).replace('"', "");
        line["other_id"].as_i64().map_or(words.clone(), |other| format!("{words} {other}"))
    };
    report.lines().map(line).filter(|line| !line.starts_with("users")).collect()
}

#[tokio::test]
async fn people_find_their_rooms_as_they_left_them() {
    let site = Site::new(Old::sqlite().await);
    fill(&site).await;
    fill_files(&site).await;
    for id in 1..=2 {
        let hash = super::import_steps::HASH;
        site.old
            .execute(&format!("UPDATE auth_user SET password = '{hash}' WHERE id = {id}"))
            .await;
    }
    let mut peyk = empty_peyk().await;
    let (good, output) = import(&peyk, &site.old, &["--allow-refused", &site.media_option()]).await;
    assert!(good, "{output}");
    peyk.start_api().await;
    let log_in = async |id: i64| -> String {
        let body = json!({ "username": format!("G0-0935{id:07}"), "password": "horse-battery-9" });
        let login = peyk.post("/api/login/", &body).await;
        login.json["access"].as_str().unwrap_or_else(|| panic!("{login:?}")).to_owned()
    };
    let (first, second) = (log_in(1).await, log_in(2).await);
    let get = async |token: &str, path: &str| {
        peyk.send(peyk.client().get(peyk.url(path)).bearer_auth(token)).await
    };
    let list = get(&first, "/api/chat/chatrooms/").await.json;
    let ids: Vec<_> = list.as_array().unwrap().iter().map(|room| room["id"].clone()).collect();
    assert_eq!(ids, [json!(6), json!(5), json!(4), json!(3)], "the latest activity first");
    let room = &list[3];
    assert_eq!((&room["unread_count"], &room["pinned_for"]), (&json!(0), &json!([1])));
    let found = get(&first, "/api/chat/messages/?chat_room=3").await.json;
    let ids: Vec<_> =
        found["results"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
    assert_eq!(ids, [19, 15, 14, 13, 11].map(|id| json!(id)), "newest first");
    assert_eq!(found["results"][4]["text"], "سلام 🌷");
    let url = found["results"][3]["file_url"].as_str().unwrap();
    let (_, path) = url.split_once("/media/").unwrap();
    let got = peyk.client().get(peyk.url(&format!("/media/{path}"))).send().await.unwrap();
    assert_eq!((got.status().as_u16(), got.bytes().await.unwrap()), (200, picture().into()));
    let searched = get(&second, "/api/chat/messages/search/?q=سلام").await.json;
    assert_eq!(searched["results"][0]["id"], 11);
    // What is said next goes on where the log was.
    let post = async |token: &str, body: Value| {
        let request = peyk.client().post(peyk.url("/api/chat/messages/")).bearer_auth(token);
        peyk.send(request.json(&body)).await
    };
    let posted = post(&second, json!({ "chat_room": 3, "text": "and now" })).await;
    assert_eq!(
        (posted.status, &posted.json["seq"], &posted.json["id"]),
        (201, &json!(6), &json!(20))
    );
    let room = get(&first, "/api/chat/chatrooms/3/").await.json;
    assert_eq!(room["unread_count"], 1);
    let refused = post(&first, json!({ "chat_room": 5, "text": "x" })).await;
    assert_eq!((refused.status, &refused.json["code"]), (403, &json!("room_closed")));
    let again = peyk.client().post(peyk.url("/api/chat/chatrooms/")).bearer_auth(&second);
    let again = peyk.send(again.json(&json!({ "user_id": 1 }))).await;
    assert_eq!((again.status, &again.json["id"]), (200, &json!(3)));
}

#[tokio::test]
async fn an_import_of_chat_that_stopped_goes_on_with_the_same_result() {
    let site = Site::new(Old::postgres().await);
    fill(&site).await;
    fill_files(&site).await;
    let media = site.media_option();
    let options = ["--allow-refused", "--batch=2", &media];
    let peyk = empty_peyk().await;
    // Each part fails once at the end of its first batch, when bytes of files are stored.
    peyk.database
        .execute(
            "CREATE TABLE stops (part text PRIMARY KEY);
             INSERT INTO stops VALUES ('rooms'), ('messages'), ('files');
             CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF EXISTS (SELECT FROM stops WHERE part = NEW.part AND NEW.last_id IS NOT NULL)
                 THEN RAISE EXCEPTION 'stop %', NEW.part; END IF;
                 RETURN NEW; END $$;
             CREATE TRIGGER stop BEFORE UPDATE ON import_progress
                 FOR EACH ROW EXECUTE FUNCTION stop()",
        )
        .await;
    let mut mode: &[&str] = &[];
    for part in ["rooms", "messages", "files"] {
        let (good, output) = import(&peyk, &site.old, &[mode, &options].concat()).await;
        assert!(!good && output.contains(&format!("stop {part}")), "{output}");
        mode = &["--resume"];
        if part == "files" {
            // Its first batch was stored and taken back: two rows wait for their second time.
            assert_eq!(stored(peyk.files()), 2);
            let waiting = "SELECT count(*) FROM attachments WHERE stored_at IS NULL
                AND message_id IS NOT NULL";
            assert_eq!(peyk.database.count(waiting).await, 2);
            let shown = "SELECT count(*) FROM chat_messages WHERE attachment_id IS NOT NULL";
            assert_eq!(peyk.database.count(shown).await, 0);
        }
        sqlx::query("DELETE FROM stops WHERE part = $1")
            .bind(part)
            .execute(&peyk.database.pool)
            .await
            .unwrap();
    }
    let (good, output) = import(&peyk, &site.old, &[mode, &options].concat()).await;
    assert!(good && output.contains("files: 10 read, 2 imported, 0 here before"), "{output}");
    assert_all_is_here(&peyk).await;
}

#[tokio::test]
async fn what_was_deleted_here_does_not_come_back_and_what_was_repaired_comes() {
    let site = Site::new(Old::sqlite().await);
    fill(&site).await;
    fill_files(&site).await;
    let peyk = empty_peyk().await;
    // Nobody named the folder: messages come without their files.
    let (good, output) = import(&peyk, &site.old, &["--allow-refused"]).await;
    assert!(good && output.contains("nobody named their folder"), "{output}");
    assert!(output.contains("files: 10 read, 0 imported"), "{output}");
    // A room is purged, one is deleted, a message is deleted, and everything was read but one.
    peyk.database
        .execute(
            "DELETE FROM chat_messages WHERE room_id = 4; DELETE FROM room_bans WHERE room_id = 4;
             DELETE FROM room_members WHERE room_id = 4; DELETE FROM rooms WHERE id = 4;
             UPDATE rooms SET deleted_at = now() WHERE id = 6;
             UPDATE chat_messages SET text = '', folded = '', deleted_at = now() WHERE id = 15;
             UPDATE room_members SET read_seq = 2 WHERE room_id = 3 AND user_id = 2",
        )
        .await;
    site.old
        .execute(
            "UPDATE drfchelseru_user SET mobile = '09120000010' WHERE user_id = 10;
             UPDATE auth_user SET username = 'repaired' WHERE id = 10;
             UPDATE drfchelseru_messagechat SET chat_room_id = 3 WHERE id = 17",
        )
        .await;
    let (_, output) =
        import(&peyk, &site.old, &["--again", "--allow-refused", &site.media_option()]).await;
    assert!(output.contains("rooms: 5 read, 1 imported, 4 here before"), "{output}");
    let here = rooms(&peyk).await;
    let ids: Vec<_> = here.iter().map(|room| room.split('|').next().unwrap()).collect();
    assert_eq!(ids, ["3", "5", "7"]);
    assert!(here[0].contains("|6|"), "{here:?}");
    assert!(here[0].ends_with("1:o:8190:6:pin 2:o:8190:2|-"), "{here:?}");
    // 17 comes last, though it is old; 16 belongs to a room that was deleted.
    let said: Vec<_> = messages(&peyk).await;
    let places: Vec<_> =
        said.iter().map(|it| it.split('|').take(3).collect::<Vec<_>>().join("|")).collect();
    assert_eq!(places, ["11|3|1", "13|3|2", "14|3|3", "15|3|4", "17|3|6", "19|3|5"]);
    // The file of a deleted message stays away.
    assert_eq!(files(&peyk).await, expected_files()[..1]);
}

#[tokio::test]
async fn who_has_read_what_comes_where_the_old_site_kept_it() {
    let site = Site::new(Old::sqlite().await);
    site.old.accounts(3).await;
    site.room(1, 1, &[1, 2, 3]).await;
    for id in 1..=5 {
        site.message(id, 1, 1, "text", "x").await;
    }
    site.old
        .execute(
            "INSERT INTO drfchelseru_messagechat_read_by (messagechat_id, user_id)
             VALUES (4, 2), (1, 2), (2, 2), (5, 1)",
        )
        .await;
    let peyk = empty_peyk().await;
    let (good, output) = import(&peyk, &site.old, &["--batch=2"]).await;
    assert!(good && output.contains("the last message that read_by has of them"), "{output}");
    let cursors = "SELECT user_id || ':' || read_seq FROM room_members ORDER BY user_id";
    assert_eq!(texts(&peyk, cursors).await, ["1:5", "2:4", "3:0"]);
}

#[tokio::test]
async fn rooms_come_from_the_package_that_was_there_first() {
    for prefix in ["chat", "chelseru_chat", "drfchelseruchat"] {
        let site = Site::new(Old::sqlite().await);
        site.old.accounts(3).await;
        site.old
            .execute(&format!(
                "CREATE TABLE {prefix}_chatroom (id integer PRIMARY KEY, created_at datetime,
                     user_1_id integer, user_2_id integer);
                 CREATE TABLE {prefix}_message (id integer PRIMARY KEY, text text,
                     timestamp datetime, chat_room_id integer, sender_id integer);
                 INSERT INTO {prefix}_chatroom VALUES (7, '2024-03-01 10:00:00.000007', 3, 2);
                 INSERT INTO {prefix}_message VALUES (9, 'سلام', '2024-03-01 11:00:00.000009', 7, 3)"
            ))
            .await;
        let peyk = empty_peyk().await;
        let (good, output) = import(&peyk, &site.old, &[]).await;
        assert!(good && output.contains("rooms: 1 read, 1 imported"), "{output}");
        assert!(!output.contains("not imported"), "{output}");
        let at = "03-01 10:00:00.000007";
        assert_eq!(
            rooms(&peyk).await,
            [format!("7|2+3|-|1|1|{at}|03-01 11:00:00.000009|2:o:8190:1 3:o:8190:1|-")]
        );
        assert_eq!(messages(&peyk).await, ["9|7|1|3|text|سلام|-|-|11:00:00.000009"]);
    }
    // The site had moved to the newer package itself: its rooms are those that people saw.
    let site = Site::new(Old::sqlite().await);
    site.old.accounts(3).await;
    site.room(1, 1, &[1, 2]).await;
    site.old
        .execute(
            "CREATE TABLE chelseru_chat_chatroom (id integer PRIMARY KEY, user_1_id integer);
             CREATE TABLE chelseru_chat_message (id integer PRIMARY KEY, chat_room_id integer);
             INSERT INTO chelseru_chat_chatroom VALUES (1, 2)",
        )
        .await;
    let peyk = empty_peyk().await;
    let (good, output) = import(&peyk, &site.old, &[]).await;
    assert!(good && output.contains("chelseru_chat_chatroom"), "{output}");
    assert_eq!(rooms(&peyk).await.len(), 1);
}

//! An old site with chat, and what of it is here.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use peyk_tests::harness::Peyk;

use crate::import_steps::Old;

/// The smallest PNG, with a place on earth in it.
pub(super) const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\x0atEXtGPS\0Tehrancsum\
    \0\0\0\rIDATx\x9cc\xf8\xff\xff?\0\x05\xfe\x02\xfe\xa7csum\0\0\0\0IEND\xaeB`\x82";

/// What stays of it.
pub(super) fn picture() -> Vec<u8> {
    let at = PNG.windows(4).position(|four| four == b"tEXt").unwrap() - 4;
    [&PNG[..at], &PNG[at + 12 + 10..]].concat()
}

/// An old site: its database, and the folder of its files, gone with the value.
pub(super) struct Site {
    pub(super) old: Old,
    pub(super) media: PathBuf,
}

impl Site {
    pub(super) fn new(old: Old) -> Self {
        let name = shared::ids::process_name("peyk-media", &mut rand::rng());
        let media = std::env::temp_dir().join(name).join("media");
        std::fs::create_dir_all(media.join("uploads")).unwrap();
        Self { old, media }
    }

    /// `--media` of it.
    pub(super) fn media_option(&self) -> String {
        format!("--media={}", self.media.display())
    }

    /// A room of these people. Times of all rows are by their ids.
    pub(super) async fn room(&self, id: i64, status: i64, people: &[i64]) {
        let mut sql = format!(
            "INSERT INTO drfchelseru_chatroom (id, created_at, status, updated_at)
                 VALUES ({id}, '2024-03-01 10:00:00.0{id:05}', {status},
                     '2024-03-02 10:00:00.0{id:05}');"
        );
        for person in people {
            write!(
                sql,
                "INSERT INTO drfchelseru_chatroom_users (chatroom_id, user_id)
                     VALUES ({id}, {person});"
            )
            .unwrap();
        }
        self.old.execute(&sql).await;
    }

    /// A level, which these hold in a room.
    pub(super) async fn level(&self, id: i64, room: i64, access: i64, people: &[i64]) {
        let mut sql = format!(
            "INSERT INTO drfchelseru_chatroompermissions (id, access) VALUES ({id}, {access});
             INSERT INTO drfchelseru_chatroom_permissions (chatroom_id, chatroompermissions_id)
                 VALUES ({room}, {id});"
        );
        for person in people {
            write!(
                sql,
                "INSERT INTO drfchelseru_chatroompermissions_user (chatroompermissions_id, user_id)
                     VALUES ({id}, {person});"
            )
            .unwrap();
        }
        self.old.execute(&sql).await;
    }

    /// Somebody in `pinned_for` or `banneds` of a room.
    pub(super) async fn list(&self, list: &str, room: i64, person: i64) {
        self.old
            .execute(&format!(
                "INSERT INTO drfchelseru_chatroom_{list} (chatroom_id, user_id)
                     VALUES ({room}, {person})"
            ))
            .await;
    }

    pub(super) async fn message(&self, id: i64, room: i64, sender: i64, kind: &str, text: &str) {
        self.old
            .execute(&format!(
                "INSERT INTO drfchelseru_messagechat (id, chat_room_id, sender_id, message_type, text,
                     created_at, timestamp)
                 VALUES ({id}, {room}, {sender}, '{kind}', '{text}',
                     '2024-03-01 11:00:00.0{id:05}', '2024-03-01 11:00:00.0{id:05}')"
            ))
            .await;
    }

    /// A file that was uploaded, if there is any content of it.
    pub(super) async fn file(
        &self,
        id: i64,
        (room, user): (i64, i64),
        message: Option<i64>,
        name: &str,
        content: Option<&[u8]>,
    ) {
        let message = message.map_or("NULL".to_owned(), |id| id.to_string());
        self.old
            .execute(&format!(
                "INSERT INTO drfchelseru_attachfile (id, chatroom_id, user_id, message_id, file,
                     file_type, text, created_at)
                 VALUES ({id}, {room}, {user}, {message}, '{name}', '', 'of {id}',
                     '2024-03-01 11:00:00.0{id:05}')"
            ))
            .await;
        if let Some(content) = content {
            std::fs::write(self.media.join(name), content).unwrap();
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.media.parent().map(std::fs::remove_dir_all);
    }
}

/// A column of texts.
pub(super) async fn texts(peyk: &Peyk, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(&peyk.database.pool).await.unwrap()
}

/// Every room with its seats (`owner`, levels, how far it was read, pinned) and bans.
pub(super) async fn rooms(peyk: &Peyk) -> Vec<String> {
    let sql = "SELECT concat_ws('|', r.id, coalesce(r.direct_low || '+' || r.direct_high, 'group'),
            coalesce(r.name, '-'), r.status, r.head,
            to_char(r.created_at AT TIME ZONE 'UTC', 'MM-DD HH24:MI:SS.US'),
            to_char(r.head_at AT TIME ZONE 'UTC', 'MM-DD HH24:MI:SS.US'),
            (SELECT string_agg(concat_ws(':', m.user_id, left(m.role, 1), m.levels, m.read_seq,
                 CASE WHEN m.pinned_at IS NOT NULL THEN 'pin' END), ' ' ORDER BY m.user_id)
             FROM room_members m WHERE m.room_id = r.id),
            coalesce((SELECT string_agg(b.user_id::text, ' ' ORDER BY b.user_id)
             FROM room_bans b WHERE b.room_id = r.id), '-'))
        FROM rooms r WHERE r.deleted_at IS NULL ORDER BY r.id";
    texts(peyk, sql).await
}

/// Every message with the file it has.
pub(super) async fn messages(peyk: &Peyk) -> Vec<String> {
    let sql = "SELECT concat_ws('|', c.id, c.room_id, c.seq, c.sender_id, c.type, c.text,
            coalesce(c.lat || ',' || c.lng, '-'), coalesce(c.attachment_id::text, '-'),
            to_char(c.created_at AT TIME ZONE 'UTC', 'HH24:MI:SS.US'))
        FROM chat_messages c ORDER BY c.id";
    texts(peyk, sql).await
}

/// Every file: its row and what is stored of it.
pub(super) async fn files(peyk: &Peyk) -> Vec<(String, Vec<u8>)> {
    let sql =
        "SELECT concat_ws('|', a.id, a.room_id, a.user_id, a.message_id, a.name, a.mime, a.text,
            a.bytes, a.stored_at IS NOT NULL, a.deleted_at IS NOT NULL), a.handle
        FROM attachments a ORDER BY a.id";
    let rows: Vec<(String, String)> =
        sqlx::query_as(sql).fetch_all(&peyk.database.pool).await.unwrap();
    let read = |(row, handle): (String, String)| {
        (row, std::fs::read(peyk.files().join(&handle[..2]).join(handle)).unwrap())
    };
    rows.into_iter().map(read).collect()
}

/// How many files the storage has, those that no row knows among them.
pub(super) fn stored(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |path: PathBuf| if path.is_dir() { stored(&path) } else { 1 };
    entries.map(|entry| count(entry.unwrap().path())).sum()
}

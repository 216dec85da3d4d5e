//! Reading messages.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::chat::{
    Person, RoomId,
    log::{FileRef, Message, MessageType},
};

/// A message with its author and its file.
struct Row {
    id: i64,
    room_id: i64,
    seq: i64,
    client_id: Option<String>,
    kind: String,
    text: String,
    lat: Option<f64>,
    lng: Option<f64>,
    reply_to: Option<i64>,
    created_at: DateTime<Utc>,
    edited_at: Option<DateTime<Utc>>,
    deleted_at: Option<DateTime<Utc>>,
    sender_id: i64,
    username: String,
    first_name: String,
    last_name: String,
    file_id: Option<i64>,
    handle: Option<String>,
    name: Option<String>,
    mime: Option<String>,
    bytes: Option<i64>,
    uploaded_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Message {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let kind = MessageType::parse(&row.kind);
        let file = match (row.file_id, row.handle, row.name, row.mime, row.uploaded_at) {
            (Some(id), Some(handle), Some(name), Some(mime), Some(created_at)) => {
                let bytes = row.bytes.unwrap_or_default();
                Some(FileRef { id, handle, name, mime, bytes, created_at })
            }
            _ => None,
        };
        Ok(Self {
            id: row.id,
            room: RoomId(row.room_id),
            seq: row.seq,
            sender: Person {
                id: row.sender_id,
                username: row.username,
                first_name: row.first_name,
                last_name: row.last_name,
            },
            client_id: row.client_id,
            kind: kind.ok_or_else(|| sqlx::Error::Decode("unknown type of a message".into()))?,
            text: row.text,
            lat: row.lat,
            lng: row.lng,
            file,
            reply_to: row.reply_to,
            created_at: row.created_at,
            edited_at: row.edited_at,
            deleted_at: row.deleted_at,
        })
    }
}

/// Messages by their ids, deleted ones too, newest first.
pub(crate) async fn load_messages(pool: &PgPool, ids: &[i64]) -> Result<Vec<Message>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT m.id, m.room_id, m.seq, m.client_id, m.type AS kind, m.text, m.lat, m.lng,
                  m.reply_to, m.created_at, m.edited_at, m.deleted_at,
                  u.id AS sender_id, u.username, u.first_name, u.last_name,
                  f.id AS "file_id?", f.handle AS "handle?", f.name AS "name?", f.mime AS "mime?",
                  f.bytes, f.created_at AS "uploaded_at?"
           FROM chat_messages m
           JOIN users u ON u.id = m.sender_id
           LEFT JOIN attachments f ON f.id = m.attachment_id
           WHERE m.id = ANY($1) ORDER BY m.id DESC"#,
        ids,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Message::try_from).collect()
}

/// One of them.
pub(crate) async fn find_message(pool: &PgPool, id: i64) -> Result<Option<Message>, sqlx::Error> {
    Ok(load_messages(pool, &[id]).await?.pop())
}

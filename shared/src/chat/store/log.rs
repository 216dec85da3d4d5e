//! The logs of rooms: messages and what else happens, read as one.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::{PgConnection, PgPool, types::Json};

use crate::chat::{
    Person, RoomId,
    log::{Entry, FileRef, Kind, Message, MessageType, NewEntry, Place},
};

pub(crate) async fn append(
    connection: &mut PgConnection,
    room: RoomId,
    entry: &NewEntry,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH next AS (
               UPDATE rooms SET head = head + 1, head_at = $7 WHERE id = $1 RETURNING id, head
           )
           INSERT INTO room_events
               (room_id, seq, kind, actor_id, subject_id, message_id, data, created_at)
           SELECT id, head, $2, $3, $4, $5, $6, $7 FROM next
           RETURNING seq"#,
        room.0,
        entry.kind.as_str(),
        entry.actor_id,
        entry.subject_id,
        entry.message_id,
        Json(&entry.data) as _,
        now,
    )
    .fetch_one(connection)
    .await
}

pub(crate) async fn heads(pool: &PgPool, rooms: &[RoomId]) -> Result<Vec<Place>, sqlx::Error> {
    let rooms: Vec<_> = rooms.iter().map(|room| room.0).collect();
    let rows = sqlx::query!("SELECT id, head FROM rooms WHERE id = ANY($1)", &rooms)
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(|row| Place { room: RoomId(row.id), after: row.head }).collect())
}

/// An entry as it is read, with the message, the people and the file it refers to.
struct Row {
    room_id: i64,
    seq: i64,
    kind: String,
    at: DateTime<Utc>,
    data: Json<Map<String, Value>>,
    actor: Option<Json<PersonRow>>,
    subject: Option<Json<PersonRow>>,
    sender: Option<Json<PersonRow>>,
    file: Option<Json<FileRow>>,
    message_id: Option<i64>,
    message_seq: Option<i64>,
    client_id: Option<String>,
    r#type: Option<String>,
    text: Option<String>,
    lat: Option<f64>,
    lng: Option<f64>,
    reply_to: Option<i64>,
    created_at: Option<DateTime<Utc>>,
    edited_at: Option<DateTime<Utc>>,
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(serde::Deserialize)]
struct PersonRow {
    id: i64,
    username: String,
    first_name: String,
    last_name: String,
}

impl From<PersonRow> for Person {
    fn from(row: PersonRow) -> Self {
        Self {
            id: row.id,
            username: row.username,
            first_name: row.first_name,
            last_name: row.last_name,
        }
    }
}

/// A file as a query gives it.
#[derive(serde::Deserialize)]
pub(super) struct FileRow {
    id: i64,
    handle: String,
    name: String,
    mime: String,
    bytes: i64,
    created_at: DateTime<Utc>,
}

impl From<FileRow> for FileRef {
    fn from(row: FileRow) -> Self {
        Self {
            id: row.id,
            handle: row.handle,
            name: row.name,
            mime: row.mime,
            bytes: row.bytes,
            created_at: row.created_at,
        }
    }
}

impl Row {
    fn message(&mut self) -> Result<Option<Message>, sqlx::Error> {
        let (Some(id), Some(seq), Some(sender), Some(kind), Some(created_at)) = (
            self.message_id,
            self.message_seq,
            self.sender.take(),
            self.r#type.take(),
            self.created_at,
        ) else {
            return Ok(None);
        };
        let kind = MessageType::parse(&kind);
        Ok(Some(Message {
            id,
            room: RoomId(self.room_id),
            seq,
            sender: sender.0.into(),
            client_id: self.client_id.take(),
            kind: kind.ok_or_else(|| sqlx::Error::Decode("unknown type of a message".into()))?,
            text: self.text.take().unwrap_or_default(),
            lat: self.lat,
            lng: self.lng,
            file: self.file.take().map(|file| file.0.into()),
            reply_to: self.reply_to,
            created_at,
            edited_at: self.edited_at,
            deleted_at: self.deleted_at,
        }))
    }
}

impl TryFrom<Row> for Entry {
    type Error = sqlx::Error;

    fn try_from(mut row: Row) -> Result<Self, sqlx::Error> {
        let message = row.message()?;
        let kind = Kind::parse(&row.kind);
        Ok(Self {
            room: RoomId(row.room_id),
            seq: row.seq,
            kind: kind.ok_or_else(|| sqlx::Error::Decode("unknown kind of an event".into()))?,
            at: row.at,
            actor: row.actor.map(|person| person.0.into()),
            subject: row.subject.map(|person| person.0.into()),
            message,
            data: row.data.0,
        })
    }
}

pub(crate) async fn read_log(
    pool: &PgPool,
    places: &[Place],
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let rooms: Vec<_> = places.iter().map(|place| place.room.0).collect();
    let after: Vec<_> = places.iter().map(|place| place.after).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT w.room_id AS "room_id!", e.seq AS "seq!", e.kind AS "kind!", e.at AS "at!",
                  e.data AS "data!: Json<Map<String, Value>>",
                  CASE WHEN a.id IS NOT NULL THEN jsonb_build_object('id', a.id, 'username',
                      a.username, 'first_name', a.first_name, 'last_name', a.last_name) END
                      AS "actor: Json<PersonRow>",
                  CASE WHEN u.id IS NOT NULL THEN jsonb_build_object('id', u.id, 'username',
                      u.username, 'first_name', u.first_name, 'last_name', u.last_name) END
                      AS "subject: Json<PersonRow>",
                  CASE WHEN s.id IS NOT NULL THEN jsonb_build_object('id', s.id, 'username',
                      s.username, 'first_name', s.first_name, 'last_name', s.last_name) END
                      AS "sender: Json<PersonRow>",
                  CASE WHEN f.id IS NOT NULL THEN jsonb_build_object('id', f.id, 'handle',
                      f.handle, 'name', f.name, 'mime', f.mime, 'bytes', f.bytes,
                      'created_at', f.created_at) END AS "file: Json<FileRow>",
                  m.id AS "message_id?", m.seq AS "message_seq?", m.client_id, m.type AS "type?",
                  m.text AS "text?", m.lat, m.lng, m.reply_to, m.created_at AS "created_at?",
                  m.edited_at, m.deleted_at
           FROM unnest($1::bigint[], $2::bigint[]) AS w (room_id, after)
           CROSS JOIN LATERAL (
               SELECT * FROM (
                   (SELECT c.seq, 'message' AS kind, c.sender_id AS actor_id,
                           NULL::bigint AS subject_id, c.id AS message_id,
                           '{}'::jsonb AS data, c.created_at AS at
                    FROM chat_messages c WHERE c.room_id = w.room_id AND c.seq > w.after
                    ORDER BY c.seq LIMIT $3)
                   UNION ALL
                   (SELECT v.seq, v.kind, v.actor_id, v.subject_id, v.message_id, v.data,
                           v.created_at
                    FROM room_events v WHERE v.room_id = w.room_id AND v.seq > w.after
                    ORDER BY v.seq LIMIT $3)
               ) AS both_kinds
               ORDER BY seq LIMIT $3
           ) AS e
           LEFT JOIN users a ON a.id = e.actor_id
           LEFT JOIN users u ON u.id = e.subject_id
           LEFT JOIN chat_messages m ON m.id = e.message_id
           LEFT JOIN users s ON s.id = m.sender_id
           LEFT JOIN attachments f ON f.id = m.attachment_id
           ORDER BY w.room_id, e.seq"#,
        &rooms,
        &after,
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

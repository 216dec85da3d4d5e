//! How far somebody has read, and what there is to read.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::chat::{RoomId, reads::ReadState};

pub(crate) async fn find_seq(
    pool: &PgPool,
    room: RoomId,
    message_id: i64,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT seq FROM chat_messages WHERE id = $1 AND room_id = $2",
        message_id,
        room.0,
    )
    .fetch_optional(pool)
    .await
}

/// Where a member's cursor is now, if it moved.
pub(crate) async fn move_cursor(
    pool: &PgPool,
    room: RoomId,
    user_id: i64,
    seq: i64,
    now: DateTime<Utc>,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE room_members m SET read_seq = least(r.head, $3), read_at = $4
         FROM rooms r
         WHERE r.id = $1 AND r.deleted_at IS NULL AND m.room_id = r.id AND m.user_id = $2
           AND m.read_seq < least(r.head, $3)
         RETURNING m.read_seq",
        room.0,
        user_id,
        seq,
        now,
    )
    .fetch_optional(pool)
    .await
}

pub(crate) async fn read_state(
    pool: &PgPool,
    room: RoomId,
    user_id: i64,
) -> Result<Option<ReadState>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT m.read_seq,
                  (SELECT count(*) FROM chat_messages c
                   WHERE c.room_id = m.room_id AND c.seq > m.read_seq AND c.seq <= r.head
                     AND c.sender_id <> m.user_id AND c.deleted_at IS NULL) AS "unread!"
           FROM room_members m JOIN rooms r ON r.id = m.room_id
           WHERE m.room_id = $1 AND m.user_id = $2"#,
        room.0,
        user_id,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| ReadState { seq: row.read_seq, unread: row.unread }))
}

pub(crate) async fn list_messages(
    pool: &PgPool,
    room: RoomId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM chat_messages WHERE room_id = $1 AND seq < $2 AND deleted_at IS NULL
         ORDER BY seq DESC LIMIT $3",
        room.0,
        before.unwrap_or(i64::MAX),
        limit,
    )
    .fetch_all(pool)
    .await
}

/// The rooms somebody belongs to, or this one of them.
pub(crate) async fn rooms_to_search(
    pool: &PgPool,
    user_id: i64,
    only: Option<RoomId>,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT r.id FROM room_members m
         JOIN rooms r ON r.id = m.room_id AND r.deleted_at IS NULL
         WHERE m.user_id = $1 AND ($2::bigint IS NULL OR m.room_id = $2)
           AND NOT EXISTS (SELECT FROM room_bans b
                           WHERE b.room_id = m.room_id AND b.user_id = m.user_id)",
        user_id,
        only.map(|room| room.0),
    )
    .fetch_all(pool)
    .await
}

/// Messages of these rooms that a text query finds, newest first. The index holds the rooms beside the
/// words. All else is computed, so that no plan, made for no values in particular, walks over other
/// indexes instead: over all messages, or over all of these rooms.
pub(crate) async fn search(
    pool: &PgPool,
    rooms: &[i64],
    wanted: &str,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    let marks: Vec<_> = rooms.iter().map(|room| format!("'#{room}'")).collect();
    sqlx::query_scalar!(
        "SELECT id FROM chat_messages
         WHERE folded <> ''
           AND (to_tsvector('simple', folded) || array_to_tsvector(ARRAY['#' || room_id::text]))
               @@ (to_tsquery('simple', $2) && $3::text::tsquery)
           AND room_id + 0 = ANY($1) AND id + 0 < $4
         ORDER BY id + 0 DESC LIMIT $5",
        rooms,
        wanted,
        marks.join(" | "),
        before.unwrap_or(i64::MAX),
        limit,
    )
    .fetch_all(pool)
    .await
}

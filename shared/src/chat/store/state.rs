//! What of a room can be changed, and its end.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::seats::read_status;
use crate::chat::{RoomId, change::Current};

/// What a room is that is locked and there.
pub(crate) async fn current(
    connection: &mut PgConnection,
    room: RoomId,
) -> Result<Current, sqlx::Error> {
    find_current(connection, room).await?.ok_or(sqlx::Error::RowNotFound)
}

/// What a room is that is locked.
pub(crate) async fn find_current(
    connection: &mut PgConnection,
    room: RoomId,
) -> Result<Option<Current>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT name, descriptions, status, closed_by_staff, slow_seconds, tells_by_sms, avatar_id
         FROM rooms WHERE id = $1 AND deleted_at IS NULL",
        room.0,
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Current {
        name: row.name,
        descriptions: row.descriptions,
        status: read_status(row.status)?,
        closed_by_staff: row.closed_by_staff,
        slow_seconds: row.slow_seconds,
        tells_by_sms: row.tells_by_sms,
        avatar_id: row.avatar_id,
    }))
}

pub(crate) async fn set_current(
    connection: &mut PgConnection,
    room: RoomId,
    new: &Current,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE rooms SET name = $2, descriptions = $3, status = $4, slow_seconds = $5,
             tells_by_sms = $6, closed_by_staff = $7
         WHERE id = $1",
        room.0,
        new.name,
        new.descriptions,
        new.status.number(),
        new.slow_seconds,
        new.tells_by_sms,
        new.closed_by_staff,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Takes a room away from everybody.
pub(crate) async fn delete_room(
    connection: &mut PgConnection,
    room: RoomId,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE rooms SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL",
        room.0,
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Takes all rooms of an organization away and writes it down; their ids and the last numbers.
pub(crate) async fn delete_rooms_of(
    connection: &mut PgConnection,
    organization: i64,
    by: i64,
    now: DateTime<Utc>,
) -> Result<Vec<(RoomId, i64)>, sqlx::Error> {
    sqlx::query!(
        "SELECT id FROM rooms WHERE organization_id = $1 AND deleted_at IS NULL
         ORDER BY id FOR NO KEY UPDATE",
        organization,
    )
    .fetch_all(&mut *connection)
    .await?;
    let rows = sqlx::query!(
        r#"WITH gone AS (
               UPDATE rooms SET deleted_at = $3, head = head + 1, head_at = $3
               WHERE organization_id = $1 AND deleted_at IS NULL RETURNING id, head
           ), written AS (
               INSERT INTO room_events (room_id, seq, kind, actor_id, created_at)
               SELECT id, head, 'room.deleted', $2, $3 FROM gone
           )
           SELECT id, head FROM gone"#,
        organization,
        by,
        now,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (RoomId(row.id), row.head)).collect())
}

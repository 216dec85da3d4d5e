//! Taking rooms away that were deleted.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// Rooms whose members all left with their organization.
pub(crate) async fn delete_empty(
    pool: &PgPool,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE rooms SET deleted_at = $1 WHERE id = ANY(ARRAY(
             SELECT r.id FROM rooms r
             WHERE r.deleted_at IS NULL
               AND NOT EXISTS (SELECT FROM room_members m WHERE m.room_id = r.id)
             LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED))",
        now,
        limit,
    )
    .execute(pool)
    .await?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}

/// Messages first, for they are many, and at the end the room: while one of its files is still stored, it
/// stays.
pub(crate) async fn purge_room(
    pool: &PgPool,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let room = sqlx::query_scalar!(
        "SELECT id FROM rooms r
         WHERE deleted_at < $1
           AND (EXISTS (SELECT FROM chat_messages c WHERE c.room_id = r.id)
                OR NOT EXISTS (SELECT FROM attachments a WHERE a.room_id = r.id))
         ORDER BY deleted_at LIMIT 1 FOR UPDATE SKIP LOCKED",
        before,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(room) = room else { return Ok(0) };
    // So that the files' own purge takes them.
    sqlx::query!(
        "UPDATE attachments SET deleted_at = $2 WHERE room_id = $1 AND deleted_at IS NULL",
        room,
        before,
    )
    .execute(&mut *tx)
    .await?;
    let messages = sqlx::query!(
        "DELETE FROM chat_messages WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM chat_messages WHERE room_id = $1 ORDER BY seq LIMIT $2))",
        room,
        limit,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    let events = sqlx::query!(
        "DELETE FROM room_events WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM room_events WHERE room_id = $1 ORDER BY seq LIMIT $2))",
        room,
        limit,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    let mut rows = messages + events;
    if rows == 0 {
        sqlx::query!("DELETE FROM message_reports WHERE room_id = $1", room)
            .execute(&mut *tx)
            .await?;
        sqlx::query!("DELETE FROM room_bans WHERE room_id = $1", room).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM room_members WHERE room_id = $1", room).execute(&mut *tx).await?;
        let gone = sqlx::query!(
            "DELETE FROM rooms WHERE id = $1
             AND NOT EXISTS (SELECT FROM attachments WHERE room_id = $1)",
            room,
        );
        rows = gone.execute(&mut *tx).await?.rows_affected();
    }
    tx.commit().await?;
    Ok(i64::try_from(rows).unwrap_or(i64::MAX))
}

pub(crate) async fn count_gone(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM rooms WHERE deleted_at < $1"#, before,)
        .fetch_one(pool)
        .await
}

//! The rows of files.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    chat::{RoomId, log::FileRef},
    purge::Slice,
};

/// How long an upload that shows no end counts as being under way.
const UNDER_WAY: TimeDelta = TimeDelta::hours(1);

/// A file that is about to be uploaded.
pub(crate) struct NewAttachment {
    pub(crate) handle: String,
    pub(crate) room: RoomId,
    pub(crate) user_id: i64,
    pub(crate) name: String,
    pub(crate) mime: &'static str,
    /// What it counts as until it is there.
    pub(crate) expected: i64,
    pub(crate) created_at: DateTime<Utc>,
}

/// What one person may upload.
pub(crate) struct Share {
    /// From when on it is counted.
    pub(crate) since: DateTime<Utc>,
    /// So many bytes.
    pub(crate) bytes: i64,
    /// So many files at a time.
    pub(crate) at_once: i64,
}

/// What became of the beginning of an upload.
pub(crate) enum Begun {
    /// The row is there.
    Row(i64),
    /// The uploader had their share.
    OverShare,
    /// Too many uploads of theirs are under way.
    TooMany,
}

/// Writes the row if the uploader's share allows. Locks the uploader's account, so that what they
/// begin at the same time is counted.
pub(crate) async fn begin_upload(
    pool: &PgPool,
    new: &NewAttachment,
    share: &Share,
) -> Result<Begun, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query!("SELECT 1 AS one FROM users WHERE id = $1 FOR NO KEY UPDATE", new.user_id)
        .fetch_optional(&mut *transaction)
        .await?;
    let used = sqlx::query!(
        r#"SELECT coalesce(sum(coalesce(bytes, expected, 0)), 0)::bigint AS "bytes!",
                  count(*) FILTER (WHERE bytes IS NULL AND created_at > $3) AS "under_way!"
           FROM attachments WHERE user_id = $1 AND created_at > $2"#,
        new.user_id,
        share.since,
        new.created_at - UNDER_WAY,
    )
    .fetch_one(&mut *transaction)
    .await?;
    if used.under_way >= share.at_once {
        return Ok(Begun::TooMany);
    }
    if used.bytes.saturating_add(new.expected) > share.bytes {
        return Ok(Begun::OverShare);
    }
    let id = sqlx::query_scalar!(
        r#"INSERT INTO attachments
               (handle, room_id, user_id, name, mime, expected, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id"#,
        new.handle,
        new.room.0,
        new.user_id,
        new.name,
        new.mime,
        new.expected,
        new.created_at,
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Begun::Row(id))
}

/// What the storage calls the upload.
pub(crate) async fn note_upload(pool: &PgPool, id: i64, upload: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE attachments SET upload_id = $2 WHERE id = $1", id, upload)
        .execute(pool)
        .await?;
    Ok(())
}

/// The bytes are there, so many, and this is said of them. `false`: the row is not, or not for long.
pub(crate) async fn finish_upload(
    pool: &PgPool,
    id: i64,
    (bytes, text): (i64, Option<&str>),
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        r#"UPDATE attachments
           SET bytes = $2, text = $4, stored_at = $3, upload_id = NULL, expected = NULL
           WHERE id = $1 AND stored_at IS NULL AND deleted_at IS NULL"#,
        id,
        bytes,
        now,
        text,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The file with this handle, if it may be read.
pub(crate) async fn find_file(pool: &PgPool, handle: &str) -> Result<Option<FileRef>, sqlx::Error> {
    sqlx::query_as!(
        FileRef,
        r#"SELECT a.id, a.handle, a.name, a.mime, a.bytes AS "bytes!", a.created_at
           FROM attachments a JOIN rooms r ON r.id = a.room_id
           WHERE a.handle = $1 AND a.stored_at IS NOT NULL AND a.deleted_at IS NULL
                 AND r.deleted_at IS NULL"#,
        handle,
    )
    .fetch_optional(pool)
    .await
}

/// The type of a file that somebody uploaded to a room and that is nowhere yet, locked.
pub(crate) async fn lock_unused_file(
    connection: &mut PgConnection,
    room: RoomId,
    user_id: i64,
    id: i64,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT mime FROM attachments
           WHERE id = $1 AND room_id = $2 AND user_id = $3 AND stored_at IS NOT NULL
                 AND message_id IS NULL AND deleted_at IS NULL
           FOR NO KEY UPDATE"#,
        id,
        room.0,
        user_id,
    )
    .fetch_optional(connection)
    .await
}

/// Changes a room's picture; the one before is deleted.
pub(crate) async fn change_avatar(
    connection: &mut PgConnection,
    room: RoomId,
    id: Option<i64>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"UPDATE attachments SET deleted_at = $3
           WHERE id = (SELECT avatar_id FROM rooms WHERE id = $1) AND deleted_at IS NULL
                 AND id IS DISTINCT FROM $2"#,
        room.0,
        id,
        now,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("UPDATE rooms SET avatar_id = $2 WHERE id = $1", room.0, id)
        .execute(connection)
        .await?;
    Ok(())
}

/// A file that goes.
pub(crate) struct Doomed {
    pub(crate) id: i64,
    pub(crate) handle: String,
    /// An upload of it that did not come to its end.
    pub(crate) upload_id: Option<String>,
    /// The moment slices go by.
    pub(crate) ended_at: DateTime<Utc>,
}

/// From now on nobody gets this file.
pub(crate) async fn doom(
    pool: &PgPool,
    id: i64,
    now: DateTime<Utc>,
) -> Result<Option<Doomed>, sqlx::Error> {
    sqlx::query_as!(
        Doomed,
        r#"UPDATE attachments SET deleted_at = coalesce(deleted_at, $2) WHERE id = $1
           RETURNING id, handle, upload_id, created_at AS ended_at"#,
        id,
        now,
    )
    .fetch_optional(pool)
    .await
}

/// From now on nobody gets these files, which are in no message and no room's picture. Deleted rows
/// are passed over: their bytes are about to go, or could not.
pub(crate) async fn doom_unused(
    pool: &PgPool,
    slice: Slice,
    now: DateTime<Utc>,
) -> Result<Vec<Doomed>, sqlx::Error> {
    sqlx::query_as!(
        Doomed,
        r#"UPDATE attachments SET deleted_at = $4 WHERE ctid = ANY(ARRAY(
               SELECT a.ctid FROM attachments a
               WHERE a.message_id IS NULL AND a.created_at >= $1 AND a.created_at < $2
                     AND a.deleted_at IS NULL
                     AND NOT EXISTS (SELECT FROM rooms r
                                     WHERE r.id = a.room_id AND r.avatar_id = a.id)
               ORDER BY a.created_at LIMIT $3 FOR UPDATE SKIP LOCKED))
           RETURNING id, handle, upload_id, created_at AS ended_at"#,
        slice.from,
        slice.before,
        slice.limit,
        now,
    )
    .fetch_all(pool)
    .await
}

pub(crate) async fn count_unused(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM attachments a
           WHERE a.message_id IS NULL AND a.created_at < $1 AND a.deleted_at IS NULL
                 AND NOT EXISTS (SELECT FROM rooms r
                                 WHERE r.id = a.room_id AND r.avatar_id = a.id)"#,
        before,
    )
    .fetch_one(pool)
    .await
}

pub(crate) async fn find_deleted(pool: &PgPool, slice: Slice) -> Result<Vec<Doomed>, sqlx::Error> {
    sqlx::query_as!(
        Doomed,
        r#"SELECT id, handle, upload_id, deleted_at AS "ended_at!"
           FROM attachments WHERE deleted_at >= $1 AND deleted_at < $2
           ORDER BY deleted_at LIMIT $3"#,
        slice.from,
        slice.before,
        slice.limit,
    )
    .fetch_all(pool)
    .await
}

pub(crate) async fn find_of_deleted_rooms(
    pool: &PgPool,
    slice: Slice,
) -> Result<Vec<Doomed>, sqlx::Error> {
    sqlx::query_as!(
        Doomed,
        r#"SELECT a.id, a.handle, a.upload_id, r.deleted_at AS "ended_at!"
           FROM rooms r JOIN attachments a ON a.room_id = r.id
           WHERE r.deleted_at >= $1 AND r.deleted_at < $2
           ORDER BY r.deleted_at LIMIT $3"#,
        slice.from,
        slice.before,
        slice.limit,
    )
    .fetch_all(pool)
    .await
}

pub(crate) async fn count_deleted(
    pool: &PgPool,
    before: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM attachments WHERE deleted_at < $1)
                + (SELECT count(*) FROM rooms r JOIN attachments a ON a.room_id = r.id
                   WHERE r.deleted_at < $1 AND (a.deleted_at >= $1 OR a.deleted_at IS NULL))
                  AS "count!""#,
        before,
    )
    .fetch_one(pool)
    .await
}

/// Their bytes are gone. A room's picture is not shown any more.
pub(crate) async fn delete_files(pool: &PgPool, ids: &[i64]) -> Result<i64, sqlx::Error> {
    let gone =
        sqlx::query!("DELETE FROM attachments WHERE id = ANY($1)", ids).execute(pool).await?;
    Ok(i64::try_from(gone.rows_affected()).unwrap_or(i64::MAX))
}

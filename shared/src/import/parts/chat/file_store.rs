//! All SQL of files on Peyk's side.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::{column, files::Coming, store::rooms_gone};

/// Keeps everybody else from making or changing files until the transaction ends.
pub(super) async fn lock_files(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let lock = sqlx::query!("LOCK TABLE attachments IN SHARE ROW EXCLUSIVE MODE");
    lock.execute(connection).await.map(drop)
}

/// How many files have ids up to `greatest`.
pub(super) async fn files_up_to(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<i64, sqlx::Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM attachments WHERE id <= $1"#,
        greatest
    );
    count.fetch_one(connection).await
}

/// Makes files that are uploaded from now on have ids above `greatest`. The table is locked.
pub(super) async fn take_file_ids(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<(), sqlx::Error> {
    let take = sqlx::query!(
        "SELECT setval('attachments_id_seq',
             greatest($1, (SELECT last_value FROM attachments_id_seq)))",
        greatest,
    );
    take.fetch_one(connection).await.map(drop)
}

/// A file that is here.
#[derive(Debug)]
pub(super) struct FileHere {
    pub(super) created_at: DateTime<Utc>,
    /// Whether its bytes are.
    pub(super) is_stored: bool,
}

/// What is here of some files.
#[derive(Debug, Default)]
pub(super) struct FilesHere {
    /// Those with the ids.
    pub(super) files: HashMap<i64, FileHere>,
    /// Their messages, and whether those were deleted or have another file.
    pub(super) messages: HashMap<i64, bool>,
    /// Rooms that came and were deleted since.
    pub(super) gone: HashSet<i64>,
}

/// Looks.
pub(super) async fn files_here(
    pool: &PgPool,
    ids: &[i64],
    messages: &[i64],
    rooms: &[i64],
) -> Result<FilesHere, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let files = sqlx::query!(
        r#"SELECT id, created_at, stored_at IS NOT NULL OR deleted_at IS NOT NULL AS "is_stored!"
           FROM attachments WHERE id = ANY($1)"#,
        ids,
    )
    .fetch_all(&mut *connection)
    .await?;
    let messages = sqlx::query!(
        r#"SELECT c.id, c.deleted_at IS NOT NULL OR c.attachment_id IS NOT NULL
                  OR r.deleted_at IS NOT NULL AS "is_closed!"
           FROM chat_messages c JOIN rooms r ON r.id = c.room_id WHERE c.id = ANY($1)"#,
        messages,
    )
    .fetch_all(&mut *connection)
    .await?;
    let file = |created_at, is_stored| FileHere { created_at, is_stored };
    Ok(FilesHere {
        files: files.into_iter().map(|it| (it.id, file(it.created_at, it.is_stored))).collect(),
        messages: messages.into_iter().map(|it| (it.id, it.is_closed)).collect(),
        gone: rooms_gone(&mut connection, rooms).await?,
    })
}

/// Makes the rows of files that are about to be stored, with the ids they had and as files of their
/// messages, so that no purge takes them for unused. Rows that are there stay; gives what each is
/// called in the storage, and an upload of it that broke off.
pub(super) async fn insert_files(
    pool: &PgPool,
    files: &[Coming],
) -> Result<HashMap<i64, (String, Option<String>)>, sqlx::Error> {
    let ids = column(files, |file| file.id);
    sqlx::query!(
        "INSERT INTO attachments (id, handle, room_id, user_id, message_id, name, mime, text,
             created_at)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
             $6::text[], $7::text[], $8::text[], $9::timestamptz[])
         ON CONFLICT (id) DO NOTHING",
        &ids,
        &column(files, |file| file.handle.as_str()) as _,
        &column(files, |file| file.room_id),
        &column(files, |file| file.user_id),
        &column(files, |file| file.message_id),
        &column(files, |file| file.found.name.as_str()) as _,
        &column(files, |file| file.found.mime) as _,
        &column(files, |file| file.text.as_deref()) as _,
        &column(files, |file| file.created_at),
    )
    .execute(pool)
    .await?;
    let rows =
        sqlx::query!("SELECT id, handle, upload_id FROM attachments WHERE id = ANY($1)", &ids)
            .fetch_all(pool)
            .await?;
    Ok(rows.into_iter().map(|row| (row.id, (row.handle, row.upload_id))).collect())
}

/// The bytes of files are stored, so many of each: their messages show them. A message that was
/// deleted meanwhile does not, and its file goes.
pub(super) async fn finish_files(
    connection: &mut PgConnection,
    files: &[(i64, i64)],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let ids = column(files, |(id, _)| *id);
    sqlx::query!(
        "UPDATE chat_messages c SET attachment_id = a.id FROM attachments a
         WHERE a.id = ANY($1) AND c.id = a.message_id AND c.deleted_at IS NULL
           AND c.attachment_id IS NULL",
        &ids,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE attachments a SET bytes = w.bytes, stored_at = $3::timestamptz, upload_id = NULL,
             deleted_at = CASE WHEN EXISTS (SELECT FROM chat_messages c
                 WHERE c.id = a.message_id AND c.attachment_id = a.id) THEN NULL ELSE $3::timestamptz END
         FROM unnest($1::bigint[], $2::bigint[]) AS w (id, bytes)
         WHERE a.id = w.id",
        &ids,
        &column(files, |(_, bytes)| *bytes),
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

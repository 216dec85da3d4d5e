//! Members who have not read what was written a while ago.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    chat::{RoomId, absent::Absent},
    phone::PhoneNumber,
};

/// Messages that are old enough: the last of them, and how far they go in each of their rooms.
pub(crate) struct OldMessages {
    pub(crate) count: i64,
    pub(crate) last: Option<i64>,
    pub(crate) rooms: Vec<i64>,
    pub(crate) heads: Vec<i64>,
}

/// The id of the last message that was looked at; nobody else looks until the transaction ends.
pub(crate) async fn lock_absence_look(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!("SELECT message_id FROM absence_looks FOR UPDATE")
        .fetch_one(connection)
        .await
}

pub(crate) async fn move_absence_look(
    connection: &mut PgConnection,
    message_id: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE absence_looks SET message_id = $1", message_id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Up to the first message that is too young: what has a lower id and comes later has been committed
/// for long when it is old enough.
pub(crate) async fn messages_before(
    connection: &mut PgConnection,
    from: i64,
    cutoff: DateTime<Utc>,
    limit: i64,
) -> Result<OldMessages, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH next AS (
               SELECT id, room_id, seq, created_at FROM chat_messages
               WHERE id > $1 ORDER BY id LIMIT $3
           ), old AS (
               SELECT * FROM next
               WHERE id < coalesce((SELECT min(id) FROM next WHERE created_at > $2),
                                   9223372036854775807)
           )
           SELECT room_id, max(seq) AS "head!", max(id) AS "last!", count(*) AS "count!"
           FROM old GROUP BY room_id"#,
        from,
        cutoff,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(OldMessages {
        count: rows.iter().map(|row| row.count).sum(),
        last: rows.iter().map(|row| row.last).max(),
        rooms: rows.iter().map(|row| row.room_id).collect(),
        heads: rows.iter().map(|row| row.head).collect(),
    })
}

/// Notes of members who have not read these rooms so far, and were not told since they last had,
/// that they are told now.
pub(crate) async fn mark_told(
    connection: &mut PgConnection,
    rooms: &[i64],
    heads: &[i64],
    limit: i64,
) -> Result<Vec<Absent>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH waiting AS (
               SELECT m.room_id, m.user_id, o.head,
                      (SELECT count(*) FROM chat_messages c
                       WHERE c.room_id = m.room_id AND c.seq > m.read_seq AND c.seq <= r.head
                         AND c.sender_id <> m.user_id AND c.deleted_at IS NULL) AS unread
               FROM unnest($1::bigint[], $2::bigint[]) AS o (room_id, head)
               JOIN rooms r ON r.id = o.room_id AND r.deleted_at IS NULL
               JOIN room_members m ON m.room_id = o.room_id
               WHERE m.read_seq < o.head AND m.told_seq <= m.read_seq
                 AND EXISTS (SELECT FROM chat_messages c
                             WHERE c.room_id = m.room_id AND c.seq > m.read_seq AND c.seq <= o.head
                               AND c.sender_id <> m.user_id AND c.deleted_at IS NULL)
               ORDER BY m.room_id, m.user_id
               LIMIT $3
           ), told AS (
               UPDATE room_members m SET told_seq = w.head FROM waiting w
               WHERE m.room_id = w.room_id AND m.user_id = w.user_id
               RETURNING m.room_id, m.user_id, w.unread
           )
           SELECT t.room_id, t.user_id, t.unread AS "unread!", r.name,
                  CASE WHEN r.tells_by_sms AND u.is_active THEN u.phone END
                      AS phone
           FROM told t JOIN rooms r ON r.id = t.room_id JOIN users u ON u.id = t.user_id
           ORDER BY t.room_id, t.user_id"#,
        rooms,
        heads,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let read = |phone: String| {
        PhoneNumber::from_e164(&phone).map_err(|error| sqlx::Error::Decode(error.into()))
    };
    let absent = rows.into_iter().map(|row| {
        Ok(Absent {
            room: RoomId(row.room_id),
            name: row.name,
            user_id: row.user_id,
            unread: row.unread,
            phone: row.phone.map(read).transpose()?,
        })
    });
    absent.collect()
}

pub(crate) async fn count_absent(pool: &PgPool, cutoff: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM room_members m
           JOIN rooms r ON r.id = m.room_id AND r.deleted_at IS NULL
           WHERE m.told_seq <= m.read_seq AND m.read_seq < r.head
             AND EXISTS (SELECT FROM chat_messages c
                         WHERE c.room_id = m.room_id AND c.seq > m.read_seq
                           AND c.id > (SELECT message_id FROM absence_looks)
                           AND c.created_at <= $1 AND c.sender_id <> m.user_id
                           AND c.deleted_at IS NULL)"#,
        cutoff,
    )
    .fetch_one(pool)
    .await
}

//! What becomes of messages: edits, deletions, reactions.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::seats::read_role;
use crate::{
    chat::{
        RoomId,
        edit::Changing,
        permissions::{Levels, Rank},
        reactions::Reaction,
    },
    fold,
};

pub(crate) async fn find_room_of(
    pool: &PgPool,
    message_id: i64,
) -> Result<Option<RoomId>, sqlx::Error> {
    let room = sqlx::query_scalar!(
        "SELECT room_id FROM chat_messages WHERE id = $1 AND deleted_at IS NULL",
        message_id,
    )
    .fetch_optional(pool)
    .await?;
    Ok(room.map(RoomId))
}

/// A message that is not deleted; its room is locked.
pub(crate) async fn find_changing(
    connection: &mut PgConnection,
    message_id: i64,
) -> Result<Option<Changing>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT c.sender_id, c.text,
                  (c.attachment_id IS NOT NULL OR c.lat IS NOT NULL) AS "has_more!",
                  m.role AS "role?", m.levels AS "levels?"
           FROM chat_messages c
           LEFT JOIN room_members m ON m.room_id = c.room_id AND m.user_id = c.sender_id
           WHERE c.id = $1 AND c.deleted_at IS NULL"#,
        message_id,
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let author = match (row.role, row.levels) {
        (Some(role), Some(levels)) => {
            Some(Rank { role: read_role(&role)?, levels: Levels::from_bits(levels) })
        }
        _ => None,
    };
    let (sender_id, text, has_more) = (row.sender_id, row.text, row.has_more);
    Ok(Some(Changing { sender_id, text, has_more, author }))
}

pub(crate) async fn edit_message(
    connection: &mut PgConnection,
    message_id: i64,
    text: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE chat_messages SET text = $2, folded = $3, edited_at = $4 WHERE id = $1",
        message_id,
        text,
        fold::words(text),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes everything off a message but its place, and gives its file up.
pub(crate) async fn bury_message(
    connection: &mut PgConnection,
    message_id: i64,
    by: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH buried AS (
             UPDATE chat_messages
             SET text = '', folded = '', lat = NULL, lng = NULL, attachment_id = NULL,
                 fingerprint = NULL, deleted_at = $3, deleted_by = $2
             WHERE id = $1 RETURNING id
         ), given_up AS (
             UPDATE attachments a SET deleted_at = $3 FROM buried b
             WHERE a.message_id = b.id AND a.deleted_at IS NULL
         )
         DELETE FROM message_reactions r USING buried b WHERE r.message_id = b.id",
        message_id,
        by,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// In how many other ways people reacted to a message.
pub(crate) async fn count_others(
    connection: &mut PgConnection,
    message_id: i64,
    emoji: &str,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(DISTINCT emoji) AS "count!" FROM message_reactions
           WHERE message_id = $1 AND emoji <> $2"#,
        message_id,
        emoji,
    )
    .fetch_one(connection)
    .await
}

pub(crate) async fn count_reactions(
    connection: &mut PgConnection,
    message_id: i64,
    emoji: &str,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM message_reactions
           WHERE message_id = $1 AND emoji = $2"#,
        message_id,
        emoji,
    )
    .fetch_one(connection)
    .await
}

/// Whether it was not there.
pub(crate) async fn add_reaction(
    connection: &mut PgConnection,
    message_id: i64,
    user_id: i64,
    emoji: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "INSERT INTO message_reactions (message_id, user_id, emoji, created_at)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        message_id,
        user_id,
        emoji,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Whether it was there.
pub(crate) async fn remove_reaction(
    connection: &mut PgConnection,
    message_id: i64,
    user_id: i64,
    emoji: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM message_reactions WHERE message_id = $1 AND user_id = $2 AND emoji = $3",
        message_id,
        user_id,
        emoji,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// How people reacted to messages, the first way first.
pub(crate) async fn reactions(
    pool: &PgPool,
    viewer_id: i64,
    messages: &[i64],
) -> Result<Vec<(i64, Reaction)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT message_id, emoji, count(*) AS "count!", bool_or(user_id = $2) AS "mine!"
           FROM message_reactions WHERE message_id = ANY($1)
           GROUP BY message_id, emoji ORDER BY message_id, min(created_at), emoji"#,
        messages,
        viewer_id,
    )
    .fetch_all(pool)
    .await?;
    let seen = rows.into_iter().map(|row| {
        let reaction = Reaction { emoji: row.emoji, count: row.count, mine: row.mine };
        (row.message_id, reaction)
    });
    Ok(seen.collect())
}

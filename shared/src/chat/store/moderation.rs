//! Reports of messages, and who blocks whom.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgPool, postgres::PgRow};

use crate::chat::{
    Person, RoomId,
    log::MessageType,
    moderation::{Authored, Block, Outcome, Reason, Report, Reported},
};

/// Where a message is that is not deleted, and whose it is.
pub(crate) async fn author_of(
    pool: &PgPool,
    message_id: i64,
) -> Result<Option<Authored>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT room_id, seq, sender_id FROM chat_messages WHERE id = $1 AND deleted_at IS NULL",
        message_id,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Authored {
        room: RoomId(row.room_id),
        seq: row.seq,
        sender_id: row.sender_id,
    }))
}

/// When somebody last ceased to belong to a room that is still there, by its log; `None`: they never
/// did. A ban says whether it put them out, for strangers are banned too.
pub(crate) async fn gone_at(
    pool: &PgPool,
    room: RoomId,
    user_id: i64,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT max(e.seq) FROM room_events e JOIN rooms r ON r.id = e.room_id
           WHERE e.room_id = $1 AND e.subject_id = $2 AND r.deleted_at IS NULL
             AND e.kind IN ('member.left', 'member.removed', 'member.banned')
             AND (e.kind <> 'member.banned' OR e.data @> '{"was_member": true}')"#,
        room.0,
        user_id,
    )
    .fetch_one(pool)
    .await
}

/// The number of a new report; `None`: there is one.
pub(crate) async fn insert_report(
    connection: &mut PgConnection,
    (room, message_id): (RoomId, i64),
    reporter_id: i64,
    (reason, note): (Reason, Option<&str>),
    now: DateTime<Utc>,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO message_reports (room_id, message_id, reporter_id, reason, note, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (message_id, reporter_id) DO NOTHING RETURNING id",
        room.0,
        message_id,
        reporter_id,
        reason.as_str(),
        note,
        now,
    )
    .fetch_optional(connection)
    .await
}

pub(crate) async fn report_of(
    pool: &PgPool,
    message_id: i64,
    reporter_id: i64,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM message_reports WHERE message_id = $1 AND reporter_id = $2",
        message_id,
        reporter_id,
    )
    .fetch_optional(pool)
    .await
}

/// A report with its message, as [`report`] and the list of staff read it.
#[derive(sqlx::FromRow)]
pub(crate) struct ReportRow {
    id: i64,
    room_id: i64,
    message_id: i64,
    reporter_id: i64,
    reason: String,
    note: Option<String>,
    created_at: DateTime<Utc>,
    settled_at: Option<DateTime<Utc>>,
    settled_by: Option<i64>,
    outcome: Option<String>,
    kind: Option<String>,
    text: Option<String>,
    written_at: Option<DateTime<Utc>>,
    is_deleted: bool,
    sender_id: Option<i64>,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
}

impl TryFrom<ReportRow> for Report {
    type Error = sqlx::Error;

    fn try_from(row: ReportRow) -> Result<Self, sqlx::Error> {
        let reported = match (row.kind, row.text, row.written_at, row.sender_id) {
            (Some(kind), Some(text), Some(created_at), Some(id)) => Some(Reported {
                sender: Person {
                    id,
                    username: row.username.unwrap_or_default(),
                    first_name: row.first_name.unwrap_or_default(),
                    last_name: row.last_name.unwrap_or_default(),
                },
                kind: MessageType::parse(&kind).ok_or_else(|| unknown("type of a message"))?,
                text,
                created_at,
                is_deleted: row.is_deleted,
            }),
            _ => None,
        };
        let outcome = row.outcome.map(|word| Outcome::parse(&word));
        Ok(Self {
            id: row.id,
            room: RoomId(row.room_id),
            message: reported,
            message_id: row.message_id,
            reporter_id: row.reporter_id,
            reason: Reason::parse(&row.reason).ok_or_else(|| unknown("reason"))?,
            note: row.note,
            created_at: row.created_at,
            settled_at: row.settled_at,
            settled_by: row.settled_by,
            outcome: outcome.map(|known| known.ok_or_else(|| unknown("outcome"))).transpose()?,
        })
    }
}

impl FromRow<'_, PgRow> for Report {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        ReportRow::from_row(row)?.try_into()
    }
}

/// One report.
pub(crate) async fn report(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<Report>, sqlx::Error> {
    let row = sqlx::query_as!(
        ReportRow,
        r#"SELECT r.id, r.room_id, r.message_id, r.reporter_id, r.reason, r.note, r.created_at,
                  r.settled_at, r.settled_by, r.outcome, c.type AS "kind?", c.text AS "text?",
                  c.created_at AS "written_at?",
                  coalesce(c.deleted_at IS NOT NULL, true) AS "is_deleted!",
                  u.id AS "sender_id?", u.username AS "username?",
                  u.first_name AS "first_name?", u.last_name AS "last_name?"
           FROM message_reports r
           LEFT JOIN chat_messages c ON c.id = r.message_id
           LEFT JOIN users u ON u.id = c.sender_id
           WHERE r.id = $1"#,
        id,
    )
    .fetch_optional(connection)
    .await?;
    row.map(Report::try_from).transpose()
}

fn unknown(what: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("unknown {what}").into())
}

/// Settles all open reports of a message; their numbers.
pub(crate) async fn settle_reports(
    connection: &mut PgConnection,
    message_id: i64,
    outcome: Outcome,
    (by, now): (i64, DateTime<Utc>),
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE message_reports SET settled_at = $4, settled_by = $3, outcome = $2
         WHERE message_id = $1 AND settled_at IS NULL RETURNING id",
        message_id,
        outcome.as_str(),
        by,
        now,
    )
    .fetch_all(connection)
    .await
}

/// Whether a message is there and was not deleted.
pub(crate) async fn is_there(
    connection: &mut PgConnection,
    message_id: i64,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM chat_messages WHERE id = $1 AND deleted_at IS NULL)
           AS "there!""#,
        message_id,
    )
    .fetch_one(connection)
    .await
}

/// A page of whom somebody blocks, the newest accounts first.
pub(crate) async fn blocks(
    pool: &PgPool,
    user_id: i64,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Block>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT u.id, u.username, u.first_name, u.last_name, b.created_at
         FROM user_blocks b JOIN users u ON u.id = b.blocked_id
         WHERE b.user_id = $1 AND ($2::bigint IS NULL OR b.blocked_id < $2)
         ORDER BY b.blocked_id DESC LIMIT $3",
        user_id,
        before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| Block {
        person: Person {
            id: row.id,
            username: row.username,
            first_name: row.first_name,
            last_name: row.last_name,
        },
        created_at: row.created_at,
    });
    Ok(read.collect())
}

pub(crate) async fn count_blocks(
    connection: &mut PgConnection,
    user_id: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM user_blocks WHERE user_id = $1"#,
        user_id,
    )
    .fetch_one(connection)
    .await
}

/// Whether there is such an account, which is blocked from here on.
pub(crate) async fn insert_block(
    connection: &mut PgConnection,
    user_id: i64,
    whom: i64,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let row = sqlx::query!(
        r#"WITH person AS (SELECT id FROM users WHERE id = $2 AND erased_at IS NULL), blocked AS (
               INSERT INTO user_blocks (user_id, blocked_id, created_at)
               SELECT $1, id, $3 FROM person ON CONFLICT (user_id, blocked_id) DO NOTHING
           )
           SELECT EXISTS (SELECT FROM person) AS "exists!""#,
        user_id,
        whom,
        now,
    )
    .fetch_one(connection)
    .await?;
    Ok(row.exists)
}

/// Whether somebody was blocked, who is no more.
pub(crate) async fn delete_block(
    pool: &PgPool,
    user_id: i64,
    whom: i64,
) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query!(
        "DELETE FROM user_blocks WHERE user_id = $1 AND blocked_id = $2",
        user_id,
        whom,
    )
    .execute(pool)
    .await?;
    Ok(gone.rows_affected() > 0)
}

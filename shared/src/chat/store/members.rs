//! Members of rooms, and who was put out of them.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::seats::read_role;
use crate::chat::{
    Person, RoomId,
    members::Ban,
    permissions::{Levels, Rank, Role},
    rooms::Seated,
};

struct Row {
    user_id: i64,
    username: String,
    first_name: String,
    last_name: String,
    role: String,
    levels: i16,
    joined_at: DateTime<Utc>,
    muted_until: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Seated {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            person: Person {
                id: row.user_id,
                username: row.username,
                first_name: row.first_name,
                last_name: row.last_name,
            },
            rank: Rank { role: read_role(&row.role)?, levels: Levels::from_bits(row.levels) },
            joined_at: row.joined_at,
            muted_until: row.muted_until,
        })
    }
}

/// A page of a room's members, the newest accounts first; `special`: only those who are more, or
/// less, than members.
pub(crate) async fn members(
    pool: &PgPool,
    room: RoomId,
    special: bool,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Seated>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT m.user_id, u.username, u.first_name, u.last_name, m.role, m.levels, m.joined_at,
                m.muted_until
         FROM room_members m JOIN users u ON u.id = m.user_id
         WHERE m.room_id = $1 AND ($2::bigint IS NULL OR m.user_id < $2)
           AND (NOT $3 OR m.role = 'owner' OR m.levels <> $4)
         ORDER BY m.user_id DESC LIMIT $5",
        room.0,
        before,
        special,
        Levels::MEMBER.bits(),
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Seated::try_from).collect()
}

/// What somebody is in a room; `None`: nothing.
pub(crate) async fn rank_of(
    connection: &mut PgConnection,
    room: RoomId,
    user_id: i64,
) -> Result<Option<Rank>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT role, levels FROM room_members WHERE room_id = $1 AND user_id = $2",
        room.0,
        user_id,
    )
    .fetch_optional(connection)
    .await?;
    let read =
        |role: &str, levels| Ok(Rank { role: read_role(role)?, levels: Levels::from_bits(levels) });
    row.map(|row| read(&row.role, row.levels)).transpose()
}

pub(crate) async fn count_members(
    connection: &mut PgConnection,
    room: RoomId,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM room_members WHERE room_id = $1"#,
        room.0,
    )
    .fetch_one(connection)
    .await
}

/// Whether somebody had a seat in a room, which they have no more.
pub(crate) async fn delete_member(
    connection: &mut PgConnection,
    room: RoomId,
    user_id: i64,
) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query!(
        "DELETE FROM room_members WHERE room_id = $1 AND user_id = $2",
        room.0,
        user_id,
    )
    .execute(connection)
    .await?;
    Ok(gone.rows_affected() > 0)
}

pub(crate) async fn set_rank(
    connection: &mut PgConnection,
    room: RoomId,
    user_id: i64,
    rank: Rank,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE room_members SET role = $3, levels = $4 WHERE room_id = $1 AND user_id = $2",
        room.0,
        user_id,
        rank.role.as_str(),
        rank.levels.bits(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Who should answer for a room whose owner goes: whoever looks after it the longest, else the
/// longest-standing member.
pub(crate) async fn successor(
    connection: &mut PgConnection,
    room: RoomId,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT m.user_id FROM room_members m JOIN users u ON u.id = m.user_id
         WHERE m.room_id = $1
         ORDER BY u.is_active DESC, m.levels & 8188 <> 0 AND m.levels & 1 = 0 DESC, m.joined_at,
                  m.user_id
         LIMIT 1",
        room.0,
    )
    .fetch_optional(connection)
    .await
}

pub(crate) async fn set_muted(
    connection: &mut PgConnection,
    room: RoomId,
    user_id: i64,
    until: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE room_members SET muted_until = $3 WHERE room_id = $1 AND user_id = $2",
        room.0,
        user_id,
        until,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Keeps a room at the top for somebody, or not any more. Whether they belong to it.
pub(crate) async fn set_pinned(
    pool: &PgPool,
    room: RoomId,
    user_id: i64,
    at: Option<DateTime<Utc>>,
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        "UPDATE room_members m
         SET pinned_at = CASE WHEN $3::timestamptz IS NULL THEN NULL
                              ELSE coalesce(m.pinned_at, $3) END
         FROM rooms r
         WHERE m.room_id = $1 AND m.user_id = $2 AND r.id = m.room_id AND r.deleted_at IS NULL",
        room.0,
        user_id,
        at,
    )
    .execute(pool)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// Shows the others in a room when somebody is there, or not any more. Whether they belong to it.
pub(crate) async fn set_presence(
    pool: &PgPool,
    room: RoomId,
    user_id: i64,
    shows: bool,
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        "UPDATE room_members m SET shows_presence = $3 FROM rooms r
         WHERE m.room_id = $1 AND m.user_id = $2 AND r.id = m.room_id AND r.deleted_at IS NULL",
        room.0,
        user_id,
        shows,
    )
    .execute(pool)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// A page of who is banned from a room, the newest accounts first.
pub(crate) async fn bans(
    pool: &PgPool,
    room: RoomId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Ban>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT b.user_id, u.username, u.first_name, u.last_name, b.banned_by, b.reason,
                b.created_at
         FROM room_bans b JOIN users u ON u.id = b.user_id
         WHERE b.room_id = $1 AND ($2::bigint IS NULL OR b.user_id < $2)
         ORDER BY b.user_id DESC LIMIT $3",
        room.0,
        before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| Ban {
        person: Person {
            id: row.user_id,
            username: row.username,
            first_name: row.first_name,
            last_name: row.last_name,
        },
        banned_by: row.banned_by,
        reason: row.reason,
        created_at: row.created_at,
    });
    Ok(read.collect())
}

/// Which of these people are banned from a room.
pub(crate) async fn banned_among(
    connection: &mut PgConnection,
    room: RoomId,
    people: &[i64],
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM room_bans WHERE room_id = $1 AND user_id = ANY($2))
           AS "banned!""#,
        room.0,
        people,
    )
    .fetch_one(connection)
    .await
}

/// Which of these people have no seat in a room.
pub(crate) async fn unseated_among(
    connection: &mut PgConnection,
    room: RoomId,
    people: &[i64],
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT p.id AS "id!" FROM unnest($2::bigint[]) AS p (id)
           WHERE NOT EXISTS (SELECT FROM room_members m WHERE m.room_id = $1 AND m.user_id = p.id)
           ORDER BY p.id"#,
        room.0,
        people,
    )
    .fetch_all(connection)
    .await
}

/// Bans an account from a room. `None`: there is no such account; whether it was not banned before.
pub(crate) async fn insert_ban(
    connection: &mut PgConnection,
    room: RoomId,
    user_id: i64,
    (by, reason): (i64, Option<&str>),
    now: DateTime<Utc>,
) -> Result<Option<bool>, sqlx::Error> {
    let row = sqlx::query!(
        r#"WITH person AS (SELECT id FROM users WHERE id = $2 FOR KEY SHARE), banned AS (
               INSERT INTO room_bans (room_id, user_id, banned_by, reason, created_at)
               SELECT $1, id, $3, $4, $5 FROM person
               ON CONFLICT (room_id, user_id) DO NOTHING
               RETURNING user_id
           )
           SELECT EXISTS (SELECT FROM person) AS "exists!", EXISTS (SELECT FROM banned) AS "new!""#,
        room.0,
        user_id,
        by,
        reason,
        now,
    )
    .fetch_one(connection)
    .await?;
    Ok(row.exists.then_some(row.new))
}

/// Whether somebody was banned from a room, which they are no more.
pub(crate) async fn delete_ban(
    connection: &mut PgConnection,
    room: RoomId,
    user_id: i64,
) -> Result<bool, sqlx::Error> {
    let gone =
        sqlx::query!("DELETE FROM room_bans WHERE room_id = $1 AND user_id = $2", room.0, user_id,)
            .execute(connection)
            .await?;
    Ok(gone.rows_affected() > 0)
}

/// Locks all rooms somebody belongs to, of one organization or of any, in their order.
pub(crate) async fn lock_rooms_of(
    connection: &mut PgConnection,
    user_id: i64,
    organization: Option<i64>,
) -> Result<Vec<RoomId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM rooms
         WHERE id IN (SELECT room_id FROM room_members m WHERE m.user_id = $1)
           AND ($2::bigint IS NULL OR organization_id = $2) AND deleted_at IS NULL
         ORDER BY id FOR NO KEY UPDATE",
        user_id,
        organization,
    )
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(RoomId).collect())
}

/// What a seat is at this moment, of a room that is locked.
pub(crate) async fn place_of(
    connection: &mut PgConnection,
    room: RoomId,
    user_id: i64,
) -> Result<Option<(Role, bool)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT m.role, r.direct_low IS NOT NULL AS "is_direct!"
           FROM room_members m JOIN rooms r ON r.id = m.room_id
           WHERE m.room_id = $1 AND m.user_id = $2"#,
        room.0,
        user_id,
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((read_role(&row.role)?, row.is_direct))).transpose()
}

/// What goes with a person who is erased beside their seats: what they reacted, who they blocked and
/// who blocked them, bans of them, tickets, and the words of what they reported.
pub(crate) async fn forget(connection: &mut PgConnection, user_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH reactions AS (DELETE FROM message_reactions WHERE user_id = $1),
              blocks AS (DELETE FROM user_blocks WHERE user_id = $1 OR blocked_id = $1),
              bans AS (DELETE FROM room_bans WHERE user_id = $1),
              tickets AS (DELETE FROM socket_tickets WHERE user_id = $1),
              seats AS (DELETE FROM room_members WHERE user_id = $1)
         UPDATE message_reports SET note = NULL WHERE reporter_id = $1 AND note IS NOT NULL",
        user_id,
    )
    .execute(connection)
    .await
    .map(drop)
}

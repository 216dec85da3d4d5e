//! Who is what in which room.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::chat::{
    RoomId,
    permissions::{Levels, Rank, Role, Standing, Status},
    seat::Seat,
};

/// Locks the row of a room, against everything but references to it.
pub(crate) async fn lock_room(
    connection: &mut PgConnection,
    room: RoomId,
) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT 1 AS one FROM rooms WHERE id = $1 FOR NO KEY UPDATE", room.0)
        .fetch_optional(connection)
        .await?;
    Ok(())
}

pub(crate) async fn find_seat(
    connection: &mut PgConnection,
    room: RoomId,
    user_id: i64,
    now: DateTime<Utc>,
) -> Result<Seat, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT r.status, r.direct_low IS NOT NULL AS "is_direct!", m.role AS "role?",
                  m.levels AS "levels?", coalesce(m.muted_until > $3, false) AS "is_muted!",
                  EXISTS (SELECT FROM room_bans b WHERE b.room_id = r.id AND b.user_id = $2)
                      AS "is_banned!",
                  EXISTS (SELECT FROM user_blocks b
                          WHERE (b.user_id = r.direct_low AND b.blocked_id = r.direct_high)
                             OR (b.user_id = r.direct_high AND b.blocked_id = r.direct_low))
                      AS "is_blocked!"
           FROM rooms r
           LEFT JOIN room_members m ON m.room_id = r.id AND m.user_id = $2
           WHERE r.id = $1 AND r.deleted_at IS NULL"#,
        room.0,
        user_id,
        now,
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(Seat::None) };
    if row.is_banned {
        return Ok(Seat::Banned);
    }
    let (Some(role), Some(levels)) = (row.role, row.levels) else { return Ok(Seat::None) };
    Ok(Seat::Member(Standing {
        rank: read_rank(&role, levels)?,
        is_muted: row.is_muted,
        status: read_status(row.status)?,
        is_direct: row.is_direct,
        is_blocked: row.is_blocked,
    }))
}

pub(super) fn read_role(word: &str) -> Result<Role, sqlx::Error> {
    Role::parse(word).ok_or_else(|| sqlx::Error::Decode("unknown role of a room".into()))
}

/// What somebody is in a room, as it is stored.
pub(super) fn read_rank(role: &str, levels: i16) -> Result<Rank, sqlx::Error> {
    Ok(Rank { role: read_role(role)?, levels: Levels::from_bits(levels) })
}

pub(super) fn read_status(number: i16) -> Result<Status, sqlx::Error> {
    Status::from_number(number.into())
        .ok_or_else(|| sqlx::Error::Decode("unknown status of a room".into()))
}

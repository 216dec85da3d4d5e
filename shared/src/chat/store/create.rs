//! New rooms, and the people who are to be in them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::chat::{
    RoomId,
    create::About,
    permissions::{Levels, Role},
};

/// Locks active accounts until the transaction ends, in the order of their numbers, before anything
/// of chat; gives those that are there.
pub(crate) async fn lock_people(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM users WHERE id = ANY($1) AND is_active ORDER BY id FOR NO KEY UPDATE",
        ids,
    )
    .fetch_all(connection)
    .await
}

/// Keeps an organization, and these people in it, until the transaction ends: after their accounts and
/// before any room, in the order in which what ends either locks them. Gives those who are in it.
pub(crate) async fn lock_organization_members(
    connection: &mut PgConnection,
    organization: i64,
    ids: &[i64],
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query!("SELECT id FROM organizations WHERE id = $1 FOR KEY SHARE", organization)
        .fetch_optional(&mut *connection)
        .await?;
    sqlx::query_scalar!(
        "SELECT user_id FROM organization_members
         WHERE organization_id = $1 AND user_id = ANY($2) ORDER BY user_id FOR KEY SHARE",
        organization,
        ids,
    )
    .fetch_all(connection)
    .await
}

/// Whether any of these wants to hear nothing of somebody.
pub(crate) async fn is_blocked_by_any(
    connection: &mut PgConnection,
    user_id: i64,
    by: &[i64],
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM user_blocks WHERE blocked_id = $1 AND user_id = ANY($2))
           AS "blocked!""#,
        user_id,
        by,
    )
    .fetch_one(connection)
    .await
}

/// Whether any of these belongs to so many rooms already.
pub(crate) async fn has_enough_rooms(
    connection: &mut PgConnection,
    ids: &[i64],
    enough: i64,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM room_members m JOIN rooms r ON r.id = m.room_id
               WHERE m.user_id = ANY($1) AND r.deleted_at IS NULL
               GROUP BY m.user_id HAVING count(*) >= $2
           ) AS "enough!""#,
        ids,
        enough,
    )
    .fetch_one(connection)
    .await
}

/// The room of two people, locked.
pub(crate) async fn lock_direct(
    connection: &mut PgConnection,
    [low, high]: [i64; 2],
    organization: Option<i64>,
) -> Result<Option<RoomId>, sqlx::Error> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM rooms
         WHERE direct_low = $1 AND direct_high = $2
           AND coalesce(organization_id, 0) = coalesce($3::bigint, 0) AND deleted_at IS NULL
         FOR NO KEY UPDATE",
        low,
        high,
        organization,
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(RoomId))
}

/// Makes a room without members. `None`: the two have one.
pub(crate) async fn insert_room(
    connection: &mut PgConnection,
    direct: Option<[i64; 2]>,
    about: &About,
    now: DateTime<Utc>,
) -> Result<Option<RoomId>, sqlx::Error> {
    let id = sqlx::query_scalar!(
        "INSERT INTO rooms (organization_id, direct_low, direct_high, name, descriptions, head_at,
             created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)
         ON CONFLICT (direct_low, direct_high, (coalesce(organization_id, 0)))
             WHERE deleted_at IS NULL DO NOTHING
         RETURNING id",
        about.organization_id,
        direct.map(|[low, _]| low),
        direct.map(|[_, high]| high),
        about.name,
        about.descriptions,
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(RoomId))
}

/// Seats people in a room that is locked; gives those who had no seat there. Nothing of what was
/// said before is unread to them.
pub(crate) async fn insert_members(
    connection: &mut PgConnection,
    room: RoomId,
    people: &[i64],
    (role, levels): (Role, Levels),
    now: DateTime<Utc>,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO room_members (room_id, user_id, organization_id, role, levels, joined_at,
             read_seq, told_seq)
         SELECT r.id, p.id, r.organization_id, $3, $4, $5, r.head, r.head
         FROM rooms r CROSS JOIN unnest($2::bigint[]) AS p (id)
         WHERE r.id = $1 ORDER BY p.id
         ON CONFLICT (room_id, user_id) DO NOTHING
         RETURNING user_id",
        room.0,
        people,
        role.as_str(),
        levels.bits(),
        now,
    )
    .fetch_all(connection)
    .await
}

/// Writes down that these people belong to a room now, one after another; gives the last number.
pub(crate) async fn append_joined(
    connection: &mut PgConnection,
    room: RoomId,
    actor_id: i64,
    people: &[i64],
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH next AS (
               UPDATE rooms SET head = head + cardinality($3::bigint[]), head_at = $4
               WHERE id = $1 RETURNING id, head
           ), written AS (
               INSERT INTO room_events (room_id, seq, kind, actor_id, subject_id, created_at)
               SELECT n.id, n.head - cardinality($3::bigint[]) + p.place, 'member.joined', $2,
                      p.id, $4
               FROM next n CROSS JOIN unnest($3::bigint[]) WITH ORDINALITY AS p (id, place)
           )
           SELECT head FROM next"#,
        room.0,
        actor_id,
        people,
        now,
    )
    .fetch_one(connection)
    .await
}

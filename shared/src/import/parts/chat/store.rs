//! All SQL of rooms and messages on Peyk's side.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    column,
    messages::Message,
    room::{Room, Seat},
};
use crate::fold::words;

/// Keeps everybody else from making or changing rooms until the transaction ends.
pub(super) async fn lock_rooms(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let lock = sqlx::query!("LOCK TABLE rooms IN SHARE ROW EXCLUSIVE MODE");
    lock.execute(connection).await.map(drop)
}

/// How many rooms have ids up to `greatest`.
pub(super) async fn rooms_up_to(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM rooms WHERE id <= $1"#, greatest)
        .fetch_one(connection)
        .await
}

/// Makes rooms that are made from now on have ids above `greatest`. The table is locked.
pub(super) async fn take_room_ids(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<(), sqlx::Error> {
    let take = sqlx::query!(
        "SELECT setval('rooms_id_seq', greatest($1, (SELECT last_value FROM rooms_id_seq)))",
        greatest,
    );
    take.fetch_one(connection).await.map(drop)
}

/// What is here of some rooms.
#[derive(Debug, Default)]
pub(super) struct RoomsHere {
    /// Those with the ids, and when they were made.
    pub(super) by_id: BTreeMap<i64, DateTime<Utc>>,
    /// Those that came before, whether they are here or not.
    pub(super) came: HashSet<i64>,
    /// Which users there are.
    pub(super) users: HashSet<i64>,
    /// The rooms of two people.
    pub(super) pairs: HashMap<[i64; 2], i64>,
}

/// Looks, and locks users and rooms against changes, in this order, as everywhere.
pub(super) async fn rooms_here(
    connection: &mut PgConnection,
    ids: &[i64],
    people: &[i64],
    pairs: &[[i64; 2]],
) -> Result<RoomsHere, sqlx::Error> {
    let users = lock_users(connection, people).await?;
    lock_rooms(connection).await?;
    let by_id = sqlx::query!("SELECT id, created_at FROM rooms WHERE id = ANY($1)", ids)
        .fetch_all(&mut *connection)
        .await?;
    let came =
        sqlx::query_scalar!("SELECT room_id FROM imported_rooms WHERE room_id = ANY($1)", ids)
            .fetch_all(&mut *connection)
            .await?;
    let pairs = sqlx::query!(
        r#"SELECT r.id, w.low AS "low!", w.high AS "high!"
           FROM unnest($1::bigint[], $2::bigint[]) AS w (low, high)
           JOIN rooms r ON r.direct_low = w.low AND r.direct_high = w.high
                AND coalesce(r.organization_id, 0) = 0 AND r.deleted_at IS NULL"#,
        &column(pairs, |[low, _]| *low),
        &column(pairs, |[_, high]| *high),
    )
    .fetch_all(connection)
    .await?;
    Ok(RoomsHere {
        by_id: by_id.into_iter().map(|row| (row.id, row.created_at)).collect(),
        came: came.into_iter().collect(),
        users,
        pairs: pairs.into_iter().map(|row| ([row.low, row.high], row.id)).collect(),
    })
}

async fn lock_users(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<HashSet<i64>, sqlx::Error> {
    let users = sqlx::query_scalar!(
        "SELECT id FROM users WHERE id = ANY($1) AND erased_at IS NULL ORDER BY id FOR KEY SHARE",
        ids,
    );
    Ok(users.fetch_all(connection).await?.into_iter().collect())
}

/// Makes rooms with the ids they had and without a log, and notes that they came.
pub(super) async fn insert_rooms(
    connection: &mut PgConnection,
    rooms: &[Room],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO rooms (id, direct_low, direct_high, name, descriptions, status, user_1, user_2,
             created_at, head_at)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
             $6::smallint[], $7::bigint[], $8::bigint[], $9::timestamptz[], $10::timestamptz[])",
        &column(rooms, |room| room.id),
        &column(rooms, |room| room.direct.map(|[low, _]| low)) as _,
        &column(rooms, |room| room.direct.map(|[_, high]| high)) as _,
        &column(rooms, |room| room.name.as_deref()) as _,
        &column(rooms, |room| room.descriptions.as_deref()) as _,
        &column(rooms, |room| room.status.number()),
        &column(rooms, |room| room.user_1) as _,
        &column(rooms, |room| room.user_2) as _,
        &column(rooms, |room| room.created_at),
        &column(rooms, |room| room.updated_at),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO imported_rooms (room_id) SELECT * FROM unnest($1::bigint[])",
        &column(rooms, |room| room.id),
    )
    .execute(&mut *connection)
    .await?;
    insert_seats(connection, rooms).await?;
    insert_bans(connection, rooms).await
}

async fn insert_seats(connection: &mut PgConnection, rooms: &[Room]) -> Result<(), sqlx::Error> {
    let of = |room: &'_ Room| {
        room.seats.iter().map(move |seat| (room.id, room.updated_at, *seat)).collect::<Vec<_>>()
    };
    let seats: Vec<(i64, DateTime<Utc>, Seat)> = rooms.iter().flat_map(of).collect();
    sqlx::query!(
        "INSERT INTO room_members (room_id, user_id, role, levels, joined_at, pinned_at)
         SELECT w.room_id, w.user_id, w.role, w.levels, r.created_at, w.pinned_at
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::smallint[], $5::timestamptz[])
             AS w (room_id, user_id, role, levels, pinned_at)
         JOIN rooms r ON r.id = w.room_id",
        &column(&seats, |(room, ..)| *room),
        &column(&seats, |(.., seat)| seat.user_id),
        &column(&seats, |(.., seat)| seat.role.as_str()) as _,
        &column(&seats, |(.., seat)| seat.levels.bits()),
        &column(&seats, |(_, at, seat)| seat.is_pinned.then_some(*at)) as _,
    )
    .execute(connection)
    .await
    .map(drop)
}

async fn insert_bans(connection: &mut PgConnection, rooms: &[Room]) -> Result<(), sqlx::Error> {
    let of = |room: &'_ Room| {
        room.banned.iter().map(|user| (room.id, *user, room.updated_at)).collect::<Vec<_>>()
    };
    let bans: Vec<(i64, i64, DateTime<Utc>)> = rooms.iter().flat_map(of).collect();
    sqlx::query!(
        "INSERT INTO room_bans (room_id, user_id, created_at)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[])",
        &column(&bans, |(room, ..)| *room),
        &column(&bans, |(_, user, _)| *user),
        &column(&bans, |(.., at)| *at),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Keeps everybody else from making or changing messages until the transaction ends.
pub(super) async fn lock_messages(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let lock = sqlx::query!("LOCK TABLE chat_messages IN SHARE ROW EXCLUSIVE MODE");
    lock.execute(connection).await.map(drop)
}

/// How many messages have ids up to `greatest`.
pub(super) async fn messages_up_to(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<i64, sqlx::Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM chat_messages WHERE id <= $1"#,
        greatest
    );
    count.fetch_one(connection).await
}

/// Makes messages that are written from now on have ids above `greatest`, and nobody be told that they
/// have not read those before. The table is locked.
pub(super) async fn take_message_ids(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<(), sqlx::Error> {
    let take = sqlx::query!(
        "SELECT setval('chat_messages_id_seq',
             greatest($1, (SELECT last_value FROM chat_messages_id_seq)))",
        greatest,
    );
    take.fetch_one(&mut *connection).await?;
    let pass =
        sqlx::query!("UPDATE absence_looks SET message_id = $1 WHERE message_id < $1", greatest,);
    pass.execute(connection).await.map(drop)
}

/// What is here of some messages.
#[derive(Debug, Default)]
pub(super) struct MessagesHere {
    /// Those with the ids, and when they were written.
    pub(super) by_id: HashMap<i64, DateTime<Utc>>,
    /// Which senders there are.
    pub(super) senders: HashSet<i64>,
    /// How far the logs of the rooms go.
    pub(super) heads: HashMap<i64, i64>,
    /// Rooms that came and were deleted since.
    pub(super) gone: HashSet<i64>,
}

/// Looks, and locks senders and rooms in this order, as everywhere.
pub(super) async fn messages_here(
    connection: &mut PgConnection,
    ids: &[i64],
    senders: &[i64],
    rooms: &[i64],
) -> Result<MessagesHere, sqlx::Error> {
    let senders = lock_users(connection, senders).await?;
    let heads = sqlx::query!(
        "SELECT id, head FROM rooms WHERE id = ANY($1) AND deleted_at IS NULL
         ORDER BY id FOR NO KEY UPDATE",
        rooms,
    )
    .fetch_all(&mut *connection)
    .await?;
    let gone = rooms_gone(connection, rooms).await?;
    let by_id = sqlx::query!("SELECT id, created_at FROM chat_messages WHERE id = ANY($1)", ids)
        .fetch_all(connection)
        .await?;
    Ok(MessagesHere {
        by_id: by_id.into_iter().map(|row| (row.id, row.created_at)).collect(),
        senders,
        heads: heads.into_iter().map(|row| (row.id, row.head)).collect(),
        gone,
    })
}

/// Those of the rooms that came and were deleted since.
pub(super) async fn rooms_gone(
    connection: &mut PgConnection,
    rooms: &[i64],
) -> Result<HashSet<i64>, sqlx::Error> {
    let gone = sqlx::query_scalar!(
        "SELECT i.room_id FROM imported_rooms i
         WHERE i.room_id = ANY($1)
           AND NOT EXISTS (SELECT FROM rooms r WHERE r.id = i.room_id AND r.deleted_at IS NULL)",
        rooms,
    );
    Ok(gone.fetch_all(connection).await?.into_iter().collect())
}

/// Writes messages with the ids they had, each with its number in its room's log.
pub(super) async fn insert_messages(
    connection: &mut PgConnection,
    messages: &[(Message, i64)],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO chat_messages (id, room_id, seq, sender_id, type, text, folded, lat, lng,
             created_at)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[],
             $6::text[], $7::text[], $8::float8[], $9::float8[], $10::timestamptz[])",
        &column(messages, |(message, _)| message.id),
        &column(messages, |(message, _)| message.room_id),
        &column(messages, |(_, seq)| *seq),
        &column(messages, |(message, _)| message.sender_id),
        &column(messages, |(message, _)| message.kind.as_str()) as _,
        &column(messages, |(message, _)| message.text.as_str()) as _,
        &column(messages, |(message, _)| words(&message.text)),
        &column(messages, |(message, _)| message.place.map(|(lat, _)| lat)) as _,
        &column(messages, |(message, _)| message.place.map(|(_, lng)| lng)) as _,
        &column(messages, |(message, _)| message.created_at),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// How far a room's log went and goes, and when something was said there last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rise {
    pub(super) room_id: i64,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) at: DateTime<Utc>,
}

/// Raises the heads of rooms. With `is_read`, whoever had read everything there has done so still.
pub(super) async fn raise_heads(
    connection: &mut PgConnection,
    rises: &[Rise],
    is_read: bool,
) -> Result<(), sqlx::Error> {
    let (rooms, to) = (column(rises, |rise| rise.room_id), column(rises, |rise| rise.to));
    sqlx::query!(
        "UPDATE rooms r SET head = w.head, head_at = greatest(r.head_at, w.at)
         FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS w (room_id, head, at)
         WHERE r.id = w.room_id",
        &rooms,
        &to,
        &column(rises, |rise| rise.at),
    )
    .execute(&mut *connection)
    .await?;
    if !is_read {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE room_members m SET read_seq = w.head
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS w (room_id, before, head)
         WHERE m.room_id = w.room_id AND m.read_seq = w.before",
        &rooms,
        &column(rises, |rise| rise.from),
        &to,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Moves the cursors of people forward to these messages.
pub(super) async fn mark_read(
    connection: &mut PgConnection,
    marks: &[(i64, i64)],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"UPDATE room_members m SET read_seq = w.seq
           FROM (SELECT c.room_id, k.user_id, max(c.seq) AS seq
                 FROM unnest($1::bigint[], $2::bigint[]) AS k (message_id, user_id)
                 JOIN chat_messages c ON c.id = k.message_id
                 GROUP BY c.room_id, k.user_id) AS w
           WHERE m.room_id = w.room_id AND m.user_id = w.user_id AND m.read_seq < w.seq"#,
        &column(marks, |(message, _)| *message),
        &column(marks, |(_, user)| *user),
    )
    .execute(connection)
    .await
    .map(drop)
}

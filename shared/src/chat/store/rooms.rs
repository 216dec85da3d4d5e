//! Rooms as their members see them: a query for the rooms of a page, and one each for who is in
//! them, what was said last and how much is unread, however many rooms there are.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, types::Json};

use super::{
    log::FileRow,
    seats::{read_rank, read_status},
};
use crate::chat::{
    Person, RoomId,
    log::MessageType,
    rooms::{Before, Brief, LastMessage, Mine, SHOWN, Seated},
};

struct Row {
    id: i64,
    organization_id: Option<i64>,
    is_direct: bool,
    name: Option<String>,
    descriptions: Option<String>,
    status: i16,
    slow_seconds: i32,
    tells_by_sms: bool,
    user_1: Option<i64>,
    user_2: Option<i64>,
    head: i64,
    head_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    avatar: Option<Json<FileRow>>,
    banned: Vec<i64>,
    role: String,
    levels: i16,
    read_seq: i64,
    pinned_at: Option<DateTime<Utc>>,
    muted_until: Option<DateTime<Utc>>,
    shows_presence: bool,
    people: Vec<i64>,
    roles: Vec<String>,
    all_levels: Vec<i16>,
}

impl TryFrom<Row> for Brief {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let rank = read_rank(&row.role, row.levels)?;
        let seats = row.people.into_iter().zip(row.roles.iter().zip(row.all_levels));
        let seats = seats.map(|(id, (role, levels))| Ok((id, read_rank(role, levels)?)));
        Ok(Self {
            seats: seats.collect::<Result<_, sqlx::Error>>()?,
            id: RoomId(row.id),
            organization_id: row.organization_id,
            is_direct: row.is_direct,
            name: row.name,
            descriptions: row.descriptions,
            status: read_status(row.status)?,
            slow_seconds: row.slow_seconds,
            tells_by_sms: row.tells_by_sms,
            user_1: row.user_1,
            user_2: row.user_2,
            head: row.head,
            head_at: row.head_at,
            created_at: row.created_at,
            avatar: row.avatar.map(|file| file.0.into()),
            banned: row.banned,
            mine: Mine {
                rank,
                read_seq: row.read_seq,
                pinned_at: row.pinned_at,
                muted_until: row.muted_until,
                shows_presence: row.shows_presence,
            },
        })
    }
}

/// One query of rooms that somebody ($1) belongs to, so many ($2) of whose banned people and so many
/// ($3) of whose members are shown, those who look after it first: `rooms!("AND …", parameters…)`.
macro_rules! rooms {
    ($rest:literal, $($parameter:expr),*) => {
        sqlx::query_as!(
            Row,
            r#"SELECT r.id, r.organization_id, r.direct_low IS NOT NULL AS "is_direct!", r.name,
                      r.descriptions, r.status, r.slow_seconds, r.tells_by_sms, r.user_1, r.user_2,
                      r.head, r.head_at, r.created_at,
                      CASE WHEN f.id IS NOT NULL THEN jsonb_build_object('id', f.id, 'handle',
                          f.handle, 'name', f.name, 'mime', f.mime, 'bytes', f.bytes,
                          'created_at', f.created_at) END AS "avatar: Json<FileRow>",
                      ARRAY(SELECT b.user_id FROM room_bans b WHERE b.room_id = r.id
                            ORDER BY b.created_at DESC, b.user_id LIMIT $2) AS "banned!",
                      m.role, m.levels, m.read_seq, m.pinned_at, m.muted_until, m.shows_presence,
                      seats.people AS "people!", seats.roles AS "roles!",
                      seats.all_levels AS "all_levels!"
               FROM room_members m
               JOIN rooms r ON r.id = m.room_id
               LEFT JOIN attachments f
                 ON f.id = r.avatar_id AND f.deleted_at IS NULL AND f.bytes IS NOT NULL
               CROSS JOIN LATERAL (
                   SELECT coalesce(array_agg(s.user_id), '{}') AS people,
                          coalesce(array_agg(s.role), '{}') AS roles,
                          coalesce(array_agg(s.levels), '{}') AS all_levels
                   FROM (SELECT s.user_id, s.role, s.levels FROM room_members s
                         WHERE s.room_id = r.id
                         ORDER BY s.role = 'owner' DESC, s.levels & 8188 <> 0 DESC, s.joined_at,
                                  s.user_id
                         LIMIT $3) AS s
               ) AS seats
               WHERE m.user_id = $1 AND r.deleted_at IS NULL "# + $rest,
            $($parameter),*
        )
    };
}

/// Somebody's rooms, the latest activity first, without their members.
pub(crate) async fn rooms_of(
    pool: &PgPool,
    user_id: i64,
    before: Option<Before>,
    limit: i64,
) -> Result<Vec<Brief>, sqlx::Error> {
    let rows = rooms!(
        "AND (r.head_at, r.id) < (coalesce($4, timestamptz 'infinity'), $5)
         ORDER BY r.head_at DESC, r.id DESC LIMIT $6",
        user_id,
        SHOWN,
        0_i64,
        before.map(|before| before.at),
        before.map_or(0, |before| before.id),
        limit
    );
    rows.fetch_all(pool).await?.into_iter().map(Brief::try_from).collect()
}

/// Those of these rooms that somebody belongs to, each with so many of its members.
pub(crate) async fn rooms_among(
    pool: &PgPool,
    user_id: i64,
    rooms: &[i64],
    seats: i64,
) -> Result<Vec<Brief>, sqlx::Error> {
    let rows = rooms!("AND m.room_id = ANY($4)", user_id, SHOWN, seats, rooms);
    rows.fetch_all(pool).await?.into_iter().map(Brief::try_from).collect()
}

struct SeatedRow {
    room_id: i64,
    all: i64,
    user_id: i64,
    username: String,
    first_name: String,
    last_name: String,
    role: String,
    levels: i16,
    joined_at: DateTime<Utc>,
    muted_until: Option<DateTime<Utc>>,
}

impl TryFrom<SeatedRow> for Seated {
    type Error = sqlx::Error;

    fn try_from(row: SeatedRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            person: Person {
                id: row.user_id,
                username: row.username,
                first_name: row.first_name,
                last_name: row.last_name,
            },
            rank: read_rank(&row.role, row.levels)?,
            joined_at: row.joined_at,
            muted_until: row.muted_until,
        })
    }
}

/// Who is in these rooms, so many of each: those who look after it first, then the longest there.
/// With each room how many there are.
pub(crate) async fn seated(
    pool: &PgPool,
    rooms: &[i64],
) -> Result<Vec<(RoomId, i64, Seated)>, sqlx::Error> {
    let rows = sqlx::query_as!(
        SeatedRow,
        r#"SELECT w.room_id AS "room_id!", m.all_of_them AS "all!", m.user_id, u.username,
                  u.first_name, u.last_name, m.role, m.levels, m.joined_at, m.muted_until
           FROM unnest($1::bigint[]) AS w (room_id)
           CROSS JOIN LATERAL (
               SELECT s.*, count(*) OVER () AS all_of_them FROM room_members s
               WHERE s.room_id = w.room_id
               ORDER BY s.role = 'owner' DESC, s.levels & 8188 <> 0 DESC, s.joined_at, s.user_id
               LIMIT $2
           ) AS m
           JOIN users u ON u.id = m.user_id
           ORDER BY w.room_id, m.role = 'owner' DESC, m.levels & 8188 <> 0 DESC, m.joined_at,
                    m.user_id"#,
        rooms,
        SHOWN,
    )
    .fetch_all(pool)
    .await?;
    let read = |row: SeatedRow| Ok((RoomId(row.room_id), row.all, Seated::try_from(row)?));
    rows.into_iter().map(read).collect()
}

/// What was said last in these rooms, cut to so many characters; nothing of what was deleted.
pub(crate) async fn last_messages(
    pool: &PgPool,
    rooms: &[i64],
    characters: i32,
) -> Result<Vec<(RoomId, LastMessage)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT w.room_id AS "room_id!", c.id, c.seq, c.type, left(c.text, $2) AS "text!",
                  c.created_at, c.deleted_at IS NOT NULL AS "is_deleted!", u.id AS sender_id,
                  u.username, u.first_name, u.last_name
           FROM unnest($1::bigint[]) AS w (room_id)
           CROSS JOIN LATERAL (
               SELECT * FROM chat_messages m WHERE m.room_id = w.room_id
               ORDER BY m.seq DESC LIMIT 1
           ) AS c
           JOIN users u ON u.id = c.sender_id"#,
        rooms,
        characters,
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| {
        let kind = MessageType::parse(&row.r#type);
        let last = LastMessage {
            id: row.id,
            seq: row.seq,
            kind: kind.ok_or_else(|| sqlx::Error::Decode("unknown type of a message".into()))?,
            text: row.text,
            created_at: row.created_at,
            is_deleted: row.is_deleted,
            sender: Person {
                id: row.sender_id,
                username: row.username,
                first_name: row.first_name,
                last_name: row.last_name,
            },
        };
        Ok((RoomId(row.room_id), last))
    });
    read.collect()
}

/// How many messages of others somebody has not read in these rooms. Rooms without any are left
/// out. Room by room and with both ends of the range, or a long history would be read whole.
pub(crate) async fn unread(
    pool: &PgPool,
    user_id: i64,
    rooms: &[i64],
) -> Result<Vec<(RoomId, i64)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT m.room_id, n.unread AS "unread!"
           FROM room_members m
           JOIN rooms r ON r.id = m.room_id
           CROSS JOIN LATERAL (
               SELECT count(*) AS unread FROM chat_messages c
               WHERE c.room_id = m.room_id AND c.seq > m.read_seq AND c.seq <= r.head
                 AND c.sender_id <> m.user_id AND c.deleted_at IS NULL
           ) AS n
           WHERE m.user_id = $1 AND m.room_id = ANY($2) AND n.unread > 0"#,
        user_id,
        rooms,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (RoomId(row.room_id), row.unread)).collect())
}

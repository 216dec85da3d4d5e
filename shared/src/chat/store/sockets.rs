//! What sockets ask: where their people belong, and tickets.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::chat::{
    RoomId,
    sockets::Membership,
    tickets::{Redeemed, Ticket},
};

/// Read in one statement, so that whoever is a member is one at that head.
pub(crate) async fn memberships(
    pool: &PgPool,
    people: &[i64],
    room: Option<RoomId>,
) -> Result<Vec<Membership>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT m.user_id, r.id, r.head, m.shows_presence,
                  EXISTS (SELECT FROM room_members o
                          WHERE o.room_id = r.id AND o.shows_presence AND o.user_id <> m.user_id)
                      AS "others_show!"
           FROM room_members m JOIN rooms r ON r.id = m.room_id
           WHERE m.user_id = ANY($1) AND ($2::bigint IS NULL OR r.id = $2)
             AND r.deleted_at IS NULL
           ORDER BY r.head_at DESC, r.id"#,
        people,
        room.map(|room| room.0),
    )
    .fetch_all(pool)
    .await?;
    let seated = rows.into_iter().map(|row| Membership {
        user_id: row.user_id,
        room: RoomId(row.id),
        head: row.head,
        shows_presence: row.shows_presence,
        others_show: row.others_show,
    });
    Ok(seated.collect())
}

/// Stores a ticket, and throws away what is left of its buyer's old ones.
pub(crate) async fn insert_ticket(
    pool: &PgPool,
    hash: &[u8],
    ticket: &Ticket,
    redeemed: Redeemed,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH old AS (DELETE FROM socket_tickets WHERE user_id = $2 AND expires_at <= $6)
         INSERT INTO socket_tickets (hash, user_id, session_id, until, expires_at)
         VALUES ($1, $2, $3, $4, $5)",
        hash,
        redeemed.user_id,
        redeemed.session_id,
        redeemed.until,
        ticket.expires_at,
        now,
    )
    .execute(pool)
    .await?;
    Ok(())
}

crate::purge_table!(pub(crate) purge_tickets, count_old_tickets, "socket_tickets", "expires_at", "");

pub(crate) async fn take_ticket(
    pool: &PgPool,
    hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<Redeemed>, sqlx::Error> {
    let row = sqlx::query!(
        r#"DELETE FROM socket_tickets WHERE hash = $1
           RETURNING user_id, session_id, until, expires_at > $2 AS "is_good!""#,
        hash,
        now,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.filter(|row| row.is_good).map(|row| Redeemed {
        user_id: row.user_id,
        session_id: row.session_id,
        until: row.until,
    }))
}

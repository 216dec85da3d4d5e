//! Writing messages, many at once.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::seats::{read_role, read_status};
use crate::{
    chat::{
        Person, RoomId,
        log::FileRef,
        permissions::{Levels, Rank},
        post::{Earlier, Post, RoomFacts, SenderFacts, WaitingFile},
    },
    fold::words,
};

/// Locks rooms in the order of their ids, as [`super::lock_room`] does each; those that are gone are
/// left out.
pub(crate) async fn lock_rooms(
    connection: &mut PgConnection,
    rooms: impl Iterator<Item = RoomId>,
) -> Result<HashMap<RoomId, RoomFacts>, sqlx::Error> {
    let ids: BTreeSet<_> = rooms.map(|room| room.0).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let rows = sqlx::query!(
        r#"SELECT id, status, direct_low IS NOT NULL AS "is_direct!", slow_seconds, head
           FROM rooms WHERE id = ANY($1) AND deleted_at IS NULL
           ORDER BY id FOR NO KEY UPDATE"#,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    let mut rooms = HashMap::with_capacity(rows.len());
    for row in rows {
        let facts = RoomFacts {
            status: read_status(row.status)?,
            is_direct: row.is_direct,
            slow_seconds: row.slow_seconds,
            head: row.head,
        };
        rooms.insert(RoomId(row.id), facts);
    }
    Ok(rooms)
}

/// What is known of the senders, in the order of the posts; `None` where room or account is gone.
pub(crate) async fn find_senders(
    connection: &mut PgConnection,
    posts: &[Post],
) -> Result<Vec<Option<SenderFacts>>, sqlx::Error> {
    let rooms: Vec<_> = posts.iter().map(|post| post.new.room.0).collect();
    let users: Vec<_> = posts.iter().map(|post| post.sender_id).collect();
    let names: Vec<_> = posts.iter().map(|post| post.new.client_id.clone()).collect();
    let answered: Vec<_> = posts.iter().map(|post| post.new.reply_to).collect();
    let rows = sqlx::query!(
        r#"SELECT w.place AS "place!", u.id AS "id!", u.username AS "username!",
                  u.first_name AS "first_name!", u.last_name AS "last_name!",
                  m.role AS "role?", m.levels AS "levels?", m.muted_until, m.posted_at,
                  EXISTS (SELECT FROM room_bans b
                          WHERE b.room_id = w.room_id AND b.user_id = w.user_id) AS "is_banned!",
                  EXISTS (SELECT FROM user_blocks b
                          WHERE (b.user_id = r.direct_low AND b.blocked_id = r.direct_high)
                             OR (b.user_id = r.direct_high AND b.blocked_id = r.direct_low))
                      AS "is_blocked!",
                  o.id AS "earlier_id?", o.fingerprint AS "fingerprint?",
                  EXISTS (SELECT FROM chat_messages t
                          WHERE t.id = w.reply_to AND t.room_id = w.room_id) AS "has_reply!"
           FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[])
                WITH ORDINALITY AS w (room_id, user_id, client_id, reply_to, place)
           JOIN rooms r ON r.id = w.room_id
           JOIN users u ON u.id = w.user_id
           LEFT JOIN room_members m ON m.room_id = w.room_id AND m.user_id = w.user_id
           LEFT JOIN chat_messages o ON o.room_id = w.room_id AND o.sender_id = w.user_id
                AND o.client_id = w.client_id"#,
        &rooms,
        &users,
        &names as &[Option<String>],
        &answered as &[Option<i64>],
    )
    .fetch_all(connection)
    .await?;
    let mut senders: Vec<_> = posts.iter().map(|_| None).collect();
    for row in rows {
        let rank = match (row.role, row.levels) {
            (Some(role), Some(levels)) => {
                Some(Rank { role: read_role(&role)?, levels: Levels::from_bits(levels) })
            }
            _ => None,
        };
        let person = Person {
            id: row.id,
            username: row.username,
            first_name: row.first_name,
            last_name: row.last_name,
        };
        let facts = SenderFacts {
            person,
            rank,
            muted_until: row.muted_until,
            posted_at: row.posted_at,
            is_banned: row.is_banned,
            is_blocked: row.is_blocked,
            earlier: row.earlier_id.map(|id| Earlier { id, fingerprint: row.fingerprint }),
            has_reply: row.has_reply,
        };
        let place = usize::try_from(row.place - 1).unwrap_or_default();
        if let Some(sender) = senders.get_mut(place) {
            *sender = Some(facts);
        }
    }
    Ok(senders)
}

/// Locks files in the order of their ids, until the transaction ends.
pub(crate) async fn lock_files(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<HashMap<i64, WaitingFile>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT a.id, a.handle, a.room_id, a.user_id, a.name, a.mime,
                  coalesce(a.bytes, 0) AS "bytes!", a.created_at,
                  (a.stored_at IS NOT NULL AND a.message_id IS NULL AND a.deleted_at IS NULL
                   AND NOT EXISTS (SELECT FROM rooms r
                                   WHERE r.id = a.room_id AND r.avatar_id = a.id)) AS "waits!"
           FROM attachments a WHERE a.id = ANY($1) ORDER BY a.id FOR NO KEY UPDATE"#,
        ids,
    )
    .fetch_all(connection)
    .await?;
    let files = rows.into_iter().map(|row| {
        let file = FileRef {
            id: row.id,
            handle: row.handle,
            name: row.name,
            mime: row.mime,
            bytes: row.bytes,
            created_at: row.created_at,
        };
        let (room, user_id, waits) = (RoomId(row.room_id), row.user_id, row.waits);
        (row.id, WaitingFile { file, room, user_id, waits })
    });
    Ok(files.collect())
}

/// Writes messages under their numbers in rooms that are locked, raises the heads of these, gives the
/// messages their files and notes when members of slow rooms wrote: one statement. The ids by room
/// and number.
pub(crate) async fn insert_messages(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    fresh: &[(&Post, i64)],
    slowed: &[(RoomId, i64)],
) -> Result<HashMap<(RoomId, i64), i64>, sqlx::Error> {
    let mut heads = HashMap::new();
    for (post, seq) in fresh {
        // They come in the order of their numbers.
        heads.insert(post.new.room.0, *seq);
    }
    let (headed, heads): (Vec<_>, Vec<_>) = heads.into_iter().unzip();
    let (slow_rooms, slow_users): (Vec<_>, Vec<_>) =
        slowed.iter().map(|(room, user_id)| (room.0, *user_id)).unzip();
    let columns = Columns::of(fresh);
    let rows = sqlx::query!(
        r#"WITH posted AS (
               INSERT INTO chat_messages
                   (room_id, seq, sender_id, client_id, fingerprint, type, text, folded, lat, lng,
                    attachment_id, reply_to, created_at)
               SELECT p.*, $13 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[],
                    $5::bigint[], $6::text[], $7::text[], $8::text[], $9::float8[], $10::float8[],
                    $11::bigint[], $12::bigint[]) AS p
               RETURNING id, room_id, seq, attachment_id
           ), raised AS (
               UPDATE rooms r SET head = h.head, head_at = $13
               FROM unnest($14::bigint[], $15::bigint[]) AS h (room_id, head)
               WHERE r.id = h.room_id
           ), slowed AS (
               UPDATE room_members m SET posted_at = $13
               FROM unnest($16::bigint[], $17::bigint[]) AS s (room_id, user_id)
               WHERE m.room_id = s.room_id AND m.user_id = s.user_id
           ), taken AS (
               UPDATE attachments a SET message_id = p.id FROM posted p
               WHERE a.id = p.attachment_id
           )
           SELECT id, room_id, seq FROM posted"#,
        &columns.rooms,
        &columns.seqs,
        &columns.senders,
        &columns.client_ids as &[Option<String>],
        &columns.fingerprints as &[Option<i64>],
        &columns.kinds as &[&str],
        &columns.texts as &[&str],
        &columns.folded,
        &columns.lats as &[Option<f64>],
        &columns.lngs as &[Option<f64>],
        &columns.attachments as &[Option<i64>],
        &columns.replies as &[Option<i64>],
        now,
        &headed,
        &heads,
        &slow_rooms,
        &slow_users,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| ((RoomId(row.room_id), row.seq), row.id)).collect())
}

/// Messages by column.
#[derive(Default)]
struct Columns<'a> {
    rooms: Vec<i64>,
    seqs: Vec<i64>,
    senders: Vec<i64>,
    client_ids: Vec<Option<String>>,
    fingerprints: Vec<Option<i64>>,
    kinds: Vec<&'a str>,
    texts: Vec<&'a str>,
    folded: Vec<String>,
    lats: Vec<Option<f64>>,
    lngs: Vec<Option<f64>>,
    attachments: Vec<Option<i64>>,
    replies: Vec<Option<i64>>,
}

impl<'a> Columns<'a> {
    fn of(fresh: &[(&'a Post, i64)]) -> Self {
        let mut columns = Self::default();
        for (post, seq) in fresh {
            let new = &post.new;
            columns.rooms.push(new.room.0);
            columns.seqs.push(*seq);
            columns.senders.push(post.sender_id);
            columns.client_ids.push(new.client_id.clone());
            columns.fingerprints.push(new.client_id.as_ref().map(|_| new.fingerprint()));
            columns.kinds.push(new.content.kind.as_str());
            columns.texts.push(&new.content.text);
            columns.folded.push(words(&new.content.text));
            columns.lats.push(new.content.place.map(|(lat, _)| lat));
            columns.lngs.push(new.content.place.map(|(_, lng)| lng));
            columns.attachments.push(new.content.attachment_id);
            columns.replies.push(new.reply_to);
        }
        columns
    }
}

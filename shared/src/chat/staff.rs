//! What staff see of rooms.

use sqlx::PgPool;

use super::{
    RoomId,
    members::Ban,
    rooms::{SHOWN, Seated},
    store,
};

/// How many are in a room, and the first hundred, those who look after it first.
pub(crate) async fn members_of(
    pool: &PgPool,
    room: RoomId,
) -> Result<(i64, Vec<Seated>), sqlx::Error> {
    let seated = store::seated(pool, &[room.0]).await?;
    let count = seated.first().map_or(0, |(_, count, _)| *count);
    Ok((count, seated.into_iter().map(|(.., one)| one).collect()))
}

/// Who is banned from it, the newest accounts first, a hundred at most.
pub(crate) async fn bans_of(pool: &PgPool, room: RoomId) -> Result<Vec<Ban>, sqlx::Error> {
    store::bans(pool, room, None, SHOWN).await
}

//! SQL of `blocks`. Texts ask the table where they are accepted and claimed: shared/src/sms/store.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::{Block, Blocked, NewBlock};

/// What changes whenever the table does: rows are added and deleted, never altered, and their ids only
/// grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Print {
    rows: i64,
    last: i64,
    sum: i64,
}

struct Row {
    id: i64,
    kind: String,
    value: String,
    reason: String,
    created_at: DateTime<Utc>,
    created_by: Option<i64>,
    expires_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Block {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let unread = || sqlx::Error::Decode("a block that Peyk did not write".into());
        Ok(Self {
            id: row.id,
            what: Blocked::parse(&row.kind, &row.value).ok_or_else(unread)?,
            reason: row.reason,
            created_at: row.created_at,
            created_by: row.created_by,
            expires_at: row.expires_at,
        })
    }
}

pub(super) async fn print(pool: &PgPool) -> Result<Print, sqlx::Error> {
    sqlx::query_as!(
        Print,
        r#"SELECT count(*) AS "rows!", coalesce(max(id), 0) AS "last!",
               coalesce(sum(id), 0)::bigint AS "sum!" FROM blocks"#,
    )
    .fetch_one(pool)
    .await
}

/// Every row, and the table's print as it was before.
pub(super) async fn all(pool: &PgPool) -> Result<(Print, Vec<Block>), sqlx::Error> {
    // Read first: what is added in between is read anew.
    let before = print(pool).await?;
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, kind, value, reason, created_at, created_by, expires_at FROM blocks",
    )
    .fetch_all(pool)
    .await?;
    let blocks: Result<_, _> = rows.into_iter().map(Block::try_from).collect();
    Ok((before, blocks?))
}

/// One is added at a time, so that the count holds.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("LOCK TABLE blocks IN SHARE ROW EXCLUSIVE MODE")
        .execute(connection)
        .await
        .map(drop)
}

pub(super) async fn remove_same(
    connection: &mut PgConnection,
    what: &Blocked,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM blocks WHERE kind = $1 AND value = $2", what.kind(), what.value())
        .execute(connection)
        .await
        .map(drop)
}

pub(super) async fn count(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM blocks WHERE expires_at IS NULL OR expires_at > $1"#,
        now,
    )
    .fetch_one(connection)
    .await
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewBlock,
    by: Option<i64>,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO blocks (kind, value, reason, created_at, created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        new.what.kind(),
        new.what.value(),
        new.reason,
        now,
        by,
        new.expires_at,
    )
    .fetch_one(connection)
    .await
}

/// What kind it was of.
pub(super) async fn remove(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("DELETE FROM blocks WHERE id = $1 RETURNING kind", id)
        .fetch_optional(connection)
        .await
}

pub(super) async fn list(
    pool: &PgPool,
    before: i64,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Block>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, kind, value, reason, created_at, created_by, expires_at FROM blocks
         WHERE id < $1 AND (expires_at IS NULL OR expires_at > $3) ORDER BY id DESC LIMIT $2",
        before,
        limit,
        now,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Block::try_from).collect()
}

crate::purge_table!(pub(super) purge, count_purgeable, "blocks", "expires_at", "");

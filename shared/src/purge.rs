//! The shape of every purge: one statement takes a slice, the next goes on where it ended.
//!
//! Deleted rows stay in an index until a vacuum, and a statement that begins at the oldest entry
//! would walk over all that were deleted before. So each slice begins where the last one ended.
//! Rows are deleted by `ctid`, because no plan of that can read the whole table.

use chrono::{DateTime, Utc};

/// What one statement may take.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// Rows that ended earlier have been looked at.
    pub from: DateTime<Utc>,
    /// Rows that ended at this moment or later are kept.
    pub before: DateTime<Utc>,
    /// Rows at most.
    pub limit: i64,
}

impl Slice {
    /// The first slice of all that ended before `before`.
    pub fn first(before: DateTime<Utc>, limit: i64) -> Self {
        Self { from: DateTime::UNIX_EPOCH, before, limit }
    }

    /// The slice after this one, which took `purged`; `None` if nothing is left to take.
    #[must_use]
    pub fn next(self, purged: &Purged) -> Option<Self> {
        let from = purged.reached.unwrap_or(self.from);
        (purged.rows > 0).then_some(Self { from, ..self })
    }
}

/// What one statement took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// Deleted rows.
    pub rows: i64,
    /// When the latest of them ended. Empty: not known, the next slice begins at the same place.
    pub reached: Option<DateTime<Utc>>,
}

/// Defines, for a store, the deletion of a slice of a table's rows by the moment they ended, and their
/// count: `purge_table!(pub(super) purge, count_purgeable, "table", "ended_at", "AND more")`. An index
/// has to serve the moment, which may be an expression.
#[macro_export]
macro_rules! purge_table {
    ($visible:vis $purge:ident, $count:ident, $table:literal, $at:literal, $also:literal) => {
        $visible async fn $purge(
            pool: &sqlx::PgPool,
            slice: $crate::purge::Slice,
        ) -> Result<$crate::purge::Purged, sqlx::Error> {
            sqlx::query_as!(
                $crate::purge::Purged,
                "WITH gone AS (DELETE FROM "
                    + $table
                    + " WHERE ctid = ANY(ARRAY(SELECT ctid FROM "
                    + $table
                    + " WHERE "
                    + $at
                    + " >= $1 AND "
                    + $at
                    + " < $2 "
                    + $also
                    + " ORDER BY "
                    + $at
                    + " LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING "
                    + $at
                    + " AS ended) "
                    + r#"SELECT count(*) AS "rows!", max(ended) AS reached FROM gone"#,
                slice.from,
                slice.before,
                slice.limit,
            )
            .fetch_one(pool)
            .await
        }

        $visible async fn $count(
            pool: &sqlx::PgPool,
            before: chrono::DateTime<chrono::Utc>,
        ) -> Result<i64, sqlx::Error> {
            sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM "# + $table + " WHERE " + $at + " < $1 " + $also,
                before,
            )
            .fetch_one(pool)
            .await
        }
    };
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn slices_follow_one_another_until_one_takes_nothing() {
        let before = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let reached = before - TimeDelta::days(1);
        let first = Slice::first(before, 10);
        // Fewer than the limit may have been taken because others were locked.
        let second = first.next(&Purged { rows: 9, reached: Some(reached) }).unwrap();
        assert_eq!((second.from, second.before, second.limit), (reached, before, 10));
        let third = second.next(&Purged { rows: 1, reached: None }).unwrap();
        assert_eq!(third.from, reached);
        assert!(third.next(&Purged { rows: 0, reached: None }).is_none());
    }
}

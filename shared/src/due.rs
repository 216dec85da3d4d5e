//! Rows that carry the state of a job: the SQL that all of their tables have in common, for the
//! features' stores.
//!
//! A row is due from `next_attempt_at` on. `pushed_until` says until when its id is trusted to be in
//! the queue or with a worker, `lease_until` until when a worker has it. Each macro names the table,
//! what else must be so of its rows, and the arguments of that.

use std::time::Duration;

use crate::jobs::Backlog;

/// Seconds for which a pushed id is trusted to be in the queue or with a worker.
pub(crate) const PUSH_TRUST_SECONDS: f64 = 10.0;
/// Most rows a backlog is counted to.
pub(crate) const BACKLOG_BOUND: i64 = 100_000;

/// Marks up to so many due rows as pushed; their ids. The arguments begin with `$3`.
macro_rules! take_due {
    ($pool:expr, $room:expr, $table:literal, $also:literal $(, $argument:expr)*) => {
        sqlx::query_scalar!(
            "UPDATE "
                + $table
                + " SET pushed_until = now() + make_interval(secs => $2) WHERE id IN (SELECT id FROM "
                + $table
                + " WHERE next_attempt_at <= now()"
                + " AND (pushed_until IS NULL OR pushed_until <= now()) AND "
                + $also
                + " ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id",
            $room,
            $crate::due::PUSH_TRUST_SECONDS
            $(, $argument)*
        )
        .fetch_all($pool)
        .await
    };
}

/// Counts what is due. The arguments begin with `$2`.
macro_rules! backlog {
    ($pool:expr, $table:literal, $also:literal $(, $argument:expr)*) => {
        sqlx::query!(
            r#"SELECT count(*) AS "count!","#
                + r#" coalesce(extract(epoch FROM now() - min(next_attempt_at))::float8, 0) AS "age!""#
                + " FROM (SELECT next_attempt_at FROM "
                + $table
                + " WHERE next_attempt_at <= now() AND "
                + $also
                + " ORDER BY next_attempt_at LIMIT $1) AS due",
            $crate::due::BACKLOG_BOUND
            $(, $argument)*
        )
        .fetch_one($pool)
        .await
        .map(|row| $crate::due::counted(row.count, row.age))
    };
}

/// Takes back leases of workers that died, so many at a time; how many. `set`: what becomes of the rows.
macro_rules! reclaim {
    ($pool:expr, $table:literal, $set:literal, $also:literal) => {
        sqlx::query!(
            "UPDATE "
                + $table
                + " SET lease_until = NULL, pushed_until = NULL, "
                + $set
                + " WHERE id IN (SELECT id FROM "
                + $table
                + " WHERE lease_until < now() AND "
                + $also
                + " ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED)"
        )
        .execute($pool)
        .await
        .map(|reclaimed| reclaimed.rows_affected())
    };
}

pub(crate) use {backlog, reclaim, take_due};

pub(crate) fn counted(due: i64, oldest_seconds: f64) -> Backlog {
    Backlog { due, oldest: Duration::try_from_secs_f64(oldest_seconds).unwrap_or_default() }
}

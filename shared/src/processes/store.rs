//! All SQL of the `processes` table. Times are the database's: those of processes differ.

use sqlx::PgPool;

use super::{Kind, Process};

pub(super) async fn beat(
    pool: &PgPool,
    process: &str,
    kind: Kind,
    version: &str,
    sockets: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO processes (process, kind, version, sockets) VALUES ($1, $2, $3, $4)
         ON CONFLICT (process) DO UPDATE SET seen_at = now(), sockets = excluded.sockets",
        process,
        kind.as_str(),
        version,
        sockets,
    )
    .execute(pool)
    .await
    .map(drop)
}

pub(super) async fn leave(pool: &PgPool, process: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM processes WHERE process = $1", process).execute(pool).await.map(drop)
}

pub(super) async fn alive(pool: &PgPool, gone_after: f64) -> Result<Vec<Process>, sqlx::Error> {
    sqlx::query_as!(
        Process,
        r#"SELECT process, kind AS "kind: Kind", version, started_at, seen_at, sockets
           FROM processes WHERE seen_at > now() - make_interval(secs => $1)
           ORDER BY started_at, process LIMIT 1000"#,
        gone_after,
    )
    .fetch_all(pool)
    .await
}

// A handful of rows: no index serves the moment, which changes with every beat.
crate::purge_table!(pub(super) purge, count_gone, "processes", "seen_at", "");

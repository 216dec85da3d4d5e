//! The PostgreSQL pool, the migrations, and what a database error means.

use std::{str::FromStr, time::Duration};

use secrecy::ExposeSecret;
use sqlx::{
    PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    config::Database,
    telemetry::{POOL_CONNECTIONS, POOL_WAIT_SECONDS},
};

/// The schema, embedded: `api migrate` applies it, `/readyz` compares it.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// A pool of short, bounded statements. Connects lazily, so that a process starts (and says it
/// is not ready) while PostgreSQL is away.
///
/// # Errors
/// When the URL cannot be parsed; the message does not contain it.
pub fn connect(config: &Database) -> anyhow::Result<PgPool> {
    let options = connect_options(config)?.options([
        ("statement_timeout", "5000"),
        ("lock_timeout", "2000"),
        ("idle_in_transaction_session_timeout", "10000"),
    ]);
    Ok(PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
        .connect_lazy_with(options))
}

/// Looks at a pool once a second, for metrics: its connections, and how long a statement waits
/// for one. Ends with the pool.
pub fn watch(name: &'static str, pool: &PgPool) {
    let pool = pool.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        while !pool.is_closed() {
            ticks.tick().await;
            let timer = POOL_WAIT_SECONDS.with_label_values(&[name]).start_timer();
            // A pool that gives nothing until its time-out has been waited for all the same.
            drop(pool.acquire().await);
            timer.observe_duration();
            let idle = pool.num_idle();
            let busy = usize::try_from(pool.size()).unwrap_or(usize::MAX).saturating_sub(idle);
            for (state, count) in [("idle", idle), ("busy", busy)] {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                POOL_CONNECTIONS.with_label_values(&[name, state]).set(count);
            }
        }
    });
}

fn connect_options(config: &Database) -> anyhow::Result<PgConnectOptions> {
    PgConnectOptions::from_str(config.url.expose_secret())
        .map_err(|_| anyhow::anyhow!("database.url is not a PostgreSQL URL"))
}

/// Applies the migrations on a connection of its own, without statement time-outs.
///
/// # Errors
/// When the database cannot be reached or a migration fails.
pub async fn migrate(config: &Database) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(connect_options(config)?)
        .await?;
    MIGRATOR.run(&pool).await?;
    pool.close().await;
    Ok(())
}

/// Whether every migration this binary knows has been applied.
///
/// # Errors
/// When the database cannot be asked.
pub async fn schema_is_current(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let wanted: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM _sqlx_migrations WHERE success AND version = ANY($1)"#,
        &wanted
    )
    .fetch_one(pool)
    .await;
    match count {
        Ok(count) => Ok(usize::try_from(count) == Ok(wanted.len())),
        // 42P01: the table is not there, nothing was ever applied.
        Err(error) if sqlstate(&error).as_deref() == Some("42P01") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the error says that PostgreSQL is away, overloaded or restarting: worth a 503 and
/// another try, not a bug.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        // Protocol: a server that dies while somebody connects says what nobody expects.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(_) => sqlstate(error).is_some_and(|code| {
            // Classes: 08 connection, 53 resources, 57 operator intervention (also statement
            // time-outs); single: 55P03 lock time-out, 40P01 deadlock, 25P02/25P03 aborted or
            // idle transaction, 3D000 no such database yet.
            ["08", "53", "57"].iter().any(|class| code.starts_with(class))
                || ["55P03", "40P01", "25P02", "25P03", "3D000"].contains(&code.as_str())
        }),
        _ => false,
    }
}

/// The unique constraint an insert ran into, if that is what happened.
pub fn violated_unique(error: &sqlx::Error) -> Option<&str> {
    let database = error.as_database_error()?;
    database.is_unique_violation().then(|| database.constraint()).flatten()
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_dies_while_somebody_connects_is_away() {
        let dying = sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".to_owned());
        assert!(is_unavailable(&dying));
        assert!(!is_unavailable(&sqlx::Error::RowNotFound));
    }
}

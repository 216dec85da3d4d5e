//! Rows for the lists of staff.

use sqlx::PgPool;

use crate::{
    progress,
    statistics::{float, number},
};

/// What is written, one statement after the other; `$1`: so many messages, `$2`: after this one, `$3`:
/// of so many in all.
const ROWS: &str = include_str!("../../../sql/console.sql");
/// Messages of one turn.
const TURN: i64 = 250_000;

/// Writes so many messages, and accounts, sessions and payments a fifth of that; says what there is.
pub(super) async fn fill(pool: &PgPool, messages: i64) -> anyhow::Result<String> {
    let messages = messages.max(1_000) / 1_000 * 1_000;
    let mut tx = pool.begin().await?;
    for sql in [
        "SET LOCAL session_replication_role = replica",
        "SET LOCAL statement_timeout = 0",
        "TRUNCATE users, sms_messages, otp_requests, otp_codes, webhook_events, guard_decisions,
             ledger_accounts, organizations, rooms, api_keys RESTART IDENTITY CASCADE",
        "INSERT INTO api_keys (name, prefix, hash, scopes, created_at)
         SELECT 'key ' || n, 'peyk_' || lpad(n::text, 4, '0'), sha256(n::text::bytea), '{sms:send}', now()
         FROM generate_series(1, 10) AS n",
    ] {
        sqlx::query(sql).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    let mut written = 0;
    while written < messages {
        let turn = TURN.min(messages - written);
        progress(&format!("{written} of {messages} messages"));
        let mut tx = pool.begin().await?;
        for sql in
            ["SET LOCAL session_replication_role = replica", "SET LOCAL statement_timeout = 0"]
        {
            sqlx::query(sql).execute(&mut *tx).await?;
        }
        for statement in statements() {
            let query = sqlx::query(statement).bind(turn).bind(written);
            // PostgreSQL refuses what a statement does not name.
            let query = if statement.contains("$3") { query.bind(messages) } else { query };
            query.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        written += turn;
    }
    finish(pool).await?;
    let shown = |rows: i64| number(float(rows.unsigned_abs()), 0);
    let (all, fifth) = (shown(messages), shown(messages / 5));
    Ok(format!(
        "{all} messages, {fifth} accounts, {fifth} sessions, {fifth} payments, and a tenth to a hundredth \
         of events, decisions, organizations, rooms and the like"
    ))
}

/// As autovacuum would have done it before so many came together.
async fn finish(pool: &PgPool) -> anyhow::Result<()> {
    let mut connection = pool.acquire().await?;
    for sql in
        ["SET statement_timeout = 0", "VACUUM ANALYZE", "CHECKPOINT", "RESET statement_timeout"]
    {
        sqlx::query(sql).execute(&mut *connection).await?;
    }
    Ok(())
}

fn statements() -> impl Iterator<Item = &'static str> {
    ROWS.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_writes_and_knows_where_it_begins() {
        let all: Vec<_> = statements().collect();
        assert!(all.len() > 12, "{}", all.len());
        for statement in all {
            assert!(statement.contains("INSERT INTO"), "{statement}");
            assert!(statement.contains("$1") && statement.contains("$2"), "{statement}");
        }
    }
}

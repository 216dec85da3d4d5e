//! The audit log: what is in it stays, and is found again.

use peyk_tests::harness::Peyk;

use super::cron::{cron, idle};

/// Events: 1,100 that are older than 400 days, two that are not.
const EVENTS: &str = "
    INSERT INTO audit_events (at, actor, actor_user_id, action, subject, subject_id)
    SELECT now() - CASE WHEN n <= 1100 THEN interval '400 days 1 minute'
            ELSE interval '399 days 23 hours' END,
        'user', 1, 'user.disabled', 'user', n
    FROM generate_series(1, 1102) n";

/// What the database says to a statement.
async fn refusal(peyk: &Peyk, sql: &'static str) -> String {
    let refused = sqlx::raw_sql(sql).execute(&peyk.database.pool).await;
    refused.expect_err(sql).to_string()
}

#[tokio::test]
async fn the_database_keeps_what_was_written_down() {
    let peyk = idle().await;
    peyk.database
        .execute(
            "INSERT INTO audit_events (at, actor, action, subject, subject_id)
             SELECT now() - n * interval '1 day', 'cli', 'staff.granted', 'user', n
             FROM unnest(ARRAY[0, 29, 31]) n",
        )
        .await;
    for sql in [
        "UPDATE audit_events SET action = 'x' WHERE subject_id = 0",
        "UPDATE audit_events SET action = 'x' WHERE subject_id = 31",
        "DELETE FROM audit_events WHERE subject_id = 0",
        "DELETE FROM audit_events WHERE subject_id = 29",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
    ] {
        assert!(refusal(&peyk, sql).await.contains("append-only"), "{sql}");
    }
    assert_eq!(peyk.database.count("SELECT count(*) FROM audit_events").await, 3);
    peyk.database.execute("DELETE FROM audit_events WHERE subject_id = 31").await;
    assert_eq!(peyk.database.count("SELECT count(*) FROM audit_events").await, 2);
}

#[tokio::test]
async fn the_purge_takes_what_was_kept_long_enough() {
    let peyk = idle().await;
    peyk.database.execute(EVENTS).await;
    let run = ["run", "purge-audit-events"];
    let output = cron(&peyk, &[&run[..], &["--dry-run"]].concat()).await;
    assert_eq!(output.trim(), "purge-audit-events: would delete 1100 rows");
    assert_eq!(cron(&peyk, &run).await.trim(), "purge-audit-events: deleted 1100 rows");
    assert_eq!(cron(&peyk, &run).await.trim(), "purge-audit-events: deleted 0 rows");
    assert_eq!(peyk.database.count("SELECT count(*) FROM audit_events").await, 2);
}

#[tokio::test]
async fn events_are_found_by_who_what_whom_and_when() {
    let peyk = idle().await;
    peyk.database
        .execute(
            "INSERT INTO audit_events (at, actor, actor_user_id, action, subject, subject_id)
             VALUES (now() - interval '3 days', 'user', 7, 'user.disabled', 'user', 17),
                 (now(), 'user', 7, 'organization.created', 'organization', 17),
                 (now(), 'user', 8, 'user.disabled', 'user', 18),
                 (now(), 'cli', NULL, 'staff.granted', 'user', 8)",
        )
        .await;
    let list = async |arguments: &[&str]| {
        let (worked, output) = peyk.run("api", &[&["audit", "list"], arguments].concat()).await;
        assert!(worked, "{output}");
        let fields = |line: &str| line.split("  ").skip(1).take(3).collect::<Vec<_>>().join(" ");
        output.lines().map(fields).collect::<Vec<_>>()
    };
    let granted = "cli staff.granted user:8";
    let eighteen = "user:8 user.disabled user:18";
    let created = "user:7 organization.created organization:17";
    let old = "user:7 user.disabled user:17";
    assert_eq!(list(&[]).await, [granted, eighteen, created, old]);
    assert_eq!(list(&["--actor", "7"]).await, [created, old]);
    assert_eq!(list(&["--subject", "user:17"]).await, [old]);
    assert_eq!(list(&["--subject", "organization"]).await, [created]);
    assert_eq!(list(&["--action", "user.disabled"]).await, [eighteen, old]);
    assert_eq!(list(&["--since", "1d", "--limit", "2"]).await, [granted, eighteen]);
    let (worked, _) = peyk.run("api", &["audit", "list", "--subject", "17"]).await;
    assert!(!worked);
}

#[tokio::test]
async fn the_log_is_kept_for_a_month_at_least() {
    let peyk = idle().await;
    let short = [("AUDIT__KEEP_DAYS", "29")];
    let (worked, output) = peyk.run_with("api", &["check-config"], &short).await;
    assert!(!worked && output.contains("audit.keep_days"), "{output}");
    let least = [("AUDIT__KEEP_DAYS", "30")];
    let (worked, output) = peyk.run_with("api", &["check-config"], &least).await;
    assert!(worked, "{output}");
}

//! Runs that meet: frozen leaders, dead processes, a run beside another, firings that were missed.
//!
//! A worker is stopped at a known statement by a lock of the test. Leases are not waited for, the
//! test moves them into the past.

use peyk_tests::harness::{Peyk, PeykBuilder, wait_for};

use super::cron::{
    RUNS_ARE_OVERDUE, cron, every_second, firings, name_of, runs_in, wait_for_firings,
};

const LEASE_IS_OVER: &str =
    "UPDATE leases SET expires_at = now() - interval '1 s' WHERE name = 'cron'";

/// Every job has its firing once a year, so that nothing is due beside what a test makes.
fn yearly() -> PeykBuilder {
    let none = Peyk::builder().apis(0).workers(0);
    worker::CRON_JOBS.iter().fold(none, |peyk, job| {
        let job = job.name.replace('-', "_").to_uppercase();
        peyk.set(&format!("CRON__{job}__SCHEDULE"), "0 0 0 1 1 *")
    })
}

/// Two and a half batches of old codes, and the last firing of two jobs more than a year ago: the
/// first leader catches up.
const OVERDUE_WITH_WORK: &str = "
    INSERT INTO otp_codes (phone, purpose, nonce, key_id, digits, created_at, expires_at,
        last_sent_at, last_local_id, day)
    SELECT '+98912' || 1000000 + n, 'login', decode(md5(n::text), 'hex'), 'k1', 6, now(),
        now() - interval '2 days' + n * interval '1 s', now(), n, current_date
    FROM generate_series(1, 2500) n;
    INSERT INTO cron_runs (job, fire_at, holder, finished_at, outcome)
    SELECT job, now() - interval '400 days', 'before', now() - interval '400 days', 'ok'
    FROM unnest(ARRAY['purge-expired-otps', 'purge-sms-messages']) job";

const CODES: &str = "SELECT count(*) FROM otp_codes";

/// Outcome (`running` without one) and rows of the newest run of the purge of codes.
async fn newest(peyk: &Peyk) -> (String, Option<i64>) {
    sqlx::query_as(
        "SELECT coalesce(outcome, 'running'), rows FROM cron_runs
         WHERE job = 'purge-expired-otps' ORDER BY fire_at DESC LIMIT 1",
    )
    .fetch_one(&peyk.database.pool)
    .await
    .unwrap()
}

async fn wait_for_leader(peyk: &Peyk, name: &str) {
    let sql = "SELECT holder = $1 AND expires_at > now() FROM leases WHERE name = 'cron'";
    wait_for("the cron lease", || async {
        let leads = sqlx::query_scalar(sql).bind(name).fetch_optional(&peyk.database.pool);
        (leads.await.unwrap() == Some(true)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_leader_frozen_before_a_firing_and_thawed_after_its_lease_fires_nothing() {
    let mut peyk = every_second().start().await;
    // It has the lease, knows what is due and waits: a moment later it would fire.
    let lock = peyk.database.hold_up_firings().await;
    let frozen = name_of(peyk.start_worker().await).await;
    lock.wait_for_waiters(1).await;
    peyk.workers[0].signal("STOP").await;
    lock.release().await;
    peyk.database.execute(LEASE_IS_OVER).await;
    // Its successor has later firings to make than the one it was frozen before.
    let second = "SELECT extract(epoch FROM now())::bigint";
    let frozen_in = peyk.database.count(second).await;
    wait_for("the next second", || async {
        (peyk.database.count(second).await > frozen_in).then_some(())
    })
    .await;
    let successor = name_of(peyk.start_worker().await).await;
    wait_for_firings(&peyk, &successor, 2).await;
    peyk.workers[0].signal("CONT").await;
    peyk.workers[0].log_line("cron lease lost before a firing").await;
    let so_far = firings(&peyk, &successor).await;
    wait_for_firings(&peyk, &successor, so_far + 2).await;
    let fired = "SELECT count(*) FROM cron_runs r JOIN leases l ON l.holder <> r.holder
        WHERE l.name = 'cron'";
    assert_eq!(peyk.database.count(fired).await, 0);
    // It is as good a worker as any again.
    let mut stopped = peyk.workers.remove(1);
    stopped.signal("TERM").await;
    assert!(stopped.wait().await.success());
    wait_for_firings(&peyk, &frozen, 1).await;
    let mut thawed = peyk.workers.remove(0);
    thawed.signal("TERM").await;
    assert!(thawed.wait().await.success());
    // Every run there was is a firing of its own, in the term of its leader.
    let runs = runs_in(&[thawed.output(), stopped.output()]);
    assert_eq!(peyk.database.count("SELECT count(*) FROM cron_runs").await, runs);
    let terms = "SELECT count(DISTINCT (holder, term)) FROM cron_runs WHERE term > 1";
    assert_eq!(peyk.database.count(terms).await, 2);
}

#[tokio::test]
async fn a_run_whose_leader_was_frozen_past_its_lease_stops_after_its_batch() {
    let mut peyk = yearly().start().await;
    peyk.database.execute(OVERDUE_WITH_WORK).await;
    let lock = peyk.database.hold_up_codes().await;
    peyk.start_worker().await;
    lock.wait_for_waiters(1).await;
    peyk.workers[0].signal("STOP").await;
    lock.release().await;
    peyk.database.execute(LEASE_IS_OVER).await;
    let successor = name_of(peyk.start_worker().await).await;
    wait_for_leader(&peyk, &successor).await;
    peyk.workers[0].signal("CONT").await;
    wait_for("the end of the run", || async { (newest(&peyk).await.0 != "running").then_some(()) })
        .await;
    assert_eq!(newest(&peyk).await, ("stopped".to_owned(), Some(1_000)));
    assert_eq!(peyk.database.count(CODES).await, 1_500);
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_ends_its_run_after_the_batch() {
    let mut peyk = yearly().start().await;
    peyk.database.execute(OVERDUE_WITH_WORK).await;
    let lock = peyk.database.hold_up_codes().await;
    peyk.start_worker().await;
    lock.wait_for_waiters(1).await;
    let mut worker = peyk.workers.remove(0);
    worker.signal("TERM").await;
    worker.log_line("draining").await;
    lock.release().await;
    assert!(worker.wait().await.success());
    assert_eq!(newest(&peyk).await, ("stopped".to_owned(), Some(1_000)));
    assert_eq!(peyk.database.count(CODES).await, 1_500);
    assert_eq!(
        peyk.database.count("SELECT count(*) FROM leases WHERE expires_at > now()").await,
        0
    );
}

#[tokio::test]
async fn a_dead_run_is_in_the_way_for_its_time_and_marked_by_the_next() {
    let mut peyk = yearly().start().await;
    peyk.database.execute(OVERDUE_WITH_WORK).await;
    let lock = peyk.database.hold_up_codes().await;
    peyk.start_worker().await;
    lock.wait_for_waiters(1).await;
    peyk.kill_worker().await;
    lock.end_waiters().await;
    lock.release().await;
    let run = ["cron", "run", "purge-expired-otps"];
    let (ok, output) = peyk.run("worker", &run).await;
    assert!(!ok, "{output}");
    assert!(output.contains("a run of purge-expired-otps is under way"), "{output}");
    // Nobody knows yet that it is dead; looking is allowed at any time.
    assert!(cron(&peyk, &["list"]).await.contains("Z (running, 0 rows)"));
    let output = cron(&peyk, &["run", "purge-expired-otps", "--dry-run"]).await;
    assert_eq!(output.trim(), "purge-expired-otps: would delete 2500 rows");
    peyk.database.execute(RUNS_ARE_OVERDUE).await;
    assert!(cron(&peyk, &["list"]).await.contains("Z (died, 0 rows)"));
    let output = cron(&peyk, &["run", "clear_expired"]).await;
    assert_eq!(output.trim(), "purge-expired-otps: deleted 2500 rows");
    let outcomes: Vec<(String, bool)> = sqlx::query_as(
        "SELECT outcome, term IS NULL FROM cron_runs
         WHERE job = 'purge-expired-otps' AND holder <> 'before' ORDER BY fire_at",
    )
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap();
    assert_eq!(outcomes, [("died".to_owned(), false), ("ok".to_owned(), true)]);
}

#[tokio::test]
async fn a_run_that_fails_says_why_and_the_command_fails() {
    let peyk = yearly().start().await;
    peyk.database.execute("ALTER TABLE otp_requests RENAME TO moved_away").await;
    peyk.database.execute(OVERDUE_WITH_WORK).await;
    let (ok, output) = peyk.run("worker", &["cron", "run", "purge-expired-otps"]).await;
    assert!(!ok, "{output}");
    // What was done before it failed is counted.
    assert_eq!(newest(&peyk).await, ("error".to_owned(), Some(2_500)));
    let list = cron(&peyk, &["list"]).await;
    assert!(list.contains("Z (error, 2500 rows in "), "{list}");
    assert!(list.contains("\"otp_requests\" does not exist"), "{list}");
}

#[tokio::test]
async fn a_firing_waits_for_the_run_before_it() {
    let mut peyk = every_second().set("CRON__PURGE_SMS_MESSAGES__ENABLED", "true").start().await;
    peyk.database
        .execute(
            "INSERT INTO cron_runs (job, fire_at, holder, running_until)
             VALUES ('purge-expired-otps', now() - interval '1 h', 'other', now() + interval '1 h')",
        )
        .await;
    peyk.start_worker().await;
    let count = async |job: &str, least: i64| {
        let sql = "SELECT count(*) FROM cron_runs
            WHERE job = $1 AND holder <> 'other' AND outcome = 'ok'";
        wait_for("firings of a job", || async {
            let count = sqlx::query_scalar(sql).bind(job).fetch_one(&peyk.database.pool);
            let count: i64 = count.await.unwrap();
            (count >= least).then_some(count)
        })
        .await
    };
    // Jobs are looked at in order, so the other one was looked at as often.
    count("purge-sms-messages", 3).await;
    assert_eq!(count("purge-expired-otps", 0).await, 0);
    peyk.database.execute("UPDATE cron_runs SET finished_at = now() WHERE holder = 'other'").await;
    count("purge-expired-otps", 2).await;
}

#[tokio::test]
async fn a_missed_firing_is_caught_up_once_or_recorded_as_skipped() {
    let mut peyk = yearly().set("CRON__PURGE_EXPIRED_OTPS__MISSED", "skip").start().await;
    peyk.database.execute(OVERDUE_WITH_WORK).await;
    peyk.start_worker().await;
    let runs: Vec<(String, String, Option<i64>)> = wait_for("two firings", || async {
        let sql = "SELECT job, outcome, rows FROM cron_runs
            WHERE holder <> 'before' AND finished_at IS NOT NULL ORDER BY job";
        let runs: Vec<_> = sqlx::query_as(sql).fetch_all(&peyk.database.pool).await.unwrap();
        (runs.len() >= 2).then_some(runs)
    })
    .await;
    let run = |job: &str, outcome: &str, rows| (job.to_owned(), outcome.to_owned(), rows);
    let caught_up = run("purge-sms-messages", "ok", Some(0));
    assert_eq!(runs, [run("purge-expired-otps", "skipped", None), caught_up]);
    assert_eq!(peyk.database.count(CODES).await, 2_500);
    assert!(cron(&peyk, &["list"]).await.contains("Z (skipped)"));
    let skipped = r#"peyk_cron_runs_total{job="purge-expired-otps",result="skipped"}"#;
    assert_eq!(peyk.worker_metric(skipped).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn the_metrics_say_who_leads_and_how_the_jobs_do() {
    let mut peyk = every_second().start().await;
    let leader = name_of(peyk.start_worker().await).await;
    wait_for_firings(&peyk, &leader, 1).await;
    let age = r#"peyk_cron_seconds_since_success{job="purge-expired-otps"}"#;
    let leads = r#"peyk_leader{duty="cron"}"#;
    let age_seen: i64 =
        wait_for(age, || async { peyk.worker_metric(age).await }).await.parse().unwrap();
    assert!((0..20).contains(&age_seen), "{age_seen}");
    assert_eq!(peyk.worker_metric(leads).await.as_deref(), Some("1"));
    let took = r#"peyk_cron_last_run_milliseconds{job="purge-expired-otps"}"#;
    assert!(peyk.worker_metric(took).await.is_some());
    peyk.start_worker().await;
    wait_for(leads, || async { peyk.worker_metric(leads).await })
        .await
        .parse::<i64>()
        .map(|value| assert_eq!(value, 0))
        .unwrap();
    assert_eq!(peyk.worker_metric(age).await, None);
}

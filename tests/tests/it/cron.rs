//! Cron jobs: what they delete and what not, when they run, and that each firing happens once.

use peyk_tests::harness::{Peyk, PeykBuilder, Process, wait_for};

/// A Peyk without processes, for commands.
async fn idle() -> Peyk {
    Peyk::builder().apis(0).workers(0).start().await
}

async fn cron(peyk: &Peyk, arguments: &[&str]) -> String {
    let (ok, output) = peyk.run("worker", &[&["cron"], arguments].concat()).await;
    assert!(ok, "{output}");
    output
}

/// Codes and requests: 2,100 and 1,100 that ended more than a day ago, which is several batches
/// of each, and three of each that did not.
const OLD_AND_YOUNG: &str = "
    INSERT INTO otp_codes (phone, purpose, nonce, key_id, digits, created_at, expires_at,
        last_sent_at, last_local_id, day)
    SELECT '+98912' || 1000000 + n, 'login', decode(md5(n::text), 'hex'), 'k1', 6, now(),
        now() - interval '24 hours 1 minute', now(), n, current_date
    FROM generate_series(1, 2100) n
    UNION ALL
    SELECT '+98935' || 1000000 + n, 'login', decode(md5(n::text), 'hex'), 'k1', 6, now(),
        now() - interval '24 hours' + n * interval '1 minute' * 720, now(), n, current_date
    FROM generate_series(1, 3) n;
    INSERT INTO otp_requests (id, phone, purpose, generation, local_id, created_at, expires_at)
    SELECT md5(n::text), '+98912' || 1000000 + n, 'login', 1, n, now(),
        now() - interval '24 hours 1 minute'
    FROM generate_series(1, 1100) n
    UNION ALL
    SELECT md5('y' || n), '+98935' || 1000000 + n, 'login', 1, 10000 + n, now(),
        now() - interval '24 hours' + n * interval '1 minute' * 720
    FROM generate_series(1, 3) n";

const CODES: &str = "SELECT count(*) FROM otp_codes";
const REQUESTS: &str = "SELECT count(*) FROM otp_requests";
const YOUNG: &str = "SELECT (SELECT count(*) FROM otp_codes WHERE phone LIKE '+98935%')
    + (SELECT count(*) FROM otp_requests WHERE phone LIKE '+98935%')";

#[tokio::test]
async fn the_purge_of_codes_takes_what_ended_a_day_ago_and_nothing_else() {
    let peyk = idle().await;
    peyk.database.execute(OLD_AND_YOUNG).await;
    let run = ["run", "purge-expired-otps"];
    let output = cron(&peyk, &[&run[..], &["--dry-run"]].concat()).await;
    assert_eq!(output.trim(), "purge-expired-otps: would delete 3200 rows");
    let counts = async || (peyk.database.count(CODES).await, peyk.database.count(REQUESTS).await);
    assert_eq!(counts().await, (2_103, 1_103));
    assert_eq!(peyk.database.count("SELECT count(*) FROM cron_runs").await, 0);
    assert_eq!(cron(&peyk, &run).await.trim(), "purge-expired-otps: deleted 3200 rows");
    assert_eq!((counts().await, peyk.database.count(YOUNG).await), ((3, 3), 6));
    // Once more changes nothing; the name of django-rest-sms-auth is the same job.
    let output = cron(&peyk, &["run", "clear_expired"]).await;
    assert_eq!(output.trim(), "purge-expired-otps: deleted 0 rows");
    assert_eq!(counts().await, (3, 3));
    let runs: Vec<(String, Option<i64>, bool)> = sqlx::query_as(
        "SELECT job, rows, finished_at >= started_at AND error IS NULL FROM cron_runs
         ORDER BY fire_at",
    )
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap();
    let run = |rows| ("purge-expired-otps".to_owned(), Some(rows), true);
    assert_eq!(runs, [run(3_200), run(0)]);
}

/// Messages: 1,100 that ended more than 30 days ago with an attempt each, one that ended later,
/// and two old ones that are not over.
const MESSAGES: &str = "
    INSERT INTO sms_messages (kind, phone, local_id, status, created_at, expires_at, settled_at)
    SELECT 'otp', '+989121234567', n, 'sent', now(),
        now() - CASE WHEN n <= 1100 THEN interval '30 days 1 hour' ELSE interval '29 days' END, now()
    FROM generate_series(1, 1101) n;
    INSERT INTO sms_attempts (message_id, attempt, provider, action, outcome)
    SELECT id, 1, 'kavenegar', 'send', 'accepted' FROM sms_messages;
    INSERT INTO sms_messages (kind, phone, local_id, status, created_at, expires_at,
        next_attempt_at, lease_until)
    VALUES ('otp', '+989121234567', 2001, 'queued', now(), now() - interval '31 days', now(), NULL),
        ('otp', '+989121234567', 2002, 'sending', now(), now() - interval '31 days', NULL, now())";

#[tokio::test]
async fn the_purge_of_messages_takes_what_ended_a_month_ago_with_its_attempts() {
    let peyk = idle().await;
    peyk.database.execute(MESSAGES).await;
    let run = ["run", "purge-sms-messages"];
    let output = cron(&peyk, &[&run[..], &["--dry-run"]].concat()).await;
    assert_eq!(output.trim(), "purge-sms-messages: would delete 1100 rows");
    assert_eq!(cron(&peyk, &run).await.trim(), "purge-sms-messages: deleted 1100 rows");
    assert_eq!(cron(&peyk, &run).await.trim(), "purge-sms-messages: deleted 0 rows");
    let left = "SELECT sum(local_id)::bigint FROM sms_messages";
    assert_eq!(peyk.database.count(left).await, 1_101 + 2_001 + 2_002);
    assert_eq!(peyk.database.count("SELECT count(*) FROM sms_attempts").await, 1);
}

#[tokio::test]
async fn the_list_says_what_each_job_does_when_it_ran_and_when_it_will() {
    let peyk = Peyk::builder()
        .apis(0)
        .workers(0)
        .set("CRON__PURGE_SMS_MESSAGES__ENABLED", "false")
        .start()
        .await;
    let list = cron(&peyk, &["list"]).await;
    let jobs: Vec<_> = list.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(jobs, ["purge-expired-otps", "purge-sms-messages"]);
    assert!(list.contains("  Deletes one-time codes and requests that ended more than a day ago"));
    assert_eq!(list.matches("  last run: never").count(), 2, "{list}");
    let next: Vec<_> = list.lines().filter_map(|line| line.strip_prefix("  next run: ")).collect();
    assert!(next[0].starts_with("20") && next[0].ends_with("0:00Z"), "{list}");
    assert_eq!(next[1], "off");
    cron(&peyk, &["run", "purge-expired-otps"]).await;
    let list = cron(&peyk, &["list"]).await;
    let runs: Vec<_> = list.lines().filter_map(|line| line.strip_prefix("  last run: ")).collect();
    assert!(runs[0].starts_with("20") && runs[0].ends_with("(0 rows)"), "{list}");
}

#[tokio::test]
async fn wrong_names_and_schedules_are_named() {
    let peyk = idle().await;
    let (ok, output) = peyk.run("worker", &["cron", "run", "purge-everything"]).await;
    assert!(!ok, "{output}");
    for word in ["\"purge-everything\"", "purge-expired-otps", "purge-sms-messages"] {
        assert!(output.contains(word), "{output}");
    }
    let settings = [
        ("CRON__PURGE_EXPIRED_OTPS__SCHEDULE", "every now and then"),
        ("CRON__PURGE_EVERYTHING__ENABLED", "true"),
    ];
    for arguments in [&["run"][..], &["cron", "list"]] {
        let (ok, output) = peyk.run_with("worker", arguments, &settings).await;
        assert!(!ok, "{output}");
        assert!(output.contains("the configuration has 2 errors"), "{output}");
        assert!(output.contains("cron.purge-expired-otps.schedule: "), "{output}");
        assert!(output.contains("cron.purge-everything: is no cron job"), "{output}");
    }
}

/// Both jobs every second, the second one switched off.
fn every_second() -> PeykBuilder {
    Peyk::builder()
        .apis(0)
        .workers(0)
        .set("CRON__PURGE_EXPIRED_OTPS__SCHEDULE", "* * * * * *")
        .set("CRON__PURGE_SMS_MESSAGES__SCHEDULE", "* * * * * *")
        .set("CRON__PURGE_SMS_MESSAGES__ENABLED", "false")
}

async fn name_of(worker: &Process) -> String {
    worker.log_line("worker started").await["process"].as_str().unwrap().to_owned()
}

/// How many firings a worker made and finished.
async fn firings(peyk: &Peyk, worker: &str) -> i64 {
    let sql = "SELECT count(*) FROM cron_runs WHERE holder = $1 AND finished_at IS NOT NULL";
    let count = sqlx::query_scalar(sql).bind(worker).fetch_one(&peyk.database.pool).await;
    count.unwrap()
}

async fn wait_for_firings(peyk: &Peyk, worker: &str, count: i64) {
    wait_for("firings", || async { (firings(peyk, worker).await >= count).then_some(()) }).await;
}

/// How often the workers of these outputs did the work.
fn runs_in(outputs: &[String]) -> i64 {
    let lines = outputs.iter().flat_map(|output| output.lines());
    i64::try_from(lines.filter(|line| line.contains("\"cron run\"")).count()).unwrap()
}

#[tokio::test]
async fn each_firing_happens_once_among_two_workers_and_a_killed_leader_is_succeeded() {
    let mut peyk = every_second().start().await;
    // Long overdue: caught up by one run, not by one per second.
    peyk.database
        .execute(
            "INSERT INTO cron_runs (job, fire_at, holder, finished_at)
             VALUES ('purge-expired-otps', now() - interval '3 days', 'before', now())",
        )
        .await;
    let leader = name_of(peyk.start_worker().await).await;
    wait_for_firings(&peyk, &leader, 2).await;
    peyk.start_worker().await;
    let so_far = firings(&peyk, &leader).await;
    wait_for_firings(&peyk, &leader, so_far + 2).await;
    let successor = name_of(&peyk.workers[1]).await;
    assert_eq!(firings(&peyk, &successor).await, 0, "while another one leads");
    let mut killed = peyk.workers.remove(0);
    killed.kill().await;
    wait_for_firings(&peyk, &successor, 2).await;
    let mut stopped = peyk.workers.remove(0);
    stopped.signal("TERM").await;
    assert!(stopped.wait().await.success());
    killed.wait().await;
    // The killed one may have been between the work and its record.
    let runs = runs_in(&[killed.output(), stopped.output()]);
    let [begun, finished] = [
        "SELECT count(*) FROM cron_runs WHERE holder <> 'before'",
        "SELECT count(*) FROM cron_runs WHERE holder <> 'before' AND finished_at IS NOT NULL",
    ];
    let (begun, finished) = (peyk.database.count(begun).await, peyk.database.count(finished).await);
    assert!((finished..=begun).contains(&runs), "{runs} runs, {begun} begun, {finished} finished");
    assert!(begun - finished <= 1, "{begun} begun, {finished} finished");
    let off = "SELECT count(*) FROM cron_runs WHERE job = 'purge-sms-messages'";
    assert_eq!(peyk.database.count(off).await, 0);
    // What was missed in three days, and while nobody led, is not fired one by one.
    let late = "SELECT count(*) FROM cron_runs WHERE holder <> 'before'
        AND fire_at < started_at - interval '5 s'";
    assert_eq!(peyk.database.count(late).await, 0);
    let released = "SELECT count(*) FROM leases WHERE expires_at > now()";
    assert_eq!(peyk.database.count(released).await, 0, "a stopped worker gives its leases back");
}

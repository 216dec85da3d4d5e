//! Cron jobs: the command, when they run, and that each firing happens once.

use peyk_tests::harness::{Peyk, PeykBuilder, Process, wait_for};

/// A Peyk without processes, for commands.
pub(super) async fn idle() -> Peyk {
    Peyk::builder().apis(0).workers(0).start().await
}

pub(super) async fn cron(peyk: &Peyk, arguments: &[&str]) -> String {
    let (ok, output) = peyk.run("worker", &[&["cron"], arguments].concat()).await;
    assert!(ok, "{output}");
    output
}

const JOBS: [&str; 32] = [
    "purge-expired-otps",
    "purge-sms-messages",
    "purge-ended-sessions",
    "purge-send-counters",
    "purge-idempotency-keys",
    "purge-guard-counters",
    "purge-guard-decisions",
    "purge-login-events",
    "purge-gone-processes",
    "purge-expired-blocks",
    "purge-cron-runs",
    "purge-webhook-events",
    "purge-unused-files",
    "purge-deleted-files",
    "poll-delivery-reports",
    "purge-inbound-texts",
    "poll-provider-balances",
    "count-provider-hours",
    "purge-provider-hours",
    "purge-revocations",
    "purge-used-refresh-tokens",
    "purge-audit-events",
    "purge-ended-invitations",
    "watch-payments",
    "list-unverified-payments",
    "purge-sandbox-pages",
    "reconcile-payments",
    "purge-payment-reports",
    "release-expired-holds",
    "verify-ledger",
    "tell-absent-members",
    "purge-deleted-rooms",
];

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
    assert_eq!(jobs, JOBS);
    assert!(
        list.contains("  Deletes one-time codes, requests and unconfirmed changes of numbers that")
    );
    assert_eq!(list.matches("  last run: never").count(), JOBS.len(), "{list}");
    let schedules: Vec<_> =
        list.lines().filter_map(|line| line.strip_prefix("  schedule: ")).collect();
    assert_eq!(schedules[..3], ["0 */10 * * * *", "off", "0 45 1 * * *"]);
    let next: Vec<_> = list.lines().filter_map(|line| line.strip_prefix("  next run: ")).collect();
    assert!(next[0].starts_with("20") && next[0].ends_with("0:00Z"), "{list}");
    assert_eq!(next[1], "off");
    cron(&peyk, &["run", "purge-expired-otps"]).await;
    let list = cron(&peyk, &["list"]).await;
    let runs: Vec<_> = list.lines().filter_map(|line| line.strip_prefix("  last run: ")).collect();
    let facts = runs[0].split_once("Z (").map(|(_, facts)| facts);
    assert!(runs[0].starts_with("20"), "{list}");
    assert!(facts.is_some_and(|facts| facts.starts_with("ok, 0 rows in ")), "{list}");
    assert!(runs[0].ends_with(" ms, by hand)"), "{list}");
}

#[tokio::test]
async fn a_list_nobody_reads_to_its_end_is_no_failure() {
    let peyk = idle().await;
    let (ok, errors) = peyk.run_unheard("worker", &["cron", "list"]).await;
    assert_eq!((ok, errors.as_str()), (true, ""));
}

#[tokio::test]
async fn wrong_names_and_schedules_are_named() {
    let peyk = idle().await;
    let (ok, output) = peyk.run("worker", &["cron", "run", "purge-everything"]).await;
    assert!(!ok, "{output}");
    for word in ["\"purge-everything\""].iter().chain(&JOBS) {
        assert!(output.contains(word), "{output}");
    }
    let settings = [
        ("CRON__PURGE_EXPIRED_OTPS__SCHEDULE", "every now and then"),
        ("CRON__PURGE_EVERYTHING__ENABLED", "true"),
        ("CRON__PURGE_SMS_MESSAGES__MISSED", "perhaps"),
    ];
    for arguments in [&["run"][..], &["cron", "list"]] {
        let (ok, output) = peyk.run_with("worker", arguments, &settings).await;
        assert!(!ok, "{output}");
        assert!(output.contains("the configuration has 3 errors"), "{output}");
        assert!(output.contains("cron.purge-sms-messages.missed: "), "{output}");
        assert!(output.contains("cron.purge-expired-otps.schedule: "), "{output}");
        assert!(output.contains("cron.purge-everything: is no cron job"), "{output}");
    }
}

/// Codes are purged every second, messages too if they are switched on.
pub(super) fn every_second() -> PeykBuilder {
    Peyk::builder()
        .apis(0)
        .workers(0)
        .set("CRON__PURGE_EXPIRED_OTPS__SCHEDULE", "* * * * * *")
        .set("CRON__PURGE_SMS_MESSAGES__SCHEDULE", "* * * * * *")
        .set("CRON__PURGE_SMS_MESSAGES__ENABLED", "false")
}

pub(super) async fn name_of(worker: &Process) -> String {
    worker.log_line("worker started").await["process"].as_str().unwrap().to_owned()
}

/// How many firings a worker made and finished.
pub(super) async fn firings(peyk: &Peyk, worker: &str) -> i64 {
    let sql = "SELECT count(*) FROM cron_runs WHERE holder = $1 AND finished_at IS NOT NULL";
    let count = sqlx::query_scalar(sql).bind(worker).fetch_one(&peyk.database.pool).await;
    count.unwrap()
}

pub(super) async fn wait_for_firings(peyk: &Peyk, worker: &str, count: i64) {
    wait_for("firings", || async { (firings(peyk, worker).await >= count).then_some(()) }).await;
}

/// What runs has not been heard of for too long.
pub(super) const RUNS_ARE_OVERDUE: &str =
    "UPDATE cron_runs SET running_until = now() - interval '1 s' WHERE finished_at IS NULL";

/// How often the workers of these outputs did the work.
pub(super) fn runs_in(outputs: &[String]) -> i64 {
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
    // A run it was killed in would be taken for dead in half a minute.
    peyk.database.execute(RUNS_ARE_OVERDUE).await;
    wait_for_firings(&peyk, &successor, 2).await;
    let mut stopped = peyk.workers.remove(0);
    stopped.signal("TERM").await;
    assert!(stopped.wait().await.success());
    killed.wait().await;
    // The killed one may have been between the work and its record.
    let runs = runs_in(&[killed.output(), stopped.output()]);
    let [begun, finished] = [
        "SELECT count(*) FROM cron_runs WHERE holder <> 'before'",
        "SELECT count(*) FROM cron_runs WHERE holder <> 'before' AND outcome IN ('ok', 'stopped')",
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

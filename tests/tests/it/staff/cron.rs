//! Cron jobs that staff look at and run.

use peyk_tests::harness::{Answer, Peyk, PeykBuilder, wait_for};
use serde_json::{Value, json};

use super::queues::staff;
use crate::{
    login_steps::patient,
    people::{Person, column},
};

const JOB: &str = "purge-expired-otps";

/// Every job has its firing once a year, so that only what is asked for runs.
fn yearly() -> PeykBuilder {
    worker::CRON_JOBS.iter().fold(patient(), |peyk, job| {
        let job = job.name.replace('-', "_").to_uppercase();
        peyk.set(&format!("CRON__{job}__SCHEDULE"), "0 0 0 1 1 *")
    })
}

/// The list, once a worker has announced its jobs.
async fn jobs(peyk: &Peyk, by: &Person) -> Answer {
    wait_for("the jobs", || async {
        let page = by.get(peyk, "admin/cron/").await;
        (!column(&page, "name").is_empty()).then_some(page)
    })
    .await
}

async fn run(peyk: &Peyk, by: &Person, job: &str) -> u16 {
    by.post(peyk, &format!("admin/cron/{job}/run/"), &json!({})).await.status
}

/// The runs of a job that staff asked for: who, how they ended, and whether a leader's term fences them.
async fn asked(peyk: &Peyk) -> Vec<(i64, Option<String>, bool)> {
    sqlx::query_as(
        "SELECT asked_by, outcome, term IS NOT NULL FROM cron_runs
         WHERE asked_by IS NOT NULL ORDER BY fire_at",
    )
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_job_that_is_asked_for_runs_within_seconds_and_says_who_asked() {
    let peyk = yearly().workers(2).start().await;
    let admin = staff(&peyk, "admin").await;
    let page = jobs(&peyk, &admin).await;
    let mut expected: Vec<_> = worker::CRON_JOBS.iter().map(|job| job.name).collect();
    expected.sort_unstable();
    assert_eq!(column(&page, "name"), expected);
    let place = expected.iter().position(|name| *name == JOB).unwrap();
    let job = &page.json["results"][place];
    assert_eq!((&job["schedule"], &job["last_run"]), (&json!("0 0 0 1 1 *"), &Value::Null));
    assert!(job["next_at"].as_str().unwrap().ends_with("-01-01T00:00:00.000000Z"), "{job}");
    assert_eq!(run(&peyk, &admin, JOB).await, 200);
    wait_for("the run", || async {
        let ran = asked(&peyk).await;
        (ran == [(admin.id, Some("ok".to_owned()), true)]).then_some(())
    })
    .await;
    let page = admin.get(&peyk, "admin/cron/").await;
    let last = &page.json["results"][place]["last_run"];
    assert_eq!((&last["outcome"], &last["asked_by"]), (&json!("ok"), &json!(admin.id)));
    assert_eq!(last["by_hand"], true);
    assert!(last["lag_ms"].as_i64().unwrap() < 10_000, "{last}");
    assert_eq!(page.json["results"][place].get("asked_at"), None);
    let first = admin.get(&peyk, &format!("admin/cron/{JOB}/runs/?limit=1")).await;
    assert_eq!(column(&first, "asked_by"), [admin.id]);
    assert_eq!(first.json["next"], Value::Null);
    let earlier =
        "INSERT INTO cron_runs (job, fire_at, holder, finished_at, outcome, took_ms, rows)
        SELECT 'purge-expired-otps', now() - n * interval '1 day', 'before', now(), 'ok', 5, n
        FROM generate_series(1, 3) n";
    peyk.database.execute(earlier).await;
    let mut path = format!("admin/cron/{JOB}/runs/?limit=3");
    let mut rows = Vec::new();
    loop {
        let page = admin.get(&peyk, &path).await;
        rows.extend(column(&page, "rows").into_iter().filter_map(Value::as_i64));
        let Some(next) = page.json["next"].as_str() else { break };
        path = next.split_once("/api/").unwrap().1.to_owned();
    }
    assert_eq!(rows, [0, 1, 2, 3], "each once, latest first");
    assert_eq!(run(&peyk, &admin, "purge-everything").await, 404);
    let log = admin.get(&peyk, "admin/audit/?action=cron.run_asked").await;
    assert_eq!(log.json["results"][0]["detail"], json!({"job": JOB}));
    assert_eq!(log.json["results"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_has_one_run_at_a_time_whoever_asks() {
    let peyk = yearly().start().await;
    let admin = staff(&peyk, "admin").await;
    jobs(&peyk, &admin).await;
    let under_way = "INSERT INTO cron_runs (job, fire_at, holder, running_until)
        VALUES ('purge-expired-otps', now(), 'other', now() + interval '1 h')";
    peyk.database.execute(under_way).await;
    assert_eq!(run(&peyk, &admin, JOB).await, 409);
    // Asked for in the moment before it began: it waits for its end.
    peyk.database.execute("INSERT INTO cron_requests (job) VALUES ('purge-expired-otps')").await;
    assert_eq!(run(&peyk, &admin, "purge-revocations").await, 200);
    wait_for("the other job", || async { (asked(&peyk).await.len() == 1).then_some(()) }).await;
    let waits = "SELECT count(*) FROM cron_requests";
    assert_eq!(peyk.database.count(waits).await, 1);
    peyk.database.execute("UPDATE cron_runs SET finished_at = now() WHERE holder = 'other'").await;
    wait_for("its turn", || async { (peyk.database.count(waits).await == 0).then_some(()) }).await;
    let runs = "SELECT count(*) FROM cron_runs WHERE job = 'purge-expired-otps'";
    assert_eq!(peyk.database.count(runs).await, 2);
}

#[tokio::test]
async fn what_no_worker_has_announced_for_a_day_is_not_shown_and_not_run() {
    let peyk = yearly().start().await;
    let admin = staff(&peyk, "admin").await;
    jobs(&peyk, &admin).await;
    let gone = "INSERT INTO cron_jobs (name, about, seen_at)
        VALUES ('a-job-of-before', 'x', now() - interval '25 h'),
            ('a-job-of-today', 'x', now() - interval '23 h')";
    peyk.database.execute(gone).await;
    let page = admin.get(&peyk, "admin/cron/").await;
    let names = column(&page, "name");
    assert!(names.iter().any(|name| **name == "a-job-of-today"));
    assert!(!names.iter().any(|name| **name == "a-job-of-before"));
    assert_eq!(run(&peyk, &admin, "a-job-of-before").await, 404);
}

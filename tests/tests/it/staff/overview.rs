//! The overview: what whoever runs Peyk asks first.

use peyk_tests::{
    fake::{Behaviour, FakeKavenegar},
    harness::{Answer, Peyk, WebSocket, fresh_mobile, wait_for},
};
use serde_json::{Value, json};

use super::timeline_steps::{sent_while, staff_through};
use crate::{
    login_steps::{log_in, patient},
    people::Person,
};

async fn overview(peyk: &Peyk, by: &Person) -> Answer {
    let answer = by.get(peyk, "admin/overview/").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// Waits until what is counted is so.
async fn until(peyk: &Peyk, by: &Person, what: &str, so: impl Fn(&Value) -> bool) -> Answer {
    wait_for(what, || async {
        let answer = overview(peyk, by).await;
        so(&answer.json).then_some(answer)
    })
    .await
}

fn named<'a>(list: &'a Value, name: &str, value: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|one| one[name] == value);
    found.unwrap_or_else(|| panic!("no {value} in {list}"))
}

#[tokio::test]
async fn codes_are_counted_with_their_times_and_failures_by_reason() {
    let fake = FakeKavenegar::start().await;
    let peyk = Peyk::builder().kavenegar(&fake.url()).hasty(900).set("HTTP__WAIT_MS", "8000");
    let peyk = peyk.start().await;
    let viewer = staff_through(&peyk, &fake, "viewer").await;
    for _ in 0..2 {
        sent_while(&peyk, &fake, Behaviour::Error(411)).await;
    }
    let refused = sent_while(&peyk, &fake, Behaviour::Ok).await;
    // In its cool-down.
    assert_eq!(peyk.send_otp_async(&refused).await.status, 409);
    let counted = until(&peyk, &viewer, "all to be counted", |seen| {
        let hour = &seen["hour"];
        (&hour["sent"], &hour["failed"]) == (&json!(2), &json!(2))
            && seen["failures"].as_array().is_some_and(|reasons| reasons.len() == 2)
    })
    .await;
    let hour = &counted.json["hour"];
    assert_eq!((&hour["verified"], &hour["step_seconds"]), (&json!(1), &json!(300)));
    assert_eq!(hour["buckets"][0]["provider"], "kavenegar");
    let failures = &counted.json["failures"];
    let first = json!({"reason": "kavenegar.411", "provider": "kavenegar", "count": 2});
    assert_eq!(failures[0], first, "the most frequent first: {failures}");
    assert_eq!(failures[1], json!({"reason": "otp_cooldown", "count": 1}), "{failures}");
    let (taken, used) = (&counted.json["to_provider"], &counted.json["to_use"]);
    assert_eq!((&taken["count"], &used["count"]), (&json!(2), &json!(1)));
    let (half, most) = (taken["median_ms"].as_i64().unwrap(), taken["p95_ms"].as_i64().unwrap());
    assert!(0 <= half && half <= most && most < 60_000, "{taken}");
    assert!(used["median_ms"].as_i64().unwrap() >= 0, "{used}");
    let queues = &counted.json["queues"];
    assert_eq!(queues.as_array().unwrap().len(), 6, "{queues}");
    assert_eq!(named(queues, "queue", "otp")["due"], 0);
    let shown = counted.json.to_string();
    assert!(!shown.contains(&refused[1..]) && !shown.contains(&viewer.mobile[1..]));
    // The day is what cron counts of it.
    let (worked, said) = peyk.run("worker", &["cron", "run", "count-provider-hours"]).await;
    assert!(worked, "{said}");
    let day = until(&peyk, &viewer, "the day", |seen| seen["day"]["sent"] == 2).await;
    assert_eq!(day.json["day"]["step_seconds"], 3_600);
}

#[tokio::test]
async fn what_waits_what_is_left_and_payments_of_today_are_shown() {
    let mut peyk = patient().start().await;
    let viewer = Person::new(&peyk).await;
    viewer.join_staff(&peyk, "viewer").await;
    for amount in [50_000, 70_000] {
        let body = json!({"amount": amount, "currency": "IRR"});
        assert_eq!(viewer.post(&peyk, "payment/create/", &body).await.status, 200);
    }
    peyk.database
        .execute("UPDATE payments SET state = 'needs_review', created_at = created_at - interval '3 days'
            WHERE amount_rials = 70000")
        .await;
    let credit =
        "INSERT INTO sms_provider_states (provider, balance, balance_unit, balance_at, low_since)
        VALUES ('sandbox', 41, 'texts', now(), now()), ('gone', 1, 'texts', now(), NULL)
        ON CONFLICT (provider) DO UPDATE SET balance = 41, balance_unit = 'texts',
            balance_at = now(), low_since = now()";
    peyk.kill_worker().await;
    peyk.database.execute(credit).await;
    peyk.send_otp_async(&fresh_mobile()).await;
    let seen = until(&peyk, &viewer, "the code to wait", |seen| {
        named(&seen["queues"], "queue", "otp")["due"] == 1 && seen["needs_review"]["count"] == 1
    })
    .await;
    let review = json!({"state": "needs_review", "count": 1, "amount_rials": 70_000});
    assert_eq!(seen.json["needs_review"], review, "whenever it was begun");
    let today = json!([{"state": "redirected", "count": 1, "amount_rials": 50_000}]);
    assert_eq!(seen.json["payments"], today);
    let providers = seen.json["providers"].as_array().unwrap();
    assert_eq!(providers.len(), 1, "those that are configured: {providers:?}");
    assert_eq!(
        (&providers[0]["provider"], &providers[0]["balance"]),
        (&json!("sandbox"), &json!(41))
    );
    assert!(providers[0]["low_since"].is_string());
}

#[tokio::test]
async fn processes_are_there_while_they_run_with_their_open_sockets() {
    let mut peyk = patient().apis(2).workers(1).start().await;
    let viewer = Person::new(&peyk).await;
    viewer.join_staff(&peyk, "viewer").await;
    let there = |apis: i64, workers: i64| {
        move |seen: &Value| (&seen["apis"], &seen["workers"]) == (&json!(apis), &json!(workers))
    };
    let seen = until(&peyk, &viewer, "all to be there", there(2, 1)).await;
    let processes = seen.json["processes"].as_array().unwrap();
    assert!(
        processes.iter().all(|one| one["version"] == env!("CARGO_PKG_VERSION")),
        "{processes:?}"
    );
    let url = format!("{}/api/chat/ws/?token={}", peyk.urls[1], viewer.token);
    let socket = WebSocket::open(&url, &[]).await.unwrap();
    until(&peyk, &viewer, "the socket to be counted", |seen| seen["sockets"] == 1).await;
    drop(socket);
    until(&peyk, &viewer, "the socket to be gone", |seen| seen["sockets"] == 0).await;
    // One that is killed is not alive once it was not seen for a while; its row goes in a day.
    peyk.kill_worker().await;
    let age = async |by: &'static str| peyk.database.execute(by).await;
    age("UPDATE processes SET seen_at = now() - interval '1 minute' WHERE kind = 'worker'").await;
    until(&peyk, &viewer, "the worker to be gone", there(2, 0)).await;
    age("UPDATE processes SET seen_at = now() - interval '25 hours' WHERE kind = 'worker'").await;
    let (worked, said) = peyk.run("worker", &["cron", "run", "purge-gone-processes"]).await;
    assert!(worked && said.contains("deleted 1 rows"), "{said}");
}

#[tokio::test]
async fn a_process_that_is_told_to_stop_takes_its_row_away() {
    let mut peyk = patient().apis(1).workers(1).start().await;
    let rows = "SELECT count(*) FROM processes";
    wait_for("both to be there", async || (peyk.database.count(rows).await == 2).then_some(()))
        .await;
    peyk.workers[0].signal("TERM").await;
    let stopped = peyk.workers[0].wait().await;
    assert!(stopped.success());
    assert_eq!(peyk.database.count(rows).await, 1);
}

#[tokio::test]
async fn it_is_counted_anew_every_two_seconds_at_most_and_looks_are_written_down_once_in_a_while() {
    let peyk = patient().start().await;
    let (viewer, other) = (Person::new(&peyk).await, Person::new(&peyk).await);
    for person in [&viewer, &other] {
        person.join_staff(&peyk, "viewer").await;
    }
    let (mut counted, mut looks) = (std::collections::BTreeSet::new(), 0_u32);
    let began = std::time::Instant::now();
    while looks < 20 {
        let by = if looks % 2 == 0 { &viewer } else { &other };
        counted.insert(overview(&peyk, by).await.json["at"].as_str().unwrap().to_owned());
        looks += 1;
    }
    let most = usize::try_from(began.elapsed().as_secs() / 2 + 1).unwrap();
    assert!(counted.len() <= most, "{counted:?} in {:?}", began.elapsed());
    let events = "SELECT count(*) FROM audit_events WHERE action = 'overview.viewed'";
    assert_eq!(peyk.database.count(events).await, 2);
    assert_eq!(log_in(&peyk, &fresh_mobile()).await.status, 200);
}

//! Queues that staff let rest: nothing is lost, and nothing is begun, by whatever process.

use peyk_tests::harness::{Peyk, PeykBuilder, fresh_mobile, wait_for};
use serde_json::{Value, json};

use crate::{
    login_steps::patient,
    people::{Person, column},
    provider_outages::metric,
};

/// Somebody of this role.
pub(super) async fn staff(peyk: &Peyk, role: &str) -> Person {
    let person = Person::new(peyk).await;
    person.join_staff(peyk, role).await;
    person
}

fn hasty() -> PeykBuilder {
    patient().set("WORKER__SWEEP_MS", "100").set("HTTP__WAIT_MS", "3000")
}

/// How one queue stands.
async fn view(peyk: &Peyk, by: &Person, queue: &str) -> Value {
    let page = by.get(peyk, "admin/queues/").await;
    let place = column(&page, "queue").iter().position(|name| **name == queue);
    page.json["results"][place.expect("every queue is listed")].clone()
}

async fn turn(peyk: &Peyk, by: &Person, queue: &str, word: &str) {
    let path = format!("admin/queues/{queue}/{word}/");
    let answer = by.post(peyk, &path, &json!({"reason": "moving house"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json["paused"], word == "pause");
    // The reading of each worker, which is at most half a second behind.
    let expected = if word == "pause" { "1" } else { "0" };
    for worker in &peyk.workers {
        let series = format!("peyk_queue_paused{{queue=\"{queue}\"}}");
        wait_for("all workers to know", || async {
            (metric(peyk, worker, &series).await.as_deref() == Some(expected)).then_some(())
        })
        .await;
    }
}

/// Sweeps of all workers, until each has looked for due rows a few times more.
async fn let_sweeps_pass(peyk: &Peyk) {
    const LEADER: &str = r#"peyk_sweep_seconds_count{queue="otp"}"#;
    let so_far = async || {
        let mut sum = 0;
        for worker in &peyk.workers {
            let count = metric(peyk, worker, LEADER).await;
            sum += count.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        }
        sum
    };
    let before = so_far().await;
    wait_for("sweeps", || async { (so_far().await >= before + 5).then_some(()) }).await;
}

const TOUCHED: &str = "SELECT count(*) FROM sms_messages
    WHERE id > (SELECT coalesce(max(id), 0) FROM sms_messages WHERE verified_at IS NOT NULL)
      AND (attempt > 0 OR status NOT IN ('queued', 'expired'))";

#[tokio::test]
async fn of_a_queue_that_rests_nothing_is_begun_and_afterwards_everything_is() {
    let mut peyk = hasty().workers(2).start().await;
    let admin = staff(&peyk, "admin").await;
    turn(&peyk, &admin, "otp", "pause").await;
    let mobiles: Vec<_> = (0..8).map(|_| fresh_mobile()).collect();
    for mobile in &mobiles {
        assert_eq!(peyk.send_otp_async(mobile).await.status, 202);
    }
    // A worker that begins meanwhile knows it, too.
    peyk.start_worker().await;
    let_sweeps_pass(&peyk).await;
    assert_eq!(peyk.database.count(TOUCHED).await, 0);
    // Ids of Redis are forgotten, lives go on to end.
    peyk.redis.flush().await;
    let ends = "UPDATE sms_messages SET expires_at = now() - interval '1 s'
        WHERE id = (SELECT max(id) FROM sms_messages)";
    peyk.database.execute(ends).await;
    let last = peyk.database.settled_message_to(mobiles.last().unwrap()).await;
    assert_eq!((last.status.as_str(), last.attempt), ("expired", 0));
    let_sweeps_pass(&peyk).await;
    assert_eq!(peyk.database.count(TOUCHED).await, 0);
    let seen = view(&peyk, &admin, "otp").await;
    assert_eq!(seen["due"], json!({"count": 7, "more": false}), "{seen}");
    assert_eq!(seen["running"]["count"], 0);
    assert_eq!(
        (&seen["paused"]["reason"], &seen["paused"]["paused_by"]),
        (&json!("moving house"), &json!(admin.id))
    );
    // The others go on.
    assert_eq!(view(&peyk, &admin, "sms").await["paused"], Value::Null);
    turn(&peyk, &admin, "otp", "resume").await;
    for mobile in &mobiles[..7] {
        let row = peyk.database.settled_message_to(mobile).await;
        assert_eq!((row.status.as_str(), row.attempt), ("sent", 1));
    }
    assert_eq!(view(&peyk, &admin, "otp").await["paused"], Value::Null);
}

/// Ids in Redis stay there while the queue rests, and what a worker has popped waits in its hands:
/// afterwards nobody has to wait for the sweep to trust them no more.
#[tokio::test]
async fn ids_stay_where_they_are_while_their_queue_rests() {
    let peyk = hasty().start().await;
    let admin = staff(&peyk, "admin").await;
    turn(&peyk, &admin, "otp", "pause").await;
    let mobile = fresh_mobile();
    assert_eq!(peyk.send_otp_async(&mobile).await.status, 202);
    let_sweeps_pass(&peyk).await;
    // The sweep is not to bring it.
    let trusted = "UPDATE sms_messages SET pushed_until = now() + interval '1 h' WHERE attempt = 0";
    peyk.database.execute(trusted).await;
    let_sweeps_pass(&peyk).await;
    assert_eq!(peyk.database.count(TOUCHED).await, 0);
    turn(&peyk, &admin, "otp", "resume").await;
    assert_eq!(peyk.database.settled_message_to(&mobile).await.status, "sent");
}

#[tokio::test]
async fn a_worker_stays_ready_while_its_queues_rest_and_looks_and_changes_are_written_down() {
    let peyk = hasty().start().await;
    let admin = staff(&peyk, "admin").await;
    for queue in ["otp", "sms", "bulk", "webhooks", "payments", "returns"] {
        turn(&peyk, &admin, queue, "pause").await;
    }
    turn(&peyk, &admin, "sms", "pause").await;
    let fetched = r#"peyk_last_fetch_milliseconds{queue="sms"}"#;
    // A look of a queue that rests is at most two seconds ago, or it would fail in the end.
    wait_for("another look at Redis", || async {
        let age: i64 = peyk.worker_metric(fetched).await?.parse().ok()?;
        (age < 300).then_some(())
    })
    .await;
    turn(&peyk, &admin, "sms", "resume").await;
    turn(&peyk, &admin, "sms", "resume").await;
    view(&peyk, &admin, "sms").await;
    let log = admin.get(&peyk, "admin/audit/?subject=queue&limit=4").await;
    let expected = ["queue.listed", "queue.resumed", "queue.paused", "queue.paused"];
    assert_eq!(column(&log, "action"), expected, "what changed nothing is no event");
    let paused = &log.json["results"][2]["detail"];
    assert_eq!(paused, &json!({"queue": "returns", "reason": "moving house"}));
}

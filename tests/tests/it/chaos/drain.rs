//! A backlog in PostgreSQL and nothing in Redis: it drains through the window, and Redis keeps
//! nothing of it.

use std::time::{Duration, Instant};

use peyk_tests::{
    chaos::{Dice, Tally, size},
    harness::{Peyk, fresh_mobile, wait_for},
};
use sqlx::AssertSqlSafe;

/// Ids in Redis at most.
const WINDOW: usize = 300;

/// Rows as the api leaves them, due and not in Redis, the `first` to the `last`; all to numbers that
/// end in 9, which rehearse no failure in the sandbox.
pub(super) fn backlog(first: usize, last: usize) -> String {
    format!(
        "INSERT INTO otp_codes (phone, purpose, nonce, key_id, digits, created_at, expires_at,
             last_sent_at, last_local_id, day)
         SELECT '+98912' || 1000009 + 10 * n, 'login', decode(md5(n::text), 'hex'), 'k1', 6, now(),
             now() + interval '59 minutes', now(), n, current_date
         FROM generate_series({first}, {last}) n;
         INSERT INTO otp_requests (id, phone, purpose, generation, local_id, created_at, expires_at)
         SELECT md5(n::text), '+98912' || 1000009 + 10 * n, 'login', 1, n, now(),
             now() + interval '59 minutes'
         FROM generate_series({first}, {last}) n;
         INSERT INTO sms_messages (kind, phone, local_id, created_at, expires_at, next_attempt_at)
         SELECT 'otp', '+98912' || 1000009 + 10 * n, n, now(), now() + interval '59 minutes', now()
         FROM generate_series({first}, {last}) n"
    )
}

#[tokio::test]
async fn a_backlog_of_10000_rows_drains_through_a_window_and_none_is_pushed_twice() {
    backlog_drains(size("ROWS", 10_000, std::convert::identity)).await;
}

async fn backlog_drains(rows: usize) {
    let dice = Dice::new("backlog");
    let mut peyk = Peyk::builder()
        .set("WORKER__QUEUE_WINDOW", WINDOW.to_string())
        .set("WORKER__SWEEP_MS", "50")
        .workers(0)
        .start()
        .await;
    sqlx::raw_sql(AssertSqlSafe(backlog(1, rows))).execute(&peyk.database.pool).await.unwrap();
    peyk.start_worker().await;
    let begun = Instant::now();
    let limit = Duration::from_millis(u64::try_from(rows).unwrap() * 12);
    let (queue, mut longest, mut samples) = (peyk.redis.queue().await, 0, 0);
    let open = "SELECT count(*) FROM sms_messages WHERE settled_at IS NULL";
    while peyk.database.count(open).await > 0 {
        longest = longest.max(queue.length().await);
        samples += 1;
        assert!(begun.elapsed() < limit, "the backlog drains");
    }
    let took = begun.elapsed();
    let accepted = "SELECT count(*) FROM sms_attempts WHERE outcome = 'accepted'";
    let accepted = peyk.database.count(accepted).await;
    let due = peyk.worker_metric("peyk_swept_rows_total{found=\"due\"}").await.unwrap_or_default();
    // Limits of the api leave keys too.
    assert_eq!(peyk.send_otp(&fresh_mobile()).await.status, 200);
    let (keys, unbounded) = remains(&peyk).await;
    Tally::new("Backlog drained", &dice)
        .count("rows", rows)
        .count("sent", accepted)
        .count("pushed", &due)
        .count("seconds", took.as_secs())
        .count("longest list", longest)
        .count("window", WINDOW)
        .count("samples", samples)
        .count("keys left", keys)
        .count("without an end", unbounded.len())
        .show();
    assert!((1..=WINDOW).contains(&longest), "{longest} ids in Redis at once");
    assert_eq!((accepted, due), (i64::try_from(rows).unwrap(), rows.to_string()));
    assert_eq!(unbounded, Vec::<String>::new());
    let output = peyk.output();
    for complaint in ["worker died", "job panicked", "job hung", "job left to the sweep"] {
        assert!(!output.contains(complaint), "{complaint}");
    }
}

/// How many keys are left once the list of ids is gone, and those of them that do not end within
/// a minute or with the window of their limit.
async fn remains(peyk: &Peyk) -> (usize, Vec<String>) {
    let mut redis = peyk.redis.connection().await;
    let queue = peyk.redis.queue().await;
    wait_for("an empty list", || async { (queue.length().await == 0).then_some(()) }).await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
    let mut unbounded = Vec::new();
    for key in &keys {
        let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut redis).await.unwrap();
        // An hour is the longest window of a limit, that of sends to one number. -2: just gone.
        let most = if key.starts_with("peyk:limit:") { 3_600_001 } else { 60_000 };
        if !(left == -2 || (0..=most).contains(&left)) {
            unbounded.push(format!("{key} {left} ms"));
        }
    }
    (keys.len(), unbounded)
}

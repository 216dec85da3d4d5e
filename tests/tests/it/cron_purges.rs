//! Purges: what they delete and what not, and that they leave the latency of codes alone.

use std::time::{Duration, Instant};

use peyk_tests::harness::{Peyk, fresh_mobile};

use super::cron::{cron, idle};

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

/// Sessions by how many days ago they were revoked and could be refreshed last.
const SESSIONS: &str = "
    INSERT INTO users (username, created_at) VALUES ('u', now());
    INSERT INTO sessions (user_id, device, created_at, last_seen_at, authenticated_at,
        refresh_issued_at, refresh_expires_at, expires_at, revoked_at)
    SELECT users.id, s.device, now(), now(), now(), now(), now() - s.expired * interval '1 day',
        now() + interval '1 day', now() - s.revoked * interval '1 day'
    FROM users, (VALUES ('expired', 31, NULL), ('expired and revoked', 31, 32),
        ('revoked', -1, 31), ('expired first', 31, 1), ('revoked lately', 5, 29),
        ('expired lately', 29, NULL), ('living', -1, NULL)) s (device, expired, revoked)
    UNION ALL
    SELECT users.id, 'crowd', now(), now(), now(), now(), now() - interval '40 days', now(), NULL
    FROM users, generate_series(1, 1500)";

/// Runs a purge dry, twice and for real; it has to say and to take `rows`.
pub(crate) async fn purge(peyk: &Peyk, job: &str, table_rows: &'static str, rows: i64) {
    let before = peyk.database.count(table_rows).await;
    let dry = cron(peyk, &["run", job, "--dry-run"]).await;
    assert_eq!(dry.trim(), format!("{job}: would delete {rows} rows"));
    assert_eq!(peyk.database.count(table_rows).await, before);
    for rows in [rows, 0] {
        let output = cron(peyk, &["run", job]).await;
        assert_eq!(output.trim(), format!("{job}: deleted {rows} rows"));
    }
}

#[tokio::test]
async fn the_purge_of_sessions_takes_those_that_ended_a_month_ago() {
    let peyk = idle().await;
    peyk.database.execute(SESSIONS).await;
    purge(&peyk, "purge-ended-sessions", "SELECT count(*) FROM sessions", 1_504).await;
    let left: Vec<String> = sqlx::query_scalar("SELECT device FROM sessions ORDER BY device")
        .fetch_all(&peyk.database.pool)
        .await
        .unwrap();
    assert_eq!(left, ["expired lately", "living", "revoked lately"]);
    assert_eq!(peyk.database.count("SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn the_purge_of_revocations_takes_those_that_void_no_token_any_more() {
    let peyk = idle().await;
    peyk.database
        .execute(
            "INSERT INTO revocations (kind, subject, expires_at)
             SELECT 'session', n, now() - interval '61 minutes' FROM generate_series(1, 1100) n
             UNION ALL VALUES ('session', 5001, now() - interval '59 minutes'),
                 ('session', 5002, now() + interval '5 minutes')",
        )
        .await;
    purge(&peyk, "purge-revocations", "SELECT count(*) FROM revocations", 1_100).await;
    let left = "SELECT sum(subject)::bigint FROM revocations";
    assert_eq!(peyk.database.count(left).await, 5_001 + 5_002);
}

#[tokio::test]
async fn the_purge_of_revocations_takes_tickets_that_opened_nothing_and_leaves_good_ones() {
    let peyk = idle().await;
    peyk.database
        .execute(
            "INSERT INTO users (username, created_at) VALUES ('buyer', now());
             INSERT INTO sessions (user_id, device, created_at, last_seen_at, authenticated_at,
                 refresh_issued_at, refresh_expires_at, expires_at)
             SELECT id, 'd', now(), now(), now(), now(), now() + interval '1 day',
                 now() + interval '1 day' FROM users;
             INSERT INTO socket_tickets (hash, user_id, session_id, until, expires_at)
             SELECT sha256(n::text::bytea), s.user_id, s.id, now() + interval '5 minutes',
                 CASE WHEN n <= 1100 THEN now() - interval '61 minutes'
                     ELSE now() + (n - 1101) * interval '1 minute' END
             FROM generate_series(1, 1102) n, sessions s",
        )
        .await;
    let tickets = "SELECT count(*) FROM socket_tickets";
    purge(&peyk, "purge-revocations", tickets, 1_100).await;
    assert_eq!(peyk.database.count(tickets).await, 2);
}

#[tokio::test]
async fn the_purge_of_counters_takes_days_of_more_than_a_month_ago() {
    let peyk = idle().await;
    peyk.database
        .execute(
            "INSERT INTO send_counters (day, scope, used)
             SELECT (now() AT TIME ZONE 'UTC')::date - n, scope, 1
             FROM generate_series(0, 1029) n, unnest(ARRAY['all', 'country:IR']) scope",
        )
        .await;
    purge(&peyk, "purge-send-counters", "SELECT count(*) FROM send_counters", 2 * 999).await;
    let left = "SELECT count(*) FROM send_counters
        WHERE day >= (now() AT TIME ZONE 'UTC')::date - 30";
    assert_eq!(peyk.database.count(left).await, 2 * 31);
}

#[tokio::test]
async fn the_purge_of_inbound_texts_takes_those_that_were_kept_long_enough() {
    let peyk = Peyk::builder().apis(0).workers(0).set("SMS__INBOUND_RETENTION_DAYS", "7");
    let peyk = peyk.start().await;
    peyk.database
        .execute(
            "INSERT INTO sms_inbound (provider, phone, line, body, received_at, fingerprint)
             SELECT 'a', '+989121234567', '3000', n::text,
                 now() - CASE WHEN n <= 1100 THEN interval '7 days 1 minute'
                     ELSE interval '6 days 23 hours' END, sha256(n::text::bytea)
             FROM generate_series(1, 1102) n",
        )
        .await;
    let rows = "SELECT count(*) FROM sms_inbound";
    purge(&peyk, "purge-inbound-texts", rows, 1_100).await;
    assert_eq!(peyk.database.count(rows).await, 2);
}

#[tokio::test]
async fn the_purge_of_cron_runs_keeps_the_latest_of_each_job_and_what_has_not_ended() {
    let peyk = idle().await;
    peyk.database
        .execute(
            "INSERT INTO cron_runs (job, fire_at, holder, finished_at, outcome)
             SELECT 'busy', now() - n * interval '1 h', 'h', now(), 'ok'
             FROM generate_series(1, 90 * 24 + 1500) n;
             INSERT INTO cron_runs (job, fire_at, holder, finished_at, outcome)
             SELECT 'retired', now() - n * interval '1 day', 'h', now(), 'ok'
             FROM generate_series(100, 102) n;
             INSERT INTO cron_runs (job, fire_at, holder, finished_at)
             VALUES ('stuck', now() - interval '100 days', 'h', NULL),
                 ('stuck', now() - interval '91 days', 'h', now())",
        )
        .await;
    // An hour's rows may have become 90 days old since.
    let old = "SELECT count(*) FROM cron_runs WHERE fire_at < now() - interval '90 days'";
    assert_eq!(peyk.database.count(old).await, 1_501 + 3 + 2);
    purge(&peyk, "purge-cron-runs", old, 1_501 + 2).await;
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT job FROM cron_runs WHERE fire_at < now() - interval '90 days' ORDER BY job",
    )
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap();
    assert_eq!(left, ["retired", "stuck", "stuck"]);
    let busy = "SELECT count(*) FROM cron_runs WHERE job = 'busy'";
    assert_eq!(peyk.database.count(busy).await, 90 * 24 - 1);
}

#[tokio::test]
async fn the_purge_of_idempotency_keys_takes_those_of_more_than_a_day_ago() {
    let peyk = idle().await;
    peyk.database
        .execute(
            "INSERT INTO idempotency_keys (caller, key_hash, operation, fingerprint, reference,
                 created_at, expires_at)
             SELECT 'key:1', sha256(n::text::bytea), 'sendOtp', sha256(''), n::text, now(),
                 now() + CASE WHEN n <= 1100 THEN -1 ELSE 1 END * interval '1 minute'
             FROM generate_series(1, 1103) n",
        )
        .await;
    let rows = "SELECT count(*) FROM idempotency_keys";
    purge(&peyk, "purge-idempotency-keys", rows, 1_100).await;
    assert_eq!(peyk.database.count(rows).await, 3);
}

#[tokio::test]
async fn the_purge_of_what_went_wrong_at_logins_takes_what_is_a_month_old() {
    let peyk = idle().await;
    let events = "INSERT INTO login_events (at, kind, phone)
        SELECT now() - n * interval '12 h', 'code_wrong', '+989121234567'
        FROM generate_series(1, 1259) n";
    peyk.database.execute(events).await;
    let events = "SELECT count(*) FROM login_events";
    purge(&peyk, "purge-login-events", events, 1_200).await;
    assert_eq!(peyk.database.count(events).await, 59);
}

#[tokio::test]
async fn the_purges_of_the_guard_take_decisions_of_a_month_and_counters_of_a_day_ago() {
    let peyk = idle().await;
    peyk.database
        .execute(
            "INSERT INTO guard_decisions (at, prefix, number_end, mode, action, reasons)
             SELECT now() - n * interval '12 h', '+98912', '89', 'record', 'passed', '[]'
             FROM generate_series(1, 1259) n;
             INSERT INTO send_counters (day, scope, used)
             SELECT (now() AT TIME ZONE 'UTC')::date - n % 4, 'guard:i:10.0.' || n, -30
             FROM generate_series(0, 4799) n
             UNION ALL SELECT (now() AT TIME ZONE 'UTC')::date - 3, 'verified:IR', 1",
        )
        .await;
    let decisions = "SELECT count(*) FROM guard_decisions";
    purge(&peyk, "purge-guard-decisions", decisions, 1_200).await;
    let counters = "SELECT count(*) FROM send_counters";
    purge(&peyk, "purge-guard-counters", counters, 2_400).await;
    // Today's and yesterday's, and what is usual.
    assert_eq!(peyk.database.count(counters).await, 2_401);
}

/// Two hundred batches of codes that ended long ago, and a firing that is overdue.
const VERY_MANY: &str = "
    INSERT INTO otp_codes (phone, purpose, nonce, key_id, digits, created_at, expires_at,
        last_sent_at, last_local_id, day)
    SELECT '+98912' || 1000000 + n, 'login', '\\x00112233445566778899aabbccddeeff', 'k1', 6, now(),
        now() - interval '2 days', now(), n, current_date
    FROM generate_series(1, 200000) n;
    INSERT INTO cron_runs (job, fire_at, holder, finished_at)
    VALUES ('purge-expired-otps', now() - interval '3 days', 'before', now())";

/// A code is answered within this while a purge runs; alone it takes some ten milliseconds.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// Long enough for a machine that is busy with other tests.
const PURGED_WITHIN: Duration = Duration::from_mins(2);

#[tokio::test]
async fn codes_are_sent_in_time_while_very_many_rows_are_purged() {
    let mut peyk = Peyk::builder().workers(0).start().await;
    peyk.database.execute(VERY_MANY).await;
    peyk.start_worker().await;
    let began = Instant::now();
    let (mut during, mut slowest) = (0, Duration::ZERO);
    let purged = "SELECT coalesce(max(rows), 0) FROM cron_runs WHERE outcome = 'ok'
        AND fire_at > now() - interval '1 day'";
    let under_way = "SELECT count(*) FROM cron_runs WHERE rows > 0 AND finished_at IS NULL";
    while peyk.database.count(purged).await < 200_000 {
        let is_during = peyk.database.count(under_way).await == 1;
        let sent = Instant::now();
        let answer = peyk.send_otp(&fresh_mobile()).await;
        assert!([200, 202].contains(&answer.status), "{answer:?}");
        slowest = slowest.max(sent.elapsed());
        during += i32::from(is_during);
        assert!(began.elapsed() < PURGED_WITHIN, "the purge does not end");
    }
    assert!(slowest < ANSWERED_WITHIN, "{slowest:?}");
    assert!(during >= 10, "only {during} codes were sent while the purge ran");
    let left = "SELECT count(*) FROM otp_codes WHERE expires_at < now() - interval '1 day'";
    assert_eq!(peyk.database.count(left).await, 0);
}

#[tokio::test]
async fn the_purge_of_used_tokens_takes_those_of_more_than_a_day_ago() {
    let peyk = idle().await;
    peyk.database
        .execute(
            "INSERT INTO used_refresh_tokens (fingerprint, expires_at)
             SELECT sha256(n::text::bytea), now() - CASE WHEN n <= 1100
                 THEN interval '24 hours 1 minute' ELSE interval '23 hours' END
             FROM generate_series(1, 1103) n",
        )
        .await;
    let used = "SELECT count(*) FROM used_refresh_tokens";
    purge(&peyk, "purge-used-refresh-tokens", used, 1_100).await;
    assert_eq!(peyk.database.count(used).await, 3);
}

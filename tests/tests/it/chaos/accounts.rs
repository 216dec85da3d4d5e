//! Logging in takes as long with a million accounts and sessions as with none.

use std::time::{Duration, Instant};

use peyk_tests::{
    chaos::{Dice, Tally, size},
    harness::{Peyk, wait_for},
};

use crate::session_steps::{OTP_KEY, code_of, known_codes, mobile};

/// The most that logins may take longer by.
const WORST: f64 = 1.2;
/// A busy machine may spoil one measurement; it does not spoil all of them.
const ROUNDS: usize = 5;
/// Codes that are made at once.
const READY: usize = 200;

#[tokio::test]
async fn logging_in_takes_as_long_among_many_accounts_as_among_none() {
    let accounts = size("ACCOUNTS", 50_000, std::convert::identity);
    let logins = size("ACCOUNTS", 150, |_| 2_000);
    // So few have no 99th percentile worth the name.
    let percent = size("ACCOUNTS", 50, |_| 99);
    Box::pin(stays_fast(accounts, logins, percent)).await;
}

#[expect(clippy::float_arithmetic, reason = "ratios of times, no money here")]
async fn stays_fast(accounts: usize, logins: usize, percent: usize) {
    let dice = Dice::new("many accounts");
    let (empty, full) = tokio::join!(start(), start());
    fill(&full, accounts).await;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let first = round * logins;
        let scans = seq_scans(&full).await;
        let mut times = [Vec::new(), Vec::new()];
        for number in first..first + logins {
            // Some at a time: codes live ten minutes, however slow the machine is.
            if (number - first).is_multiple_of(READY) {
                let count = READY.min(first + logins - number);
                for peyk in [&empty, &full] {
                    ready(peyk, number, count).await;
                }
            }
            // In turns, so that whatever slows the machine down slows both down.
            for (peyk, times) in [&empty, &full].into_iter().zip(&mut times) {
                times.push(log_in(peyk, number).await);
            }
        }
        assert_eq!(seq_scans(&full).await, scans, "a login reads a table from end to end");
        let [empty, full] = times.map(|mut times| {
            times.sort_unstable();
            times[(logins - 1) * percent / 100]
        });
        let ratio = full.as_secs_f64() / empty.as_secs_f64();
        rounds.push((empty, full, ratio));
        if ratio <= WORST {
            break;
        }
    }
    let (empty, full, ratio) = *rounds.last().unwrap();
    Tally::new("Logins among many accounts", &dice)
        .count("accounts and sessions", accounts)
        .count("logins", logins)
        .count("percentile", percent)
        .count("among none µs", empty.as_micros())
        .count("among many µs", full.as_micros())
        .count("rounds", rounds.len())
        .show();
    assert!(ratio <= WORST, "{rounds:?}");
}

async fn start() -> Peyk {
    Peyk::builder().workers(0).set("OTP__KEYS__K1", OTP_KEY).start().await
}

/// Accounts with a session each.
async fn fill(peyk: &Peyk, accounts: usize) {
    let accounts = i64::try_from(accounts).unwrap();
    for sql in [
        "INSERT INTO users (username, phone, created_at)
         SELECT 'old-' || n, '+98920' || lpad(n::text, 7, '0'), now()
         FROM generate_series(1, $1) n",
        "INSERT INTO sessions (user_id, ip, user_agent, device, browser, os, created_at,
             last_seen_at, authenticated_at, refresh_issued_at, refresh_expires_at, expires_at)
         SELECT id, '203.0.113.7', 'Mozilla/5.0', 'pc', 'Firefox', 'Linux', now(), now(), now(),
             now(), now() + interval '1 day', now() + interval '90 days'
         FROM users LIMIT $1",
    ] {
        sqlx::query(sql).bind(accounts).execute(&peyk.database.pool).await.unwrap();
    }
    peyk.database.execute("VACUUM ANALYZE users").await;
    peyk.database.execute("VACUUM ANALYZE sessions").await;
}

/// Codes for so many numbers, of which every other one has an account.
async fn ready(peyk: &Peyk, first: usize, count: usize) {
    let insert = "INSERT INTO users (username, phone, created_at)
        SELECT 'known-' || n, '+98919' || lpad(n::text, 7, '0'), now()
        FROM generate_series($1, $1 + $2 - 1) n WHERE n % 2 = 0";
    let insert = sqlx::query(insert).bind(i64::try_from(first).unwrap());
    let insert = insert.bind(i64::try_from(count).unwrap());
    insert.execute(&peyk.database.pool).await.unwrap();
    known_codes(peyk, first, count).await;
}

async fn log_in(peyk: &Peyk, number: usize) -> Duration {
    let code = code_of(number);
    let begun = Instant::now();
    let login = peyk.authenticate(&mobile(number), &code, None).await;
    assert_eq!(login.status, 200, "{login:?}");
    begun.elapsed()
}

/// How often the table of accounts was read from end to end, once the servers have said so:
/// connections that are idle hand in what they counted.
async fn seq_scans(peyk: &Peyk) -> i64 {
    let pool = &peyk.database.pool;
    let logins: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(pool).await.unwrap();
    wait_for("the counts of the server", || async {
        let inserted = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'sessions'";
        let inserted: i64 = sqlx::query_scalar(inserted).fetch_one(pool).await.unwrap();
        (inserted >= logins).then_some(())
    })
    .await;
    let scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'users'";
    sqlx::query_scalar(scans).fetch_one(pool).await.unwrap()
}

//! Guessing codes: what a guesser gets, and that nobody else pays for it.

use peyk_tests::{
    aging::{age_code_to, e164, pass_seconds},
    harness::{Answer, Peyk, PeykBuilder, fresh_mobile},
};
use serde_json::{Value, json};

use crate::login_steps::{assert_refused, count, patient, send, wrong};

/// Enough patience for a thousand checks of one row on a busy machine.
fn crowded() -> PeykBuilder {
    patient().set("DATABASE__ACQUIRE_TIMEOUT_MS", "20000").apis(2)
}

/// All these logins at once, spread over the api processes.
async fn all_at_once(peyk: &Peyk, bodies: Vec<Value>) -> Vec<Answer> {
    let logins = bodies.into_iter().enumerate().map(|(at, body)| {
        let url = format!("{}/api/authenticate/", peyk.urls[at % peyk.urls.len()]);
        peyk.send(peyk.client().post(url).json(&body))
    });
    futures_util::future::join_all(logins).await
}

fn with_status(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test]
async fn a_thousand_parallel_guesses_get_no_more_comparisons_than_the_budget() {
    let peyk = crowded().start().await;
    let mobile = fresh_mobile();
    let (_, code) = send(&peyk, &mobile).await;
    let right = rand::random_range(0..1000);
    let bodies = (0..1000).map(|at| {
        let guess = if at == right { code.clone() } else { format!("{:08}", 97_000 + at) };
        json!({"mobile_number": mobile, "code": guess})
    });
    let answers = all_at_once(&peyk, bodies.collect()).await;
    let successes = with_status(&answers, 200);
    assert_eq!(successes + with_status(&answers, 401), 1000);
    assert!(successes <= 1, "{successes}");
    // An attempt is taken before anything is compared, so this counts the comparisons.
    let compared = count(&peyk, "SELECT shared_attempts::bigint FROM otp_codes").await;
    assert!((1..=5).contains(&compared), "{compared}");
    let sessions = count(&peyk, "SELECT count(*) FROM sessions").await;
    assert_eq!(usize::try_from(sessions).unwrap(), successes);
}

#[tokio::test]
async fn a_hundred_parallel_right_answers_are_one_login() {
    let peyk = crowded().start().await;
    for with_request in [false, true] {
        let mobile = fresh_mobile();
        let (request_id, code) = send(&peyk, &mobile).await;
        let mut body = json!({"mobile_number": mobile, "code": code});
        if with_request {
            body["request_id"] = request_id.into();
        }
        let answers = all_at_once(&peyk, vec![body; 100]).await;
        assert_eq!((with_status(&answers, 200), with_status(&answers, 401)), (1, 99));
    }
    assert_eq!(count(&peyk, "SELECT count(*) FROM sessions").await, 2);
    assert_eq!(count(&peyk, "SELECT count(*) FROM users").await, 2);
}

#[tokio::test]
async fn a_strangers_guesses_do_not_keep_out_the_owner_of_the_request() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (request_id, code) = send(&peyk, &mobile).await;
    for _ in 0..20 {
        assert_refused(&peyk.authenticate(&mobile, &wrong(&code), None).await);
    }
    // The shared budget is spent, even for the right code.
    assert_refused(&peyk.authenticate(&mobile, &code, None).await);
    let login = peyk.authenticate(&mobile, &code, Some(&request_id)).await;
    assert_eq!(login.status, 200, "{login:?}");
}

#[tokio::test]
async fn a_request_has_five_attempts_of_its_own() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (first, code) = send(&peyk, &mobile).await;
    pass_seconds(&peyk.database.pool, &mobile, 60).await;
    let (second, again) = send(&peyk, &mobile).await;
    assert_eq!(code, again);
    for _ in 0..5 {
        assert_refused(&peyk.authenticate(&mobile, &wrong(&code), Some(&first)).await);
    }
    assert_refused(&peyk.authenticate(&mobile, &code, Some(&first)).await);
    for _ in 0..4 {
        assert_refused(&peyk.authenticate(&mobile, &wrong(&code), Some(&second)).await);
    }
    assert_eq!(peyk.authenticate(&mobile, &code, Some(&second)).await.status, 200);
}

#[tokio::test]
async fn four_wrong_codes_leave_one_attempt_and_sending_again_gives_five_new_ones() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (_, code) = send(&peyk, &mobile).await;
    for _ in 0..5 {
        assert_refused(&peyk.authenticate(&mobile, &wrong(&code), None).await);
    }
    assert_refused(&peyk.authenticate(&mobile, &code, None).await);
    pass_seconds(&peyk.database.pool, &mobile, 60).await;
    send(&peyk, &mobile).await;
    for _ in 0..4 {
        assert_refused(&peyk.authenticate(&mobile, &wrong(&code), None).await);
    }
    assert_eq!(peyk.authenticate(&mobile, &code, None).await.status, 200);
}

#[tokio::test]
async fn a_request_opens_nothing_but_its_own_code() {
    let peyk = patient().start().await;
    let (mobile, other) = (fresh_mobile(), fresh_mobile());
    let (request, code) = send(&peyk, &mobile).await;
    let (others_request, others_code) = send(&peyk, &other).await;
    assert_refused(&peyk.authenticate(&mobile, &code, Some(&others_request)).await);
    assert_refused(&peyk.authenticate(&other, &code, Some(&request)).await);
    assert_refused(&peyk.authenticate(&mobile, &code, Some(&"0".repeat(32))).await);
    let spent = count(&peyk, "SELECT sum(attempts)::bigint FROM otp_requests").await;
    assert_eq!(spent, 0, "a stranger's number spends nobody's attempts");
    // An older code's request does not open the newer code.
    assert_eq!(peyk.authenticate(&mobile, &code, Some(&request)).await.status, 200);
    let (newer_request, newer_code) = send(&peyk, &mobile).await;
    assert_refused(&peyk.authenticate(&mobile, &newer_code, Some(&request)).await);
    assert_eq!(peyk.authenticate(&mobile, &newer_code, Some(&newer_request)).await.status, 200);
    // Nor does it work after its time.
    age_code_to(&peyk.database.pool, &other, 240).await;
    assert_refused(&peyk.authenticate(&other, &others_code, Some(&others_request)).await);
    let malformed = peyk.authenticate(&other, &others_code, Some("not-a-handle")).await;
    assert_eq!(malformed.status, 400);
    assert_eq!(malformed.json["errors"][0]["field"], "request_id");
}

#[tokio::test]
async fn expired_used_and_foreign_codes_are_refused() {
    let peyk = patient().start().await;
    let (mobile, other) = (fresh_mobile(), fresh_mobile());
    let (_, code) = send(&peyk, &mobile).await;
    assert_refused(&peyk.authenticate(&other, &code, None).await);
    send(&peyk, &other).await;
    assert_refused(&peyk.authenticate(&other, &code, None).await);
    age_code_to(&peyk.database.pool, &mobile, 220).await;
    assert_eq!(peyk.authenticate(&mobile, &code, None).await.status, 200, "20 s are left");
    assert_refused(&peyk.authenticate(&mobile, &code, None).await);
    let (_, code) = send(&peyk, &mobile).await;
    age_code_to(&peyk.database.pool, &mobile, 240).await;
    assert_refused(&peyk.authenticate(&mobile, &code, None).await);
    assert_eq!(count(&peyk, "SELECT count(*) FROM sessions").await, 1);
}

#[tokio::test]
async fn a_code_for_another_purpose_logs_nobody_in() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (request_id, code) = send(&peyk, &mobile).await;
    let turn_into = async |purpose: &str| {
        for table in ["otp_codes", "otp_requests"] {
            let check =
                format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_purpose_check");
            let turn = format!("{check}; UPDATE {table} SET purpose = '{purpose}'");
            sqlx::raw_sql(sqlx::AssertSqlSafe(turn)).execute(&peyk.database.pool).await.unwrap();
        }
    };
    turn_into("another").await;
    for request_id in [None, Some(request_id.as_str())] {
        assert_refused(&peyk.authenticate(&mobile, &code, request_id).await);
    }
    turn_into("login").await;
    assert_eq!(peyk.authenticate(&mobile, &code, Some(&request_id)).await.status, 200);
}

#[tokio::test]
async fn junk_in_place_of_a_code_is_a_wrong_code() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (request_id, code) = send(&peyk, &mobile).await;
    for junk in ["", "1", "abcdefgh", &format!("{code}0"), &code[..7], "' OR 1=1 --"] {
        assert_refused(&peyk.authenticate(&mobile, junk, None).await);
    }
    assert_eq!(peyk.authenticate(&mobile, &code, Some(&request_id)).await.status, 200);
}

/// Sends as often as needed for seven wrong codes, and gives the last handle and code.
async fn seven_wrong(peyk: &Peyk, mobile: &str, with_request: bool) -> (String, String) {
    let mut last = (String::new(), String::new());
    for wrong_codes in [5, 2] {
        pass_seconds(&peyk.database.pool, mobile, 60).await;
        last = send(peyk, mobile).await;
        let (request_id, code) = &last;
        for _ in 0..wrong_codes {
            let request_id = with_request.then_some(request_id.as_str());
            assert_refused(&peyk.authenticate(mobile, &wrong(code), request_id).await);
        }
    }
    last
}

/// A number with seven wrong codes of today; once more if the day changed on the way.
async fn number_with_seven_wrong(peyk: &Peyk, with_request: bool) -> (String, String, String) {
    loop {
        let mobile = fresh_mobile();
        let (request_id, code) = seven_wrong(peyk, &mobile, with_request).await;
        let counted = "SELECT shared_attempts_today + requested_attempts_today
                       FROM otp_codes WHERE phone = $1";
        let counted = sqlx::query_scalar::<_, i32>(counted).bind(e164(&mobile));
        if counted.fetch_one(&peyk.database.pool).await.unwrap() == 7 {
            return (mobile, request_id, code);
        }
    }
}

#[tokio::test]
async fn a_number_has_so_many_checks_a_day_whatever_budgets_are_left() {
    let peyk = patient().set("OTP__DAILY_ATTEMPTS_PER_TARGET", "7").start().await;
    let (mobile, request_id, code) = number_with_seven_wrong(&peyk, true).await;
    assert_refused(&peyk.authenticate(&mobile, &code, Some(&request_id)).await);
    // The next day it is good again.
    let yesterday = sqlx::query("UPDATE otp_codes SET day = day - 1");
    yesterday.execute(&peyk.database.pool).await.unwrap();
    let login = peyk.authenticate(&mobile, &code, Some(&request_id)).await;
    assert_eq!(login.status, 200, "{login:?}");
}

#[tokio::test]
async fn the_days_checks_without_a_request_are_counted_apart() {
    let peyk = patient().set("OTP__DAILY_ATTEMPTS_PER_TARGET", "7").start().await;
    let (mobile, request_id, code) = number_with_seven_wrong(&peyk, false).await;
    assert_refused(&peyk.authenticate(&mobile, &code, None).await);
    let login = peyk.authenticate(&mobile, &code, Some(&request_id)).await;
    assert_eq!(login.status, 200, "{login:?}");
}

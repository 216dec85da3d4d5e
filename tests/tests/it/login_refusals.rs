//! Nobody can tell from the outside why a code is not good.

use std::time::{Duration, Instant};

use peyk_tests::{
    aging::{age_code_to, e164},
    harness::{Answer, Peyk, fresh_mobile},
};
use serde_json::Value;

use crate::login_steps::{assert_refused, log_in, patient, send, wrong};

/// The ways to be refused, each a number and a code.
async fn refusals(peyk: &Peyk) -> [(&'static str, String, String); 5] {
    let [wrong_one, expired, used, unknown, spent] = [(); 5].map(|()| fresh_mobile());
    let (_, code) = send(peyk, &wrong_one).await;
    let wrong_code = wrong(&code);
    let (_, expired_code) = send(peyk, &expired).await;
    age_code_to(&peyk.database.pool, &expired, 240).await;
    log_in(peyk, &used).await;
    let used_code = peyk.sandbox_code(&used).await;
    let (_, spent_code) = send(peyk, &spent).await;
    let guessed = sqlx::query("UPDATE otp_codes SET shared_attempts = 1000 WHERE phone = $1");
    guessed.bind(e164(&spent)).execute(&peyk.database.pool).await.unwrap();
    [
        ("wrong", wrong_one, wrong_code),
        ("expired", expired, expired_code),
        ("used", used, used_code),
        ("unknown", unknown, "12345678".to_owned()),
        ("spent", spent, spent_code),
    ]
}

/// An answer without what is different every time.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let headers = answer.headers.iter();
    let mut headers: Vec<_> = headers
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    let mut body = answer.json.clone();
    assert!(body["request_id"].take().is_string());
    (answer.status, headers, body)
}

#[tokio::test]
async fn all_bad_codes_are_answered_alike() {
    let peyk = patient().start().await;
    let mut seen = None;
    for (kind, mobile, code) in refusals(&peyk).await {
        let answer = peyk.authenticate(&mobile, &code, None).await;
        assert_refused(&answer);
        let answer = comparable(&answer);
        assert_eq!(*seen.get_or_insert_with(|| answer.clone()), answer, "{kind}");
    }
}

/// The floor of a failed login in the test of times.
const FLOOR: Duration = Duration::from_millis(250);
/// How far the medians of two kinds of failure may be apart: below what the network adds.
const BOUND: Duration = Duration::from_millis(25);
/// Measurements of each kind.
const ROUNDS: usize = 15;

#[tokio::test]
async fn all_bad_codes_take_the_same_time() {
    let floor = FLOOR.as_millis().to_string();
    let peyk = patient()
        .set("AUTH__FAILURE_FLOOR_MS", floor)
        // The wrong code stays wrong and never becomes the spent one.
        .set("OTP__ATTEMPTS_PER_TARGET", "100")
        .set("OTP__DAILY_ATTEMPTS_PER_TARGET", "100")
        .start()
        .await;
    let kinds = refusals(&peyk).await;
    let mut times = vec![Vec::new(); kinds.len()];
    for _ in 0..ROUNDS {
        // All kinds at once, so that whatever else the machine does concerns them alike.
        let checks = kinds.iter().map(|(_, mobile, code)| timed(&peyk, mobile, code));
        let round = futures_util::future::join_all(checks).await;
        for (times, time) in times.iter_mut().zip(round) {
            assert!(time >= FLOOR, "{time:?}");
            times.push(time);
        }
    }
    let medians: Vec<_> = times.iter_mut().map(|times| median(times)).collect();
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    assert!(most.abs_diff(*least) < BOUND, "{medians:?}");
}

async fn timed(peyk: &Peyk, mobile: &str, code: &str) -> Duration {
    let begun = Instant::now();
    assert_refused(&peyk.authenticate(mobile, code, None).await);
    begun.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

//! Rate limits: shared by all api processes, weaker without Redis, and never in the way of who
//! has the right code.

use peyk_tests::{
    aging::pass_seconds,
    harness::{Answer, Peyk, PeykBuilder, fresh_mobile, wait_for},
};
use serde_json::json;

use crate::login_steps::{count, header, patient, send, text, wrong};

const PER_IP: &str = "LIMITS__OTP_SEND_PER_IP";
const PER_TARGET: &str = "LIMITS__OTP_SEND_PER_TARGET";

/// Two api processes and no worker: sends are only accepted. No cool-down is in the way.
fn two_apis() -> PeykBuilder {
    patient().set("OTP__RESEND_AFTER_SECONDS", "0").apis(2).workers(0)
}

/// A send to one of the api processes, perhaps with an `X-Forwarded-For`.
async fn ask(peyk: &Peyk, api: usize, mobile: &str, forwarded_for: Option<&str>) -> Answer {
    let url = format!("{}/api/otp/send/", peyk.urls[api]);
    let mut request = peyk.client().post(url).header("Prefer", "respond-async");
    if let Some(forwarded_for) = forwarded_for {
        request = request.header("X-Forwarded-For", forwarded_for);
    }
    peyk.send(request.json(&json!({"mobile_number": mobile}))).await
}

fn assert_limited(answer: &Answer, longest_wait: u32) {
    assert_eq!((answer.status, text(answer, "code")), (429, "rate_limited".to_owned()));
    let wait: u32 = header(answer, "retry-after").unwrap().parse().unwrap();
    assert!((1..=longest_wait).contains(&wait), "{wait}");
    assert_eq!(answer.json["retry_after"], wait);
}

#[tokio::test]
async fn a_numbers_share_is_one_for_all_processes() {
    let peyk = two_apis().set(PER_TARGET, "3/1h").start().await;
    let mobile = fresh_mobile();
    for api in [0, 1, 0] {
        assert_eq!(ask(&peyk, api, &mobile, None).await.status, 202);
    }
    for api in [1, 0] {
        assert_limited(&ask(&peyk, api, &mobile, None).await, 1200);
        assert_eq!(ask(&peyk, api, &fresh_mobile(), None).await.status, 202, "others are free");
    }
}

#[tokio::test]
async fn a_numbers_share_holds_against_parallel_sends() {
    let peyk = two_apis().set(PER_TARGET, "5/1h").start().await;
    let mobile = fresh_mobile();
    let sends = (0..40).map(|at| ask(&peyk, at % 2, &mobile, None));
    let answers = futures_util::future::join_all(sends).await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    let limited = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!(accepted + limited + conflicts(&answers), 40);
    assert!((1..=5).contains(&accepted), "{accepted}");
    let messages = count(&peyk, "SELECT count(*) FROM sms_messages").await;
    assert_eq!(usize::try_from(messages).unwrap(), accepted);
}

/// Sends whose clock is a moment behind the one before them are in its cool-down.
fn conflicts(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 409).count()
}

#[tokio::test]
async fn an_addresss_share_is_one_for_all_processes_and_cannot_be_forged() {
    let peyk = two_apis().set(PER_IP, "4/1h").start().await;
    for api in [0, 1, 0, 1] {
        assert_eq!(ask(&peyk, api, &fresh_mobile(), None).await.status, 202);
    }
    for api in [0, 1] {
        assert_limited(&ask(&peyk, api, &fresh_mobile(), None).await, 900);
        for forged in ["203.0.113.7", "127.0.0.2, 203.0.113.8", "::1"] {
            assert_limited(&ask(&peyk, api, &fresh_mobile(), Some(forged)).await, 900);
        }
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_a_share_of_its_own() {
    let builder = two_apis().set("HTTP__TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8");
    let peyk = builder.set(PER_IP, "1/1h").start().await;
    let first = |from: &'static str| {
        let peyk = &peyk;
        async move {
            assert_eq!(ask(peyk, 0, &fresh_mobile(), Some(from)).await.status, 202, "{from}");
        }
    };
    let limited = |from: &'static str| {
        let peyk = &peyk;
        async move {
            assert_limited(&ask(peyk, 1, &fresh_mobile(), Some(from)).await, 3600);
        }
    };
    first("203.0.113.1").await;
    limited("203.0.113.1").await;
    first("203.0.113.2").await;
    // What stands left of the first stranger is the stranger's own word.
    limited("198.51.100.1, 203.0.113.2").await;
    limited("198.51.100.2, 203.0.113.1, 10.0.0.9").await;
    // A household has a whole /64 and one share.
    first("2001:db8:1:2::1").await;
    limited("2001:db8:1:2:ffff::2").await;
    first("2001:db8:1:3::1").await;
}

#[tokio::test]
async fn a_session_shows_the_clients_address_and_not_the_proxys() {
    let peyk = patient().set("HTTP__TRUSTED_PROXIES", "127.0.0.0/8").start().await;
    let mobile = fresh_mobile();
    let (_, code) = send(&peyk, &mobile).await;
    let login = peyk.client().post(peyk.url("/api/authenticate/"));
    let login = login.header("X-Forwarded-For", "198.51.100.1, 203.0.113.2");
    let login = peyk.send(login.json(&json!({"mobile_number": mobile, "code": code}))).await;
    assert_eq!(login.status, 200, "{login:?}");
    let client = "SELECT count(*) FROM sessions WHERE ip = '203.0.113.2'";
    assert_eq!(count(&peyk, client).await, 1);
}

#[tokio::test]
async fn a_send_that_is_refused_for_the_cool_down_costs_nothing() {
    let peyk = patient().set(PER_TARGET, "2/1h").start().await;
    let mobile = fresh_mobile();
    send(&peyk, &mobile).await;
    for _ in 0..10 {
        assert_eq!(peyk.send_otp(&mobile).await.status, 409);
    }
    pass_seconds(&peyk.database.pool, &mobile, 60).await;
    send(&peyk, &mobile).await;
    assert_limited(&peyk.send_otp(&mobile).await, 1800);
}

#[tokio::test]
async fn without_redis_each_process_still_limits_on_its_own() {
    let mut peyk = two_apis().set(PER_TARGET, "2/1h").set(PER_IP, "8/1h").start().await;
    let mobile = fresh_mobile();
    peyk.redis.kill();
    for url in &peyk.urls {
        wait_for("the api to notice", || async {
            let ready = peyk.send(peyk.client().get(format!("{url}/readyz"))).await;
            (ready.json["redis"] == false).then_some(())
        })
        .await;
    }
    for api in [0, 1] {
        for _ in 0..2 {
            assert_eq!(ask(&peyk, api, &mobile, None).await.status, 202);
        }
        assert_limited(&ask(&peyk, api, &mobile, None).await, 1800);
        // The address has spent three of its share here; refused sends cost their address too.
        for _ in 0..5 {
            assert_eq!(ask(&peyk, api, &fresh_mobile(), None).await.status, 202);
        }
        assert_limited(&ask(&peyk, api, &fresh_mobile(), None).await, 450);
    }
}

#[tokio::test]
async fn wrong_codes_are_limited_by_address_and_right_ones_are_not() {
    let peyk = patient().set("LIMITS__VERIFY_FAILURES_PER_IP", "3/1h").apis(2).start().await;
    let numbers = [(); 3].map(|()| fresh_mobile());
    let mut codes = Vec::new();
    for mobile in &numbers {
        codes.push(send(&peyk, mobile).await);
    }
    let guess = |api: usize, mobile: &str, code: &str| {
        let request = peyk.client().post(format!("{}/api/authenticate/", peyk.urls[api]));
        peyk.send(request.json(&json!({"mobile_number": mobile, "code": code})))
    };
    for api in [0, 1, 0] {
        assert_eq!(guess(api, &numbers[0], &wrong(&codes[0].1)).await.status, 401);
    }
    for api in [0, 1] {
        assert_limited(&guess(api, &numbers[1], &wrong(&codes[1].1)).await, 1200);
        assert_limited(&guess(api, &fresh_mobile(), "12345678").await, 1200);
    }
    // The same address, other numbers and the very number that was guessed at.
    for (at, mobile) in numbers.iter().enumerate() {
        assert_eq!(guess(at % 2, mobile, &codes[at].1).await.status, 200);
    }
    assert_limited(&guess(0, &numbers[0], &codes[0].1).await, 1200);
}

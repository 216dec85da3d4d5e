//! Rate limits of sends: shared by all api processes, and told to every caller.

use peyk_tests::{
    aging::pass_seconds,
    harness::{Answer, fresh_mobile},
};
use serde_json::json;

use crate::{
    limit_steps::{PER_IP, PER_TARGET, ask, assert_limited, two_apis, with_status},
    login_steps::{count, header, patient, send, text},
};

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
    let accepted = with_status(&answers, 202);
    // Sends whose clock is a moment behind the one before them are in its cool-down.
    assert_eq!(accepted + with_status(&answers, 429) + with_status(&answers, 409), 40);
    assert!((1..=5).contains(&accepted), "{accepted}");
    let messages = count(&peyk, "SELECT count(*) FROM sms_messages").await;
    assert_eq!(usize::try_from(messages).unwrap(), accepted);
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
async fn the_networks_of_one_ipv6_site_do_not_multiply_its_share() {
    let builder = two_apis().set("HTTP__TRUSTED_PROXIES", "127.0.0.0/8");
    let peyk = builder.set(PER_IP, "2/1h").set("LIMITS__IPV6_SITE_FACTOR", "3").start().await;
    let sends = (0..40).map(|at| {
        let (peyk, from) = (&peyk, format!("2001:db8:1:{at:x}::1"));
        async move { ask(peyk, at % 2, &fresh_mobile(), Some(&from)).await }
    });
    let answers = futures_util::future::join_all(sends).await;
    assert_eq!((with_status(&answers, 202), with_status(&answers, 429)), (6, 34));
    let limited = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_limited(limited, 600);
    let state = header(limited, "ratelimit").unwrap();
    assert!(state.contains("\"otp-send-ip-site\";r=0;t=600"), "{state}");
    let elsewhere = ask(&peyk, 0, &fresh_mobile(), Some("2001:db8:2::1")).await;
    assert_eq!(elsewhere.status, 202, "another site is free");
}

#[tokio::test]
async fn of_thirty_parallel_sends_one_is_accepted_and_all_others_are_told_to_wait() {
    // The default share of a number, and one that the accepted send is the last of.
    for share in ["10/1h", "1/1h"] {
        let peyk = patient().set(PER_TARGET, share).apis(2).workers(0).start().await;
        let mobile = fresh_mobile();
        let sends = (0..30).map(|at| ask(&peyk, at % 2, &mobile, None));
        let answers = futures_util::future::join_all(sends).await;
        let statuses = (with_status(&answers, 202), with_status(&answers, 409));
        assert_eq!(statuses, (1, 29), "{share}: {answers:?}");
        for conflict in answers.iter().filter(|answer| answer.status == 409) {
            assert_eq!(text(conflict, "code"), "otp_cooldown");
            let wait: u32 = header(conflict, "retry-after").unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
        }
        assert_eq!(count(&peyk, "SELECT count(*) FROM sms_messages").await, 1);
    }
}

#[tokio::test]
async fn every_answer_says_how_its_caller_stands() {
    let peyk = patient()
        .set(PER_IP, "60/1h")
        .set(PER_TARGET, "2/1h")
        .set("LIMITS__VERIFY_FAILURES_PER_IP", "2/1h")
        .start()
        .await;
    let mobile = fresh_mobile();
    let policies = "\"otp-send-ip\";q=60;w=3600, \"otp-send-target\";q=2;w=3600";
    let stands = |answer: &Answer, status: u16, state: &str| {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(header(answer, "ratelimit-policy"), Some(policies));
        assert_eq!(times_cut(header(answer, "ratelimit").unwrap()), state);
    };
    let sent = peyk.send_otp(&mobile).await;
    stands(&sent, 200, "\"otp-send-ip\";r=59, \"otp-send-target\";r=1");
    let state = header(&sent, "ratelimit").unwrap();
    assert_eq!(state, "\"otp-send-ip\";r=59;t=60, \"otp-send-target\";r=1;t=1800");
    let conflict = peyk.send_otp(&mobile).await;
    stands(&conflict, 409, "\"otp-send-ip\";r=58, \"otp-send-target\";r=1");
    pass_seconds(&peyk.database.pool, &mobile, 60).await;
    stands(&peyk.send_otp(&mobile).await, 200, "\"otp-send-ip\";r=57, \"otp-send-target\";r=0");
    pass_seconds(&peyk.database.pool, &mobile, 60).await;
    let limited = peyk.send_otp(&mobile).await;
    stands(&limited, 429, "\"otp-send-ip\";r=56, \"otp-send-target\";r=0");
    let wait = format!(";t={}", header(&limited, "retry-after").unwrap());
    assert!(header(&limited, "ratelimit").unwrap().ends_with(&wait), "{limited:?}");

    let code = peyk.sandbox_code(&mobile).await;
    let failures = |answer: &Answer, status: u16, left: u32| {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(header(answer, "ratelimit-policy"), Some("\"verify-failure-ip\";q=2;w=3600"));
        let state = times_cut(header(answer, "ratelimit").unwrap());
        assert_eq!(state, format!("\"verify-failure-ip\";r={left}"));
    };
    for (status, left) in [(401, 1), (401, 0), (429, 0)] {
        failures(&peyk.authenticate(&fresh_mobile(), "12345678", None).await, status, left);
    }
    failures(&peyk.authenticate(&mobile, &code, None).await, 200, 0);
    let unmeasured = peyk.send_otp("nobody").await;
    assert_eq!((unmeasured.status, header(&unmeasured, "ratelimit")), (400, None));
}

/// A `RateLimit` without its times, which depend on how busy the machine is.
fn times_cut(state: &str) -> String {
    let items = state.split(", ").map(|item| item.rsplit_once(";t=").unwrap().0);
    items.collect::<Vec<_>>().join(", ")
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
    assert_eq!(peyk.send_otp(&mobile).await.status, 409, "a code is on its way: that comes first");
    pass_seconds(&peyk.database.pool, &mobile, 60).await;
    assert_limited(&peyk.send_otp(&mobile).await, 1800);
}

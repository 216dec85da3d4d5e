//! Losing Redis, or what is in it, raises no short-window limit.

use peyk_tests::harness::{Answer, Peyk, fresh_mobile};

use crate::{
    limit_steps::{
        PER_IP, PER_TARGET, ask, assert_limited, lose_redis, regain_redis, two_apis, with_status,
    },
    login_steps::header,
};

const PROCESSES: &str = "LIMITS__API_PROCESSES";

/// So many sends to new numbers at once, by turns to all api processes.
async fn flood(peyk: &Peyk, count: usize) -> Vec<Answer> {
    let sends = (0..count)
        .map(|at| async move { ask(peyk, at % peyk.urls.len(), &fresh_mobile(), None).await });
    futures_util::future::join_all(sends).await
}

#[tokio::test]
async fn without_redis_each_process_still_limits_on_its_own() {
    let mut peyk = two_apis().set(PER_TARGET, "2/1h").set(PER_IP, "8/1h").start().await;
    let mobile = fresh_mobile();
    lose_redis(&mut peyk).await;
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
async fn without_redis_all_processes_together_never_allow_more_than_the_limit() {
    let mut peyk = two_apis().set(PROCESSES, "2").set(PER_IP, "7/1h").start().await;
    lose_redis(&mut peyk).await;
    let answers = flood(&peyk, 40).await;
    assert_eq!(with_status(&answers, 202), 6, "half of seven, rounded down, at each");
    let limited: Vec<_> = answers.iter().filter(|answer| answer.status != 202).collect();
    for answer in &limited {
        assert_limited(answer, 1200);
    }
    let policy = header(limited[0], "ratelimit-policy").unwrap();
    assert!(policy.starts_with("\"otp-send-ip\";q=7;w=3600"), "{policy}");
}

#[tokio::test]
async fn a_limit_smaller_than_the_number_of_processes_allows_nothing_without_redis() {
    let mut peyk = two_apis().set(PROCESSES, "3").set(PER_IP, "2/1h").start().await;
    assert_eq!(ask(&peyk, 0, &fresh_mobile(), None).await.status, 202);
    lose_redis(&mut peyk).await;
    for api in [0, 1] {
        assert_limited(&ask(&peyk, api, &fresh_mobile(), None).await, 5400);
    }
}

#[tokio::test]
async fn what_was_spent_stays_spent_when_redis_goes_away_and_when_it_returns() {
    let mut peyk = two_apis().set(PROCESSES, "2").set(PER_IP, "6/1h").start().await;
    for api in [0, 1, 0, 1] {
        assert_eq!(ask(&peyk, api, &fresh_mobile(), None).await.status, 202);
    }
    lose_redis(&mut peyk).await;
    assert_eq!(with_status(&flood(&peyk, 20).await, 202), 2, "of six, four were spent");
    regain_redis(&mut peyk).await;
    for api in [1, 0, 1, 0] {
        assert_limited(&ask(&peyk, api, &fresh_mobile(), None).await, 600);
    }
}

#[tokio::test]
async fn emptying_redis_hands_out_nothing_anew() {
    let peyk = two_apis().apis(1).set(PER_IP, "6/1h").set(PER_TARGET, "3/1h").start().await;
    let mobile = fresh_mobile();
    for _ in 0..3 {
        assert_eq!(ask(&peyk, 0, &mobile, None).await.status, 202);
        peyk.redis.flush().await;
    }
    // The number had its three, and the refused send costs the address one of its six.
    assert_limited(&ask(&peyk, 0, &mobile, None).await, 1200);
    peyk.redis.flush().await;
    assert_eq!(with_status(&flood(&peyk, 20).await, 202), 2);
    peyk.redis.flush().await;
    assert_eq!(with_status(&flood(&peyk, 20).await, 202), 0);
}

#[tokio::test]
async fn what_one_process_remembers_holds_for_all_after_redis_was_emptied() {
    let peyk = two_apis().set(PER_IP, "4/1h").start().await;
    assert_eq!(with_status(&flood(&peyk, 8).await, 202), 4);
    // Both have seen the address spend all of it: each was refused once or heard of the last.
    for api in [0, 1] {
        assert_limited(&ask(&peyk, api, &fresh_mobile(), None).await, 900);
    }
    peyk.redis.flush().await;
    assert_eq!(with_status(&flood(&peyk, 20).await, 202), 0);
}

#[tokio::test]
async fn a_number_that_sends_late_in_its_cool_down_keeps_its_mark_through_a_flush() {
    let peyk = two_apis().apis(1).set("OTP__RESEND_AFTER_SECONDS", "1");
    let peyk = peyk.set(PER_TARGET, "1/1h").start().await;
    let mobile = fresh_mobile();
    assert_eq!(ask(&peyk, 0, &mobile, None).await.status, 202);
    peyk.redis.flush().await;
    peyk_tests::aging::pass_seconds(&peyk.database.pool, &mobile, 5).await;
    assert_limited(&ask(&peyk, 0, &mobile, None).await, 3600);
}

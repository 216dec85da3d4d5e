//! What the tests of limits do again and again.

use peyk_tests::harness::{Answer, Peyk, PeykBuilder, wait_for};
use serde_json::json;

use crate::login_steps::{header, patient, text};

pub(crate) const PER_IP: &str = "LIMITS__OTP_SEND_PER_IP";
pub(crate) const PER_TARGET: &str = "LIMITS__OTP_SEND_PER_TARGET";

/// Two api processes and no worker: sends are only accepted. No cool-down is in the way.
pub(crate) fn two_apis() -> PeykBuilder {
    patient().set("OTP__RESEND_AFTER_SECONDS", "0").apis(2).workers(0)
}

/// A send to one of the api processes, perhaps with an `X-Forwarded-For`.
pub(crate) async fn ask(
    peyk: &Peyk,
    api: usize,
    mobile: &str,
    forwarded_for: Option<&str>,
) -> Answer {
    let url = format!("{}/api/otp/send/", peyk.urls[api]);
    let mut request = peyk.client().post(url).header("Prefer", "respond-async");
    if let Some(forwarded_for) = forwarded_for {
        request = request.header("X-Forwarded-For", forwarded_for);
    }
    peyk.send(request.json(&json!({"mobile_number": mobile}))).await
}

pub(crate) fn assert_limited(answer: &Answer, longest_wait: u32) {
    assert_eq!((answer.status, text(answer, "code")), (429, "rate_limited".to_owned()));
    let wait: u32 = header(answer, "retry-after").unwrap().parse().unwrap();
    assert!((1..=longest_wait).contains(&wait), "{wait}");
    assert_eq!(answer.json["retry_after"], wait);
}

/// How many of the answers have this status.
pub(crate) fn with_status(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// Kills Redis and waits until every api knows.
pub(crate) async fn lose_redis(peyk: &mut Peyk) {
    peyk.redis.kill();
    until_redis_is(peyk, false).await;
}

/// Starts Redis again, empty, and waits until every api knows.
pub(crate) async fn regain_redis(peyk: &mut Peyk) {
    peyk.redis.restart().await;
    until_redis_is(peyk, true).await;
}

async fn until_redis_is(peyk: &Peyk, there: bool) {
    for url in &peyk.urls {
        wait_for("the api to notice", || async {
            let ready = peyk.send(peyk.client().get(format!("{url}/readyz"))).await;
            (ready.json["redis"] == there).then_some(())
        })
        .await;
    }
}

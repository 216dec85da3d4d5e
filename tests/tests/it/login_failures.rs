//! Wrong codes are limited by address, and never in the way of who has the right one.

use peyk_tests::harness::fresh_mobile;
use serde_json::json;

use crate::{
    limit_steps::{assert_limited, with_status},
    login_steps::{patient, send, wrong},
};

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

#[tokio::test]
async fn a_right_code_logs_in_amid_the_failures_of_everybody_at_its_address() {
    let peyk = patient().set("LIMITS__VERIFY_FAILURES_PER_IP", "5/1h").apis(2).start().await;
    let mobile = fresh_mobile();
    let (request_id, code) = send(&peyk, &mobile).await;
    let guess = |api: usize, body: serde_json::Value| {
        let request = peyk.client().post(format!("{}/api/authenticate/", peyk.urls[api % 2]));
        peyk.send(request.json(&body))
    };
    let strangers =
        (0..60).map(|at| guess(at, json!({"mobile_number": fresh_mobile(), "code": "12345678"})));
    // They know the number too, but not the request.
    let meddlers =
        (0..40).map(|at| guess(at, json!({"mobile_number": mobile, "code": wrong(&code)})));
    let owner = guess(1, json!({"mobile_number": mobile, "code": code, "request_id": request_id}));
    let strangers = futures_util::future::join_all(strangers);
    let meddlers = futures_util::future::join_all(meddlers);
    let (strangers, meddlers, owner) = tokio::join!(strangers, meddlers, owner);
    assert_eq!(owner.status, 200, "{owner:?}");
    let others = [strangers, meddlers].concat();
    assert_eq!((with_status(&others, 401), with_status(&others, 429)), (5, 95));
    // And once more when the address has long had its share.
    let late = fresh_mobile();
    let (_, code) = send(&peyk, &late).await;
    let login = guess(0, json!({"mobile_number": late, "code": code})).await;
    assert_eq!(login.status, 200, "{login:?}");
}

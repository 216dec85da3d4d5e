//! Logging out: everywhere, within a second, and of nothing else.

use peyk_tests::harness::{Answer, Peyk, fresh_mobile};
use serde_json::{Value, json};

use crate::{
    login_steps::{count, log_in, patient, text},
    token_steps::{
        Pair, assert_in, assert_out, assert_refused, new_session, next, post_at, refresh_at,
    },
};

const LOGOUT: &str = "/api/logout/";
const BLACKLIST: &str = "/api/token/blacklist/";
const VERIFY: &str = "/api/token/verify/";

async fn log_out(peyk: &Peyk, access: &str, body: &Value) -> Answer {
    let request = peyk.client().post(peyk.url(LOGOUT)).bearer_auth(access);
    peyk.send(request.json(body)).await
}

fn assert_done(answer: &Answer) {
    assert_eq!((answer.status, &answer.json), (200, &json!({})), "{answer:?}");
}

async fn assert_ended(peyk: &Peyk, pair: &Pair) {
    assert_out(peyk, &pair.access).await;
    for api in 0..peyk.urls.len() {
        assert_refused(&refresh_at(peyk, api, &pair.refresh).await, "Token is blacklisted");
    }
}

#[tokio::test]
async fn a_session_is_ended_by_any_of_its_tokens_in_every_process() {
    let peyk = patient().apis(2).start().await;
    let mobile = fresh_mobile();
    let stays = Pair::of(&log_in(&peyk, &mobile).await);
    let again = async || Pair::of(&log_in(&peyk, &mobile).await);

    let by_bearer = again().await;
    assert_done(&log_out(&peyk, &by_bearer.access, &json!({})).await);
    assert_ended(&peyk, &by_bearer).await;
    assert_refused_everywhere(&peyk, &by_bearer).await;

    let by_refresh = again().await;
    assert_done(&post_at(&peyk, 1, LOGOUT, &json!({ "refresh": by_refresh.refresh })).await);
    assert_ended(&peyk, &by_refresh).await;

    let blacklisted = again().await;
    assert_done(&post_at(&peyk, 1, BLACKLIST, &json!({ "refresh": blacklisted.refresh })).await);
    assert_ended(&peyk, &blacklisted).await;

    // Whoever lost the newest token ends it with the one before.
    let before = again().await;
    let after = next(&peyk, &before).await;
    assert_done(&post_at(&peyk, 0, BLACKLIST, &json!({ "refresh": before.refresh })).await);
    assert_ended(&peyk, &after).await;

    // One good token of two is enough.
    let half = again().await;
    assert_done(&log_out(&peyk, "expired", &json!({ "refresh": half.refresh })).await);
    assert_ended(&peyk, &half).await;
    let other = again().await;
    assert_done(&log_out(&peyk, &other.access, &json!({ "refresh": half.refresh })).await);
    assert_ended(&peyk, &other).await;

    assert_in(&peyk, &stays.access).await;
    next(&peyk, &stays).await;
    let reasons = "SELECT count(*) FROM sessions WHERE revoked_reason = 'logout'";
    assert_eq!(count(&peyk, reasons).await, 6);
}

/// What has ended cannot be ended once more.
async fn assert_refused_everywhere(peyk: &Peyk, pair: &Pair) {
    let refused = log_out(peyk, &pair.access, &json!({})).await;
    assert_eq!((refused.status, &*text(&refused, "code")), (401, "token_not_valid"));
    for path in [LOGOUT, BLACKLIST] {
        let refused = post_at(peyk, 1, path, &json!({ "refresh": pair.refresh })).await;
        assert_refused(&refused, "Token is blacklisted");
    }
}

#[tokio::test]
async fn logging_out_needs_a_token() {
    let peyk = patient().start().await;
    let pair = new_session(&peyk).await;
    for body in [json!({}), json!({ "refresh": null })] {
        let refused = post_at(&peyk, 0, LOGOUT, &body).await;
        assert_eq!((refused.status, &*text(&refused, "code")), (401, "not_authenticated"));
        let challenge = refused.headers["www-authenticate"].to_str().unwrap();
        assert_eq!(challenge, "Bearer realm=\"api\"");
    }
    let access = post_at(&peyk, 0, LOGOUT, &json!({ "refresh": pair.access })).await;
    assert_refused(&access, "Token has wrong type");
    assert_in(&peyk, &pair.access).await;
}

#[tokio::test]
async fn a_token_is_verified_as_long_as_it_opens_something() {
    let peyk = patient().apis(2).start().await;
    let verify = async |api, token: &str| {
        let answer = post_at(&peyk, api, VERIFY, &json!({ "token": token })).await;
        if answer.status == 200 {
            assert_eq!(answer.json, json!({}));
            return String::new();
        }
        assert_eq!((answer.status, &*text(&answer, "code")), (401, "token_not_valid"));
        text(&answer, "detail")
    };
    let first = new_session(&peyk).await;
    for token in [&first.access, &first.refresh] {
        for api in [0, 1] {
            assert_eq!(verify(api, token).await, "");
        }
    }
    let second = next(&peyk, &first).await;
    let third = next(&peyk, &second).await;
    // The one before the current one still gets an answer, those before do not.
    assert_eq!(verify(1, &third.refresh).await, "");
    assert_eq!(verify(1, &second.refresh).await, "");
    assert_eq!(verify(1, &first.refresh).await, "Token is blacklisted");
    for forged in ["x", "a.b.c", &third.access[1..], &format!("{}x", third.refresh)] {
        assert_eq!(verify(0, forged).await, "Token is invalid");
    }
    // Looking changes nothing.
    next(&peyk, &third).await;
    assert_done(&log_out(&peyk, &third.access, &json!({})).await);
    assert_out(&peyk, &third.access).await;
    for api in [0, 1] {
        assert_eq!(verify(api, &third.access).await, "Token is invalid");
        assert_eq!(verify(api, &third.refresh).await, "Token is blacklisted");
    }
}

//! What the tests of tokens do again and again.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use peyk_tests::harness::{Answer, Peyk, fresh_mobile, wait_within};
use serde_json::{Value, json};

use crate::login_steps::{log_in, text};

/// Within which whoever is out is out everywhere.
const OUT_WITHIN: Duration = Duration::from_secs(1);

/// The tokens a client holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Pair {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        Self { access: text(answer, "access"), refresh: text(answer, "refresh") }
    }
}

/// Somebody new logs in.
pub(crate) async fn new_session(peyk: &Peyk) -> Pair {
    Pair::of(&log_in(peyk, &fresh_mobile()).await)
}

/// `POST` to one of the api processes.
pub(crate) async fn post_at(peyk: &Peyk, api: usize, path: &str, body: &Value) -> Answer {
    peyk.send(peyk.client().post(format!("{}{path}", peyk.urls[api])).json(body)).await
}

/// `POST token/refresh/` to one of the api processes.
pub(crate) async fn refresh_at(peyk: &Peyk, api: usize, refresh: &str) -> Answer {
    post_at(peyk, api, "/api/token/refresh/", &json!({ "refresh": refresh })).await
}

/// The next pair, of the first api.
pub(crate) async fn next(peyk: &Peyk, pair: &Pair) -> Pair {
    Pair::of(&refresh_at(peyk, 0, &pair.refresh).await)
}

/// `GET me/` at one of the api processes.
pub(crate) async fn me_at(peyk: &Peyk, api: usize, access: &str) -> Answer {
    let request = peyk.client().get(format!("{}/api/me/", peyk.urls[api]));
    peyk.send(request.bearer_auth(access)).await
}

/// The token opens the account at every api.
pub(crate) async fn assert_in(peyk: &Peyk, access: &str) {
    for api in 0..peyk.urls.len() {
        let me = me_at(peyk, api, access).await;
        assert_eq!(me.status, 200, "{me:?}");
    }
}

/// The token opens nothing any more at any api, within the second.
pub(crate) async fn assert_out(peyk: &Peyk, access: &str) {
    let out = async |api| {
        let me = me_at(peyk, api, access).await;
        (me.status == 401).then_some(me)
    };
    for api in 0..peyk.urls.len() {
        let me = wait_within(OUT_WITHIN, "a token to be void", || out(api)).await;
        assert_eq!(text(&me, "code"), "token_not_valid");
    }
}

/// A refusal in simplejwt's words.
pub(crate) fn assert_refused(answer: &Answer, detail: &str) {
    assert_eq!((answer.status, &*text(answer, "detail")), (401, detail), "{answer:?}");
    assert_eq!(text(answer, "code"), "token_not_valid");
    assert!(answer.json.get("access").is_none() && answer.json.get("refresh").is_none());
}

/// What a token says, unchecked.
pub(crate) fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("a token has three parts");
    serde_json::from_slice(&BASE64.decode(claims).expect("it is base64")).expect("it is JSON")
}

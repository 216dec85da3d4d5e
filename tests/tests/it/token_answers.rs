//! Tokens over HTTP: the forms they come in, the words of refusals, and that nobody keeps them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use peyk_tests::harness::{Answer, fresh_mobile};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    login_steps::{header, patient, text},
    token_steps::{Pair, assert_refused, me_at, new_session, post_at},
};

/// The operations that take a token in their body, and its member.
const OPERATIONS: [(&str, &str); 3] =
    [("token/refresh", "refresh"), ("token/verify", "token"), ("token/blacklist", "refresh")];

#[tokio::test]
async fn tokens_come_in_every_form_under_every_prefix() {
    let peyk = patient().start().await;
    let mut pair = new_session(&peyk).await;
    for prefix in ["/api", "/drfchelseru"] {
        for slash in ["", "/"] {
            let url = peyk.url(&format!("{prefix}/token/refresh{slash}"));
            let request = peyk.client().post(url);
            let blanks = format!(" {} ", pair.refresh);
            let form = request.try_clone().unwrap().form(&[("refresh", &blanks)]);
            pair = Pair::of(&peyk.send(form).await);
            let members = json!({ "refresh": pair.refresh, "access": "x", "more": [1] });
            pair = Pair::of(&peyk.send(request.json(&members)).await);
            let path = format!("{prefix}/token/verify{slash}");
            let answer = post_at(&peyk, 0, &path, &json!({ "token": pair.access })).await;
            assert_eq!((answer.status, &answer.json), (200, &json!({})), "{path}");
        }
    }
    let request = peyk.client().post(peyk.url("/drfchelseru/logout")).bearer_auth(&pair.access);
    assert_eq!(peyk.send(request).await.status, 200);
}

#[tokio::test]
async fn a_token_in_the_address_opens_nothing() {
    let peyk = patient().start().await;
    let Pair { access, refresh } = new_session(&peyk).await;
    for name in ["token", "access", "access_token", "authorization", "bearer", "jwt"] {
        for token in [&access, &refresh] {
            let refused = peyk.get(&format!("/api/me/?{name}={token}")).await;
            assert_eq!(refused.status, 401, "{name}");
        }
        let asked = peyk.client().post(peyk.url(&format!("/api/token/refresh/?refresh={refresh}")));
        assert_eq!(peyk.send(asked).await.status, 400);
    }
    assert_eq!(me_at(&peyk, 0, &access).await.status, 200);
}

#[tokio::test]
async fn a_token_that_is_missing_is_a_bad_request_and_one_that_is_no_token_is_refused() {
    let peyk = patient().start().await;
    let pair = new_session(&peyk).await;
    for (path, member) in OPERATIONS {
        let path = format!("/api/{path}/");
        for (body, sentence) in [
            (json!({}), "This field is required."),
            (json!({ member: null }), "This field may not be null."),
            (json!({ member: "" }), "This field may not be blank."),
            (json!({ member: ["x"] }), "Not a valid string."),
        ] {
            let refused = post_at(&peyk, 0, &path, &body).await;
            assert_eq!((refused.status, &*text(&refused, "code")), (400, "validation"));
            assert_eq!(refused.json[member], json!([sentence]), "{path} {body}");
        }
        for token in forged(&pair) {
            let refused = post_at(&peyk, 0, &path, &json!({ member: token })).await;
            assert_refused(&refused, "Token is invalid");
            assert_eq!(header(&refused, "www-authenticate"), Some("Bearer realm=\"api\""));
            // The flat body of simplejwt is a part of ours.
            assert_eq!(text(&refused, "error"), "Token is invalid");
        }
        let refused = post_at(&peyk, 0, &path, &json!({ member: 5 })).await;
        assert_refused(&refused, "Token is invalid");
    }
    for path in ["/api/token/refresh/", "/api/token/blacklist/"] {
        let crossed = post_at(&peyk, 0, path, &json!({ "refresh": pair.access })).await;
        assert_refused(&crossed, "Token has wrong type");
    }
}

/// Tokens nobody made; the unit tests of verification have the whole list.
fn forged(pair: &Pair) -> Vec<String> {
    let (_, rest) = pair.refresh.split_once('.').unwrap();
    let (body, _) = rest.rsplit_once('.').unwrap();
    let none = BASE64.encode(json!({"alg": "none"}).to_string());
    vec![
        "x".to_owned(),
        "توکن".to_owned(),
        format!("{none}.{body}."),
        format!("{none}.{rest}"),
        pair.refresh[..pair.refresh.len() - 1].to_owned(),
        "a".repeat(10_240),
        format!("{}{}", pair.refresh, "A".repeat(10_240)),
    ]
}

#[tokio::test]
async fn a_bearer_that_is_no_access_token_opens_nothing() {
    let peyk = patient().start().await;
    let pair = new_session(&peyk).await;
    let refused = |answer: &Answer, said: &str| {
        assert_eq!((answer.status, &*text(answer, "code")), (401, "token_not_valid"));
        assert_eq!(answer.json["messages"][0]["message"], said, "{answer:?}");
    };
    refused(&me_at(&peyk, 0, &pair.refresh).await, "Token has wrong type");
    for token in forged(&pair).iter().filter(|token| token.is_ascii()) {
        refused(&me_at(&peyk, 0, token).await, "Token is invalid");
    }
    for (header, code) in [
        (format!("Bearer {0} {0}", pair.access), "bad_authorization_header"),
        ("Bearer".to_owned(), "bad_authorization_header"),
        (format!("Token {}", pair.access), "not_authenticated"),
        (pair.access.clone(), "not_authenticated"),
        ("Bearer توکن".to_owned(), "not_authenticated"),
    ] {
        let request = peyk.client().get(peyk.url("/api/me/"));
        let header = reqwest::header::HeaderValue::from_bytes(header.as_bytes()).unwrap();
        let answer = peyk.send(request.header("Authorization", header)).await;
        assert_eq!((answer.status, &*text(&answer, "code")), (401, code));
    }
    let request = peyk.client().get(peyk.url("/api/me/"));
    let request = request.header("Authorization", format!("bEARER  {}", pair.access));
    assert_eq!(peyk.send(request).await.status, 200);
}

/// Every documented operation, with something in place of the variables of its path.
fn documented() -> Vec<(Method, String)> {
    let document: Value =
        serde_json::from_str(include_str!("../../../openapi/openapi.json")).unwrap();
    let variable = regex::Regex::new(r"\{[^}]*\}").unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, methods)| {
        let path = variable.replace_all(path, "1").into_owned();
        methods.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
    });
    operations.map(|(method, path)| (method.to_uppercase().parse().unwrap(), path)).collect()
}

#[tokio::test]
async fn no_cache_keeps_an_answer_of_any_operation() {
    let peyk = patient().start().await;
    let never = |answer: &Answer| assert_eq!(header(answer, "cache-control"), Some("no-store"));
    // Good answers with tokens and personal data.
    let mobile = fresh_mobile();
    never(&peyk.send_otp(&mobile).await);
    let code = peyk.sandbox_code(&mobile).await;
    let login = peyk.authenticate(&mobile, &code, None).await;
    never(&login);
    let pair = Pair::of(&login);
    never(&me_at(&peyk, 0, &pair.access).await);
    let refresh = json!({ "refresh": pair.refresh });
    let refreshed = post_at(&peyk, 0, "/api/token/refresh/", &refresh).await;
    never(&refreshed);
    assert_eq!(refreshed.status, 200);
    // And whatever else there is, to strangers and to whoever logged in.
    let operations = documented();
    assert!(operations.len() > 10, "{operations:?}");
    for (method, path) in operations {
        let request = peyk.client().request(method.clone(), peyk.url(&path));
        let request = if method == Method::GET { request } else { request.json(&json!({})) };
        never(&peyk.send(request.try_clone().unwrap()).await);
        if path != "/api/logout/" {
            never(&peyk.send(request.bearer_auth(&pair.access)).await);
        }
    }
}

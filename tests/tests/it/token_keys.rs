//! Signing keys: published for others, and changed without refusing a token.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use peyk_tests::harness::{Peyk, wait_for};
use serde_json::{Map, Value, json};
use shared::clock::{Clock, SystemClock};

use crate::{
    login_steps::{header, patient},
    token_steps::{Pair, assert_in, assert_refused, me_at, new_session, refresh_at},
};

const JWKS: &str = "/.well-known/jwks.json";

async fn published(peyk: &Peyk, api: usize) -> Vec<String> {
    let set = peyk.send(peyk.client().get(format!("{}{JWKS}", peyk.urls[api]))).await.json;
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid(pair: &Pair) -> String {
    decode_header(&pair.access).unwrap().kid.unwrap()
}

/// The key in the command's answer.
fn new_key(plan: &str) -> String {
    let (_, key) = plan.split_once("[auth.keys.k2]").unwrap();
    key.split("\"\"\"").nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_new_key_takes_over_while_the_old_ones_tokens_still_open() {
    let mut peyk = patient().start().await;
    let old = new_session(&peyk).await;
    assert_eq!(kid(&old), "k1");
    let (ok, plan) = peyk.run("api", &["keys", "rotate-signing"]).await;
    assert!(ok, "{plan}");
    let key = new_key(&plan);
    let added = ("AUTH__KEYS__K2__PRIVATE_KEY", &*key);
    // The steps of the plan, each a process of its own beside those before it.
    peyk.start_api_with(&[added]).await;
    peyk.start_api_with(&[added, ("AUTH__SIGNING_KEY", "k2")]).await;
    let until = (SystemClock.now() + chrono::TimeDelta::seconds(12)).to_rfc3339();
    let ends = ("AUTH__KEYS__K1__VERIFY_UNTIL", &*until);
    peyk.start_api_with(&[added, ("AUTH__SIGNING_KEY", "k2"), ends]).await;
    peyk.wait_until_ready().await;

    assert_in(&peyk, &old.access).await;
    let by_the_second = Pair::of(&refresh_at(&peyk, 1, &old.refresh).await);
    assert_eq!(kid(&by_the_second), "k1");
    let new = Pair::of(&refresh_at(&peyk, 2, &by_the_second.refresh).await);
    assert_eq!(kid(&new), "k2");
    for api in 1..4 {
        assert_eq!(me_at(&peyk, api, &new.access).await.status, 200, "{api}");
    }
    assert_eq!(me_at(&peyk, 0, &new.access).await.status, 401, "it has not heard of the key");
    assert_eq!(published(&peyk, 0).await, ["k1"]);
    assert_eq!(published(&peyk, 1).await, ["k1", "k2"]);

    // The overlap ends: also for a token that was checked before, and that has time left.
    wait_for("the end of the old key", || async {
        (me_at(&peyk, 3, &old.access).await.status == 401).then_some(())
    })
    .await;
    assert_eq!(me_at(&peyk, 3, &by_the_second.access).await.status, 401);
    assert_eq!(published(&peyk, 3).await, ["k2"]);
    for api in 1..4 {
        assert_eq!(me_at(&peyk, api, &new.access).await.status, 200, "{api}");
    }
    assert_eq!(me_at(&peyk, 2, &old.access).await.status, 200, "where it has no end");
}

#[tokio::test]
async fn another_key_for_refresh_tokens_takes_over_and_nobody_is_logged_out() {
    const OLD: &str = "b2xkLXJlZnJlc2gta2V5LW9mLXRoaXJ0eS10d28tYnl0ZXM=";
    const NEW: &str = "bmV3LXJlZnJlc2gta2V5LW9mLXRoaXJ0eS10d28tYnl0ZXM=";
    let mut peyk = patient().set("AUTH__REFRESH_KEY", OLD).start().await;
    let (key, other) = ("AUTH__REFRESH_KEY", "AUTH__OTHER_REFRESH_KEY");
    peyk.start_api_with(&[(key, OLD), (other, NEW)]).await;
    peyk.start_api_with(&[(key, NEW), (other, OLD)]).await;
    peyk.start_api_with(&[(key, NEW)]).await;
    peyk.wait_until_ready().await;
    let [first, second] = [new_session(&peyk).await, new_session(&peyk).await];
    // Step 1: the new key is known and does not sign; the old ones go on.
    let known = Pair::of(&refresh_at(&peyk, 1, &first.refresh).await);
    let old = Pair::of(&refresh_at(&peyk, 0, &known.refresh).await);
    // Step 2: it signs, and both are taken in every process from step 1 on.
    let new = Pair::of(&refresh_at(&peyk, 2, &old.refresh).await);
    assert_refused(&refresh_at(&peyk, 0, &new.refresh).await, "Token is invalid");
    let newer = Pair::of(&refresh_at(&peyk, 2, &new.refresh).await);
    // Step 3: the old key is gone, with what it signed.
    assert_refused(&refresh_at(&peyk, 3, &second.refresh).await, "Token is invalid");
    Pair::of(&refresh_at(&peyk, 3, &newer.refresh).await);
    Pair::of(&refresh_at(&peyk, 1, &second.refresh).await);
}

#[tokio::test]
async fn whoever_keeps_the_keys_need_not_fetch_them_again() {
    let peyk = patient().set("AUTH__KEYS__DJANGO__ALGORITHM", "HS256");
    let peyk =
        peyk.set("AUTH__KEYS__DJANGO__SECRET", "django-secret-of-thirty-two-bytes").start().await;
    let ask = async |tag: Option<&str>| {
        let request = peyk.client().get(peyk.url(JWKS));
        let request = tag.iter().fold(request, |it, tag| it.header("If-None-Match", *tag));
        peyk.send(request).await
    };
    let first = ask(None).await;
    assert_eq!(first.status, 200);
    assert_eq!(header(&first, "content-type"), Some("application/json"));
    assert_eq!(first.json["keys"].as_array().unwrap().len(), 1, "{first:?}");
    assert_eq!(first.json["keys"][0].get("d"), None, "nothing private");
    let tag = header(&first, "etag").unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = ask(Some(&known)).await;
        assert_eq!((again.status, &again.json), (304, &Value::Null), "{known}");
        assert_eq!(header(&again, "etag"), Some(&*tag));
    }
    assert_eq!(ask(Some("\"other\"")).await.status, 200);
    for answer in [first, ask(Some(&tag)).await] {
        assert_eq!(header(&answer, "cache-control"), Some("public, max-age=300"));
    }
}

#[tokio::test]
async fn refreshed_tokens_are_verified_with_the_published_keys() {
    let peyk = patient().set("AUTH__ISSUER", "https://peyk.test").start().await;
    let pair = new_session(&peyk).await;
    let refreshed = Pair::of(&refresh_at(&peyk, 0, &pair.refresh).await);
    let keys: JwkSet = serde_json::from_value(peyk.get(JWKS).await.json).unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid(&refreshed)).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&["https://peyk.test"]);
    let read = decode::<Map<String, Value>>(&refreshed.access, &key, &validation).unwrap();
    assert_eq!(read.claims["token_type"], json!("access"));
}

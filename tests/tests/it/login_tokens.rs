//! The tokens of a login.

use std::{collections::BTreeMap, sync::Arc};

use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation, decode, decode_header, jwk::JwkSet,
};
use peyk_tests::harness::{Peyk, PeykBuilder, fresh_mobile};
use serde_json::{Map, Value, json};
use shared::{
    auth::tokens::Tokens,
    clock::{Clock, SystemClock},
    config,
    sessions::Session,
};

use crate::login_steps::{header, log_in, patient, text};

/// 32 bytes, as Django's `SECRET_KEY` is taken.
const SECRET: &str = "django-secret-of-thirty-two-bytes";
/// Base64 of 32 bytes.
const REFRESH_KEY: &str = "cGV5ay10ZXN0cy1yZWZyZXNoLWtleS0zMi1ieXRlcyE=";

fn with_hs256(builder: PeykBuilder) -> PeykBuilder {
    builder
        .set("AUTH__KEYS__DJANGO__ALGORITHM", "HS256")
        .set("AUTH__KEYS__DJANGO__SECRET", SECRET)
        .set("AUTH__REFRESH_KEY", REFRESH_KEY)
}

/// Claims that are good now, whatever audience they name.
fn claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Map<String, Value> {
    let mut validation = Validation::new(algorithm);
    validation.validate_aud = false;
    decode::<Map<String, Value>>(token, key, &validation).expect("the signature is good").claims
}

fn assert_claims(claims: &Map<String, Value>, kind: &str, user: &Value, seconds: i64) {
    assert_eq!(claims["token_type"], kind);
    assert_eq!(claims["user_id"], user.to_string(), "a string, as in simplejwt");
    assert!(claims["sid"].as_str().unwrap().parse::<i64>().is_ok());
    let jti = claims["jti"].as_str().unwrap();
    assert!(shared::ids::is_handle(jti), "32 hex digits: {jti}");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), seconds);
}

#[tokio::test]
async fn tokens_signed_with_djangos_key_have_simplejwts_claims() {
    let peyk = with_hs256(patient()).set("AUTH__SIGNING_KEY", "django").start().await;
    let login = log_in(&peyk, &fresh_mobile()).await;
    let user = &login.json["user"]["id"];
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let access = claims(&text(&login, "access"), &key, Algorithm::HS256);
    assert_claims(&access, "access", user, 300);
    let key = DecodingKey::from_base64_secret(REFRESH_KEY).unwrap();
    let refresh = claims(&text(&login, "refresh"), &key, Algorithm::HS256);
    assert_claims(&refresh, "refresh", user, 86_400);
    assert_eq!(access["sid"], refresh["sid"]);
    assert_ne!(access["jti"], refresh["jti"]);
    assert!(!access.contains_key("iss") && !access.contains_key("aud"));
}

#[tokio::test]
async fn access_tokens_are_verified_with_the_published_keys() {
    let peyk = with_hs256(patient())
        .set("AUTH__ISSUER", "https://peyk.test")
        .set("AUTH__AUDIENCE", "app")
        .set("AUTH__ACCESS_TTL_SECONDS", "120")
        .start()
        .await;
    let login = log_in(&peyk, &fresh_mobile()).await;
    let access = text(&login, "access");
    let published = peyk.get("/.well-known/jwks.json").await;
    assert_eq!(header(&published, "cache-control"), Some("public, max-age=300"));
    let keys: JwkSet = serde_json::from_value(published.json).unwrap();
    let Header { alg, kid, .. } = decode_header(&access).unwrap();
    assert_eq!((alg, kid.as_deref()), (Algorithm::ES256, Some("k1")));
    let key = DecodingKey::from_jwk(keys.find("k1").unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&["https://peyk.test"]);
    validation.set_audience(&["app"]);
    let read = decode::<Map<String, Value>>(&access, &key, &validation).unwrap();
    assert_claims(&read.claims, "access", &login.json["user"]["id"], 120);
    for forged in [tampered(&access), text(&login, "refresh")] {
        assert!(decode::<Map<String, Value>>(&forged, &key, &validation).is_err());
    }
}

/// The same token for another user.
fn tampered(token: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&BASE64.decode(parts[1]).unwrap()).unwrap();
    claims["user_id"] = json!("999");
    format!("{}.{}.{}", parts[0], BASE64.encode(claims.to_string()), parts[2])
}

#[tokio::test]
async fn a_symmetric_key_is_never_published() {
    for signing in ["k1", "django"] {
        let builder = with_hs256(Peyk::builder().workers(0));
        let peyk = builder.set("AUTH__SIGNING_KEY", signing).start().await;
        let published = peyk.get("/.well-known/jwks.json").await.json;
        let keys = published["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 1, "{published}");
        let members: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!((&keys[0]["kty"], &keys[0]["kid"]), (&json!("EC"), &json!("k1")));
    }
}

#[tokio::test]
async fn a_refresh_token_is_made_anew_from_its_row_byte_for_byte() {
    let peyk = with_hs256(patient()).set("AUTH__SIGNING_KEY", "django").start().await;
    let login = log_in(&peyk, &fresh_mobile()).await;
    let row: (i64, i64, i32, chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>) =
        sqlx::query_as(
            "SELECT id, user_id, refresh_generation, refresh_issued_at, refresh_expires_at
             FROM sessions",
        )
        .fetch_one(&peyk.database.pool)
        .await
        .unwrap();
    let session = |refresh_generation| Session {
        id: row.0,
        user_id: row.1,
        refresh_generation,
        refresh_issued_at: row.3,
        refresh_expires_at: row.4,
    };
    let tokens = tokens();
    let (now, rng) = (SystemClock.now(), &mut rand::rng());
    let same = tokens.pair(&session(row.2), now, rng);
    assert!(same.refresh == text(&login, "refresh"));
    assert!(same.access != text(&login, "access"), "an access token is made but once");
    assert!(tokens.pair(&session(row.2 + 1), now, rng).refresh != same.refresh);
}

/// What the api makes its tokens with.
fn tokens() -> Arc<Tokens> {
    let key = config::SigningKey {
        algorithm: config::Algorithm::HS256,
        secret: Some(SECRET.to_owned().into()),
        private_key: None,
        verify_until: None,
    };
    let config = config::Auth {
        keys: BTreeMap::from([("django".to_owned(), key)]),
        signing_key: "django".to_owned(),
        refresh_key: REFRESH_KEY.to_owned().into(),
        ..config::Auth::default()
    };
    Arc::new(Tokens::new(&config).unwrap())
}

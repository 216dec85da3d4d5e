//! What the tests of sessions do again and again.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use peyk_tests::harness::{Answer, Peyk, PeykBuilder};
use shared::{
    auth::tokens::Tokens,
    clock::{Clock, SystemClock},
    config,
    sessions::Session,
};

/// 32 bytes, as Django's `SECRET_KEY` is taken.
const SECRET: &str = "django-secret-of-thirty-two-bytes";
/// Base64 of 32 bytes.
const REFRESH_KEY: &str = "cGV5ay10ZXN0cy1yZWZyZXNoLWtleS0zMi1ieXRlcyE=";

/// What a revocation has to hold within, in every process.
pub(crate) const BOUND: Duration = Duration::from_secs(1);

/// A Peyk whose tokens a test can make as well, see [`access`].
pub(crate) fn forgeable() -> PeykBuilder {
    Peyk::builder()
        .set("HTTP__WAIT_MS", "15000")
        .set("AUTH__KEYS__TEST__ALGORITHM", "HS256")
        .set("AUTH__KEYS__TEST__SECRET", SECRET)
        .set("AUTH__SIGNING_KEY", "test")
        .set("AUTH__REFRESH_KEY", REFRESH_KEY)
}

/// What makes the tokens of a [`forgeable`] Peyk.
pub(crate) fn tokens() -> Tokens {
    let key = config::SigningKey {
        algorithm: config::Algorithm::HS256,
        secret: Some(SECRET.to_owned().into()),
        ..config::SigningKey::default()
    };
    let config = config::Auth {
        keys: BTreeMap::from([("test".to_owned(), key)]),
        signing_key: "test".to_owned(),
        refresh_key: REFRESH_KEY.to_owned().into(),
        ..config::Auth::default()
    };
    Tokens::new(&config).unwrap()
}

/// A session that ends then.
pub(crate) fn session_until(user_id: i64, id: i64, ends: DateTime<Utc>) -> Session {
    let refresh_issued_at = SystemClock.now();
    Session { id, user_id, refresh_generation: 1, refresh_issued_at, refresh_expires_at: ends }
}

/// An access token of a session.
pub(crate) fn access_of(session: &Session, now: DateTime<Utc>) -> String {
    tokens().pair(session, now, &mut rand::rng()).access
}

/// An access token of a session that goes on, as [`forgeable`] makes them.
pub(crate) fn access(user_id: i64, session_id: i64) -> String {
    let now = SystemClock.now();
    access_of(&session_until(user_id, session_id, now + TimeDelta::days(1)), now)
}

/// An account with so many sessions, begun one second after the other, the last one now.
pub(crate) async fn account(peyk: &Peyk, sessions: i32) -> (i64, Vec<i64>) {
    let user = "INSERT INTO users (username, created_at)
        VALUES ('u' || (SELECT count(*) FROM users), now()) RETURNING id";
    let user: i64 = sqlx::query_scalar(user).fetch_one(&peyk.database.pool).await.unwrap();
    let insert = "INSERT INTO sessions (user_id, created_at, last_seen_at, authenticated_at,
            refresh_issued_at, refresh_expires_at, expires_at)
        SELECT $1, at, at, at, at, now() + interval '1 day', now() + interval '90 days'
        FROM generate_series(1, $2) n, LATERAL (SELECT now() - ($2 - n) * interval '1 second' AS at) t
        ORDER BY n RETURNING id";
    let inserted = sqlx::query_scalar(insert).bind(user).bind(sessions);
    (user, inserted.fetch_all(&peyk.database.pool).await.unwrap())
}

/// `GET` from one of the api processes with a token.
pub(crate) async fn get_from(peyk: &Peyk, api: usize, path: &str, token: &str) -> Answer {
    let request = peyk.client().get(format!("{}{path}", peyk.urls[api]));
    peyk.send(request.bearer_auth(token)).await
}

/// The first api's list of one's sessions.
pub(crate) async fn list(peyk: &Peyk, token: &str) -> Answer {
    get_from(peyk, 0, "/api/sessions/", token).await
}

/// The ids of a list.
pub(crate) fn ids(list: &Answer) -> Vec<i64> {
    assert_eq!(list.status, 200, "{list:?}");
    let items = list.json.as_array().unwrap_or_else(|| panic!("no bare list: {list:?}"));
    items.iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

/// `DELETE sessions/{id}/` at one of the api processes.
pub(crate) async fn end_at(peyk: &Peyk, api: usize, token: &str, session: i64) -> Answer {
    let url = format!("{}/api/sessions/{session}/", peyk.urls[api]);
    peyk.send(peyk.client().delete(url).bearer_auth(token)).await
}

/// What an access token of a session that ended is answered.
pub(crate) fn assert_out(answer: &Answer) {
    let code = answer.json["code"].as_str();
    assert_eq!((answer.status, code), (401, Some("token_not_valid")), "{answer:?}");
    assert_eq!(answer.json["messages"][0]["message"], "Token is invalid");
}

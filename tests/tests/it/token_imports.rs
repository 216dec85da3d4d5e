//! Refresh tokens of the system Peyk replaces: each is a session here, once, for a while.

use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use peyk_tests::harness::{Peyk, PeykBuilder, fresh_mobile};
use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};

use crate::{
    login_steps::{count, log_in, patient, text},
    token_steps::{
        Pair, assert_in, assert_out, assert_refused, claims, me_at, next, post_at, refresh_at,
    },
};

const SECRET: &str = "django-secret-of-thirty-two-bytes-and-more";

fn hours(hours: i64) -> String {
    (SystemClock.now() + chrono::TimeDelta::hours(hours)).to_rfc3339()
}

fn with_legacy(builder: PeykBuilder) -> PeykBuilder {
    builder.set("AUTH__LEGACY_REFRESH__SECRET", SECRET).set("AUTH__LEGACY_REFRESH__UNTIL", hours(1))
}

/// A token as simplejwt writes it.
fn old(kind: &str, user: &Value, jti: &str) -> String {
    old_of(0, kind, user, jti)
}

/// One that was made so many seconds ago.
fn old_of(age: i64, kind: &str, user: &Value, jti: &str) -> String {
    let now = SystemClock.now().timestamp();
    let claims = json!({"token_type": kind, "exp": now + 1_000_000, "iat": now - age, "jti": jti,
        "user_id": user});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

/// An account, as the importer would have made it.
async fn account(peyk: &Peyk) -> i64 {
    log_in(peyk, &fresh_mobile()).await.json["user"]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn an_old_refresh_token_becomes_one_session_however_many_try_at_once() {
    let peyk = with_legacy(patient()).apis(2).start().await;
    let user = account(&peyk).await;
    let token = old("refresh", &json!(user), "5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c");
    let tries = (0..20).map(|client| refresh_at(&peyk, client % 2, &token));
    let pairs: Vec<_> = join_all(tries).await.iter().map(Pair::of).collect();
    for other in &pairs {
        assert!(other.refresh == pairs[0].refresh, "the same successor for everybody");
    }
    let pair = &pairs[0];
    assert_in(&peyk, &pair.access).await;
    assert_eq!(me_at(&peyk, 1, &pair.access).await.json["id"], user);
    assert_eq!(claims(&pair.refresh)["user_id"], user.to_string());
    next(&peyk, pair).await;
    assert_eq!(count(&peyk, "SELECT count(*) FROM sessions WHERE method = 'import'").await, 1);
    // Nothing that could be used again is kept.
    let kept = "SELECT count(*) FROM used_refresh_tokens
        WHERE fingerprint = sha256('5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c')
            AND expires_at > now() + interval '11 days'";
    assert_eq!(count(&peyk, kept).await, 1);
    // As a string it is the same user, and another token another session.
    let text = old("refresh", &json!(user.to_string()), "another");
    Pair::of(&refresh_at(&peyk, 0, &text).await);
}

/// As if the exchange had been so long ago.
async fn put_back(peyk: &Peyk, seconds: f64) {
    let back = "UPDATE used_refresh_tokens
        SET exchanged_at = exchanged_at - $1 * interval '1 second'";
    sqlx::query(back).bind(seconds).execute(&peyk.database.pool).await.unwrap();
}

#[tokio::test]
async fn an_exchange_whose_answer_was_lost_is_repeated_within_the_grace_and_ends_the_session_later()
{
    let peyk = with_legacy(patient()).apis(2).start().await;
    let user = account(&peyk).await;
    let token = old("refresh", &json!(user), "jti");
    let lost = Pair::of(&refresh_at(&peyk, 0, &token).await);
    let verify = async || post_at(&peyk, 0, "/api/token/verify/", &json!({ "token": token })).await;
    assert_eq!(verify().await.status, 200);
    put_back(&peyk, 25.0).await;
    let again = Pair::of(&refresh_at(&peyk, 1, &token).await);
    assert!(again.refresh == lost.refresh, "the same successor, in another process");
    let newer = next(&peyk, &again).await;
    // Slow is whoever still comes with the old one: refused, and no reason to end anything.
    assert_refused(&refresh_at(&peyk, 0, &token).await, "Token is blacklisted");
    assert_refused(&verify().await, "Token is blacklisted");
    assert_in(&peyk, &newer.access).await;
    put_back(&peyk, 6.0).await;
    peyk.database
        .execute("UPDATE sessions SET refresh_recent = '{}' WHERE method = 'import'")
        .await;
    assert_refused(&verify().await, "Token is blacklisted");
    assert_in(&peyk, &newer.access).await;
    assert_refused(&refresh_at(&peyk, 0, &token).await, "Token is blacklisted");
    assert_out(&peyk, &newer.access).await;
    let ended =
        "SELECT count(*) FROM sessions WHERE method = 'import' AND revoked_reason = 'reuse'";
    assert_eq!(count(&peyk, ended).await, 1);
}

#[tokio::test]
async fn whoever_logs_out_with_an_exchanged_token_ends_what_it_became() {
    let peyk = with_legacy(patient()).start().await;
    let token = old("refresh", &json!(account(&peyk).await), "jti");
    let pair = Pair::of(&refresh_at(&peyk, 0, &token).await);
    let body = json!({ "refresh": token });
    assert_eq!(post_at(&peyk, 0, "/api/logout/", &body).await.status, 200);
    assert_out(&peyk, &pair.access).await;
    assert_refused(&refresh_at(&peyk, 0, &token).await, "Token is blacklisted");
    assert_refused(&post_at(&peyk, 0, "/api/logout/", &body).await, "Token is blacklisted");
}

#[tokio::test]
async fn a_token_from_before_its_account_is_somebody_elses() {
    let peyk = with_legacy(patient()).start().await;
    let user = json!(account(&peyk).await);
    // Nobody was imported: the account that has the number was made here, after the token.
    let strange = old_of(3_600, "refresh", &user, "jti");
    for path in ["/api/token/refresh/", "/api/token/verify/"] {
        let body = json!({ "refresh": strange, "token": strange });
        assert_refused(&post_at(&peyk, 0, path, &body).await, "Token is invalid");
    }
    // The clocks of two machines may differ by a little.
    let early = old_of(30, "refresh", &user, "early");
    Pair::of(&refresh_at(&peyk, 0, &early).await);
    // As the importer keeps the date.
    peyk.database.execute("UPDATE users SET created_at = created_at - interval '1 day'").await;
    Pair::of(&refresh_at(&peyk, 0, &strange).await);
}

#[tokio::test]
async fn whom_the_old_system_knew_has_to_be_known_here() {
    let peyk = with_legacy(patient()).start().await;
    let user = account(&peyk).await;
    let stranger = old("refresh", &json!(user + 1_000), "one");
    assert_refused(&refresh_at(&peyk, 0, &stranger).await, "Token is invalid");
    peyk.database.execute("UPDATE users SET is_active = false").await;
    let token = old("refresh", &json!(user), "two");
    let refused = refresh_at(&peyk, 0, &token).await;
    assert_eq!((refused.status, &*text(&refused, "code")), (401, "no_active_account"));
    // It was not used up by that.
    peyk.database.execute("UPDATE users SET is_active = true").await;
    Pair::of(&refresh_at(&peyk, 0, &token).await);
}

#[tokio::test]
async fn only_refresh_tokens_are_taken_over_and_only_for_a_refresh() {
    let peyk = with_legacy(patient()).start().await;
    let user = json!(account(&peyk).await);
    let (access, refresh) = (old("access", &user, "a"), old("refresh", &user, "r"));
    assert_refused(&refresh_at(&peyk, 0, &access).await, "Token has wrong type");
    for token in [&access, &refresh] {
        assert_eq!(me_at(&peyk, 0, token).await.status, 401);
    }
    let verify = async |token: &str| {
        post_at(&peyk, 0, "/api/token/verify/", &json!({ "token": token })).await
    };
    assert_eq!(verify(&access).await.status, 401);
    assert_eq!(verify(&refresh).await.status, 200);
    // Whoever logs out before that can do no more with it.
    let body = json!({ "refresh": refresh });
    assert_eq!(post_at(&peyk, 0, "/api/logout/", &body).await.status, 200);
    assert_refused(&verify(&refresh).await, "Token is blacklisted");
    assert_refused(&refresh_at(&peyk, 0, &refresh).await, "Token is blacklisted");
    assert_eq!(count(&peyk, "SELECT count(*) FROM sessions WHERE method = 'import'").await, 0);
}

#[tokio::test]
async fn after_the_last_day_and_without_the_setting_none_is_taken_over() {
    let mut peyk = patient().start().await;
    let user = json!(account(&peyk).await);
    let secret = ("AUTH__LEGACY_REFRESH__SECRET", SECRET);
    let (past, future) = (hours(-1), hours(1));
    peyk.start_api_with(&[secret, ("AUTH__LEGACY_REFRESH__UNTIL", &past)]).await;
    let id = ("AUTH__LEGACY_REFRESH__USER_ID_CLAIM", "uid");
    peyk.start_api_with(&[secret, ("AUTH__LEGACY_REFRESH__UNTIL", &future), id]).await;
    peyk.wait_until_ready().await;
    let token = old("refresh", &user, "jti");
    // Unset, over, and with a claim it does not have.
    for api in 0..3 {
        assert_refused(&refresh_at(&peyk, api, &token).await, "Token is invalid");
    }
    assert_eq!(count(&peyk, "SELECT count(*) FROM used_refresh_tokens").await, 0);
}

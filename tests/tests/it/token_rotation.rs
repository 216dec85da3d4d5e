//! Refresh tokens: used once each, except by the honest who are slow.

use futures_util::future::join_all;
use peyk_tests::{
    aging::pass_seconds_of_sessions,
    harness::{Peyk, wait_for},
};
use serde_json::Value;

use crate::{
    login_steps::{count, patient, text},
    token_steps::{
        Pair, assert_in, assert_out, assert_refused, claims, new_session, next, refresh_at,
    },
};

const USED: &str = "Token is blacklisted";

/// Why the only session ended.
async fn ended(peyk: &Peyk) -> Option<String> {
    let reason = sqlx::query_scalar("SELECT revoked_reason FROM sessions");
    reason.fetch_one(&peyk.database.pool).await.unwrap()
}

#[tokio::test]
async fn a_chain_of_refreshes_is_one_session_that_never_lasts_longer() {
    let peyk = patient().apis(2).start().await;
    let first = new_session(&peyk).await;
    let end = "SELECT extract(epoch FROM expires_at)::bigint FROM sessions";
    let end_of_session = count(&peyk, end).await;
    let mut chain = vec![first];
    for step in 0..20 {
        let answer = refresh_at(&peyk, step % 2, &chain[step].refresh).await;
        chain.push(Pair::of(&answer));
    }
    let (first, last) = (&chain[0], &chain[20]);
    let sid = |token: &str| claims(token)["sid"].clone();
    for pair in &chain {
        assert_eq!(
            (sid(&pair.access), sid(&pair.refresh)),
            (sid(&first.access), sid(&first.refresh))
        );
        // Access tokens live their own short life.
        assert_in(&peyk, &pair.access).await;
    }
    let different: std::collections::BTreeSet<_> = chain.iter().map(|it| &it.refresh).collect();
    assert_eq!(different.len(), 21);
    // Whoever is slow by more than one gets nothing and logs nobody out.
    for old in [0, 10, 18] {
        assert_refused(&refresh_at(&peyk, 1, &chain[old].refresh).await, USED);
    }
    assert_eq!(ended(&peyk).await, None);
    next(&peyk, last).await;
    assert_eq!(count(&peyk, "SELECT count(*) FROM sessions").await, 1);
    assert_eq!(count(&peyk, "SELECT refresh_generation::bigint FROM sessions").await, 22);
    assert_eq!(count(&peyk, end).await, end_of_session);
}

#[tokio::test]
async fn fifty_at_once_in_two_processes_get_one_successor_and_nobody_is_logged_out() {
    let peyk = patient().apis(2).start().await;
    let first = new_session(&peyk).await;
    let refreshes = (0..50).map(|client| refresh_at(&peyk, client % 2, &first.refresh));
    let pairs: Vec<_> = join_all(refreshes).await.iter().map(Pair::of).collect();
    for pair in &pairs {
        assert_eq!(pair.refresh, pairs[0].refresh, "byte for byte");
        assert_ne!(pair.refresh, first.refresh);
    }
    assert_eq!(count(&peyk, "SELECT refresh_generation::bigint FROM sessions").await, 2);
    for pair in &pairs {
        assert_in(&peyk, &pair.access).await;
    }
    // Who lost the answer gets it again, and the winner's token goes on.
    assert_eq!(next(&peyk, &first).await.refresh, pairs[0].refresh);
    next(&peyk, &pairs[49]).await;
    assert_eq!(ended(&peyk).await, None);
}

#[tokio::test]
async fn a_token_used_again_after_the_grace_ends_the_session_everywhere() {
    let peyk = patient().apis(2).start().await;
    let first = new_session(&peyk).await;
    let second = next(&peyk, &first).await;
    pass_seconds_of_sessions(&peyk.database.pool, 25).await;
    // Not yet: its successor is given out again.
    assert_eq!(claims(&next(&peyk, &first).await.refresh)["generation"], 2);
    assert_in(&peyk, &second.access).await;
    pass_seconds_of_sessions(&peyk.database.pool, 6).await;
    assert_refused(&refresh_at(&peyk, 1, &first.refresh).await, USED);
    for access in [&first.access, &second.access] {
        assert_out(&peyk, access).await;
    }
    assert_eq!(ended(&peyk).await.as_deref(), Some("reuse"));
    // Neither of the two who hold one goes on.
    for refresh in [&first.refresh, &second.refresh] {
        assert_refused(&refresh_at(&peyk, 0, refresh).await, USED);
    }
    let told = "SELECT count(*) FROM revocations";
    assert_eq!(count(&peyk, told).await, 1);
}

#[tokio::test]
async fn a_thief_who_keeps_refreshing_is_found_out_all_the_same() {
    let peyk = patient().start().await;
    let owner = new_session(&peyk).await;
    let mut thief = next(&peyk, &owner).await;
    for _ in 0..2 {
        pass_seconds_of_sessions(&peyk.database.pool, 20).await;
        thief = next(&peyk, &thief).await;
    }
    // The latest refresh was a moment ago, that of the owner's token was not.
    assert_refused(&refresh_at(&peyk, 0, &owner.refresh).await, USED);
    assert_eq!(ended(&peyk).await.as_deref(), Some("reuse"));
    assert_out(&peyk, &thief.access).await;
}

#[tokio::test]
async fn without_a_grace_a_token_is_used_once() {
    let peyk = patient().set("AUTH__REFRESH_GRACE_SECONDS", "0").start().await;
    let first = new_session(&peyk).await;
    let second = next(&peyk, &first).await;
    assert_refused(&refresh_at(&peyk, 0, &first.refresh).await, USED);
    assert_eq!(ended(&peyk).await.as_deref(), Some("reuse"));
    assert_out(&peyk, &second.access).await;
}

#[tokio::test]
async fn no_refresh_moves_the_end_of_a_session() {
    let peyk = patient().set("AUTH__SESSION_TTL_SECONDS", "100000").start().await;
    let mut pair = new_session(&peyk).await;
    let seconds = |pair: &Pair| {
        let claims = claims(&pair.refresh);
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };
    assert_eq!(seconds(&pair), 86_400);
    pass_seconds_of_sessions(&peyk.database.pool, 50_000).await;
    pair = next(&peyk, &pair).await;
    assert!((49_900..=50_000).contains(&seconds(&pair)), "{}", seconds(&pair));
    let left = "SELECT count(*) FROM sessions WHERE refresh_expires_at = expires_at";
    assert_eq!(count(&peyk, left).await, 1);
    // In the last minutes not even an access token is given more.
    pass_seconds_of_sessions(&peyk.database.pool, 49_900).await;
    pair = next(&peyk, &pair).await;
    let end = claims(&pair.refresh)["exp"].as_i64().unwrap();
    assert_eq!(claims(&pair.access)["exp"], end);
    pass_seconds_of_sessions(&peyk.database.pool, 101).await;
    assert_refused(&refresh_at(&peyk, 0, &pair.refresh).await, "Token is expired");
}

#[tokio::test]
async fn a_session_that_is_not_refreshed_ends() {
    let peyk = patient().start().await;
    let pair = new_session(&peyk).await;
    pass_seconds_of_sessions(&peyk.database.pool, 86_400).await;
    // The token itself is good for another day; the row says when it was issued.
    assert_refused(&refresh_at(&peyk, 0, &pair.refresh).await, "Token is expired");
}

#[tokio::test]
async fn who_is_disabled_or_erased_gets_no_new_tokens() {
    let peyk = patient().start().await;
    let pair = new_session(&peyk).await;
    for off in ["is_active = false", "erased_at = now()"] {
        let sql = sqlx::AssertSqlSafe(format!("UPDATE users SET {off}"));
        sqlx::query(sql).execute(&peyk.database.pool).await.unwrap();
        let refused = refresh_at(&peyk, 0, &pair.refresh).await;
        assert_eq!((refused.status, &*text(&refused, "code")), (401, "no_active_account"));
        let sentence = "No active account found for the given token.";
        assert_eq!(text(&refused, "detail"), sentence);
        peyk.database.execute("UPDATE users SET is_active = true, erased_at = NULL").await;
    }
    // Nothing was used up.
    next(&peyk, &pair).await;
    peyk.database.execute("DELETE FROM users").await;
    assert_refused(&refresh_at(&peyk, 0, &pair.refresh).await, "Token is invalid");
}

#[tokio::test]
async fn an_answer_lost_with_its_process_is_fetched_again() {
    let mut peyk = patient().gated().start().await;
    // The process has a connection for this, and has prepared the statement.
    let warm = new_session(&peyk).await;
    let first = next(&peyk, &warm).await;
    peyk.gate.as_ref().unwrap().hold_answers();
    let request = peyk.client().post(peyk.url("/api/token/refresh/"));
    let request = request.json(&serde_json::json!({ "refresh": first.refresh }));
    let lost = tokio::spawn(request.send());
    // Committed, and the process has not heard of it.
    wait_for("the commit", || async {
        let generation = "SELECT refresh_generation::bigint FROM sessions";
        (count(&peyk, generation).await == 3).then_some(())
    })
    .await;
    peyk.apis[0].kill().await;
    assert!(lost.await.unwrap().is_err(), "nobody got an answer");
    peyk.gate.as_ref().unwrap().release_answers();
    peyk.start_api().await;
    let api = peyk.urls.len() - 1;
    wait_for("the new process", || async {
        let url = format!("{}/readyz", peyk.urls[api]);
        (peyk.send(peyk.client().get(url)).await.json["ready"] == Value::Bool(true)).then_some(())
    })
    .await;
    let second = Pair::of(&refresh_at(&peyk, api, &first.refresh).await);
    assert_eq!(count(&peyk, "SELECT refresh_generation::bigint FROM sessions").await, 3);
    assert_eq!(claims(&second.refresh)["generation"], 3);
    Pair::of(&refresh_at(&peyk, api, &second.refresh).await);
}

//! Changing one's password.

use peyk_tests::harness::{Peyk, fresh_mobile, wait_for};
use serde_json::{Value, json};

use crate::{
    limit_steps::assert_limited,
    login_steps::{count, patient, text},
    password_steps::{
        OLD_HASHES, OLD_PASSWORD, OTHER, PASSWORD, access, access_by_code, assert_no_account,
        change, imported, login, me, registered, update,
    },
};

fn no_worker() -> peyk_tests::harness::PeykBuilder {
    Peyk::builder().workers(0)
}

fn to_other(current: &str) -> Value {
    json!({"current_password": current, "password": OTHER, "password2": OTHER})
}

#[tokio::test]
async fn a_change_needs_the_current_password_and_ends_every_other_session_in_every_process() {
    let peyk = no_worker().apis(2).start().await;
    registered(&peyk, "sara").await;
    registered(&peyk, "omid").await;
    let (mine, thief) =
        (access(&peyk, "sara", PASSWORD).await, access(&peyk, "sara", PASSWORD).await);
    let others = access(&peyk, "omid", PASSWORD).await;
    for (body, code) in [
        (json!({"password": OTHER, "password2": OTHER}), "required"),
        (to_other("wrong"), "password_incorrect"),
        (to_other(&format!("{PASSWORD} ")), "password_incorrect"),
    ] {
        let refused = change(&peyk, &mine, &body).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        let error = &refused.json["errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!("current_password"), &json!(code)));
    }
    assert_eq!(me(&peyk, &thief).await.status, 200);
    let before =
        count(&peyk, "SELECT count(*) FROM users WHERE password_changed_at > created_at").await;
    assert_eq!(before, 0);

    let changed = change(&peyk, &mine, &to_other(PASSWORD)).await;
    assert_eq!(
        (changed.status, text(&changed, "details")),
        (200, "The password was changed.".to_owned())
    );
    assert_eq!(me(&peyk, &thief).await.status, 401, "at once where it was changed");
    wait_for("the other process to hear of it", || async {
        let request = peyk.client().get(format!("{}/api/me/", peyk.urls[1])).bearer_auth(&thief);
        (peyk.send(request).await.status == 401).then_some(())
    })
    .await;
    assert_eq!(me(&peyk, &mine).await.status, 200, "this session goes on");
    assert_eq!(me(&peyk, &others).await.status, 200, "others are not concerned");
    assert_no_account(&login(&peyk, "sara", PASSWORD).await);
    access(&peyk, "sara", OTHER).await;
    let ended = "SELECT count(*) FROM sessions WHERE revoked_reason = 'password'";
    assert_eq!(count(&peyk, ended).await, 1);
    let noted = "SELECT count(*) FROM users WHERE password_changed_at > created_at";
    assert_eq!(count(&peyk, noted).await, 1);
}

#[tokio::test]
async fn an_account_without_a_password_gets_one_only_soon_after_its_owner_was_proven() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let mine = access_by_code(&peyk, &mobile).await;
    let other = access_by_code(&peyk, &mobile).await;
    let body = json!({"password": PASSWORD, "password2": PASSWORD});
    peyk.database
        .execute("UPDATE sessions SET authenticated_at = authenticated_at - interval '11 minutes'")
        .await;
    let refused = change(&peyk, &mine, &body).await;
    assert_eq!((refused.status, text(&refused, "code")), (403, "confirmation_required".to_owned()));
    let guessed = json!({"current_password": "x", "password": PASSWORD, "password2": PASSWORD});
    assert_eq!(change(&peyk, &mine, &guessed).await.status, 403, "nor with some password");
    peyk.database.execute("UPDATE sessions SET authenticated_at = now()").await;
    assert_eq!(change(&peyk, &mine, &body).await.status, 200);
    assert_eq!(me(&peyk, &other).await.status, 401);
    assert_eq!(me(&peyk, &mine).await.json["has_password"], true);
    access(&peyk, &format!("G0-{mobile}"), PASSWORD).await;
    // From now on the password is asked for, however fresh the session is.
    let refused = change(&peyk, &mine, &json!({"password": OTHER, "password2": OTHER})).await;
    assert_eq!(
        (refused.status, &refused.json["errors"][0]["field"]),
        (400, &json!("current_password"))
    );
}

#[tokio::test]
async fn a_new_password_keeps_the_rules_and_is_unlike_everything_the_account_says() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let mine = access_by_code(&peyk, &mobile).await;
    let name = format!("G0-{mobile}");
    let set = "UPDATE users SET first_name = 'Shahrzad', last_name = 'Golestani',
               email = 'moonlight@example.com' WHERE username = $1";
    update(&peyk, set, &name).await;
    for (password, code) in [
        ("Shahrzad.1", "password_too_similar"),
        ("golestani7", "password_too_similar"),
        ("moonlight9", "password_too_similar"),
        (&mobile, "password_too_similar"),
        ("short-7", "password_too_short"),
        ("iloveyou1", "password_too_common"),
    ] {
        let refused =
            change(&peyk, &mine, &json!({"password": password, "password2": password})).await;
        assert_eq!(refused.status, 400, "{password}");
        let error = &refused.json["errors"][0];
        assert_eq!(
            (&error["field"], &error["code"]),
            (&json!("password"), &json!(code)),
            "{password}"
        );
    }
    let mismatch = change(&peyk, &mine, &json!({"password": PASSWORD, "password2": OTHER})).await;
    assert_eq!(mismatch.json["password"], json!(["رمز عبور و تکرار آن یکسان نیستند."]));
    assert_eq!(me(&peyk, &mine).await.json["has_password"], false);
}

#[tokio::test]
async fn an_old_hash_is_the_current_password_too() {
    let peyk = no_worker().start().await;
    imported(&peyk, "old", OLD_HASHES[0]).await;
    let mine = access(&peyk, "old", OLD_PASSWORD).await;
    // As if the login had not replaced it.
    let again = format!("UPDATE users SET password = '{}' WHERE username = $1", OLD_HASHES[0]);
    let put_back = sqlx::query(sqlx::AssertSqlSafe(again)).bind("old");
    put_back.execute(&peyk.database.pool).await.unwrap();
    assert_eq!(change(&peyk, &mine, &to_other(OLD_PASSWORD)).await.status, 200);
    access(&peyk, "old", OTHER).await;
}

#[tokio::test]
async fn guesses_at_the_current_password_are_limited() {
    let peyk = no_worker().set("LIMITS__PASSWORD_FAILURES_PER_NAME", "3/1h").apis(2).start().await;
    registered(&peyk, "sara").await;
    let mine = access(&peyk, "sara", PASSWORD).await;
    for _ in 0..3 {
        assert_eq!(change(&peyk, &mine, &to_other("wrong")).await.status, 400);
    }
    let at_other = peyk.client().post(format!("{}/api/me/password/", peyk.urls[1]));
    let limited = peyk.send(at_other.bearer_auth(&mine).json(&to_other(PASSWORD))).await;
    assert_limited(&limited, 1200);
    assert_eq!(login(&peyk, "sara", PASSWORD).await.status, 200, "logins are counted apart");
}

#[tokio::test]
async fn strangers_change_nothing() {
    let peyk = no_worker().start().await;
    registered(&peyk, "sara").await;
    let answer = peyk.post("/api/me/password/", &to_other(PASSWORD)).await;
    assert_eq!((answer.status, text(&answer, "code")), (401, "not_authenticated".to_owned()));
    let mine = access(&peyk, "sara", PASSWORD).await;
    update(&peyk, "UPDATE users SET is_active = false WHERE username = $1", "sara").await;
    let answer = change(&peyk, &mine, &to_other(PASSWORD)).await;
    assert_eq!((answer.status, text(&answer, "code")), (401, "user_inactive".to_owned()));
}

#[tokio::test]
async fn of_two_changes_at_once_one_happens() {
    let peyk = no_worker().apis(2).start().await;
    registered(&peyk, "sara").await;
    let mine = access(&peyk, "sara", PASSWORD).await;
    let new = ["quite-another-88", "something-else-99"];
    let changes = new.iter().enumerate().map(|(api, new)| {
        let body = json!({"current_password": PASSWORD, "password": new, "password2": new});
        let request = peyk.client().post(format!("{}/api/me/password/", peyk.urls[api]));
        peyk.send(request.bearer_auth(&mine).json(&body))
    });
    let answers = futures_util::future::join_all(changes).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{answers:?}");
    let winner = answers.iter().position(|answer| answer.status == 200).unwrap();
    access(&peyk, "sara", new[winner]).await;
    assert_no_account(&login(&peyk, "sara", new[1 - winner]).await);
}

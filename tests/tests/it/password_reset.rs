//! Setting a new password with a code.

use std::time::{Duration, Instant};

use peyk_tests::harness::{Answer, Peyk, fresh_mobile, wait_for};
use serde_json::{Value, json};

use crate::{
    limit_steps::{assert_limited, with_status},
    login_steps::{assert_refused, count, log_in_with, patient, send, text, wrong},
    password_steps::{
        OTHER, PASSWORD, access, access_by_code, ask_reset, assert_no_account, confirm, login, me,
        update,
    },
};

/// An account with a number and [`PASSWORD`], its name, and the access token of a session.
async fn owner(peyk: &Peyk) -> (String, String, String) {
    let mobile = fresh_mobile();
    let mine = access_by_code(peyk, &mobile).await;
    let body = json!({"password": PASSWORD, "password2": PASSWORD});
    let set = crate::password_steps::change(peyk, &mine, &body).await;
    assert_eq!(set.status, 200, "{set:?}");
    let name = format!("G0-{mobile}");
    (mobile, name, mine)
}

/// Asks for a code and reads it once it is in the inbox.
async fn asked(peyk: &Peyk, mobile: &str) -> (String, String) {
    let before = texts_to(peyk, mobile).await;
    let answer = ask_reset(peyk, mobile).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    wait_for("the text", || async { (texts_to(peyk, mobile).await > before).then_some(()) }).await;
    (text(&answer, "request_id"), peyk.sandbox_code(mobile).await)
}

async fn texts_to(peyk: &Peyk, mobile: &str) -> usize {
    let inbox = peyk.get(&format!("/sandbox/messages/?mobile_number={mobile}")).await;
    inbox.json["results"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_code_sets_a_new_password_and_ends_every_session() {
    let peyk = patient().apis(2).start().await;
    let (mobile, name, mine) = owner(&peyk).await;
    let (request_id, code) = asked(&peyk, &mobile).await;
    let set = confirm(&peyk, &mobile, &code, json!({"request_id": request_id})).await;
    assert_eq!((set.status, text(&set, "details")), (200, "The password was changed.".to_owned()));
    assert_eq!(set.json.get("access"), None, "it logs nobody in");
    assert_eq!(me(&peyk, &mine).await.status, 401);
    wait_for("the other process to hear of it", || async {
        let request = peyk.client().get(format!("{}/api/me/", peyk.urls[1])).bearer_auth(&mine);
        (peyk.send(request).await.status == 401).then_some(())
    })
    .await;
    assert_no_account(&login(&peyk, &name, PASSWORD).await);
    access(&peyk, &name, OTHER).await;
    assert_refused(&confirm(&peyk, &mobile, &code, json!({})).await);
}

#[tokio::test]
async fn an_account_that_never_had_a_password_gets_one_by_a_code() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    access_by_code(&peyk, &mobile).await;
    let (_, code) = asked(&peyk, &mobile).await;
    assert_eq!(confirm(&peyk, &mobile, &code, json!({})).await.status, 200);
    access(&peyk, &format!("G0-{mobile}"), OTHER).await;
}

#[tokio::test]
async fn codes_open_only_what_they_were_sent_for() {
    let peyk = patient().start().await;
    let (mobile, name, _) = owner(&peyk).await;
    let (request_id, for_reset) = asked(&peyk, &mobile).await;
    let (_, for_login) = send(&peyk, &mobile).await;
    assert_refused(&confirm(&peyk, &mobile, &for_login, json!({})).await);
    assert_refused(&peyk.authenticate(&mobile, &for_reset, None).await);
    assert_refused(
        &log_in_with(&peyk, &mobile, &for_reset, json!({"request_id": request_id})).await,
    );
    assert_eq!(confirm(&peyk, &mobile, &for_reset, json!({})).await.status, 200);
    access(&peyk, &name, OTHER).await;
}

#[tokio::test]
async fn wrong_codes_have_the_attempts_of_any_code_and_a_weak_password_costs_none() {
    let peyk = patient().start().await;
    let (mobile, name, _) = owner(&peyk).await;
    let (request_id, code) = asked(&peyk, &mobile).await;
    let own = || json!({"request_id": request_id});
    for weak in ["short-7", "password1", "8264019357", &mobile] {
        let more = json!({"request_id": request_id, "password": weak, "password2": weak});
        for _ in 0..3 {
            assert_eq!(confirm(&peyk, &mobile, &code, more.clone()).await.status, 400, "{weak}");
        }
    }
    // A stranger without the handle has five attempts and the owner's are not among them.
    for _ in 0..6 {
        assert_refused(&confirm(&peyk, &mobile, &wrong(&code), json!({})).await);
    }
    for _ in 0..4 {
        assert_refused(&confirm(&peyk, &mobile, &wrong(&code), own()).await);
    }
    assert_eq!(confirm(&peyk, &mobile, &code, own()).await.status, 200);
    access(&peyk, &name, OTHER).await;
}

#[tokio::test]
async fn of_parallel_right_answers_one_sets_the_password() {
    let peyk = patient().apis(2).start().await;
    let (mobile, name, _) = owner(&peyk).await;
    let (request_id, code) = asked(&peyk, &mobile).await;
    let news: Vec<_> = (0..5).map(|at| format!("{OTHER}-{at}")).collect();
    let all = news.iter().enumerate().map(|(at, new)| {
        let body = json!({
            "mobile_number": mobile, "code": code, "request_id": request_id,
            "password": new, "password2": new,
        });
        let url = format!("{}/api/password/reset/confirm/", peyk.urls[at % 2]);
        peyk.send(peyk.client().post(url).json(&body))
    });
    let answers = futures_util::future::join_all(all).await;
    assert_eq!((with_status(&answers, 200), with_status(&answers, 401)), (1, 4), "{answers:?}");
    let winner = answers.iter().position(|answer| answer.status == 200).unwrap();
    access(&peyk, &name, &news[winner]).await;
}

/// Everything of an answer but what is of this very request.
fn told(answer: &Answer) -> Value {
    let mut body = answer.json.clone();
    assert_eq!(text(answer, "request_id").len(), 32);
    body["request_id"] = Value::Null;
    let own = ["x-request-id", "date", "ratelimit"];
    let names = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let mut headers: Vec<_> =
        names.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    headers.sort();
    json!({"status": answer.status, "body": body, "headers": headers})
}

#[tokio::test]
async fn nobody_learns_which_numbers_have_accounts() {
    let peyk = patient().start().await;
    let (mobile, name, _) = owner(&peyk).await;
    let (disabled, name_of_disabled, _) = owner(&peyk).await;
    let off = "UPDATE users SET is_active = false WHERE username = $1";
    update(&peyk, off, &name_of_disabled).await;
    let stranger = fresh_mobile();
    let texts = texts_to(&peyk, &mobile).await;
    let mut answers = Vec::new();
    for mobile in [&mobile, &disabled, &stranger] {
        answers.push(ask_reset(&peyk, mobile).await);
    }
    assert_eq!(answers[0].status, 202, "{answers:?}");
    assert!(answers.iter().all(|answer| told(answer) == told(&answers[0])), "{answers:#?}");
    // The handle tells nothing either.
    for answer in &answers {
        let status = peyk.get(&format!("/api/otp/{}/", text(answer, "request_id"))).await;
        assert_eq!(status.status, 404, "{status:?}");
    }
    // Asking again at once, and guessing.
    for mobile in [&mobile, &disabled, &stranger] {
        let again = ask_reset(&peyk, mobile).await;
        assert_eq!((again.status, text(&again, "code")), (409, "otp_cooldown".to_owned()));
        assert!((50..=60).contains(&again.json["retry_after"].as_i64().unwrap()), "{again:?}");
        assert_refused(&confirm(&peyk, mobile, "12345678", json!({})).await);
    }
    // Texts go only to who has an account.
    wait_for("the text", || async { (texts_to(&peyk, &mobile).await > texts).then_some(()) }).await;
    assert_eq!(texts_to(&peyk, &stranger).await, 0);
    let to_others = "SELECT count(*) FROM otp_requests WHERE purpose = 'reset_password'";
    assert_eq!(count(&peyk, to_others).await, 1);
    access(&peyk, &name, PASSWORD).await;
}

#[tokio::test]
async fn asking_takes_as_long_whether_there_is_an_account_or_not() {
    let peyk = patient().set("OTP__RESEND_AFTER_SECONDS", "0").workers(0).start().await;
    let known = fresh_mobile();
    let insert = "INSERT INTO users (username, phone, created_at) VALUES ('known', $1, now())";
    let insert = sqlx::query(insert).bind(peyk_tests::aging::e164(&known));
    insert.execute(&peyk.database.pool).await.unwrap();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        for (mobile, times) in [(&known, &mut with), (&fresh_mobile(), &mut without)] {
            let started = Instant::now();
            assert_eq!(ask_reset(&peyk, mobile).await.status, 202);
            times.push(started.elapsed());
            assert!(started.elapsed() >= Duration::from_millis(300));
        }
    }
    with.sort();
    without.sort();
    let (with, without) = (with[4], without[4]);
    assert!(with < without * 2 && without < with * 2, "{with:?} {without:?}");
    assert_eq!(count(&peyk, "SELECT count(*) FROM sms_messages").await, 9);
}

#[tokio::test]
async fn when_no_more_texts_may_be_sent_the_answer_is_the_same() {
    let peyk = patient()
        .set("OTP__RESEND_AFTER_SECONDS", "0")
        .set("OTP__DAILY_SENDS_PER_TARGET", "2")
        .start()
        .await;
    let (mobile, ..) = owner(&peyk).await;
    let first = ask_reset(&peyk, &mobile).await;
    for _ in 0..4 {
        assert_eq!(told(&ask_reset(&peyk, &mobile).await), told(&first));
    }
    assert_eq!(told(&ask_reset(&peyk, &fresh_mobile()).await), told(&first));
    let sent = "SELECT count(*) FROM otp_requests WHERE purpose = 'reset_password'";
    assert_eq!(count(&peyk, sent).await, 2);
}

#[tokio::test]
async fn a_numbers_share_and_pause_are_one_for_all_processes_and_every_number_has_them() {
    let peyk =
        patient().set("LIMITS__OTP_SEND_PER_TARGET", "2/1h").apis(2).workers(0).start().await;
    let without_pause = patient()
        .set("OTP__RESEND_AFTER_SECONDS", "0")
        .set("LIMITS__OTP_SEND_PER_TARGET", "2/1h")
        .apis(2)
        .workers(0)
        .start()
        .await;
    let ask = |peyk: &Peyk, api: usize, mobile: &str| {
        let request = peyk.client().post(format!("{}/api/password/reset/", peyk.urls[api]));
        let request = request.json(&json!({"mobile_number": mobile}));
        let peyk = peyk.client().clone();
        async move {
            let request = request.build().unwrap();
            peyk.execute(request).await.unwrap().status().as_u16()
        }
    };
    let mobile = fresh_mobile();
    assert_eq!(ask(&peyk, 0, &mobile).await, 202);
    assert_eq!(ask(&peyk, 1, &mobile).await, 409);
    for status in [202, 202, 429] {
        assert_eq!(ask(&without_pause, usize::from(status == 429), &mobile).await, status);
    }
    let limited = ask_reset(&without_pause, &mobile).await;
    assert_limited(&limited, 1800);
}

#[tokio::test]
async fn an_account_disabled_meanwhile_gets_no_password() {
    let peyk = patient().start().await;
    let (mobile, name, _) = owner(&peyk).await;
    let (_, code) = asked(&peyk, &mobile).await;
    update(&peyk, "UPDATE users SET is_active = false WHERE username = $1", &name).await;
    let answer = confirm(&peyk, &mobile, &code, json!({})).await;
    assert_eq!((answer.status, text(&answer, "code")), (401, "user_inactive".to_owned()));
    update(&peyk, "UPDATE users SET is_active = true WHERE username = $1", &name).await;
    access(&peyk, &name, PASSWORD).await;
    assert_refused(&confirm(&peyk, &mobile, &code, json!({})).await);
}

#[tokio::test]
async fn each_group_is_an_account_of_its_own() {
    // No pause: the two requests follow each other.
    let peyk = patient().set("OTP__RESEND_AFTER_SECONDS", "0").start().await;
    let mobile = fresh_mobile();
    let (_, code) = send(&peyk, &mobile).await;
    assert_eq!(log_in_with(&peyk, &mobile, &code, json!({"group": 1})).await.status, 200);
    // Group 0 has no account: nothing is sent for it.
    assert_eq!(ask_reset(&peyk, &mobile).await.status, 202);
    assert_eq!(count(&peyk, "SELECT count(*) FROM sms_messages").await, 1);
    let other = code_of_group_1(&peyk, &mobile).await;
    assert_refused(&confirm(&peyk, &mobile, &other, json!({"group": 0})).await);
    assert_eq!(confirm(&peyk, &mobile, &other, json!({"group": "1"})).await.status, 200);
    access(&peyk, &format!("G1-{mobile}"), OTHER).await;
    let unknown = confirm(&peyk, &mobile, &other, json!({"group": 7})).await;
    assert_eq!((unknown.status, &unknown.json["errors"][0]["field"]), (400, &json!("group")));
}

async fn code_of_group_1(peyk: &Peyk, mobile: &str) -> String {
    let before = texts_to(peyk, mobile).await;
    let body = json!({"mobile_number": mobile, "group": 1});
    let answer = peyk.post("/api/password/reset/", &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    wait_for("the text", || async { (texts_to(peyk, mobile).await > before).then_some(()) }).await;
    peyk.sandbox_code(mobile).await
}

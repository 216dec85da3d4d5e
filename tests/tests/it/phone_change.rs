//! Another number for an account: proven by a code of its own, told to the old number.

use peyk_tests::harness::{Peyk, fresh_mobile, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    account_steps::{
        Person, ask_at, begin_change, confirm_change, get_as, let_sessions_grow_old, person,
        post_as, problem, refused_within_a_second, session_of,
    },
    login_steps::{assert_refused, log_in, patient, send, text, wrong},
};

const WRONG: (u16, &str) = (400, "otp_not_valid");

/// The texts of a number's inbox that carried no code.
async fn notices(peyk: &Peyk, mobile: &str) -> Vec<String> {
    let inbox = peyk.get(&format!("/sandbox/messages/?mobile_number={mobile}")).await.json;
    let inbox = inbox["results"].as_array().unwrap().clone();
    let texts = inbox.iter().filter(|message| message["code"].is_null());
    let texts = texts.filter_map(|message| Some(message["text"].as_str()?.to_owned()));
    texts.filter(|text| !text.starts_with("(this code was replaced")).collect()
}

/// How the account stands in the database: number and username.
async fn stands(peyk: &Peyk, who: &Person) -> (String, String) {
    sqlx::query_as("SELECT '0' || substr(phone, 4), username FROM users WHERE id = $1")
        .bind(who.id)
        .fetch_one(&peyk.database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_proven_number_replaces_the_old_one_which_hears_of_it() {
    let peyk = patient().apis(2).start().await;
    let other_device = person(&peyk).await;
    let who = session_of(&peyk, &other_device.mobile).await;
    let new = fresh_mobile();
    let (request_id, code) = begin_change(&peyk, &who, &new).await;
    let me = get_as(&peyk, &who, "/api/me/").await;
    assert_eq!(me.json["mobile_number"], json!(who.mobile), "nothing is changed yet");
    let body = json!({"code": code, "request_id": request_id});
    let path = "/api/me/phone/confirm/";
    let changed = ask_at(&peyk, 1, &who, Method::POST, path, &body).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json["mobile_number"], json!(new));
    assert_eq!(changed.json["username"], json!(format!("G0-{new}")));
    // The session that did it goes on, the others do not.
    refused_within_a_second(&peyk, &other_device).await;
    assert_eq!(get_as(&peyk, &who, "/api/me/").await.status, 200);
    let ended = "SELECT count(*) FROM sessions WHERE revoked_reason = 'phone'";
    assert_eq!(peyk.database.count(ended).await, 1);
    // The old number hears of it, and not the whole new number.
    let notice = wait_for("a notice", || async {
        let row = peyk.database.message_to(&who.mobile).await?;
        (row.status == "sent").then_some(())?;
        notices(&peyk, &who.mobile).await.pop()
    })
    .await;
    let masked = format!("{}***{}", &new[..4], &new[9..]);
    assert!(notice.contains(&masked) && !notice.contains(&new), "{notice}");
    // The number is the login of this account, and the old one that of a new account.
    assert_eq!(session_of(&peyk, &new).await.id, who.id);
    assert_ne!(session_of(&peyk, &who.mobile).await.id, who.id);
    // The code is used up.
    assert_eq!(problem(&confirm_change(&peyk, &who, &code).await), WRONG);
}

#[tokio::test]
async fn a_code_of_another_purpose_number_session_or_account_changes_nothing() {
    let peyk = patient().set("OTP__RESEND_AFTER_SECONDS", "0").start().await;
    let (who, other) = (person(&peyk).await, person(&peyk).await);
    let (first, second) = (fresh_mobile(), fresh_mobile());
    // Nothing was asked for.
    assert_eq!(problem(&confirm_change(&peyk, &who, "12345678").await), WRONG);
    let (_, old_code) = begin_change(&peyk, &who, &first).await;
    let (_, code) = begin_change(&peyk, &who, &second).await;
    // The code of a number that is not the one asked for any more.
    assert_eq!(problem(&confirm_change(&peyk, &who, &old_code).await), WRONG);
    // Codes for logging in, with the new number and the old one.
    for mobile in [&second, &who.mobile] {
        let (_, login) = send(&peyk, mobile).await;
        assert_ne!(login, code);
        assert_eq!(problem(&confirm_change(&peyk, &who, &login).await), WRONG);
        assert_eq!(peyk.authenticate(mobile, &login, None).await.status, 200, "it is not used up");
    }
    // Nobody logs in with it.
    assert_refused(&peyk.authenticate(&second, &code, None).await);
    // Another account, and another session of this one.
    let another_session = session_of(&peyk, &who.mobile).await;
    for stranger in [&other, &another_session] {
        assert_eq!(problem(&confirm_change(&peyk, stranger, &code).await), WRONG);
    }
    assert_eq!(stands(&peyk, &who).await.0, who.mobile);
    let nobody = peyk.post("/api/me/phone/confirm/", &json!({"code": code})).await;
    assert_eq!(problem(&nobody), (401, "not_authenticated"));
    // It was right all the time, but the number is somebody's since the login above.
    assert_eq!(problem(&confirm_change(&peyk, &who, &code).await), (409, "phone_taken"));
}

#[tokio::test]
async fn whose_number_it_is_shows_only_to_whoever_proves_it_is_theirs() {
    let peyk = patient().start().await;
    let (who, owner) = (person(&peyk).await, person(&peyk).await);
    let free = fresh_mobile();
    let mut answers = Vec::new();
    for to in [&owner.mobile, &free] {
        let body = json!({"mobile_number": to});
        let mut begun = post_as(&peyk, &who, "/api/me/phone/", &body).await.json;
        for own in ["request_id", "status_url"] {
            assert!(begun.as_object_mut().unwrap().remove(own).is_some(), "{begun}");
        }
        let code = peyk.sandbox_code(to).await;
        let refused = confirm_change(&peyk, &who, &wrong(&code)).await;
        assert_eq!(problem(&refused), WRONG);
        let mut refused = refused.json;
        refused.as_object_mut().unwrap().remove("request_id");
        answers.push((begun, refused));
    }
    assert_eq!(answers[0], answers[1]);
    // The second one replaced the first.
    let code = peyk.sandbox_code(&free).await;
    assert_eq!(confirm_change(&peyk, &who, &code).await.status, 200);
    let taken = stands(&peyk, &owner).await;
    let third = person(&peyk).await;
    peyk.database.execute("DELETE FROM otp_codes").await;
    let (_, code) = begin_change(&peyk, &third, &owner.mobile).await;
    let refused = confirm_change(&peyk, &third, &code).await;
    assert_eq!(problem(&refused), (409, "phone_taken"), "{refused:?}");
    assert_eq!(problem(&confirm_change(&peyk, &third, &code).await), WRONG, "it is used up");
    assert_eq!(stands(&peyk, &owner).await, taken);
    assert_eq!(get_as(&peyk, &owner, "/api/me/").await.status, 200);
}

#[tokio::test]
async fn of_parallel_right_codes_one_changes_one_account() {
    let peyk = patient().apis(2).start().await;
    let (who, rival) = (person(&peyk).await, person(&peyk).await);
    let new = fresh_mobile();
    let (_, code) = begin_change(&peyk, &who, &new).await;
    // The rival is told to wait, but has asked for the number all the same.
    let body = json!({"mobile_number": new});
    let begun = post_as(&peyk, &rival, "/api/me/phone/", &body).await;
    assert_eq!(problem(&begun), (409, "otp_cooldown"), "{begun:?}");
    let (path, body) = ("/api/me/phone/confirm/", json!({"code": code}));
    let confirm = |api, person| ask_at(&peyk, api, person, Method::POST, path, &body);
    let answers =
        tokio::join!(confirm(0, &who), confirm(1, &who), confirm(0, &rival), confirm(1, &rival));
    let mut statuses = [answers.0.status, answers.1.status, answers.2.status, answers.3.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400], "{answers:?}");
    let owners = "SELECT count(*) FROM users WHERE phone_changed_at IS NOT NULL";
    assert_eq!(peyk.database.count(owners).await, 1);
    assert_eq!(peyk.database.count("SELECT count(*) FROM users").await, 2);
    let texts = "SELECT count(*) FROM sms_messages WHERE kind = 'text'";
    assert_eq!(peyk.database.count(texts).await, 1, "one notice");
}

#[tokio::test]
async fn a_first_login_and_a_change_to_one_number_leave_it_one_account() {
    let peyk = patient().apis(2).start().await;
    for _ in 0..5 {
        let (who, new) = (person(&peyk).await, fresh_mobile());
        let (_, code) = begin_change(&peyk, &who, &new).await;
        let (_, login) = send(&peyk, &new).await;
        let (path, body) = ("/api/me/phone/confirm/", json!({"code": code}));
        let (changed, logged_in) = tokio::join!(
            ask_at(&peyk, 1, &who, Method::POST, path, &body),
            peyk.authenticate(&new, &login, None),
        );
        assert_eq!(logged_in.status, 200, "{logged_in:?}");
        let same = logged_in.json["user"]["id"] == who.id;
        let told = if same { (200, "") } else { (409, "phone_taken") };
        assert_eq!(problem(&changed), told, "{changed:?}");
    }
    let shared = "SELECT count(*) FROM (SELECT FROM users GROUP BY phone HAVING count(*) > 1) t";
    assert_eq!(peyk.database.count(shared).await, 0);
}

#[tokio::test]
async fn numbers_change_only_so_often_and_after_a_login_of_a_moment_ago() {
    let peyk = patient().start().await;
    let who = person(&peyk).await;
    let body = json!({"mobile_number": fresh_mobile()});
    let_sessions_grow_old(&peyk).await;
    let old = post_as(&peyk, &who, "/api/me/phone/", &body).await;
    assert_eq!(problem(&old), (403, "confirmation_required"), "{old:?}");
    assert_eq!(peyk.database.count("SELECT count(*) FROM phone_changes").await, 0);
    let who = session_of(&peyk, &who.mobile).await;
    let own = post_as(&peyk, &who, "/api/me/phone/", &json!({"mobile_number": who.mobile})).await;
    assert_eq!(own.json["fields"]["mobile_number"][0], "This is the number of your account.");
    // The first change is free.
    let first = fresh_mobile();
    let (_, code) = begin_change(&peyk, &who, &first).await;
    assert_eq!(confirm_change(&peyk, &who, &code).await.status, 200);
    let soon = post_as(&peyk, &who, "/api/me/phone/", &body).await;
    assert_eq!(problem(&soon), (429, "phone_changed_lately"), "{soon:?}");
    let wait = soon.json["retry_after"].as_i64().unwrap();
    assert!((604_000..=604_800).contains(&wait), "{wait}");
    let aged = "UPDATE users SET phone_changed_at = now() - interval '8 days'";
    peyk.database.execute(aged).await;
    let (_, code) = begin_change(&peyk, &who, &fresh_mobile()).await;
    // Begun in time, but changed meanwhile.
    peyk.database.execute("UPDATE users SET phone_changed_at = now()").await;
    let soon = confirm_change(&peyk, &who, &code).await;
    assert_eq!(problem(&soon), (429, "phone_changed_lately"), "{soon:?}");
    peyk.database.execute(aged).await;
    assert_eq!(confirm_change(&peyk, &who, &code).await.status, 200, "the code was not used up");
}

#[tokio::test]
async fn a_name_somebody_chose_stays_and_a_taken_one_gets_a_number() {
    let peyk = patient().set("AUTH__PHONE_NOTICE_TEXT", "").start().await;
    let (named, squatted) = (person(&peyk).await, person(&peyk).await);
    let target = fresh_mobile();
    sqlx::query("UPDATE users SET username = CASE WHEN id = $1 THEN 'sara' ELSE username END")
        .bind(named.id)
        .execute(&peyk.database.pool)
        .await
        .unwrap();
    sqlx::query("INSERT INTO users (username, created_at) VALUES ($1, now())")
        .bind(format!("G0-{target}"))
        .execute(&peyk.database.pool)
        .await
        .unwrap();
    for (who, to) in [(&named, fresh_mobile()), (&squatted, target.clone())] {
        let (_, code) = begin_change(&peyk, who, &to).await;
        let changed = confirm_change(&peyk, who, &code).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }
    assert_eq!(stands(&peyk, &named).await.1, "sara");
    let name = format!("G0-{target}-{}", squatted.id);
    assert_eq!(stands(&peyk, &squatted).await, (target, name));
    let texts = "SELECT count(*) FROM sms_messages WHERE kind = 'text'";
    assert_eq!(peyk.database.count(texts).await, 0, "no wording, no notice");
}

#[tokio::test]
async fn a_crash_between_asking_and_proving_loses_and_changes_nothing() {
    let mut peyk = patient().apis(2).start().await;
    let who = person(&peyk).await;
    let new = fresh_mobile();
    let (_, code) = begin_change(&peyk, &who, &new).await;
    // Somebody holds the account, so the change waits in the middle of its transaction.
    let mut held = peyk.database.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM users FOR UPDATE").execute(&mut *held).await.unwrap();
    let request = peyk.client().post(peyk.url("/api/me/phone/confirm/"));
    let request = request.bearer_auth(&who.access).json(&json!({"code": code}));
    let confirming = tokio::spawn(request.send());
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_for("the change to wait for the account", || async {
        (peyk.database.count(waits).await == 1).then_some(())
    })
    .await;
    peyk.apis[0].kill().await;
    assert!(confirming.await.unwrap().is_err(), "its process died");
    held.rollback().await.unwrap();
    wait_for("its transaction to be undone", || async {
        (peyk.database.count(waits).await == 0).then_some(())
    })
    .await;
    assert_eq!(stands(&peyk, &who).await.0, who.mobile);
    let body = json!({"code": code});
    let path = "/api/me/phone/confirm/";
    let changed = ask_at(&peyk, 1, &who, Method::POST, path, &body).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let texts = "SELECT count(*) FROM sms_messages WHERE kind = 'text'";
    assert_eq!(peyk.database.count(texts).await, 1, "one notice");
}

#[tokio::test]
async fn asking_twice_under_one_key_sends_one_code() {
    let peyk = patient().start().await;
    let who = person(&peyk).await;
    let new = fresh_mobile();
    let ask = async || {
        let request = peyk.client().post(peyk.url("/api/me/phone/")).bearer_auth(&who.access);
        let request = request.header("Idempotency-Key", "k");
        peyk.send(request.json(&json!({"mobile_number": new}))).await
    };
    let (first, again) = (ask().await, ask().await);
    assert_eq!((first.status, again.status), (200, 200), "{again:?}");
    assert_eq!(text(&first, "request_id"), text(&again, "request_id"));
    // Somebody who logs in with the same key is another caller.
    assert_eq!(log_in(&peyk, &new).await.status, 200);
    let codes = "SELECT count(*) FROM otp_codes WHERE purpose = 'change_phone'";
    assert_eq!(peyk.database.count(codes).await, 1);
    assert_eq!(again.json["details"], Value::from("The OTP code was sent correctly."));
}

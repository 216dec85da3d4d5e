//! Logging in: a right code becomes an account and a session.

use peyk_tests::{
    aging::{e164, pass_seconds},
    harness::{Peyk, fresh_mobile},
};
use serde_json::json;

use crate::login_steps::{NOT_FOUND, count, log_in, log_in_with, patient, send, text};

/// Chrome on an Android phone.
const PHONE: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36";

#[tokio::test]
async fn a_code_is_sent_and_logs_in() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let sent = peyk.send_otp(&mobile).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    assert_eq!(sent.json["details"], "The OTP code was sent correctly.");
    assert_eq!(sent.json["status"], "sent");
    assert_eq!((&sent.json["expires_in"], &sent.json["resend_after"]), (&json!(240), &json!(60)));
    let code = peyk.sandbox_code(&mobile).await;
    assert_eq!(code.len(), 8);
    let login = peyk.authenticate(&mobile, &code, None).await;
    assert_eq!(login.status, 200, "{login:?}");
    assert_eq!(login.json["user"]["mobile_number"], mobile.as_str());
    assert_eq!(login.json["user"]["username"], format!("G0-{mobile}"));
    assert_eq!(login.json["user"]["group"], 0);
    let again = peyk.authenticate(&mobile, &code, None).await;
    assert_eq!(again.status, 401);
    assert_eq!(again.json["error"], NOT_FOUND);
}

#[tokio::test]
async fn a_login_is_a_session_that_says_where_it_came_from() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (_, code) = send(&peyk, &mobile).await;
    let login = peyk.client().post(peyk.url("/api/authenticate/")).header("User-Agent", PHONE);
    let login = peyk.send(login.json(&json!({"mobile_number": mobile, "code": code}))).await;
    assert_eq!(login.status, 200, "{login:?}");
    let session: (String, String, String, String, String) = sqlx::query_as(
        "SELECT host(s.ip), s.user_agent, s.device, s.browser, s.os
         FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.phone = $1",
    )
    .bind(e164(&mobile))
    .fetch_one(&peyk.database.pool)
    .await
    .unwrap();
    let expected = ("127.0.0.1", PHONE, "smartphone", "Chrome", "Android");
    let (ip, agent, device, browser, os) = &session;
    assert_eq!((&**ip, &**agent, &**device, &**browser, &**os), expected);
}

#[tokio::test]
async fn a_second_login_is_the_same_account_and_another_session() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (first, second) = (log_in(&peyk, &mobile).await, log_in(&peyk, &mobile).await);
    assert_eq!(first.json["user"], second.json["user"]);
    assert_ne!(first.json["access"], second.json["access"]);
    assert_ne!(first.json["refresh"], second.json["refresh"]);
    assert_eq!(count(&peyk, "SELECT count(*) FROM users").await, 1);
    assert_eq!(count(&peyk, "SELECT count(*) FROM sessions").await, 2);
}

#[tokio::test]
async fn another_group_is_another_account() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let mut ids = Vec::new();
    // As the old documentation shows it: no group when sending, a number when logging in.
    for (group, is) in [(json!(1), 1), (json!("1"), 1), (json!(0), 0), (json!(null), 0)] {
        let (_, code) = send(&peyk, &mobile).await;
        let login = log_in_with(&peyk, &mobile, &code, json!({"group": group})).await;
        assert_eq!(login.status, 200, "{group}: {login:?}");
        assert_eq!(login.json["user"]["group"], is);
        assert_eq!(login.json["user"]["username"], format!("G{is}-{mobile}"));
        ids.push(login.json["user"]["id"].as_i64().unwrap());
    }
    assert_eq!((ids[0], ids[2]), (ids[1], ids[3]));
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn a_group_that_is_not_configured_is_refused_and_costs_no_attempt() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let (_, code) = send(&peyk, &mobile).await;
    for group in [json!(2), json!("5"), json!(-1), json!(4_000_000_000_u32)] {
        let refused = log_in_with(&peyk, &mobile, &code, json!({"group": group})).await;
        assert_eq!(refused.status, 400, "{group}");
        assert_eq!(refused.json["errors"][0]["field"], "group");
        assert_eq!(refused.json["errors"][0]["code"], "invalid_choice");
    }
    assert_eq!(count(&peyk, "SELECT shared_attempts::bigint FROM otp_codes").await, 0);
    assert_eq!(peyk.authenticate(&mobile, &code, None).await.status, 200);
}

#[tokio::test]
async fn forms_and_multipart_bodies_with_fields_nobody_knows_are_read() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let post = |path| peyk.client().post(peyk.url(path));
    let form = [("mobile_number", mobile.as_str()), ("unknown", "1")];
    assert_eq!(peyk.send(post("/api/otp/send/").form(&form)).await.status, 200);
    let code = peyk.sandbox_code(&mobile).await;
    let form = [("mobile_number", mobile.as_str()), ("code", &code), ("group", ""), ("x", "y")];
    let login = peyk.send(post("/api/authenticate/").form(&form)).await;
    assert_eq!((login.status, &login.json["user"]["group"]), (200, &json!(0)), "{login:?}");

    let multipart = |fields: &[(&str, &str)]| {
        let part = |(name, value): &(&str, &str)| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        fields.iter().map(part).collect::<String>() + "--b--\r\n"
    };
    let send_multipart = |path, fields: &[(&str, &str)]| {
        let request = post(path).header("Content-Type", "multipart/form-data; boundary=b");
        peyk.send(request.body(multipart(fields)))
    };
    let fields = [("mobile_number", mobile.as_str()), ("unknown", "1")];
    assert_eq!(send_multipart("/api/otp/send/", &fields).await.status, 200);
    let code = peyk.sandbox_code(&mobile).await;
    let fields = [("mobile_number", mobile.as_str()), ("code", &code), ("group", "1")];
    let login = send_multipart("/api/authenticate/", &fields).await;
    assert_eq!((login.status, &login.json["user"]["group"]), (200, &json!(1)), "{login:?}");
}

#[tokio::test]
async fn every_spelling_of_a_number_is_one_account() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let subscriber = &mobile[1..];
    let spellings = [
        mobile.clone(),
        format!("+98{subscriber}"),
        format!("0098{subscriber}"),
        format!("98{subscriber}"),
        subscriber.to_owned(),
        format!(" 0{}-{} {} ", &subscriber[..3], &subscriber[3..6], &subscriber[6..]),
        persian(&mobile),
    ];
    for (at, spelling) in spellings.iter().enumerate() {
        assert_eq!(peyk.send_otp(spelling).await.status, 200, "{spelling}");
        let code = peyk.sandbox_code(&mobile).await;
        let other = &spellings[(at + 1) % spellings.len()];
        let login = peyk.authenticate(other, &persian(&code), None).await;
        assert_eq!(login.status, 200, "sent to {spelling}, logged in as {other}: {login:?}");
        assert_eq!(login.json["user"]["mobile_number"], mobile.as_str());
    }
    assert_eq!(count(&peyk, "SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn a_code_sent_as_a_number_gets_back_the_zeros_that_numbers_lose() {
    let peyk = patient().start().await;
    // Every tenth code begins with a zero.
    let (mobile, code) = loop {
        let mobile = fresh_mobile();
        let (_, code) = send(&peyk, &mobile).await;
        if code.starts_with('0') {
            break (mobile, code);
        }
    };
    let number: u64 = code.parse().unwrap();
    let login = log_in_with(&peyk, &mobile, "", json!({"code": number})).await;
    assert_eq!(login.status, 200, "{login:?}");
}

fn persian(digits: &str) -> String {
    let digit = |c: char| c.to_digit(10).and_then(|n| char::from_u32(u32::from('۰') + n));
    digits.chars().map(|c| digit(c).unwrap_or(c)).collect()
}

#[tokio::test]
async fn a_disabled_account_is_refused_and_gets_no_session() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    log_in(&peyk, &mobile).await;
    let disable = sqlx::query("UPDATE users SET is_active = false");
    disable.execute(&peyk.database.pool).await.unwrap();
    let (_, code) = send(&peyk, &mobile).await;
    let refused = peyk.authenticate(&mobile, &code, None).await;
    assert_eq!((refused.status, text(&refused, "code")), (401, "user_inactive".to_owned()));
    assert_eq!(refused.json.get("access"), None);
    assert_eq!(count(&peyk, "SELECT count(*) FROM sessions").await, 1);
    // The code is used up: enabling the account later does not make it good again.
    let enable = sqlx::query("UPDATE users SET is_active = true");
    enable.execute(&peyk.database.pool).await.unwrap();
    assert_eq!(peyk.authenticate(&mobile, &code, None).await.status, 401);
}

#[tokio::test]
async fn a_name_that_somebody_else_took_keeps_nobody_out() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    let squat = sqlx::query("INSERT INTO users (username, created_at) VALUES ($1, now())");
    squat.bind(format!("G0-{mobile}")).execute(&peyk.database.pool).await.unwrap();
    let (first, second) = (log_in(&peyk, &mobile).await, log_in(&peyk, &mobile).await);
    assert_eq!(first.json["user"], second.json["user"]);
    assert_ne!(first.json["user"]["username"], format!("G0-{mobile}"));
    assert_eq!(first.json["user"]["mobile_number"], mobile.as_str());
}

#[tokio::test]
async fn the_status_of_a_send_is_told_to_its_owner() {
    let mut peyk = patient().workers(0).start().await;
    let mobile = fresh_mobile();
    let sent = peyk.send_otp_async(&mobile).await;
    let path = format!("/api/otp/{}/", text(&sent, "request_id"));
    let queued = peyk.get(&path).await;
    assert_eq!((queued.status, text(&queued, "status")), (200, "queued".to_owned()));
    assert_eq!(queued.json["request_id"], sent.json["request_id"]);
    assert!((230..=240).contains(&queued.json["expires_in"].as_i64().unwrap()), "{queued:?}");
    assert!((50..=60).contains(&queued.json["resend_after"].as_i64().unwrap()), "{queued:?}");
    let created_at = chrono::DateTime::parse_from_rfc3339(&text(&queued, "created_at")).unwrap();
    assert_eq!(created_at.offset().local_minus_utc(), 0);
    peyk.start_worker().await;
    peyk.wait_for_status(&text(&sent, "request_id"), &["sent"]).await;
    pass_seconds(&peyk.database.pool, &mobile, 60).await;
    assert_eq!(peyk.get(&path).await.json["resend_after"], 0);
    let code = peyk.sandbox_code(&mobile).await;
    assert_eq!(peyk.authenticate(&mobile, &code, None).await.status, 200);
    let used = peyk.get(&path).await;
    assert_eq!((text(&used, "status"), &used.json["expires_in"]), ("sent".to_owned(), &json!(0)));
}

#[tokio::test]
async fn a_send_that_nobody_delivers_in_time_expires() {
    let mut peyk = patient().workers(0).start().await;
    let mobile = fresh_mobile();
    let sent = peyk.send_otp_async(&mobile).await;
    pass_seconds(&peyk.database.pool, &mobile, 241).await;
    peyk.start_worker().await;
    let status = peyk.wait_for_status(&text(&sent, "request_id"), &["expired", "sent"]).await;
    assert_eq!(status, "expired");
}

#[tokio::test]
async fn an_unknown_handle_is_not_found() {
    let peyk = Peyk::builder().workers(0).start().await;
    for handle in ["0".repeat(32), "1".to_owned(), "x".repeat(32), "0".repeat(33)] {
        let answer = peyk.get(&format!("/api/otp/{handle}/")).await;
        assert_eq!((answer.status, text(&answer, "code")), (404, "not_found".to_owned()));
    }
}

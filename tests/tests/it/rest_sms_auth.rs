//! The API of django-rest-sms-auth: its fields, words and errors, with the holes closed.

use peyk_tests::{
    aging::{e164, pass_seconds},
    harness::{Answer, Peyk, PeykBuilder, fresh_mobile, wait_for},
};
use serde_json::{Value, json};

use crate::login_steps::{count, patient, text};

async fn sign_in(peyk: &Peyk, mount: &str, phone: &str) -> Answer {
    let answer = peyk.post(&format!("/{mount}/sign-in/"), &json!({"phone_number": phone})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

async fn code_of(peyk: &Peyk, mobile: &str) -> String {
    wait_for("a code in the inbox", || async {
        let inbox = peyk.get(&format!("/sandbox/messages/?mobile_number={mobile}")).await;
        inbox.json["results"][0]["code"].as_str().map(str::to_owned)
    })
    .await
}

async fn auth(peyk: &Peyk, mount: &str, phone: &str, code: impl Into<Value>) -> Answer {
    let body = json!({"phone_number": phone, "code": code.into()});
    peyk.post(&format!("/{mount}/auth/"), &body).await
}

/// One error without a field, and no message: what old clients read.
fn assert_said(answer: &Answer, sentence: &str) {
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.json["message"], "");
    let said = json!([{"code": "0000", "field": null, "message": sentence}]);
    assert_eq!(answer.json["errors"], said);
}

fn short_codes() -> PeykBuilder {
    patient().set("REST_SMS_AUTH__AUTH__CODE_LENGTH", "4")
}

#[tokio::test]
async fn signing_in_gives_the_account_and_the_token_the_old_readme_promised() {
    let peyk = short_codes().start().await;
    let mobile = fresh_mobile();
    let phone = e164(&mobile);
    let sent = sign_in(&peyk, "auth", &phone).await;
    assert_eq!(sent.json, json!({"detail": "Your request was successfully processed"}));
    let code = code_of(&peyk, &mobile).await;
    assert_eq!(code.len(), 4);
    let login = auth(&peyk, "auth", &phone, code).await;
    assert_eq!(login.status, 200, "{login:?}");
    assert_eq!((&login.json["first_name"], &login.json["last_name"]), (&json!(""), &json!("")));
    assert_eq!(login.json["jwt_token"], login.json["access"]);
    let me = peyk.client().get(peyk.url("/api/me/")).bearer_auth(text(&login, "jwt_token"));
    let me = peyk.send(me).await;
    assert_eq!((me.status, &me.json["id"]), (200, &login.json["pk"]));
}

#[tokio::test]
async fn a_code_is_read_as_a_number_or_a_text_with_the_zeros_it_lost() {
    let peyk = short_codes().start().await;
    for as_number in [true, false] {
        let mobile = fresh_mobile();
        let phone = e164(&mobile);
        sign_in(&peyk, "auth", &phone).await;
        let code: u32 = code_of(&peyk, &mobile).await.parse().unwrap();
        let given = if as_number { json!(code) } else { json!(code.to_string()) };
        assert_eq!(auth(&peyk, "auth", &phone, given).await.status, 200);
    }
    let phone = e164(&fresh_mobile());
    let letters = auth(&peyk, "auth", &phone, "abcd").await;
    assert_eq!((letters.status, &letters.json["code"]), (400, &json!("validation")));
    assert_eq!(letters.json["fields"]["code"], json!(["A valid integer is required."]));
}

#[tokio::test]
async fn what_is_refused_is_said_in_the_old_shape_and_words() {
    let peyk = short_codes()
        .set("REST_SMS_AUTH__AUTH__CODE_NOT_FOUND", "نشد")
        .set("REST_SMS_AUTH__AUTH__WAIT_TIME", "زود است")
        .start()
        .await;
    let mobile = fresh_mobile();
    let phone = e164(&mobile);
    sign_in(&peyk, "auth", &phone).await;
    let early = peyk.post("/auth/sign-in/", &json!({"phone_number": phone})).await;
    assert_said(&early, "زود است");
    let wait = early.json["retry_after"].as_i64().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let code = code_of(&peyk, &mobile).await;
    let other = format!("{:04}", (code.parse::<u32>().unwrap() + 1) % 10_000);
    assert_said(&auth(&peyk, "auth", &phone, other).await, "نشد");
    assert_said(&auth(&peyk, "auth", &e164(&fresh_mobile()), "1234").await, "نشد");
    for number in ["abc", &mobile, "+7000", "+1 202 555 0143"] {
        let refused = peyk.post("/auth/sign-in/", &json!({"phone_number": number})).await;
        let said = json!(["Enter a valid phone number."]);
        assert_eq!((refused.status, &refused.json["phone_number"]), (400, &said), "{number}");
    }
}

#[tokio::test]
async fn a_code_dies_with_its_time_with_five_wrong_guesses_and_with_its_first_use() {
    let peyk = short_codes().start().await;
    let [late, guessed, used] = [fresh_mobile(), fresh_mobile(), fresh_mobile()];
    for mobile in [&late, &guessed, &used] {
        sign_in(&peyk, "auth", &e164(mobile)).await;
    }
    let code = code_of(&peyk, &late).await;
    pass_seconds(&peyk.database.pool, &late, 241).await;
    assert_said(&auth(&peyk, "auth", &e164(&late), code).await, "Code not found");
    let code = code_of(&peyk, &guessed).await;
    for guess in 1..=5 {
        let other = format!("{:04}", (code.parse::<u32>().unwrap() + guess) % 10_000);
        assert_said(&auth(&peyk, "auth", &e164(&guessed), other).await, "Code not found");
    }
    assert_said(&auth(&peyk, "auth", &e164(&guessed), code).await, "Code not found");
    let code = code_of(&peyk, &used).await;
    assert_eq!(auth(&peyk, "auth", &e164(&used), code.clone()).await.status, 200);
    assert_said(&auth(&peyk, "auth", &e164(&used), code).await, "Code not found");
}

#[tokio::test]
async fn a_disabled_account_gets_no_token() {
    let peyk = short_codes().start().await;
    let mobile = fresh_mobile();
    let phone = e164(&mobile);
    sign_in(&peyk, "auth", &phone).await;
    let code = code_of(&peyk, &mobile).await;
    assert_eq!(auth(&peyk, "auth", &phone, code).await.status, 200);
    sqlx::query("UPDATE users SET is_active = false").execute(&peyk.database.pool).await.unwrap();
    sign_in(&peyk, "auth", &phone).await;
    let code = code_of(&peyk, &mobile).await;
    let refused = auth(&peyk, "auth", &phone, code).await;
    assert_eq!((refused.status, text(&refused, "code")), (401, "user_inactive".to_owned()));
    assert!(refused.json.get("jwt_token").is_none());
}

#[tokio::test]
async fn every_mount_has_its_path_group_codes_and_words() {
    let peyk = patient()
        .set("AUTH__GROUPS", "0,7")
        .set("REST_SMS_AUTH__DRIVERS__GROUP", "7")
        .set("REST_SMS_AUTH__DRIVERS__CODE_LENGTH", "6")
        .set("REST_SMS_AUTH__DRIVERS__TTL_SECONDS", "90")
        .set("REST_SMS_AUTH__DRIVERS__TEXT", "Driver code: {code}")
        .set("REST_SMS_AUTH__DRIVERS__SUCCESS_KEY", "token")
        .set("REST_SMS_AUTH__DRIVERS__REQUEST_SUCCESS", "Sent")
        .start()
        .await;
    let mobile = fresh_mobile();
    let phone = e164(&mobile);
    assert_eq!(sign_in(&peyk, "drivers", &phone).await.json, json!({"detail": "Sent"}));
    let code = code_of(&peyk, &mobile).await;
    let inbox = peyk.get(&format!("/sandbox/messages/?mobile_number={mobile}")).await;
    assert_eq!(inbox.json["results"][0]["text"], format!("Driver code: {code}"));
    let life = "SELECT extract(epoch FROM expires_at - created_at)::bigint FROM otp_codes";
    assert_eq!((code.len(), count(&peyk, life).await), (6, 90));
    let login = auth(&peyk, "drivers", &phone, code).await;
    assert_eq!(login.status, 200, "{login:?}");
    assert_eq!(login.json["token"], login.json["access"]);
    assert!(login.json.get("jwt_token").is_none());
    assert_eq!(count(&peyk, r#"SELECT "group"::bigint FROM users"#).await, 7);
    let elsewhere = peyk.post("/auth/sign-in/", &json!({"phone_number": phone})).await;
    assert_eq!(elsewhere.status, 404, "no mount but those that are named");
    let options = peyk.client().request(reqwest::Method::OPTIONS, peyk.url("/drivers/auth/"));
    let allow = peyk.send(options).await;
    assert_eq!(allow.headers["allow"], "POST, OPTIONS");
}

#[tokio::test]
async fn a_test_number_has_one_code_gets_no_text_and_ends() {
    let mobile = fresh_mobile();
    let phone = e164(&mobile);
    let provider = peyk_tests::fake::FakeKavenegar::start().await;
    let table = |until: &str| format!(r#"{{"{phone}" = {{ code = "424242", until = {until} }}}}"#);
    let peyk = patient()
        .kavenegar(&provider.url())
        .set("OTP__TEST_NUMBERS", table("2100-01-01T00:00:00Z"))
        .start()
        .await;
    let sent = peyk.send_otp(&mobile).await;
    assert_eq!((sent.status, text(&sent, "status")), (200, "sent".to_owned()), "{sent:?}");
    let wrong = peyk.authenticate(&mobile, "424243", None).await;
    assert_eq!(wrong.status, 401);
    assert_eq!(peyk.authenticate(&mobile, "424242", None).await.status, 200);
    assert_eq!(peyk.authenticate(&mobile, "424242", None).await.status, 401, "used");
    let other = fresh_mobile();
    assert_eq!(peyk.send_otp(&other).await.status, 200);
    assert_eq!(provider.effects().len(), 1, "only the other number got a text");
    assert_eq!(provider.effects_to(&other).len(), 1);

    let ended = patient()
        .kavenegar(&provider.url())
        .set("OTP__TEST_NUMBERS", table("2020-01-01T00:00:00Z"))
        .start()
        .await;
    assert_eq!(ended.send_otp(&mobile).await.status, 200);
    assert_eq!(ended.authenticate(&mobile, "424242", None).await.status, 401);
    assert_eq!(provider.effects_to(&mobile).len(), 1, "a number like any other");
}

#[tokio::test]
async fn accounts_are_named_by_the_number_where_the_mount_says_so() {
    let peyk = patient().set("REST_SMS_AUTH__AUTH__USER_FIELD", "username").start().await;
    let mobile = fresh_mobile();
    let phone = e164(&mobile);
    sign_in(&peyk, "auth", &phone).await;
    let code = code_of(&peyk, &mobile).await;
    assert_eq!(auth(&peyk, "auth", &phone, code).await.status, 200);
    let name: String = sqlx::query_scalar("SELECT username FROM users")
        .fetch_one(&peyk.database.pool)
        .await
        .unwrap();
    assert_eq!(name, phone);
}

#[tokio::test]
async fn a_number_is_changed_by_the_token_that_asked_and_by_nobody_else() {
    let peyk = short_codes().start().await;
    let [old, new, other] = [fresh_mobile(), fresh_mobile(), fresh_mobile()];
    let mut tokens = Vec::new();
    for mobile in [&old, &other] {
        sign_in(&peyk, "auth", &e164(mobile)).await;
        let code = code_of(&peyk, mobile).await;
        tokens.push(text(&auth(&peyk, "auth", &e164(mobile), code).await, "jwt_token"));
    }
    let change = |token: &str, phone: &str| {
        let request = peyk.client().post(peyk.url("/auth/change-phonenumber/")).bearer_auth(token);
        peyk.send(request.json(&json!({"new_phone_number": phone})))
    };
    let confirm = |token: &str, phone: &str, code: &str| {
        let request = peyk.client().post(peyk.url("/auth/auth/")).bearer_auth(token);
        peyk.send(request.json(&json!({"phone_number": phone, "code": code})))
    };
    let asked = change(&tokens[0], &e164(&new)).await;
    let said = json!({"detail": "Your request was successfully processed"});
    assert_eq!((asked.status, &asked.json), (200, &said));
    let code = code_of(&peyk, &new).await;
    // To everybody else it is a login with a code that was never sent.
    assert_said(&auth(&peyk, "auth", &e164(&new), code.clone()).await, "Code not found");
    assert_said(&confirm(&tokens[1], &e164(&new), &code).await, "Code not found");
    let wrong = format!("{:04}", (code.parse::<u32>().unwrap() + 1) % 10_000);
    assert_said(&confirm(&tokens[0], &e164(&new), &wrong).await, "Code not found");
    let changed = confirm(&tokens[0], &e164(&new), &code).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let me = peyk.client().get(peyk.url("/api/me/")).bearer_auth(&tokens[0]);
    let me = peyk.send(me).await;
    assert_eq!((&me.json["id"], &me.json["mobile_number"]), (&changed.json["pk"], &json!(new)));
    // The number of another account: told to whoever proved that they read its texts.
    assert_eq!(change(&tokens[1], &e164(&new)).await.status, 200);
    let code = wait_for("another code", || async {
        Some(code_of(&peyk, &new).await).filter(|other| *other != code)
    })
    .await;
    let taken = confirm(&tokens[1], &e164(&new), &code).await;
    assert_said(&taken, "User with this phone number already exists");
}

//! Making accounts with a name and a password.

use peyk_tests::harness::{Peyk, fresh_mobile};
use serde_json::{Value, json};

use crate::{
    limit_steps::{assert_limited, with_status},
    login_steps::{count, log_in, patient, text},
    password_steps::{PASSWORD, access, login, me, register, registered, stored},
};

fn no_worker() -> peyk_tests::harness::PeykBuilder {
    Peyk::builder().workers(0)
}

#[tokio::test]
async fn an_account_is_made_with_or_without_an_email_and_logs_in() {
    let peyk = no_worker().start().await;
    let body = json!({"username": "sara", "password": PASSWORD, "password2": PASSWORD});
    for (username, email, shown) in [
        ("sara", None, ""),
        ("omid", Some(""), ""),
        ("سیمین.۷", Some("simin@example.com"), "simin@example.com"),
    ] {
        let mut body = body.clone();
        body["username"] = username.into();
        if let Some(email) = email {
            body["email"] = email.into();
        }
        let made = peyk.post("/api/register/", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.json["username"], username);
        assert_eq!(made.json["email"], shown);
        assert!(!made.json.to_string().contains("password"), "{made:?}");
        let profile = me(&peyk, &access(&peyk, username, PASSWORD).await).await;
        assert_eq!(profile.json["id"], made.json["id"]);
        assert_eq!(
            (&profile.json["email"], &profile.json["has_password"]),
            (&shown.into(), &json!(true))
        );
        assert_eq!(profile.json.get("mobile_number"), None);
    }
    let hash = stored(&peyk, "sara").await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_ne!(Some(hash), stored(&peyk, "omid").await, "salted");
}

#[tokio::test]
async fn a_form_is_read_too_and_nothing_but_its_four_fields() {
    let peyk = no_worker().start().await;
    let form = [
        ("username", " reza "),
        ("password", PASSWORD),
        ("password2", PASSWORD),
        ("email", ""),
        ("role", "admin"),
        ("is_active", "false"),
        ("scopes", "sms:send"),
        ("group", "1"),
    ];
    let made = peyk.send(peyk.client().post(peyk.url("/api/register/")).form(&form)).await;
    assert_eq!((made.status, &made.json["username"]), (201, &json!("reza")), "{made:?}");
    let plain = count(
        &peyk,
        r#"SELECT count(*) FROM users WHERE role IS NULL AND is_active AND scopes = '{}' AND "group" = 0"#,
    );
    assert_eq!(plain.await, 1);
}

#[tokio::test]
async fn a_name_is_given_once_in_every_spelling() {
    let peyk = no_worker().start().await;
    registered(&peyk, "sara").await;
    for again in ["sara", " sara", "ｓａｒａ"] {
        let taken = register(&peyk, again, PASSWORD).await;
        assert_eq!((taken.status, text(&taken, "code")), (409, "username_taken".to_owned()));
        let sentence = json!(["A user with that username already exists."]);
        assert_eq!(
            (&taken.json["username"], &taken.json["fields"]["username"]),
            (&sentence, &sentence)
        );
    }
    assert_eq!(login(&peyk, "ｓａｒａ", PASSWORD).await.status, 200);
    registered(&peyk, "Sara").await;
}

#[tokio::test]
async fn of_parallel_accounts_with_one_name_one_is_made() {
    let peyk = no_worker().apis(2).start().await;
    let body = json!({"username": "sara", "password": PASSWORD, "password2": PASSWORD});
    let made = (0..12).map(|at| {
        let request = peyk.client().post(format!("{}/api/register/", peyk.urls[at % 2]));
        peyk.send(request.json(&body))
    });
    let answers = futures_util::future::join_all(made).await;
    assert_eq!((with_status(&answers, 201), with_status(&answers, 409)), (1, 11));
}

#[tokio::test]
async fn every_broken_rule_is_named() {
    let peyk = no_worker().start().await;
    let cases: [(Value, &str, &str); 16] = [
        (json!({"username": "a b"}), "username", "invalid"),
        (json!({"username": "a".repeat(151)}), "username", "max_length"),
        (json!({"username": ""}), "username", "blank"),
        (json!({"username": "a\0b"}), "username", "null_characters_not_allowed"),
        (json!({"email": "nope"}), "email", "invalid"),
        (json!({"email": format!("a@{}.com", "b.".repeat(130))}), "email", "max_length"),
        (json!({"email": null}), "email", "null"),
        (json!({"password": "Sh0rt-7", "password2": "Sh0rt-7"}), "password", "password_too_short"),
        (
            json!({"password": "Qwertyuiop", "password2": "Qwertyuiop"}),
            "password",
            "password_too_common",
        ),
        (
            json!({"password": "8264019357", "password2": "8264019357"}),
            "password",
            "password_entirely_numeric",
        ),
        (
            json!({"password": "parvaneh.z1", "password2": "parvaneh.z1"}),
            "password",
            "password_too_similar",
        ),
        (
            json!({"password": "golestan.e77", "password2": "golestan.e77"}),
            "password",
            "password_too_similar",
        ),
        (
            json!({"password": "a7-".repeat(43), "password2": "a7-".repeat(43)}),
            "password",
            "max_length",
        ),
        (
            json!({"password": "S3cret\0pass", "password2": "S3cret\0pass"}),
            "password",
            "null_characters_not_allowed",
        ),
        (json!({"password2": "S3cret-pass-78"}), "password", "mismatch"),
        (json!({"password2": format!("{PASSWORD} ")}), "password", "mismatch"),
    ];
    for (change, field, code) in cases {
        let mut body = json!({
            "username": "parvaneh.z", "email": "golestan@example.com",
            "password": PASSWORD, "password2": PASSWORD,
        });
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let refused = peyk.post("/api/register/", &body).await;
        assert_eq!(refused.status, 400, "{change}: {refused:?}");
        let error = &refused.json["errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!(field), &json!(code)), "{change}");
        assert_eq!(refused.json[field], refused.json["fields"][field], "old clients read it");
    }
    assert_eq!(count(&peyk, "SELECT count(*) FROM users").await, 0);
}

#[tokio::test]
async fn blanks_around_a_password_belong_to_it() {
    let peyk = no_worker().start().await;
    let password = "  long enough 7 ";
    assert_eq!(register(&peyk, "sara", password).await.status, 201);
    assert_eq!(login(&peyk, "sara", password).await.status, 200);
    assert_eq!(login(&peyk, "sara", password.trim()).await.status, 401);
    // And what is not composed stays so: another byte is another password.
    assert_eq!(register(&peyk, "omid", "re\u{301}my-is-long-7").await.status, 201);
    assert_eq!(login(&peyk, "omid", "r\u{e9}my-is-long-7").await.status, 401);
}

/// C16 of the old system: whoever registered the name of somebody's number kept them out for ever.
#[tokio::test]
async fn nobody_can_squat_on_the_name_of_a_number_and_its_owner_gets_in() {
    let peyk = patient().start().await;
    let mobile = fresh_mobile();
    for name in [
        format!("G0-{mobile}"),
        format!("g0-{mobile}"),
        format!("Ｇ０-{mobile}"),
        format!("G۰-{mobile}"),
        format!("GO-{mobile}"),
        format!("Ԍ0-{mobile}"),
        "erased-17".to_owned(),
    ] {
        let refused = register(&peyk, &name, PASSWORD).await;
        assert_eq!(refused.status, 400, "{name}");
        assert_eq!(refused.json["errors"][0]["code"], "reserved", "{name}");
    }
    // Not even a name that was there before the rule was.
    let squat = "INSERT INTO users (username, created_at) VALUES ($1, now())";
    let squat = sqlx::query(squat).bind(format!("G0-{mobile}"));
    squat.execute(&peyk.database.pool).await.unwrap();
    let owner = log_in(&peyk, &mobile).await;
    assert_eq!(owner.json["user"]["mobile_number"], mobile.as_str());
    assert!(text(&owner, "access").len() > 20);
}

#[tokio::test]
async fn accounts_asked_for_are_limited_by_address() {
    let peyk = no_worker().set("LIMITS__REGISTRATIONS_PER_IP", "3/1h").apis(2).start().await;
    let ask = |api: usize, name: &str| {
        let body = json!({"username": name, "password": PASSWORD, "password2": PASSWORD});
        peyk.send(peyk.client().post(format!("{}/api/register/", peyk.urls[api])).json(&body))
    };
    assert_eq!(ask(0, "first").await.status, 201);
    assert_eq!(ask(1, "first").await.status, 409, "asking for names is counted, too");
    assert_eq!(ask(0, "a b").await.status, 400, "what is no request is not");
    assert_eq!(ask(1, "second").await.status, 201);
    for api in [0, 1] {
        assert_limited(&ask(api, "third").await, 1200);
    }
}

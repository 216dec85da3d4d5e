//! One's own account: what its owner may change of it, and how they prove again who they are.

use peyk_tests::harness::{Answer, Peyk, fresh_mobile};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    account_steps::{
        Person, ask_at, begin_change, get_as, let_sessions_grow_old, person, post_as, problem,
        session_of,
    },
    login_steps::{assert_refused, patient, send, text, wrong},
};

async fn patch(peyk: &Peyk, who: &Person, body: &Value) -> Answer {
    ask_at(peyk, 0, who, Method::PATCH, "/api/me/", body).await
}

/// Everything the row of an account says.
async fn row(peyk: &Peyk, id: i64) -> Value {
    let query = sqlx::query_scalar("SELECT to_jsonb(u) FROM users u WHERE id = $1").bind(id);
    query.fetch_one(&peyk.database.pool).await.unwrap()
}

#[tokio::test]
async fn a_profile_is_changed_by_its_owner_and_nothing_else_with_it() {
    let peyk = patient().start().await;
    let (who, other) = (person(&peyk).await, person(&peyk).await);
    let (before, others) = (row(&peyk, who.id).await, row(&peyk, other.id).await);
    let mut body = json!({
        "id": other.id, "user_id": other.id, "username": "admin", "phone": "+989120000000",
        "mobile_number": "09120000000", "group": 1, "is_active": false, "is_staff": true,
        "is_superuser": true, "role": "admin", "scopes": ["sms:send"], "password": "Secret-777",
        "erased_at": "2026-01-01T00:00:00Z", "phone_changed_at": null, "has_password": true,
        "created_at": "2020-01-01T00:00:00Z",
    });
    let ignored = patch(&peyk, &who, &body).await;
    assert_eq!(ignored.status, 200, "{ignored:?}");
    assert_eq!(row(&peyk, who.id).await, before, "nothing of that may be changed here");
    body["first_name"] = json!(" نرگس\u{200c}خاتون ");
    body["email"] = json!("narges@example.com");
    let changed = patch(&peyk, &who, &body).await;
    assert_eq!(changed.json["first_name"], "نرگس\u{200c}خاتون");
    let mut expected = before;
    expected["first_name"] = json!("نرگس\u{200c}خاتون");
    expected["email"] = json!("narges@example.com");
    assert_eq!(row(&peyk, who.id).await, expected);
    assert_eq!(row(&peyk, other.id).await, others, "nor anybody else");
    assert_eq!(get_as(&peyk, &who, "/api/me/").await.json, changed.json);
    let blank = patch(&peyk, &who, &json!({"email": "", "last_name": "ي ك"})).await;
    assert_eq!((&blank.json["email"], &blank.json["last_name"]), (&json!(""), &json!("ي ك")));
    assert_eq!(blank.json["first_name"], "نرگس\u{200c}خاتون", "it was left out");
}

#[tokio::test]
async fn what_has_no_place_in_a_profile_is_refused_and_changes_nothing() {
    let peyk = patient().start().await;
    let who = person(&peyk).await;
    let before = row(&peyk, who.id).await;
    let long = "x".repeat(151);
    for (field, value, sentence) in [
        ("email", json!("nope"), "Enter a valid email address."),
        ("email", json!("a@b\u{7}.com"), "Enter a valid email address."),
        ("first_name", json!(long), "Ensure this field has no more than 150 characters."),
        ("last_name", json!("a\u{202e}b"), "Control characters are not allowed."),
        ("first_name", json!("a\nb"), "Control characters are not allowed."),
        ("last_name", json!("a\0b"), "Null characters are not allowed."),
        ("first_name", json!(["a"]), "Not a valid string."),
        ("last_name", json!(null), "This field may not be null."),
    ] {
        let mut body = json!({"first_name": "Sara", "last_name": "Ahmadi"});
        body[field] = value;
        let refused = patch(&peyk, &who, &body).await;
        assert_eq!(problem(&refused), (400, "validation"), "{refused:?}");
        assert_eq!(refused.json["fields"][field][0], sentence, "{refused:?}");
    }
    assert_eq!(row(&peyk, who.id).await, before);
    let nobody = peyk.send(peyk.client().patch(peyk.url("/api/me/")).json(&json!({}))).await;
    assert_eq!(problem(&nobody), (401, "not_authenticated"));
}

#[tokio::test]
async fn a_code_to_ones_own_number_makes_this_session_recent_and_no_other() {
    let peyk = patient().start().await;
    let who = person(&peyk).await;
    let elsewhere = session_of(&peyk, &who.mobile).await;
    let_sessions_grow_old(&peyk).await;
    let wanted = json!({"mobile_number": fresh_mobile()});
    let (begin, confirm) = ("/api/me/phone/", "/api/me/confirm/");
    let old = post_as(&peyk, &who, begin, &wanted).await;
    assert_eq!(problem(&old), (403, "confirmation_required"));
    // A code for logging in is no such proof.
    let (_, login) = send(&peyk, &who.mobile).await;
    let refused = post_as(&peyk, &who, confirm, &json!({"code": login})).await;
    assert_eq!(problem(&refused), (400, "otp_not_valid"));
    let sent = post_as(&peyk, &who, "/api/me/confirm/send/", &Value::Null).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let code = peyk.sandbox_code(&who.mobile).await;
    let cooling = post_as(&peyk, &who, "/api/me/confirm/send/", &Value::Null).await;
    assert_eq!(problem(&cooling), (409, "otp_cooldown"));
    let refused = post_as(&peyk, &who, confirm, &json!({"code": wrong(&code)})).await;
    assert_eq!(problem(&refused), (400, "otp_not_valid"));
    // Nor does this one log anybody in, or change a number.
    assert_refused(&peyk.authenticate(&who.mobile, &code, None).await);
    let stranger = person(&peyk).await;
    let (_, _) = begin_change(&peyk, &stranger, &fresh_mobile()).await;
    for path in [confirm, "/api/me/phone/confirm/"] {
        let refused = post_as(&peyk, &stranger, path, &json!({"code": code})).await;
        assert_eq!(problem(&refused), (400, "otp_not_valid"), "{path}");
    }
    let body = json!({"code": code, "request_id": text(&sent, "request_id")});
    let confirmed = post_as(&peyk, &who, confirm, &body).await;
    assert_eq!((confirmed.status, &confirmed.json["expires_in"]), (200, &json!(600)));
    assert_eq!(problem(&post_as(&peyk, &who, confirm, &body).await), (400, "otp_not_valid"));
    let still = post_as(&peyk, &elsewhere, begin, &wanted).await;
    assert_eq!(problem(&still), (403, "confirmation_required"), "another session");
    assert_eq!(post_as(&peyk, &who, begin, &wanted).await.status, 200);
}

#[tokio::test]
async fn guesses_at_a_proof_are_bounded() {
    let peyk = patient().start().await;
    let who = person(&peyk).await;
    let sent = post_as(&peyk, &who, "/api/me/confirm/send/", &Value::Null).await;
    let (request_id, code) = (text(&sent, "request_id"), peyk.sandbox_code(&who.mobile).await);
    let bad = json!({"code": wrong(&code), "request_id": request_id});
    for _ in 0..5 {
        let refused = post_as(&peyk, &who, "/api/me/confirm/", &bad).await;
        assert_eq!(problem(&refused), (400, "otp_not_valid"));
    }
    let good = json!({"code": code, "request_id": request_id});
    let last = post_as(&peyk, &who, "/api/me/confirm/", &good).await;
    assert_eq!(problem(&last), (400, "otp_not_valid"), "no attempt is left");
    let missing = post_as(&peyk, &who, "/api/me/confirm/", &json!({})).await;
    assert_eq!(missing.json["fields"]["code"][0], "This field is required.");
}

#[tokio::test]
async fn the_password_proves_it_too_where_there_is_one() {
    let peyk = patient().set("LIMITS__PASSWORD_FAILURES_PER_NAME", "3/1h").start().await;
    let who = person(&peyk).await;
    let set = json!({"password": "صبح بخیر-4711-xyz", "password2": "صبح بخیر-4711-xyz"});
    let confirm = "/api/me/confirm/";
    let right = json!({"password": "صبح بخیر-4711-xyz"});
    let none = post_as(&peyk, &who, confirm, &right).await;
    assert_eq!(problem(&none), (400, "validation"), "it has none yet");
    assert_eq!(post_as(&peyk, &who, "/api/me/password/", &set).await.status, 200);
    let_sessions_grow_old(&peyk).await;
    let bad = json!({"password": "wrong"});
    let refused = post_as(&peyk, &who, confirm, &bad).await;
    let sentence = "Your password was entered incorrectly. Please enter it again.";
    assert_eq!(refused.json["fields"]["password"][0], sentence, "{refused:?}");
    let wanted = json!({"mobile_number": fresh_mobile()});
    let old = post_as(&peyk, &who, "/api/me/phone/", &wanted).await;
    assert_eq!(problem(&old), (403, "confirmation_required"));
    assert_eq!(post_as(&peyk, &who, confirm, &right).await.status, 200);
    assert_eq!(post_as(&peyk, &who, "/api/me/phone/", &wanted).await.status, 200);
    // The third failure is the last for a while, and the right one has to wait as well.
    assert_eq!(problem(&post_as(&peyk, &who, confirm, &bad).await), (400, "validation"));
    for body in [&bad, &right] {
        let limited = post_as(&peyk, &who, confirm, body).await;
        assert_eq!(problem(&limited), (429, "rate_limited"), "{limited:?}");
    }
}

//! API keys and templates, as staff look at and make them.

use peyk_tests::harness::{Answer, Peyk};
use serde_json::json;

use super::steps::{act, actions, audited, refusal, staff};
use crate::{
    login_steps::{patient, text},
    people::column,
};

/// What is answered to whoever shows this key.
async fn knock(peyk: &Peyk, key: &str) -> Answer {
    let request = peyk.client().get(peyk.url("/api/message/")).header("X-API-Key", key);
    peyk.send(request).await
}

#[tokio::test]
async fn a_key_that_staff_make_is_shown_once_and_opens_until_it_is_ended() {
    let peyk = patient().start().await;
    let admin = staff(&peyk, "admin").await;
    let body = json!({
        "name": "Shop", "scopes": ["sms:read", "sms:read"], "allowed_ips": ["127.0.0.1/8"],
        "daily_sends": 5, "expires_at": "2099-01-31T12:00:00Z",
    });
    let made = admin.post(&peyk, "admin/api_keys/", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (key, id) = (text(&made, "key"), made.json["id"].as_i64().unwrap());
    assert_eq!(knock(&peyk, &key).await.status, 200);
    let shown = &made.json;
    assert_eq!(
        (&shown["scopes"], &shown["allowed_ips"], &shown["is_active"]),
        (&json!(["sms:read"]), &json!(["127.0.0.0/8"]), &json!(true))
    );
    assert!(key.starts_with(&text(&made, "prefix")) && shown["prefix"] != shown["key"]);

    let elsewhere = json!({"name": "Far", "scopes": "wallet:read", "allowed_ips": ["192.0.2.1"]});
    let far = admin.post(&peyk, "admin/api_keys/", &elsewhere).await;
    assert_eq!(far.status, 201, "{far:?}");
    assert_ne!(knock(&peyk, &text(&far, "key")).await.status, 200);
    for (query, names) in [
        ("", vec!["Far", "Shop"]),
        ("?search=sHo", vec!["Shop"]),
        ("?scope=wallet:read", vec!["Far"]),
        ("?is_active=false", vec![]),
        ("?sort=oldest&limit=1", vec!["Shop"]),
    ] {
        let page = admin.get(&peyk, &format!("admin/api_keys/{query}")).await;
        assert_eq!(column(&page, "name"), names, "{query}");
        assert!(!page.json.to_string().contains(&key), "nobody sees it again: {page:?}");
    }

    let revoke = format!("admin/api_keys/{id}/revoke/");
    for _ in 0..2 {
        let ended = act(&peyk, &admin, &revoke).await;
        assert_eq!((ended.status, &ended.json["is_active"]), (200, &json!(false)), "{ended:?}");
        assert_eq!(knock(&peyk, &key).await.status, 401);
    }
    assert_eq!(act(&peyk, &admin, "admin/api_keys/999/revoke/").await.status, 404);
    let ended = admin.get(&peyk, "admin/api_keys/?is_active=false").await;
    assert_eq!(column(&ended, "name"), ["Shop"]);
    let told = audited(&peyk, "api_key").await;
    assert_eq!(told[0], ("api_key.created".to_owned(), Some(id), json!({"scopes": ["sms:read"]})));
    let ends = told.iter().filter(|(action, ..)| action == "api_key.revoked");
    assert_eq!(ends.count(), 1, "what changed nothing is no event");
    let log = admin.get(&peyk, "admin/audit/?limit=100").await.json.to_string();
    assert!(!log.contains(&key[12..]), "no secret is in the log");
}

#[tokio::test]
async fn what_makes_no_sense_of_a_key_is_refused_by_name() {
    let peyk = patient().start().await;
    let admin = staff(&peyk, "admin").await;
    let good = json!({"name": "Shop", "scopes": ["sms:read"]});
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(65))),
        ("scopes", json!([])),
        ("scopes", json!(["sms:all"])),
        ("scopes", json!(7)),
        ("allowed_ips", json!(["nowhere"])),
        ("allowed_ips", json!("10.0.0.0/33")),
        ("daily_sends", json!(0)),
        ("daily_spend_rials", json!(-1)),
        ("daily_spend_rials", json!(100)),
        ("expires_at", json!("soon")),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let refused = admin.post(&peyk, "admin/api_keys/", &body).await;
        assert_eq!(refusal(&refused), (400, "validation"), "{field} {value}: {refused:?}");
        assert_eq!(refused.json["errors"][0]["field"], field, "{value}: {refused:?}");
    }
    let none = admin.get(&peyk, "admin/api_keys/").await;
    assert!(column(&none, "id").is_empty(), "{none:?}");
    admin.grow_stale(&peyk).await;
    let stale = admin.post(&peyk, "admin/api_keys/", &good).await;
    assert_eq!(refusal(&stale), (403, "confirmation_required"));
    assert_eq!(admin.get(&peyk, "admin/api_keys/").await.status, 200, "a look needs none");
}

#[tokio::test]
async fn templates_are_shown_as_they_are_configured() {
    let long = format!("{{order}}{}", "ک".repeat(64));
    let peyk = patient()
        .set("SMS__TEMPLATES__ORDER_SENT__TEXT", "سفارش {order}")
        .set("SMS__TEMPLATES__ORDER_SENT__TEXT_EN", &long)
        .set("SMS__TEMPLATES__ORDER_SENT__VARIABLES", "order")
        .start()
        .await;
    let viewer = staff(&peyk, "viewer").await;
    let shown = viewer.get(&peyk, "admin/templates/").await;
    assert_eq!(column(&shown, "name"), ["order_sent"], "{shown:?}");
    let template = &shown.json["results"][0];
    assert_eq!(
        (&template["text"], &template["segments"], &template["segments_en"]),
        (&json!("سفارش {order}"), &json!(1), &json!(2))
    );
    assert_eq!(actions(&peyk, "template").await, ["template.listed"]);
}

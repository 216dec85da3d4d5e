//! What the api says about itself, and how it refuses what is no request.

use peyk_tests::harness::{Answer, Peyk, PeykBuilder, fresh_mobile, wait_for};
use regex::Regex;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    bulk_steps::{key, post},
    login_steps::{header, text},
};

/// An api in production mode; its provider is never asked.
fn production() -> PeykBuilder {
    Peyk::builder().workers(0).kavenegar("http://127.0.0.1:9")
}

fn sandbox() -> PeykBuilder {
    Peyk::builder().workers(0)
}

async fn fetch(peyk: &Peyk, path: &str) -> (u16, String, String) {
    let answer = peyk.client().get(peyk.url(path)).send().await.expect("the api answers");
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.text().await.expect("the answer ends"))
}

#[tokio::test]
async fn the_committed_documents_are_what_is_served() {
    let peyk = production().start().await;
    let json = include_str!("../../../openapi/openapi.json");
    let yaml = include_str!("../../../openapi/openapi.yaml");
    for (path, kind, committed) in
        [("/openapi.json", "application/json", json), ("/openapi.yaml", "application/yaml", yaml)]
    {
        let (status, served_as, text) = fetch(&peyk, path).await;
        assert_eq!((status, served_as.as_str()), (200, kind));
        assert!(text == committed, "{path} is not the committed one");
    }
    let (json, yaml) =
        (serde_json::from_str::<Value>(json).unwrap(), fetch(&peyk, "/openapi.json/").await.2);
    assert_eq!(json, serde_json::from_str::<Value>(&yaml).unwrap(), "with a slash too");
}

/// What the systems Peyk replaces called their settings of texts.
const OLD_SETTINGS: [&str; 24] = [
    "OTP_SMS_TEMPLATE_ID",
    "SMS.SMS_SERVICE",
    "KAVENEGAR_COM_API_KEY",
    "MELI_PAYAMAK_COM_USERNAME",
    "PARSIAN_WEBCO_IR_API_KEY",
    "SMS.TEMPLATES",
    "SMS_TIMELIFE",
    "SMS_AUTH_CODE_LEN",
    "SMS_USER_FIELD",
    "SMS_USER_SERIALIZER",
    "SMS_AUTH_SUCCESS_KEY",
    "SMS_DEBUG`",
    "SMS_DEBUG_CODE",
    "SMS_AUTH_DEBUG_PHONE_NUMBER",
    "SMS_CODE_NOT_FOUND",
    "SMS_CELERY_FILE_NAME",
    "SMS_PROVIDER`",
    "SMS_AUTH_ACCOUNT_SID",
    "SMS_AUTH_AUTH_TOKEN",
    "SMS_AUTH_PROVIDER_LOGIN",
    "SMS_AUTH_PROVIDER_PASSWORD",
    "SMS_AUTH_PROVIDER_FROM",
    "SMS_AUTH_PROVIDER_URL",
    "clear_expired",
];

#[test]
fn every_old_setting_of_texts_has_its_row() {
    let english = include_str!("../../../README.md");
    let persian = include_str!("../../../README.fa.md");
    for name in OLD_SETTINGS {
        for (readme, text) in [("README.md", english), ("README.fa.md", persian)] {
            let row = |line: &&str| {
                let name_cell = line.split('|').nth(1).unwrap_or_default();
                line.starts_with("| ") && name_cell.contains(name)
            };
            assert!(text.lines().any(|line| row(&line)), "{name} in {readme}");
        }
    }
}

#[tokio::test]
async fn the_documentation_page_needs_nothing_from_elsewhere() {
    let peyk = sandbox().start().await;
    let (status, kind, page) = fetch(&peyk, "/docs/").await;
    assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"));
    assert!(page.contains("/api/otp/send/"), "it shows the document");
    // Inside of scripts addresses are texts; only tags and styles load anything.
    let (tags, _scripts) = take_out("script", &page);
    let (tags, styles) = take_out("style", &tags);
    let loads = Regex::new(r"(?i)@import|url\(\s*['\x22]?\s*(https?:)?//").expect("a pattern");
    assert!(!loads.is_match(&styles));
    let loads = r#"(?i)\b(src|href|action|data)\s*=\s*["']?(?P<to>[^"'\s>]*)"#;
    for found in Regex::new(loads).expect("a pattern").captures_iter(&tags) {
        assert!(found["to"].starts_with("data:"), "{}", &found[0]);
    }
}

/// The page with these elements emptied, and what was in them.
fn take_out(name: &str, page: &str) -> (String, String) {
    let (begin, end) = (format!("<{name}"), format!("</{name}>"));
    let (mut rest, mut outside, mut inside) = (page, String::new(), String::new());
    while let Some((before, element)) = rest.split_once(&begin) {
        let (attributes, element) = element.split_once('>').expect("the tag ends");
        let (content, after) = element.split_once(&end).expect("the element ends");
        outside.extend([before, &begin, attributes, ">"]);
        inside.push_str(content);
        rest = after;
    }
    (outside + rest, inside)
}

#[tokio::test]
async fn production_shows_no_sandbox_no_metrics_and_no_documentation_page() {
    let peyk = production().start().await;
    for path in ["/sandbox/", "/sandbox/messages/", "/metrics", "/docs/", "/api/metrics"] {
        let answer = peyk.get(path).await;
        assert_problem(&answer, 404, "not_found");
    }
    let documented = production().set("HTTP__DOCS", "true").start().await;
    assert_eq!(fetch(&documented, "/docs/").await.0, 200);
    let sandbox = sandbox().start().await;
    for path in ["/sandbox/", "/sandbox/messages/", "/metrics"] {
        assert_eq!(fetch(&sandbox, path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn health_says_what_is_there() {
    let mut peyk = production().start().await;
    assert_eq!(fetch(&peyk, "/livez").await.2, "ok");
    let ready = peyk.get("/readyz").await;
    let health = |redis: bool| {
        json!({
            "ready": true, "database": true, "schema": true, "revocations": true, "blocks": true,
            "redis": redis,
        })
    };
    assert_eq!((ready.status, &ready.json), (200, &health(true)));
    // Redis away is said, and no reason to be taken out.
    peyk.redis.kill();
    wait_for("redis to be missed", || async {
        let ready = peyk.get("/readyz").await;
        (ready.status == 200 && ready.json == health(false)).then_some(())
    })
    .await;
    // A schema that is not this version's is.
    let newer = "UPDATE _sqlx_migrations SET success = false
                 WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    sqlx::query(newer).execute(&peyk.database.pool).await.unwrap();
    let unready = peyk.get("/readyz").await;
    assert_eq!((unready.status, &unready.json["ready"]), (503, &json!(false)), "{unready:?}");
    assert_eq!(fetch(&peyk, "/livez").await.0, 200);
}

/// The one error body, in full.
fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, text(answer, "code")), (status, code.to_owned()), "{answer:?}");
    assert_eq!(header(answer, "content-type"), Some("application/problem+json"));
    assert_eq!(header(answer, "cache-control"), Some("no-store"));
    assert_eq!(header(answer, "x-content-type-options"), Some("nosniff"));
    assert_eq!(header(answer, "x-request-id"), Some(&*text(answer, "request_id")));
    assert_eq!(answer.json["status"], status);
    assert_eq!(text(answer, "type"), format!("urn:peyk:problem:{code}"));
    assert_eq!(text(answer, "error"), text(answer, "details"));
    assert_eq!(text(answer, "error"), text(answer, "message"));
    for member in ["title", "detail"] {
        assert!(!text(answer, member).is_empty());
    }
    assert!(answer.json["errors"].is_array() && answer.json["fields"].is_object());
}

#[tokio::test]
async fn every_refusal_is_the_one_error_body() {
    let peyk = production().start().await;
    let request = |method: Method, path: &str| peyk.client().request(method, peyk.url(path));
    let post = |kind: &str, body: &str| {
        let request = request(Method::POST, "/api/otp/send/").header("Content-Type", kind);
        request.body(body.to_owned())
    };
    let json = "application/json";
    let large = format!("{{\"mobile_number\": \"{}\"}}", "0".repeat(70_000));
    let cases: Vec<(RequestBuilder, u16, &str)> = vec![
        (request(Method::GET, "/nowhere/"), 404, "not_found"),
        (request(Method::GET, "/api/"), 404, "not_found"),
        (request(Method::POST, "/otp/send/").json(&json!({})), 404, "not_found"),
        (request(Method::GET, "/api/otp/send/"), 405, "method_not_allowed"),
        (request(Method::DELETE, "/api/authenticate/"), 405, "method_not_allowed"),
        (post(json, &large), 413, "payload_too_large"),
        (post("application/xml", "<a/>"), 415, "unsupported_media_type"),
        (post(json, "{\"mobile_number\": "), 400, "malformed_json"),
        (post(json, "[]"), 400, "validation"),
        (post(json, "{}"), 400, "validation"),
        (post("multipart/form-data", "x"), 400, "bad_request"),
    ];
    for (request, status, code) in cases {
        assert_problem(&peyk.send(request).await, status, code);
    }
    let refused = peyk.send(request(Method::PATCH, "/api/otp/send/")).await;
    assert_eq!(header(&refused, "allow"), Some("POST, OPTIONS"));
    assert_eq!(text(&refused, "detail"), "Method \"PATCH\" not allowed.");
}

#[tokio::test]
async fn whoever_leaves_something_out_is_told_what_in_a_body_that_clients_see() {
    let peyk = production().start().await;
    let key = key(&peyk).await;
    for (path, fields) in [
        ("/api/otp/send/", &["mobile_number"][..]),
        ("/api/authenticate/", &["code", "mobile_number"]),
        ("/api/message/send/", &["message_text", "mobile_number"]),
        ("/api/message/bulk/", &["message_text", "mobile_numbers"]),
    ] {
        let refused = post(&peyk, &key, path, &json!({})).await;
        assert_problem(&refused, 400, "validation");
        let mut named: Vec<_> = refused.json["fields"].as_object().unwrap().keys().collect();
        named.sort();
        assert_eq!(named, fields, "{path}: {refused:?}");
    }
}

#[tokio::test]
async fn people_are_spoken_to_in_their_language_and_programs_in_english() {
    let peyk = production().start().await;
    for (accept, language, title) in [
        ("fa-IR,fa;q=0.9,en;q=0.8", "fa", "دادهٔ نامعتبر"),
        ("en", "en", "Invalid data"),
        ("de", "en", "Invalid data"),
    ] {
        let request = peyk.client().post(peyk.url("/api/otp/send/")).json(&json!({}));
        let refused = peyk.send(request.header("Accept-Language", accept)).await;
        assert_problem(&refused, 400, "validation");
        assert_eq!(
            (header(&refused, "content-language"), text(&refused, "title").as_str()),
            (Some(language), title)
        );
        assert_eq!(refused.json["mobile_number"], json!(["This field is required."]));
        assert_eq!(text(&refused, "error"), "Some fields are not valid.");
    }
}

#[tokio::test]
async fn the_old_flat_members_can_be_turned_off() {
    let peyk = production().set("HTTP__LEGACY_FIELD_ERRORS", "false").start().await;
    let refused = peyk.post("/api/otp/send/", &json!({})).await;
    assert_problem(&refused, 400, "validation");
    assert_eq!(refused.json.get("mobile_number"), None);
    assert_eq!(refused.json["fields"]["mobile_number"], json!(["This field is required."]));
}

#[tokio::test]
async fn every_prefix_and_both_slash_forms_serve_the_same() {
    let peyk = production().set("HTTP__PREFIXES", "/api,/drfchelseru,/v0/x").start().await;
    for prefix in ["/api", "/drfchelseru", "/v0/x"] {
        for slash in ["", "/"] {
            let path = format!("{prefix}/otp/send{slash}");
            let request = peyk.client().post(peyk.url(&path)).header("Prefer", "respond-async");
            let sent = peyk.send(request.json(&json!({"mobile_number": fresh_mobile()}))).await;
            assert_eq!(sent.status, 202, "{path}: {sent:?}");
            let url = text(&sent, "status_url");
            assert!(url.starts_with("http://127.0.0.1:8080/api/otp/"), "{url}");
        }
    }
}

//! Texts with the access token of an account that may: its own, beside those of keys.

use futures_util::future::join_all;
use peyk_tests::harness::{Answer, Peyk, fresh_mobile};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    account_steps::{Person, ask_at, get_as, person, post_as, problem},
    login_steps::patient,
};

async fn granted(peyk: &Peyk, scopes: &[&str]) -> Person {
    let who = person(peyk).await;
    for scope in scopes {
        let arguments = ["users", "grant", &who.id.to_string(), scope];
        let (worked, output) = peyk.run("api", &arguments).await;
        assert!(worked, "{output}");
    }
    who
}

async fn sender(peyk: &Peyk) -> Person {
    granted(peyk, &["sms:send", "sms:read"]).await
}

async fn key(peyk: &Peyk) -> String {
    let arguments = ["keys", "create", "shop", "--scope", "sms:send", "--scope", "sms:read"];
    let (worked, output) = peyk.run("api", &arguments).await;
    assert!(worked, "{output}");
    output.lines().next().unwrap().to_owned()
}

async fn with_key(peyk: &Peyk, key: &str, method: Method, path: &str, body: &Value) -> Answer {
    let request = peyk.client().request(method, peyk.url(path)).header("X-API-Key", key);
    peyk.send(if body.is_null() { request } else { request.json(body) }).await
}

fn hello() -> Value {
    json!({"mobile_number": fresh_mobile(), "message_text": "hello"})
}

fn later() -> Value {
    let mut body = hello();
    body["send_at"] = json!(chrono::DateTime::to_rfc3339(&in_an_hour()));
    body
}

fn in_an_hour() -> chrono::DateTime<chrono::Utc> {
    use shared::clock::{Clock, SystemClock};
    SystemClock.now() + chrono::TimeDelta::hours(1)
}

fn ids(page: &Answer) -> Vec<i64> {
    let results = page.json["results"].as_array().unwrap_or_else(|| panic!("{page:?}"));
    results.iter().map(|message| message["id"].as_i64().unwrap()).collect()
}

const SEND: &str = "/api/message/send/";
const BULK: &str = "/api/message/bulk/";

#[tokio::test]
async fn an_account_that_may_sends_and_sees_what_became_of_it() {
    let peyk = patient().start().await;
    let who = sender(&peyk).await;
    let sent = post_as(&peyk, &who, SEND, &hello()).await;
    assert_eq!((sent.status, &sent.json["status"]), (200, &json!("sent")), "{sent:?}");
    let id = sent.json["id"].as_i64().unwrap();
    let seen = get_as(&peyk, &who, &format!("/api/message/{id}/")).await;
    assert_eq!((seen.status, &seen.json["status"]), (200, &json!("sent")), "{seen:?}");
    let bulk = json!({"mobile_numbers": [fresh_mobile(), fresh_mobile()], "message_text": "x"});
    let bulk = post_as(&peyk, &who, BULK, &bulk).await;
    assert_eq!((bulk.status, &bulk.json["accepted"]), (202, &json!(2)), "{bulk:?}");
    assert_eq!(ids(&get_as(&peyk, &who, "/api/message/").await).len(), 3);
    let of_bulk = format!("/api/message/?bulk_id={}", bulk.json["bulk_id"].as_str().unwrap());
    assert_eq!(ids(&get_as(&peyk, &who, &of_bulk).await).len(), 2);
    let owned = "SELECT count(*) FROM sms_messages WHERE user_id = 1 AND api_key_id IS NULL";
    assert_eq!(peyk.database.count(owned).await, 3);
}

#[tokio::test]
async fn accounts_and_keys_never_touch_each_others_texts() {
    let peyk = patient().start().await;
    let (who, other, key) = (sender(&peyk).await, sender(&peyk).await, key(&peyk).await);
    // A key and an account of the same id.
    assert_eq!(who.id, 1);
    let bulk = json!({
        "mobile_numbers": [fresh_mobile()], "message_text": "x",
        "send_at": in_an_hour().to_rfc3339(),
    });
    let mine =
        [post_as(&peyk, &who, SEND, &later()).await, post_as(&peyk, &who, BULK, &bulk).await];
    let keys = [
        with_key(&peyk, &key, Method::POST, SEND, &later()).await,
        with_key(&peyk, &key, Method::POST, BULK, &bulk).await,
    ];
    for answer in mine.iter().chain(&keys) {
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    for (texts, holder) in [(&mine, "who"), (&keys, "key")] {
        let (id, bulk) = (&texts[0].json["id"], texts[1].json["bulk_id"].as_str().unwrap());
        for (method, path) in [
            (Method::GET, format!("/api/message/{id}/")),
            (Method::POST, format!("/api/message/{id}/cancel/")),
            (Method::POST, format!("/api/message/bulk/{bulk}/cancel/")),
        ] {
            let ask = async |stranger: &str| match stranger {
                "key" => with_key(&peyk, &key, method.clone(), &path, &Value::Null).await,
                "who" => ask_at(&peyk, 0, &who, method.clone(), &path, &Value::Null).await,
                _ => ask_at(&peyk, 0, &other, method.clone(), &path, &Value::Null).await,
            };
            for stranger in ["other", if holder == "who" { "key" } else { "who" }] {
                let refused = ask(stranger).await;
                assert_eq!(problem(&refused), (404, "not_found"), "{stranger} {method} {path}");
            }
        }
        let of_bulk = format!("/api/message/?bulk_id={bulk}");
        assert!(ids(&get_as(&peyk, &other, &of_bulk).await).is_empty());
    }
    let waiting = "SELECT count(*) FROM sms_messages WHERE status = 'queued'";
    assert_eq!(peyk.database.count(waiting).await, 4, "nobody took anything back");
    assert!(ids(&get_as(&peyk, &other, "/api/message/").await).is_empty());
    let (of_user, of_key) = (
        ids(&get_as(&peyk, &who, "/api/message/").await),
        ids(&with_key(&peyk, &key, Method::GET, "/api/message/", &Value::Null).await),
    );
    assert_eq!((of_user.len(), of_key.len()), (2, 2));
    assert!(of_user.iter().all(|id| !of_key.contains(id)));
    // Their owners do take them back.
    let (id, bulk) = (&mine[0].json["id"], mine[1].json["bulk_id"].as_str().unwrap());
    let one = post_as(&peyk, &who, &format!("/api/message/{id}/cancel/"), &Value::Null).await;
    assert_eq!((one.status, &one.json["status"]), (200, &json!("cancelled")), "{one:?}");
    let path = format!("/api/message/bulk/{bulk}/cancel/");
    let all = post_as(&peyk, &who, &path, &Value::Null).await;
    assert_eq!((all.status, &all.json["cancelled"]), (200, &json!(1)), "{all:?}");
}

#[tokio::test]
async fn a_token_opens_what_its_account_may_at_this_moment_and_no_more() {
    let peyk = patient().apis(2).start().await;
    let (plain, reader, sends) = (
        person(&peyk).await,
        granted(&peyk, &["sms:read"]).await,
        granted(&peyk, &["sms:send"]).await,
    );
    for (who, path) in [(&plain, SEND), (&plain, BULK), (&reader, SEND)] {
        let body = json!({
            "mobile_number": fresh_mobile(), "mobile_numbers": [fresh_mobile()], "message_text": "x",
        });
        let refused = post_as(&peyk, who, path, &body).await;
        assert_eq!(problem(&refused), (403, "permission_denied"), "{refused:?}");
    }
    for (who, path) in
        [(&plain, "/api/message/"), (&sends, "/api/message/"), (&sends, "/api/message/1/")]
    {
        assert_eq!(problem(&get_as(&peyk, who, path).await), (403, "permission_denied"), "{path}");
    }
    // What people wrote to our lines is nobody's own.
    let inbound = get_as(&peyk, &reader, "/api/message/inbound/").await;
    assert_eq!(problem(&inbound), (403, "permission_denied"));
    for shown in ["nonsense", "a.b.c", &format!("{}x", sends.access)] {
        let forged = Person { access: shown.to_owned(), ..sends.clone() };
        let refused = post_as(&peyk, &forged, SEND, &hello()).await;
        assert_eq!(problem(&refused), (401, "token_not_valid"), "{refused:?}");
        let message = &refused.json["messages"][0];
        assert_eq!(message["token_class"], "AccessToken", "{refused:?}");
    }
    assert_eq!(
        peyk.database.count("SELECT count(*) FROM sms_messages WHERE kind <> 'otp'").await,
        0
    );
    assert_eq!(post_as(&peyk, &sends, SEND, &hello()).await.status, 200);
    // A scope that is taken is gone in every process, whatever the token's age.
    let arguments = ["users", "withdraw", &sends.id.to_string(), "sms:send"];
    assert!(peyk.run("api", &arguments).await.0);
    for api in [0, 1] {
        let refused = ask_at(&peyk, api, &sends, Method::POST, SEND, &hello()).await;
        assert_eq!(problem(&refused), (403, "permission_denied"), "{refused:?}");
    }
}

#[tokio::test]
async fn an_expired_token_sends_nothing_and_says_so_as_simplejwt_does() {
    let peyk = patient().set("AUTH__ACCESS_TTL_SECONDS", "1").start().await;
    let who = sender(&peyk).await;
    let refused = peyk_tests::harness::wait_for("the token's end", || async {
        let answer = post_as(&peyk, &who, SEND, &hello()).await;
        (answer.status == 401).then_some(answer)
    })
    .await;
    assert_eq!(refused.json["detail"], "Given token not valid for any token type");
    assert_eq!(refused.json["messages"][0]["message"], "Token is expired", "{refused:?}");
}

#[tokio::test]
async fn an_account_has_its_own_share_of_a_day_and_its_own_idempotency_keys() {
    let peyk = patient().apis(2).set("SMS__USER_DAILY_SENDS", "5").start().await;
    let (who, other, key) = (sender(&peyk).await, sender(&peyk).await, key(&peyk).await);
    // One key of theirs, from three callers: three texts.
    let body = hello();
    let keyed =
        |request: reqwest::RequestBuilder| request.header("Idempotency-Key", "k").json(&body);
    let mut texts = Vec::new();
    for _ in 0..2 {
        for access in [&who.access, &other.access] {
            let request = peyk.client().post(peyk.url(SEND)).bearer_auth(access);
            texts.push(peyk.send(keyed(request)).await.json["id"].clone());
        }
        let request = peyk.client().post(peyk.url(SEND)).header("X-API-Key", &key);
        texts.push(peyk.send(keyed(request)).await.json["id"].clone());
    }
    assert_eq!(texts[..3], texts[3..], "a repeat is the same text");
    assert!(texts[0] != texts[1] && texts[1] != texts[2] && texts[0] != texts[2], "{texts:?}");
    // Four are left of five, however they are asked for.
    let body = json!({"send_at": in_an_hour().to_rfc3339()});
    let answers = join_all((0..12).map(|n| {
        let mut body = body.clone();
        body["mobile_number"] = json!(fresh_mobile());
        body["message_text"] = json!("x");
        let (peyk, who) = (&peyk, &who);
        async move { ask_at(peyk, n % 2, who, Method::POST, SEND, &body).await }
    }));
    let answers = answers.await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    let capped =
        answers.iter().filter(|answer| problem(answer) == (429, "daily_user_limit")).count();
    assert_eq!((accepted, capped), (4, 8), "{answers:?}");
    assert!(
        answers.iter().all(|answer| answer.status == 202 || answer.json["retry_after"].is_i64())
    );
    let bulk = json!({"mobile_numbers": [fresh_mobile()], "message_text": "x"});
    let bulk = post_as(&peyk, &who, BULK, &bulk).await;
    assert_eq!(bulk.json["results"][0]["result"], "over_limit", "{bulk:?}");
    assert_eq!(
        post_as(&peyk, &other, SEND, &hello()).await.status,
        200,
        "another's share is there"
    );
    assert_eq!(with_key(&peyk, &key, Method::POST, SEND, &hello()).await.status, 200);
}

#[tokio::test]
async fn an_account_sends_only_so_often_in_a_minute() {
    let peyk = patient().set("LIMITS__MESSAGES_PER_USER", "2/1h").start().await;
    let (who, other) = (sender(&peyk).await, sender(&peyk).await);
    for _ in 0..2 {
        assert_eq!(post_as(&peyk, &who, SEND, &hello()).await.status, 200);
    }
    let limited = post_as(&peyk, &who, SEND, &hello()).await;
    assert_eq!(problem(&limited), (429, "rate_limited"), "{limited:?}");
    assert!(limited.headers["ratelimit"].to_str().unwrap().contains("\"message-user\";r=0"));
    assert_eq!(post_as(&peyk, &other, SEND, &hello()).await.status, 200);
}

//! Texts for programs: never without a key, each sent once, seen and taken back by whoever asked.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use peyk_tests::{
    fake::{Behaviour, Delivered, FakeKavenegar},
    harness::{Answer, Peyk, PeykBuilder, fresh_mobile, wait_for},
};
use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use tokio::sync::watch;

/// A key with these options of `api keys create`.
async fn key(peyk: &Peyk, options: &[&str]) -> String {
    let arguments = [&["keys", "create", "shop"], options].concat();
    let (worked, output) = peyk.run("api", &arguments).await;
    assert!(worked, "{output}");
    output.lines().next().unwrap().to_owned()
}

async fn full_key(peyk: &Peyk) -> String {
    key(peyk, &["--scope", "sms:send", "--scope", "sms:read"]).await
}

async fn post(peyk: &Peyk, key: &str, path: &str, body: &Value) -> Answer {
    let request = peyk.client().post(peyk.url(path)).header("X-API-Key", key).json(body);
    peyk.send(request).await
}

async fn get(peyk: &Peyk, key: &str, path: &str) -> Answer {
    peyk.send(peyk.client().get(peyk.url(path)).header("X-API-Key", key)).await
}

fn hello(mobile: &str) -> Value {
    json!({"mobile_number": mobile, "message_text": "hello"})
}

fn peyk(fake: &FakeKavenegar) -> PeykBuilder {
    Peyk::builder().kavenegar(&fake.url()).hasty(2_000).set("HTTP__WAIT_MS", "10000")
}

#[tokio::test]
async fn a_text_is_sent_and_its_sender_sees_what_became_of_it() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).set("SMS__PRICE_RIALS", "1200").start().await;
    let key = full_key(&peyk).await;
    let mobile = fresh_mobile();
    let sent = post(&peyk, &key, "/api/message/send/", &hello(&mobile)).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    assert_eq!(sent.json["details"], "The Message was sent correctly.");
    assert_eq!((&sent.json["receiver"], &sent.json["message"]), (&json!(mobile), &json!("hello")));
    assert!(sent.json["messageid"].is_i64() && sent.json["status"] == "sent", "{sent:?}");
    assert_eq!((&sent.json["segments"], &sent.json["price_rials"]), (&json!(1), &json!(1200)));
    let texts = fake.effects_to(&mobile);
    assert_eq!(texts.len(), 1);
    assert_eq!(texts[0].content, Delivered::Text("hello".to_owned()));

    let id = sent.json["id"].as_i64().unwrap();
    let seen = get(&peyk, &key, &format!("/api/message/{id}/")).await;
    assert_eq!((seen.status, &seen.json["status"]), (200, &json!("sent")), "{seen:?}");
    assert_eq!(seen.json["provider"], "kavenegar");
    // Another key sees nothing of it.
    let other = full_key(&peyk).await;
    assert_eq!(get(&peyk, &other, &format!("/api/message/{id}/")).await.status, 404);
    let none = get(&peyk, &other, "/api/message/").await;
    assert_eq!(none.json, json!({"next": null, "previous": null, "results": []}));
}

#[tokio::test]
async fn nobody_sends_without_a_key_that_may() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).start().await;
    let reader = key(&peyk, &["--scope", "sms:read"]).await;
    let elsewhere = key(&peyk, &["--scope", "sms:send", "--ip", "203.0.113.0/24"]).await;
    let revoked = full_key(&peyk).await;
    let list = peyk.run("api", &["keys", "list"]).await.1;
    let id = list.lines().find(|line| line.contains(&revoked[..12])).unwrap();
    let id = id.split(' ').next().unwrap();
    assert!(!list.contains(&revoked), "a list shows no whole key");
    assert!(peyk.run("api", &["keys", "revoke", id]).await.0);
    let expired = full_key(&peyk).await;
    peyk.database.execute("UPDATE api_keys SET expires_at = now() WHERE id = 4").await;
    let mobile = fresh_mobile();
    let path = "/api/message/send/";
    let none = peyk.post(path, &hello(&mobile)).await;
    assert_eq!((none.status, &none.json["code"]), (401, &json!("not_authenticated")), "{none:?}");
    for (key, status, code) in [
        ("peyk_0000", 401, "api_key_not_valid"),
        ("", 401, "api_key_not_valid"),
        (&*revoked, 401, "api_key_not_valid"),
        (&*expired, 401, "api_key_not_valid"),
        (&*reader, 403, "permission_denied"),
        (&*elsewhere, 403, "permission_denied"),
    ] {
        let refused = post(&peyk, key, path, &hello(&mobile)).await;
        assert_eq!((refused.status, &refused.json["code"]), (status, &json!(code)), "{refused:?}");
    }
    for path in ["/api/message/", "/api/message/1/"] {
        assert_eq!(peyk.get(path).await.status, 401);
    }
    let bulk = json!({"mobile_numbers": [mobile], "message_text": "x"});
    assert_eq!(peyk.post("/api/message/bulk/", &bulk).await.status, 401);
    assert_eq!(peyk.post("/api/message/1/cancel/", &json!({})).await.status, 401);
    assert!(fake.calls().is_empty());
    let rows = "SELECT count(*) FROM sms_messages";
    assert_eq!(peyk.database.count(rows).await, 0);
    // Nothing of a key is in the database or in a log.
    let hashes = "SELECT count(*) FROM api_keys WHERE octet_length(hash) = 32";
    assert_eq!(peyk.database.count(hashes).await, 4);
    assert!(!peyk.output().contains(&revoked[12..]));
}

#[tokio::test]
async fn an_open_deployment_sends_what_it_lists_and_nothing_else() {
    let fake = FakeKavenegar::start().await;
    let (friend, stranger) = (fresh_mobile(), fresh_mobile());
    let number = format!("+98{}", &friend[1..]);
    let peyk = peyk(&fake)
        .set("SMS__ANONYMOUS__NUMBERS", number)
        .set("SMS__ANONYMOUS__TEMPLATES", "7")
        .start()
        .await;
    let path = "/drfchelseru/message/send/";
    assert_eq!(peyk.post(path, &hello(&friend)).await.status, 200);
    assert_eq!(peyk.post(path, &hello(&stranger)).await.status, 401);
    let template = |name: &str| {
        json!({"mobile_number": stranger, "message_text": "a b", "template_id": name,
               "token2": "x", "_from": "BANK", "status": "spoof"})
    };
    assert_eq!(peyk.post(path, &template("7")).await.status, 200);
    assert_eq!(peyk.post(path, &template("8")).await.status, 401);
    let texts = fake.effects_to(&stranger);
    assert_eq!(texts.len(), 1);
    let tokens = [("token", "a-b"), ("token2", "x")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let expected = Delivered::Template { name: "7".to_owned(), tokens: tokens.to_vec() };
    assert_eq!(texts[0].content, expected);
}

#[tokio::test]
async fn a_text_whose_outcome_nobody_knows_is_never_sent_again() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let peyk = Peyk::builder()
        .provider("a", &a.url())
        .provider("b", &b.url())
        .set("SMS__ORDER", "a,b")
        .hasty(500)
        .set("HTTP__WAIT_MS", "100")
        .start()
        .await;
    let key = full_key(&peyk).await;
    let [lost, template, refused] = [(); 3].map(|()| fresh_mobile());
    // The text got through, and the look-up finds it.
    a.behave_to(&lost, Behaviour::HangAfterRead { effect: true });
    post(&peyk, &key, "/api/message/send/", &hello(&lost)).await;
    let row = peyk.database.settled_message_to(&lost).await;
    assert_eq!((row.status.as_str(), row.provider.as_deref()), ("sent", Some("a")));
    assert_eq!((a.effects_to(&lost).len(), b.effects_to(&lost).len()), (1, 0));
    // A template cannot be asked about: it stays unknown, whoever else could carry it.
    a.behave_to(&template, Behaviour::HangAfterRead { effect: false });
    let body = json!({"mobile_number": template, "message_text": "1", "template_id": "7"});
    post(&peyk, &key, "/api/message/send/", &body).await;
    wait_for("the end of it", || async {
        let row = peyk.database.message_to(&template).await?;
        (row.status == "unknown" && row.settled).then_some(())
    })
    .await;
    assert!(b.calls().is_empty());
    // A clear refusal is no such thing.
    a.behave_to(&refused, Behaviour::Error(413));
    post(&peyk, &key, "/api/message/send/", &hello(&refused)).await;
    let row = peyk.database.settled_message_to(&refused).await;
    assert_eq!((row.status.as_str(), row.provider.as_deref()), ("sent", Some("b")));
}

#[tokio::test]
async fn what_waits_can_be_taken_back_and_what_is_sent_cannot() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).start().await;
    let key = full_key(&peyk).await;
    let (later, now) = (fresh_mobile(), fresh_mobile());
    let at = SystemClock.now() + TimeDelta::hours(1);
    let mut body = hello(&later);
    body["send_at"] = json!(at.to_rfc3339());
    let scheduled = post(&peyk, &key, "/api/message/send/", &body).await;
    assert_eq!((scheduled.status, &scheduled.json["status"]), (202, &json!("queued")));
    let id = scheduled.json["id"].as_i64().unwrap();
    let cancel = format!("/api/message/{id}/cancel/");
    let stranger = full_key(&peyk).await;
    assert_eq!(post(&peyk, &stranger, &cancel, &json!({})).await.status, 404);
    let cancelled = post(&peyk, &key, &cancel, &json!({})).await;
    assert_eq!((cancelled.status, &cancelled.json["status"]), (200, &json!("cancelled")));
    assert_eq!(post(&peyk, &key, &cancel, &json!({})).await.status, 409);
    let sent = post(&peyk, &key, "/api/message/send/", &hello(&now)).await;
    let cancel = format!("/api/message/{}/cancel/", sent.json["id"]);
    assert_eq!(post(&peyk, &key, &cancel, &json!({})).await.status, 409);
    assert_eq!((fake.effects_to(&later).len(), fake.effects_to(&now).len()), (0, 1));

    let far = TimeDelta::days(31);
    let mut body = hello(&later);
    body["send_at"] = json!((at + far).to_rfc3339());
    let refused = post(&peyk, &key, "/api/message/send/", &body).await;
    assert_eq!(refused.status, 400);
    assert!(refused.json["fields"]["send_at"].is_array(), "{refused:?}");
}

#[tokio::test]
async fn a_scheduled_text_goes_out_at_its_time() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).start().await;
    let key = full_key(&peyk).await;
    let mobile = fresh_mobile();
    let at = SystemClock.now() + TimeDelta::seconds(2);
    let mut body = hello(&mobile);
    body["send_at"] = json!(at.to_rfc3339());
    assert_eq!(post(&peyk, &key, "/api/message/send/", &body).await.status, 202);
    let texts = fake.wait_for_effects(1).await;
    assert!(texts[0].at >= at, "{} before {at}", texts[0].at);
    assert!(texts[0].at - at < TimeDelta::seconds(5));
}

#[tokio::test]
async fn a_bulk_reaches_each_number_once_and_names_those_it_cannot() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).start().await;
    let key = full_key(&peyk).await;
    let mobiles: Vec<_> = (0..300).map(|_| fresh_mobile()).collect();
    let blocked = fresh_mobile();
    let block = format!(
        "INSERT INTO sms_blocklist (phone, reason) VALUES ('+98{}', 'stop')",
        &blocked[1..]
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(block)).execute(&peyk.database.pool).await.unwrap();
    let mut numbers = mobiles.clone();
    numbers.extend(["not a number".to_owned(), mobiles[0].clone(), blocked.clone()]);
    let body = json!({"mobile_numbers": numbers, "message_text": "سلام"});
    let answer = post(&peyk, &key, "/api/message/bulk/", &body).await;
    assert_eq!((answer.status, &answer.json["accepted"]), (202, &json!(300)), "{answer:?}");
    let results = answer.json["results"].as_array().unwrap();
    let last: Vec<_> = results[300..].iter().map(|result| result["result"].clone()).collect();
    assert_eq!(last, ["invalid", "duplicate", "blocked"]);
    fake.wait_for_effects(300).await;
    for mobile in &mobiles {
        let texts = fake.effects_to(mobile);
        assert_eq!(texts.len(), 1);
        // How to get no more of them is part of every text to many.
        assert_eq!(texts[0].content, Delivered::Text("سلام\nلغو11".to_owned()));
    }
    let bulk = answer.json["bulk_id"].as_str().unwrap();
    let mut path = format!("/api/message/?limit=100&bulk_id={bulk}");
    let mut seen = 0;
    loop {
        let page = get(&peyk, &key, &path).await;
        seen += page.json["results"].as_array().unwrap().len();
        let Some(next) = page.json["next"].as_str() else { break };
        path = next.split_once("/api").map(|(_, rest)| format!("/api{rest}")).unwrap();
    }
    assert_eq!(seen, 300);
    // The same number alone: a conflict, and codes still go out.
    let refused = post(&peyk, &key, "/api/message/send/", &hello(&blocked)).await;
    assert_eq!((refused.status, &refused.json["code"]), (409, &json!("recipient_blocked")));
    assert_eq!(peyk.send_otp(&blocked).await.status, 200);
}

#[tokio::test]
async fn what_is_no_bulk_is_refused_and_never_an_error_of_ours() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).start().await;
    let key = full_key(&peyk).await;
    for id in ["%00%C3%95%C2%87", "7", "5F0C1D2E3B4A59687786950413223140"] {
        let listed = get(&peyk, &key, &format!("/api/message/?bulk_id={id}")).await;
        assert_eq!(listed.status, 400, "{id}: {listed:?}");
        let path = format!("/api/message/bulk/{id}/cancel/");
        assert_eq!(post(&peyk, &key, &path, &json!({})).await.status, 400, "{id}");
    }
}

#[tokio::test]
async fn caps_of_a_key_hold_against_parallel_sends_and_refused_ones_cost_nothing() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).set("SMS__PRICE_RIALS", "1000").apis(2).start().await;
    let counted = key(&peyk, &["--scope", "sms:send", "--daily-sends", "7"]).await;
    let dear = key(&peyk, &["--scope", "sms:send", "--daily-spend-rials", "4500"]).await;
    for (key, allowed) in [(&counted, 7), (&dear, 4)] {
        let sends = (0..20).map(|_| async {
            let mobile = fresh_mobile();
            post(&peyk, key, "/api/message/send/", &hello(&mobile)).await
        });
        let answers = join_all(sends).await;
        let accepted = answers.iter().filter(|answer| answer.status < 300).count();
        assert_eq!(accepted, allowed, "{answers:?}");
        let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
        assert_eq!(refused.json["code"], "daily_key_limit");
        assert!(refused.json["retry_after"].as_i64().unwrap() > 0);
    }
    assert_eq!(fake.wait_for_effects(11).await.len(), 11);
    let rows = "SELECT count(*) FROM sms_messages";
    assert_eq!(peyk.database.count(rows).await, 11);
    let used = "SELECT used FROM send_counters WHERE scope = 'messages'";
    assert_eq!(peyk.database.count(used).await, 11);
}

#[tokio::test]
async fn a_configured_template_is_what_each_provider_calls_it() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let peyk = Peyk::builder()
        .provider("a", &a.url())
        .provider("b", &b.url())
        .set("SMS__ORDER", "a,b")
        .set("SMS__TEMPLATES__READY__TEXT", "سفارش {token} آماده است")
        .set("SMS__TEMPLATES__READY__TEXT_EN", "Order {token} is ready")
        .set("SMS__TEMPLATES__READY__VARIABLES", "token")
        .set("SMS__TEMPLATES__READY__PROVIDERS__A", "order-7")
        .hasty(1_000)
        .start()
        .await;
    let key = full_key(&peyk).await;
    let [first, second] = [(); 2].map(|()| fresh_mobile());
    let body = |mobile: &str| {
        json!({"mobile_number": mobile, "message_text": "12", "template_id": "ready",
               "language": "en"})
    };
    assert_eq!(post(&peyk, &key, "/api/message/send/", &body(&first)).await.status, 200);
    let tokens = vec![("token".to_owned(), "12".to_owned())];
    let expected = Delivered::Template { name: "order-7".to_owned(), tokens };
    assert_eq!(a.effects_to(&first)[0].content, expected);
    a.behave_to(&second, Behaviour::Error(424));
    assert_eq!(post(&peyk, &key, "/api/message/send/", &body(&second)).await.status, 200);
    let expected = Delivered::Text("Order 12 is ready".to_owned());
    assert_eq!(b.effects_to(&second)[0].content, expected);
    let mut wrong = body(&first);
    wrong["token2"] = json!("x");
    let refused = post(&peyk, &key, "/api/message/send/", &wrong).await;
    assert_eq!(refused.status, 400);
    assert!(refused.json["fields"]["template_id"].is_array(), "{refused:?}");
}

#[tokio::test]
async fn codes_do_not_wait_behind_a_bulk() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).hasty(15_000).set("WORKER__BULK_CONCURRENCY", "4").start().await;
    let key = full_key(&peyk).await;
    // None of the bulk gets on until the codes are through.
    let (go_on, may_go_on) = watch::channel(false);
    fake.on_call(move |call| {
        let mut may_go_on = may_go_on.clone();
        async move {
            if call.field("message").is_some_and(|text| text.contains("bulk")) {
                drop(may_go_on.wait_for(|may| *may).await);
            }
        }
    });
    let mobiles: Vec<_> = (0..400).map(|_| fresh_mobile()).collect();
    let body = json!({"mobile_numbers": mobiles, "message_text": "bulk"});
    let answer = post(&peyk, &key, "/api/message/bulk/", &body).await;
    assert_eq!(answer.json["accepted"], 400);
    fake.wait_for_calls(1).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let begun = std::time::Instant::now();
        assert_eq!(peyk.send_otp(&fresh_mobile()).await.status, 200);
        slowest = slowest.max(begun.elapsed());
    }
    assert_eq!(fake.effects().len(), 20, "the bulk was under way all the time");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    go_on.send_replace(true);
    fake.wait_for_effects(420).await;
}

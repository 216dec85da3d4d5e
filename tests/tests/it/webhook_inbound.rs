//! Texts to our lines: stored once, read with a key, and obeyed where they say stop.

use chrono::TimeDelta;
use futures_util::future::join_all;
use peyk_tests::{
    aging::e164,
    fake::{Account, Delivered, FakeKavenegar, FakeProvider, twilio as twilio_rules},
    harness::{Peyk, fresh_mobile, wait_for},
};
use serde_json::json;
use shared::clock::{Clock, SystemClock};

use crate::webhook_steps::{
    ACCOUNT, PUBLIC, SECRET, TOKEN, addresses, fields, get, kavenegar, key, local, post, send,
    signed, tell, twilio,
};

const TEXTS: &str = "SELECT count(*) FROM sms_inbound";

/// A text to Kavenegar's line.
async fn says(peyk: &Peyk, address: &str, mobile: &str, text: &str, id: &str) {
    let form = [("from", mobile), ("to", "10004346"), ("message", text), ("messageid", id)];
    assert_eq!(tell(peyk, address, &form).await.status, 200);
}

#[tokio::test]
async fn a_text_told_several_times_is_stored_once_and_read_with_a_key() {
    let fake = FakeKavenegar::start().await;
    let peyk = kavenegar(&fake).apis(2).workers(0).start().await;
    let address = addresses(&peyk).await["kavenegar"].clone();
    let told = async |n: usize, form: &[(&str, &str)]| {
        let request = peyk.client().post(local(&peyk, n % 2, &address));
        assert_eq!(peyk.send(request.form(&fields(form))).await.status, 200);
    };
    let mobile = fresh_mobile();
    let with_id = [("from", &*mobile), ("to", "3000"), ("message", "سلام"), ("messageid", "77")];
    join_all((0..10).map(|n| told(n, &with_id))).await;
    let without = [("from", "+98 912 000 1122"), ("to", "3000"), ("message", "again\0")];
    join_all((0..10).map(|n| told(n, &without))).await;
    told(0, &[("from", "BANK"), ("to", "3000"), ("message", "no number")]).await;
    assert_eq!(peyk.database.count(TEXTS).await, 3);

    let key = key(&peyk).await;
    let first = get(&peyk, &key, "/api/message/inbound/?limit=2").await;
    assert_eq!((first.status, &first.json["previous"]), (200, &json!(null)), "{first:?}");
    let next = first.json["next"].as_str().unwrap();
    assert!(next.starts_with("https://peyk.example/sub/api/message/inbound/?before="), "{next}");
    let rest = next.split_once("/sub").unwrap().1;
    let second = get(&peyk, &key, rest).await;
    assert_eq!(second.json["next"], json!(null));
    let seen = |page: &serde_json::Value| -> Vec<_> {
        let texts = page["results"].as_array().unwrap().iter();
        texts.map(|text| (text["sender"].clone(), text["message"].clone())).collect()
    };
    assert_eq!(
        [seen(&first.json), seen(&second.json)].concat(),
        [
            (json!("BANK"), json!("no number")),
            (json!("09120001122"), json!("again")),
            (json!(mobile), json!("سلام")),
        ]
    );
    let last = &second.json["results"][0];
    assert_eq!((&last["line"], &last["provider"]), (&json!("3000"), &json!("kavenegar")));
    assert_eq!(last["provider_message_id"], "77");
    assert!(last["received_at"].as_str().unwrap().ends_with('Z'));

    let (_, output) = peyk.run("api", &["keys", "create", "s", "--scope", "sms:send"]).await;
    let sender = output.lines().next().unwrap();
    for (key, status) in [(sender, 403), ("", 401), ("peyk_0", 401)] {
        assert_eq!(get(&peyk, key, "/api/message/inbound/").await.status, status);
    }
    assert_eq!(peyk.get("/api/message/inbound/").await.status, 401);
}

#[tokio::test]
async fn whoever_says_stop_gets_codes_only_until_they_say_start() {
    let fake = FakeKavenegar::start().await;
    let peyk = kavenegar(&fake).start().await;
    let (key, address) = (key(&peyk).await, addresses(&peyk).await["kavenegar"].clone());
    let mobile = fresh_mobile();
    says(&peyk, &address, &mobile, "please do not stop", "1").await;
    assert_eq!(send(&peyk, &key, &mobile).await.status, 200);
    says(&peyk, &address, &mobile, " لغو\u{200c}۱۱ ", "2").await;
    let refused = send(&peyk, &key, &mobile).await;
    assert_eq!((refused.status, &refused.json["code"]), (409, &json!("recipient_blocked")));
    let body = json!({"mobile_numbers": [mobile], "message_text": "to many"});
    let bulk = post(&peyk, &key, "/api/message/bulk/", &body).await;
    assert_eq!(bulk.json["results"][0]["result"], "blocked", "{bulk:?}");
    let code = peyk.send_otp(&mobile).await;
    assert_eq!(code.status, 200, "{code:?}");
    says(&peyk, &address, &mobile, "Start!", "3").await;
    assert_eq!(send(&peyk, &key, &mobile).await.status, 200);
    says(&peyk, &address, &mobile, "لغو۱۱", "2").await;
    assert_eq!(send(&peyk, &key, &mobile).await.status, 200, "that was the old text again");
    let texts = fake.effects_to(&mobile).into_iter().map(|effect| effect.content);
    let hellos = texts.filter(|text| *text == Delivered::Text("hello".to_owned()));
    assert_eq!((hellos.count(), fake.effects_to(&mobile).len()), (3, 4));
}

#[tokio::test]
async fn a_second_stop_without_an_id_is_obeyed_although_it_may_be_the_first_one_again() {
    let fake = FakeKavenegar::start().await;
    let peyk = kavenegar(&fake).start().await;
    let (key, address) = (key(&peyk).await, addresses(&peyk).await["kavenegar"].clone());
    let mobile = fresh_mobile();
    let says = async |text: &str| {
        let form = [("from", &*mobile), ("to", "10004346"), ("message", text)];
        assert_eq!(tell(&peyk, &address, &form).await.status, 200);
    };
    for (text, status) in [("stop", 409), ("start", 200), ("stop", 409), ("stop", 409)] {
        says(text).await;
        assert_eq!(send(&peyk, &key, &mobile).await.status, status, "{text}");
    }
    // Somebody who says "start" again within minutes is not heard, and loses nothing but a text.
    says("start").await;
    assert_eq!(send(&peyk, &key, &mobile).await.status, 409);
    assert_eq!(peyk.database.count(TEXTS).await, 2, "nothing is stored twice");
}

#[tokio::test]
async fn twilios_texts_count_once_they_are_signed() {
    let fake =
        FakeProvider::start(twilio_rules(ACCOUNT, Account { user: ACCOUNT, password: TOKEN }));
    let fake = fake.await;
    let peyk = twilio(&fake).workers(0).start().await;
    let address = addresses(&peyk).await["twilio"].clone();
    let mobile = fresh_mobile();
    let form = fields(&[
        ("MessageSid", "SM1"),
        ("AccountSid", ACCOUNT),
        ("From", &e164(&mobile)),
        ("To", "+15005550006"),
        ("Body", "unsubscribe"),
    ]);
    let request = || peyk.client().post(local(&peyk, 0, &address));
    let blocked = "SELECT count(*) FROM sms_blocklist WHERE reason = 'stop'";
    assert_eq!(peyk.send(request().form(&form)).await.status, 403);
    assert_eq!(peyk.database.count(blocked).await, 0);
    let told = peyk.send(signed(request(), &address, &form, TOKEN)).await;
    assert_eq!(told.status, 204, "a 200 would be an answer to the person");
    assert_eq!(peyk.database.count(blocked).await, 1);
    assert_eq!(peyk.database.count(TEXTS).await, 1);
}

#[tokio::test]
async fn melipayamak_tells_of_texts_in_the_query_of_its_panel() {
    let peyk =
        Peyk::builder().workers(0).set("SMS__WEBHOOK_SECRET", SECRET).set("MODE", "production");
    let peyk = peyk
        .set("HTTP__PUBLIC_URL", PUBLIC)
        .set("SMS__PROVIDERS__MELIPAYAMAK__USERNAME", "u")
        .set("SMS__PROVIDERS__MELIPAYAMAK__PASSWORD", "p");
    let peyk = peyk.start().await;
    let url = local(&peyk, 0, &addresses(&peyk).await["melipayamak"]);
    let url = format!("{url}?to=50004001&body=%D8%B3%D9%84%D8%A7%D9%85&from=09123456789");
    for _ in 0..2 {
        let answer = peyk.client().get(&url).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "OK"));
    }
    let stored = "SELECT count(*) FROM sms_inbound WHERE phone = '+989123456789' AND body = 'سلام'";
    assert_eq!(peyk.database.count(stored).await, 1);
}

#[tokio::test]
async fn what_was_accepted_before_the_stop_is_not_sent_after_it() {
    let fake = FakeKavenegar::start().await;
    let peyk = kavenegar(&fake).start().await;
    let (key, address) = (key(&peyk).await, addresses(&peyk).await["kavenegar"].clone());
    let [stopped, other] = [(); 2].map(|()| fresh_mobile());
    let at = (SystemClock.now() + TimeDelta::days(1)).to_rfc3339();
    let ask = async |mobile: &str| {
        let body = json!({"mobile_number": mobile, "message_text": "later", "send_at": at});
        let answer = post(&peyk, &key, "/api/message/send/", &body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json["id"].clone()
    };
    let (first, second) = (ask(&stopped).await, ask(&other).await);
    let many = json!({"mobile_numbers": [stopped, other], "message_text": "many", "send_at": at});
    assert_eq!(post(&peyk, &key, "/api/message/bulk/", &many).await.json["accepted"], 2);
    says(&peyk, &address, &stopped, "STOP", "1").await;
    peyk.database.execute("UPDATE sms_messages SET next_attempt_at = now()").await;
    fake.wait_for_effects(2).await;
    let ended = wait_for("the end of the messages", || async {
        let open = "SELECT count(*) FROM sms_messages WHERE settled_at IS NULL";
        (peyk.database.count(open).await == 0).then_some(())
    });
    ended.await;
    assert_eq!((fake.effects_to(&stopped).len(), fake.effects_to(&other).len()), (0, 2));
    let row = async |id| get(&peyk, &key, &format!("/api/message/{id}/")).await.json;
    let stopped = row(first).await;
    assert_eq!((&stopped["status"], &stopped["reason"]), (&json!("failed"), &json!("sms.blocked")));
    assert_eq!(row(second).await["status"], "sent");
    let failed = "SELECT count(*) FROM sms_messages WHERE reason = 'sms.blocked'";
    assert_eq!(peyk.database.count(failed).await, 2);
    let attempts = "SELECT count(*) FROM sms_attempts";
    assert_eq!(peyk.database.count(attempts).await, 2, "nobody was asked to carry them");
}

#[tokio::test]
async fn what_an_operator_blocks_only_an_operator_unblocks() {
    let fake = FakeKavenegar::start().await;
    let peyk = kavenegar(&fake).start().await;
    let (key, address) = (key(&peyk).await, addresses(&peyk).await["kavenegar"].clone());
    let [mobile, other] = [(); 2].map(|()| fresh_mobile());
    let list =
        async |arguments: &[&str]| peyk.run("api", &[&["blocklist"], arguments].concat()).await;
    says(&peyk, &address, &mobile, "stop", "1").await;
    says(&peyk, &address, &other, "stop", "2").await;
    let added = list(&["add", &mobile]).await;
    assert!(added.0, "{added:?}");
    assert!(!list(&["add", &mobile]).await.0, "it is there");
    assert!(!list(&["add", "12"]).await.0, "that is no number");
    let (_, lines) = list(&["list"]).await;
    let line =
        |mobile: &str, reason: &str| lines.contains(&format!("{}  {reason}  ", e164(mobile)));
    assert!(line(&mobile, "operator") && line(&other, "stop"), "{lines}");
    says(&peyk, &address, &mobile, "start", "3").await;
    says(&peyk, &address, &other, "start", "4").await;
    assert_eq!(send(&peyk, &key, &mobile).await.status, 409);
    assert_eq!(send(&peyk, &key, &other).await.status, 200);
    assert!(list(&["remove", &mobile]).await.0);
    assert!(!list(&["remove", &mobile]).await.0, "it is gone");
    assert_eq!(send(&peyk, &key, &mobile).await.status, 200);
    assert_eq!(list(&["list"]).await.1, "");
}

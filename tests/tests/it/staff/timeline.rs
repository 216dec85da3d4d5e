//! The timeline: everything that happened, in order, with reasons, to whoever may see it.

use peyk_tests::{
    fake::{Behaviour, FakeKavenegar},
    harness::{Answer, Peyk, fresh_mobile, wait_for},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::timeline_steps::{
    codes, item, received, staff_through, timeline, timeline_in, wait_for_items,
};
use crate::{
    login_steps::{log_in, patient, send, text, wrong},
    payments::verify_steps::{Outside, back, begin_with, unwatched, wait_for_state},
    people::{Person, column},
};

/// `۰۹۱۲…`
fn persian(mobile: &str) -> String {
    let digit = |byte: u8| char::from_u32(0x06f0 + u32::from(byte - b'0')).unwrap();
    mobile.bytes().map(digit).collect()
}

/// A code that one provider refuses and the next takes, two wrong guesses, the right code, and a
/// session that staff end.
#[tokio::test]
async fn a_login_is_told_from_the_code_that_was_asked_for_to_the_session_that_was_ended() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let peyk = Peyk::builder()
        .provider("a", &a.url())
        .provider("b", &b.url())
        .set("SMS__ORDER", "a,b")
        .set("HTTP__WAIT_MS", "15000")
        .hasty(2_000);
    let peyk = peyk.start().await;
    let admin = staff_through(&peyk, &a, "admin").await;
    let mobile = fresh_mobile();
    a.behave_to(&mobile, Behaviour::Error(413));
    let sent = peyk.send_otp(&mobile).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let code = received(&b, &mobile).await;
    let handle = text(&sent, "request_id");
    for _ in 0..2 {
        let refused = peyk.authenticate(&mobile, &wrong(&code), Some(&handle)).await;
        assert_eq!(refused.status, 401, "{refused:?}");
    }
    let login = peyk.authenticate(&mobile, &code, Some(&handle)).await;
    assert_eq!(login.status, 200, "{login:?}");
    let user = login.json["user"]["id"].as_i64().unwrap();
    let end = format!("admin/users/{user}/revoke_sessions/");
    assert_eq!(admin.ask(&peyk, Method::POST, &end, None).await.status, 200);

    let page = wait_for_items(&peyk, &admin, &persian(&mobile), ("code_wrong", 2)).await;
    let expected = [
        "code_asked",
        "provider_refused",
        "provider_accepted",
        "code_wrong",
        "code_wrong",
        "code_verified",
        "account_made",
        "session_begun",
        "session_ended",
        "staff_acted",
    ];
    assert_eq!(codes(&page), expected, "{page:?}");
    let times: Vec<_> = column(&page, "at").into_iter().filter_map(Value::as_str).collect();
    assert!(times.is_sorted_by(|later, earlier| later >= earlier), "the latest first: {times:?}");
    let refused = item(&page, "provider_refused");
    assert_eq!(refused["params"]["provider"], "a");
    assert_eq!(refused["params"]["code"], "kavenegar.413");
    assert_eq!((&refused["kind"], &refused["severity"]), (&json!("message"), &json!("problem")));
    let sentence = refused["text"].as_str().unwrap();
    assert!(sentence.starts_with("a refused the text: kavenegar.413 (attempt 1, "), "{sentence}");
    assert_eq!(item(&page, "provider_accepted")["params"]["provider"], "b");
    assert_eq!(item(&page, "code_asked")["params"]["request_id"], handle);
    assert_eq!(item(&page, "session_ended")["params"]["reason"], "staff");
    let acted = &item(&page, "staff_acted")["params"];
    assert_eq!(acted["action"], "user.sessions_ended");
    assert_eq!(acted["actor_user_id"], admin.id.to_string());
    assert_eq!(page.json["answer"]["verdict"], "verified", "{page:?}");
    assert_eq!(page.json["subjects"]["numbers"], json!([mobile]));
    assert_eq!(page.json["subjects"]["users"], json!([user]));
    let purged: Vec<_> =
        column(&page, "code").into_iter().filter(|code| *code == "purged").collect();
    assert_eq!(purged.len(), 7, "what is kept how long is said at the end");
    let shown = page.json.to_string();
    assert!(!shown.contains(&code), "a code is nowhere");

    // The same is found by all that leads to it; a text and a handle lead to the text alone.
    let of_user = timeline(&peyk, &admin, &format!("user:{user}")).await;
    assert_eq!(codes(&of_user), expected);
    let message = item(&page, "code_asked")["subject"]["id"].as_i64().unwrap();
    for search in [format!("message:{message}"), handle] {
        let of_text = timeline(&peyk, &admin, &search).await;
        let own = ["code_asked", "provider_refused", "provider_accepted", "code_verified"];
        assert_eq!(codes(&of_text), own, "{search}");
        assert_eq!(of_text.json["answer"]["verdict"], "verified", "{search}");
    }
    let request = item(&page, "code_wrong")["params"]["request_id"].as_str().unwrap();
    assert_eq!(codes(&timeline(&peyk, &admin, request).await), ["code_wrong"]);
}

#[tokio::test]
async fn a_payment_is_told_from_its_beginning_to_the_wallet_and_the_shop() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).set("HTTP__WAIT_MS", "15000").start().await;
    let (who, finance) = (Person::new(&peyk).await, Person::new(&peyk).await);
    finance.join_staff(&peyk, "finance").await;
    let body = json!({"amount": 70_000, "currency": "IRR", "order_id": "A-1405-17"});
    let begun = begin_with(&peyk, &who, &body).await;
    outside.zarinpal.pay(&begun.authority);
    let answer = back(&peyk, &begun.authority, "OK").await;
    assert!([200, 202].contains(&answer.status), "{answer:?}");
    wait_for_state(&peyk, begun.id, "paid").await;
    let payment = format!("payment:{}", begun.id);
    let page = wait_for("the shop to be told", || async {
        let page = timeline(&peyk, &finance, &payment).await;
        codes(&page).contains(&"webhook_told".to_owned()).then_some(page)
    })
    .await;
    let told = codes(&page);
    let place = |code: &str| {
        let found = told.iter().position(|one| one == code);
        found.unwrap_or_else(|| panic!("no {code} in {told:?}"))
    };
    let order = ["payment_begun", "page_opened", "gateway_asked", "payment_paid", "webhook_told"];
    assert!(order.windows(2).all(|two| place(two[0]) < place(two[1])), "{told:?}");
    assert!(place("wallet_credited") >= place("payment_begun"));
    let credited = &item(&page, "wallet_credited");
    assert_eq!(credited["params"]["amount_rials"], "70000");
    assert_eq!(credited["subject"], json!({"kind": "payment", "id": begun.id}));
    assert_eq!(item(&page, "payment_begun")["params"]["order_id"], "A-1405-17");
    assert_eq!(item(&page, "webhook_told")["params"]["event"], "payment.paid");
    assert_eq!(page.json.get("answer"), None, "a payment waits for no code");
    let reference = item(&page, "payment_paid")["params"]["ref_id"].as_str().unwrap();
    let of_gateway = |page: &Answer| codes(page).into_iter().filter(|code| code != "staff_acted");
    for search in ["A-1405-17", &begun.authority, reference] {
        let found = timeline(&peyk, &finance, search).await;
        assert_eq!(found.json["subjects"]["payments"], json!([begun.id]), "{search}");
        assert!(of_gateway(&found).eq(told.iter().cloned()), "{search}: {found:?}");
    }
    // Its payer's timeline has it, too, after the login.
    let of_payer = codes(&timeline(&peyk, &finance, &who.mobile).await);
    assert!(told.iter().all(|code| of_payer.contains(code)), "{of_payer:?}");
    assert_eq!(&of_payer[..1], ["code_asked"]);
}

#[tokio::test]
async fn numbers_and_addresses_are_masked_for_those_who_may_not_see_them() {
    let peyk = patient().start().await;
    let sara = Person::new(&peyk).await;
    let (head, tail) = (&sara.mobile[..4], &sara.mobile[9..]);
    for (role, whole) in [("viewer", false), ("support", true), ("finance", false), ("admin", true)]
    {
        let by = Person::new(&peyk).await;
        by.join_staff(&peyk, role).await;
        let page = timeline(&peyk, &by, &sara.mobile).await;
        let mut shown = page.json.clone();
        // The address of the next page repeats what was asked for.
        shown["next"] = Value::Null;
        let shown = shown.to_string();
        assert_eq!(shown.contains(&sara.mobile), whole, "{role}: {shown}");
        assert_eq!(shown.contains("127.0.0.1"), whole, "{role}: {shown}");
        assert!(codes(&page).contains(&"session_begun".to_owned()), "{role}");
        let number = if whole { sara.mobile.clone() } else { format!("{head}***{tail}") };
        assert_eq!(page.json["subjects"]["numbers"], json!([number]), "{role}");
    }
}

#[tokio::test]
async fn every_look_is_written_down_without_what_was_searched_for() {
    let peyk = patient().start().await;
    let (sara, support) = (Person::new(&peyk).await, Person::new(&peyk).await);
    support.join_staff(&peyk, "support").await;
    timeline(&peyk, &support, &sara.mobile).await;
    timeline(&peyk, &support, "A-17").await;
    let events = "SELECT actor_user_id, subject, subject_id, detail FROM audit_events
        WHERE action = 'timeline.viewed' ORDER BY id";
    let events: Vec<(i64, String, Option<i64>, Value)> =
        sqlx::query_as(events).fetch_all(&peyk.database.pool).await.unwrap();
    let [number, order] = &events[..] else { panic!("{events:?}") };
    assert_eq!((number.0, &*number.1, number.2), (support.id, "user", Some(sara.id)));
    assert_eq!((number.3["by"].as_str(), &number.3["shown"]), (Some("number"), &json!("whole")));
    assert_eq!((order.0, &*order.1, order.2), (support.id, "timeline", None));
    assert!(
        !format!("{events:?}").contains(&sara.mobile[1..])
            && !format!("{events:?}").contains("A-17")
    );
    // A look is nothing that happened to whom was looked at.
    assert!(
        !codes(&timeline(&peyk, &support, &sara.mobile).await).contains(&"staff_acted".to_owned())
    );
}

#[tokio::test]
async fn pages_follow_one_another_to_the_end_and_every_sentence_is_in_the_readers_language() {
    let peyk = patient().start().await;
    let (sara, support) = (Person::new(&peyk).await, Person::new(&peyk).await);
    support.join_staff(&peyk, "support").await;
    let whole = timeline(&peyk, &support, &sara.mobile).await;
    let all = whole.json["results"].as_array().unwrap();
    let mut seen: Vec<Value> = Vec::new();
    let mut page = timeline_in(&peyk, &support, &sara.mobile, "&limit=3").await;
    loop {
        let rows = page.json["results"].as_array().unwrap();
        assert!(rows.len() <= 3 && page.json["previous"].is_null(), "{page:?}");
        seen.extend(rows.iter().cloned());
        let Some(next) = page.json["next"].as_str() else { break };
        let (_, query) = next.split_once('?').unwrap();
        page = support.get(&peyk, &format!("admin/timeline/?{query}")).await;
        assert_eq!(page.json.get("answer"), None, "on the first page only");
    }
    let words = |rows: &[Value]| -> Vec<_> {
        rows.iter().map(|row| (row["code"].clone(), row["text"].clone())).collect()
    };
    assert_eq!(words(&seen), words(all));
    let url = peyk.url(&format!("/api/admin/timeline/?search={}", sara.mobile));
    let request = peyk.client().get(url).bearer_auth(&support.token);
    let persian = peyk.send(request.header("Accept-Language", "fa")).await;
    let is_persian =
        |text: &Value| text.as_str().unwrap().chars().any(|c| ('\u{600}'..='\u{6ff}').contains(&c));
    assert!(column(&persian, "text").into_iter().all(is_persian), "{persian:?}");
    let answer = &persian.json["answer"];
    assert!(is_persian(&answer["text"]) && is_persian(&answer["advice"]), "{answer}");
    for (query, status) in
        [("search=%20", 400), ("search=x&cursor=1", 400), ("search=x&limit=201", 400)]
    {
        let refused = support.get(&peyk, &format!("admin/timeline/?{query}")).await;
        assert_eq!(refused.status, status, "{query}: {refused:?}");
    }
}

#[tokio::test]
async fn what_went_wrong_at_the_door_goes_with_the_person() {
    let peyk = patient().start().await;
    let (sara, admin) = (Person::new(&peyk).await, Person::new(&peyk).await);
    admin.join_staff(&peyk, "admin").await;
    peyk_tests::aging::pass_seconds(&peyk.database.pool, &sara.mobile, 300.0).await;
    let (handle, code) = send(&peyk, &sara.mobile).await;
    peyk.authenticate(&sara.mobile, &wrong(&code), Some(&handle)).await;
    wait_for_items(&peyk, &admin, &sara.mobile, ("code_wrong", 1)).await;
    let events = "SELECT count(*) FROM login_events";
    assert_eq!(peyk.database.count(events).await, 1);
    let erased = sara.ask(&peyk, Method::DELETE, "me/", None).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    assert_eq!(peyk.database.count(events).await, 0);
    assert_eq!(log_in(&peyk, &fresh_mobile()).await.status, 200);
}

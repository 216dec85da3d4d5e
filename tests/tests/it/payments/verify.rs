//! The way back: what a payer is told, and that it is the gateway who says it.

use std::sync::Arc;

use peyk_tests::{
    fake::Behaviour,
    harness::{Answer, Peyk, wait_for},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::verify_steps::{
    Begun, Outside, assert_paid_once, back, back_at, back_from_zibal, balance, begin, begin_with,
    credited, post_back, said, state, told, unwatched, wait_for_state, wait_until_still, watchful,
};
use crate::people::Person;

#[tokio::test]
async fn two_hundred_callbacks_the_watcher_and_staff_at_once_are_one_credit() {
    let outside = Outside::new().await;
    let peyk = watchful(outside.peyk()).set("DATABASE__ACQUIRE_TIMEOUT_MS", "20000");
    let peyk = peyk.apis(2).workers(2).start().await;
    let (who, staff) = (Person::new(&peyk).await, Person::new(&peyk).await);
    staff.join_staff(&peyk, "finance").await;
    let begun = begin(&peyk, &who, "zarinpal", 70_000).await;
    outside.zarinpal.pay(&begun.authority);
    let peyk = Arc::new(peyk);
    let mut all = JoinSet::new();
    for at in 0..200 {
        let (peyk, authority) = (peyk.clone(), begun.authority.clone());
        all.spawn(async move { back_at(&peyk, at % 2, &authority, "OK").await });
    }
    for _ in 0..5 {
        let (peyk, staff, id) = (peyk.clone(), staff.clone(), begun.id);
        all.spawn(async move {
            staff.post(&peyk, &format!("admin/payments/{id}/look/"), &json!({})).await
        });
    }
    for answer in all.join_all().await {
        assert!(matches!(answer.status, 200 | 202), "{answer:?}");
        let told = said(&answer);
        assert!(told.0 == 1 || answer.json["status"] == "pending", "{answer:?}");
    }
    wait_until_still(&peyk).await;
    assert_paid_once(&peyk, &begun, 70_000).await;
    assert_eq!(balance(&peyk, &who).await, 70_000);
    assert_eq!(outside.zarinpal.verified(&begun.authority), 1);
    assert_eq!(outside.zarinpal.captured(), 70_000);
    let events = outside.shop.wait_for_told(1).await;
    let event = events.iter().find(|told| told.kind() == "payment.paid").expect("it is told");
    let data = &event.event["data"];
    assert_eq!(data["payment_id"], begun.id);
    assert_eq!((&data["state"], &data["amount_rials"]), (&json!("paid"), &json!(70_000)));
    assert_eq!((&data["gateway"], &data["user_id"]), (&json!("zarinpal"), &json!(who.id)));
}

#[tokio::test]
async fn the_first_answer_is_the_gateways_and_the_next_ones_are_the_rows() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let body = json!({"amount": 900, "currency": "IRT", "order_id": "fe 1", "pay_mode": 2});
    let begun = begin_with(&peyk, &who, &body).await;
    outside.zarinpal.pay(&begun.authority);
    let first = back(&peyk, &begun.authority, "OK").await;
    let code = |answer: &Answer| answer.json["details"]["data_verify"]["code"].clone();
    assert_eq!((first.status, said(&first).0, said(&first).1), (200, 1, Some(100)), "{first:?}");
    assert_eq!(code(&first), 100);
    let asked = outside.zarinpal.calls().len();
    for _ in 0..3 {
        let again = back(&peyk, &begun.authority, "OK").await;
        assert_eq!(said(&again), (1, Some(101), "Verified".to_owned()));
        assert_eq!(code(&again), 101);
        assert_eq!(again.json["details"]["ref_id"], first.json["details"]["ref_id"]);
        // As people ask again, and a no that nobody believes.
        let form = [("authority".to_owned(), begun.authority.clone())];
        assert_eq!(said(&post_back(&peyk, &form).await).1, Some(101));
        assert_eq!(said(&back(&peyk, &begun.authority, "NOK").await).1, Some(101));
    }
    assert_eq!(outside.zarinpal.calls().len(), asked, "the gateway was asked again");
    // The shop alone has it.
    assert_eq!(balance(&peyk, &who).await, 0);
    assert_eq!(credited(&peyk, &begun).await, (1, 0));
}

#[tokio::test]
async fn the_payer_goes_on_to_the_shops_own_address() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let body = json!({"amount": 900, "currency": "IRT", "order_id": "fe1",
        "frontend_callback_url": "https://shop.example/done?a=b"});
    let begun = begin_with(&peyk, &who, &body).await;
    outside.zarinpal.pay(&begun.authority);
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.no_proxy().build().unwrap();
    let query = format!("Authority={}&Status=OK", begun.authority);
    let url = peyk.url(&format!("/api/payment/verify/?{query}"));
    let answer = peyk.send(client.get(url)).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let location = answer.headers["location"].to_str().unwrap();
    let reference = outside.zarinpal.books(|books| books.page(&begun.authority).reference);
    let query = format!("a=b&status=paid&order_id=fe1&authority={}", begun.authority);
    let query = format!("{query}&ref_id={reference}&amount=900&message=");
    assert!(location.starts_with(&format!("https://shop.example/done?{query}")), "{location}");
}

#[tokio::test]
async fn what_names_no_payment_is_refused_in_the_old_words() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
    let unsuccessful = "The transaction was unsuccessful or canceled.";
    let authority = &begun.authority;
    for query in [
        String::new(),
        "?x=1".to_owned(),
        format!("?Authority={authority}"),
        "?Status=OK".to_owned(),
        "?Authority=%00&Status=OK".to_owned(),
    ] {
        let answer = peyk.get(&format!("/api/payment/verify/{query}")).await;
        assert_eq!((answer.status, &answer.json["error"]), (400, &json!(unsuccessful)), "{query}");
    }
    let answer = post_back(&peyk, &[("x".to_owned(), "1".to_owned())]).await;
    assert_eq!(answer.status, 400);
    let unknown = back(&peyk, "Anope", "OK").await;
    assert_eq!((unknown.status, &unknown.json["error"]), (404, &json!("payment not found.")));
    let form = [("paymentCode".to_owned(), "nope".to_owned())];
    assert_eq!(post_back(&peyk, &form).await.status, 404);
    // ZarinPal's page in Zibal's words is nobody's page.
    assert_eq!(back_from_zibal(&peyk, authority, 1).await.status, 404);
    assert_eq!(state(&peyk, begun.id).await.0, "redirected");
    assert_eq!(outside.zarinpal.count("verify"), 0);
}

#[tokio::test]
async fn c21_a_payment_is_verified_by_its_own_gateway_whatever_is_configured_today() {
    let outside = Outside::new().await;
    let mut peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "zibal", 20_000).await;
    outside.zibal.pay(&begun.authority);
    // Nobody may choose it any more.
    peyk.start_api_with(&[("PAYMENTS__CHOICES", "zarinpal")]).await;
    let query = format!("success=1&trackId={}&orderId=x&status=2", begun.authority);
    let url = format!("{}/api/payment/verify/?{query}", peyk.urls.last().unwrap());
    let answer = peyk.send(peyk.client().get(url)).await;
    assert_eq!((answer.status, said(&answer).0), (200, 1), "{answer:?}");
    assert_paid_once(&peyk, &begun, 20_000).await;
    assert_eq!(outside.zarinpal.count("verify"), 0);
}

#[tokio::test]
async fn c24_what_was_verified_is_kept_as_json_with_a_masked_card_and_whole_rials() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
    outside.zarinpal.pay(&begun.authority);
    back(&peyk, &begun.authority, "OK").await;
    let row = "SELECT jsonb_build_object('answer', gateway_answer, 'paid', paid_at IS NOT NULL,
            'pan', card_pan, 'code', gateway_code, 'page', paid_session_id IS NOT NULL)
        FROM payments WHERE id = $1";
    let row: Value =
        sqlx::query_scalar(row).bind(begun.id).fetch_one(&peyk.database.pool).await.unwrap();
    assert_eq!((&row["answer"]["code"], &row["code"]), (&json!(100), &json!(100)));
    assert_eq!((&row["paid"], &row["page"]), (&json!(true), &json!(true)));
    assert!(row["pan"].as_str().unwrap().contains("***"), "{row}");
    assert_eq!(balance(&peyk, &who).await, 5_000);
}

/// One of ZarinPal's refusals, until it is over.
async fn refused(outside: &Outside, begun: &Begun, peyk: &Peyk, code: i64) -> (i64, Option<i64>) {
    let body = json!({"data": [], "errors": {"code": code, "message": "no", "validations": []}});
    let how = Behaviour::HttpStatus { status: 422, headers: Vec::new(), body: body.to_string() };
    outside.zarinpal.behave("verify", how);
    let answer = back(peyk, &begun.authority, "OK").await;
    assert_eq!(answer.status, 200, "{code}");
    let (is_pay, status_code, _) = said(&answer);
    (is_pay, status_code)
}

#[tokio::test]
async fn each_of_zarinpals_refusals_has_its_state() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    for (code, wanted, reason) in [
        (-50, "needs_review", Some("zarinpal.-50")),
        (-51, "redirected", None),
        (-53, "needs_review", Some("zarinpal.-53")),
    ] {
        let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
        assert_eq!(refused(&outside, &begun, &peyk, code).await, (0, Some(code)));
        assert_eq!(state(&peyk, begun.id).await, (wanted.to_owned(), reason.map(str::to_owned)));
        // Whatever it was, the payer pays after all.
        outside.zarinpal.pay(&begun.authority);
        assert_eq!(said(&back(&peyk, &begun.authority, "OK").await).0, 1, "{code}");
        assert_paid_once(&peyk, &begun, 5_000).await;
    }
    for code in [-54, -55] {
        let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
        // It knows the page when it is asked how it stands: so it is open.
        assert_eq!(refused(&outside, &begun, &peyk, code).await, (0, Some(code)));
        assert_eq!(state(&peyk, begun.id).await.0, "redirected");
        // It does not either.
        let body = json!({"data": [], "errors": {"code": -55, "message": "no"}}).to_string();
        let how = Behaviour::HttpStatus { status: 422, headers: Vec::new(), body };
        outside.zarinpal.behave("inquiry", how);
        refused(&outside, &begun, &peyk, code).await;
        let reason = format!("zarinpal.{code}");
        assert_eq!(state(&peyk, begun.id).await, ("failed".to_owned(), Some(reason)));
        assert_eq!(told(&peyk, begun.id).await, ["payment.failed"]);
        outside.zarinpal.pay(&begun.authority);
        assert_eq!(said(&back(&peyk, &begun.authority, "OK").await).0, 1, "{code}");
        assert_paid_once(&peyk, &begun, 5_000).await;
    }
    // -52 says nothing: it is asked again, and has the answer then.
    let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
    outside.zarinpal.pay(&begun.authority);
    assert_eq!(refused(&outside, &begun, &peyk, -52).await.0, 1);
    assert_paid_once(&peyk, &begun, 5_000).await;
}

#[tokio::test]
async fn no_answer_is_pending_and_the_next_one_credits() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).set("HTTP__WAIT_MS", "2500").start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
    outside.zarinpal.pay(&begun.authority);
    for effect in [false, true] {
        outside.zarinpal.behave("verify", Behaviour::HangAfterRead { effect });
    }
    let answer = back(&peyk, &begun.authority, "OK").await;
    let unheard = "gateway verify failed (no response).".to_owned();
    assert_eq!((answer.status, said(&answer)), (200, (0, None, unheard)), "{answer:?}");
    assert_eq!(answer.json["details"]["data_verify"], Value::Null);
    assert_eq!(answer.json["status"], "pending");
    let url = answer.json["status_url"].as_str().unwrap();
    let path = url.split_once("/api/").unwrap().1;
    assert_eq!(peyk.get(&format!("/api/{path}")).await.status, 200, "{url}");
    // The second verification was carried out: the third is told 101.
    wait_for_state(&peyk, begun.id, "paid").await;
    assert_paid_once(&peyk, &begun, 5_000).await;
    assert_eq!(outside.zarinpal.verified(&begun.authority), 1);
}

#[tokio::test]
async fn without_redis_a_payer_hears_pending_and_is_credited_within_seconds() {
    let outside = Outside::new().await;
    let mut peyk = unwatched(outside.peyk()).set("HTTP__WAIT_MS", "1000").start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
    outside.zarinpal.pay(&begun.authority);
    peyk.redis.kill();
    let answer = back(&peyk, &begun.authority, "OK").await;
    assert!(matches!(answer.status, 200 | 202), "{answer:?}");
    assert_eq!(answer.json["status"], "pending", "{answer:?}");
    // The sweep finds it, and hands it in.
    wait_for_state(&peyk, begun.id, "paid").await;
    assert_paid_once(&peyk, &begun, 5_000).await;
}

#[tokio::test]
async fn without_postgresql_a_payer_is_asked_to_come_again() {
    let outside = Outside::new().await;
    let mut peyk = unwatched(outside.peyk()).gated().start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
    outside.zarinpal.pay(&begun.authority);
    let gate = peyk.gate.as_mut().unwrap();
    gate.shut().await;
    let away = back(&peyk, &begun.authority, "OK").await;
    assert_eq!(away.status, 503, "{away:?}");
    peyk.gate.as_mut().unwrap().open().await;
    wait_for("the payer to be told", || async {
        let answer = back(&peyk, &begun.authority, "OK").await;
        (said(&answer).0 == 1).then_some(())
    })
    .await;
    assert_paid_once(&peyk, &begun, 5_000).await;
}

#[tokio::test]
async fn payping_is_asked_until_it_has_made_up_its_mind() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    // 202, then 502 with 155, then yes.
    let begun = begin(&peyk, &who, "payping", 50_000).await;
    outside.payping.pay(&begun.authority);
    outside.payping.desk(|desk| desk.processing = 2);
    let form = outside.payping.way_back(&begun.authority).1;
    let answer = post_back(&peyk, &form).await;
    assert!(said(&answer).0 == 1 || answer.json["status"] == "pending", "{answer:?}");
    wait_for_state(&peyk, begun.id, "paid").await;
    assert_paid_once(&peyk, &begun, 50_000).await;
    // 409 with 110: our answer was lost, the payment is the very same.
    let begun = begin(&peyk, &who, "payping", 60_000).await;
    outside.payping.pay(&begun.authority);
    outside.payping.behave("pay/verify", Behaviour::ResetAfterRead { effect: true });
    let form = outside.payping.way_back(&begun.authority).1;
    post_back(&peyk, &form).await;
    wait_for_state(&peyk, begun.id, "paid").await;
    assert_paid_once(&peyk, &begun, 60_000).await;
    assert_eq!(outside.payping.verified(&begun.authority), 1);
    // 409 with 110 and another amount: for a person, and nobody is credited.
    let begun = begin(&peyk, &who, "payping", 70_000).await;
    outside.payping.pay(&begun.authority);
    outside.payping.behave("pay/verify", Behaviour::ResetAfterRead { effect: true });
    outside.payping.desk(|desk| desk.named_amount = Some(70));
    let form = outside.payping.way_back(&begun.authority).1;
    post_back(&peyk, &form).await;
    let reason = wait_for_state(&peyk, begun.id, "needs_review").await;
    assert_eq!(reason.as_deref(), Some("payping.amount"));
    assert_eq!(credited(&peyk, &begun).await, (0, 0));
    assert_eq!(told(&peyk, begun.id).await, ["payment.needs_review"]);
}

#[tokio::test]
async fn another_payments_reference_is_not_taken_for_our_own() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let pay = async |taken: i64, code: i64| {
        let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
        let body = json!({"data": {"code": code, "message": "Paid", "ref_id": taken,
            "card_pan": "502229******5995", "card_hash": "A", "fee": 0}, "errors": []});
        let how =
            Behaviour::HttpStatus { status: 200, headers: Vec::new(), body: body.to_string() };
        outside.zarinpal.behave("verify", how);
        (said(&back(&peyk, &begun.authority, "OK").await).0, begun)
    };
    let (is_pay, first) = pay(777, 100).await;
    assert_eq!((is_pay, credited(&peyk, &first).await), (1, (1, 5_000)));
    // A first verification is a yes; its number stays the other one's.
    let (is_pay, second) = pay(777, 100).await;
    assert_eq!((is_pay, credited(&peyk, &second).await), (1, (1, 5_000)));
    let refs: Vec<Option<i64>> = sqlx::query_scalar("SELECT ref_id FROM payments ORDER BY id")
        .fetch_all(&peyk.database.pool)
        .await
        .unwrap();
    assert_eq!(refs, [Some(777), None]);
    // "Verified before" may mean the other one.
    let (is_pay, third) = pay(777, 101).await;
    assert_eq!((is_pay, credited(&peyk, &third).await), (0, (0, 0)));
    let reason = Some("ref_id.duplicate".to_owned());
    assert_eq!(state(&peyk, third.id).await, ("needs_review".to_owned(), reason));
}

#[tokio::test]
async fn zarinpals_101_credits_who_was_not_credited() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
    outside.zarinpal.pay(&begun.authority);
    outside.zarinpal.behave("verify", Behaviour::ResetAfterRead { effect: true });
    let answer = back(&peyk, &begun.authority, "OK").await;
    assert_eq!((said(&answer).0, said(&answer).1), (1, Some(101)), "{answer:?}");
    assert_paid_once(&peyk, &begun, 5_000).await;
}

//! Beginning a payment: what may be asked for, and what a gateway makes of it.

use std::time::{Duration, Instant};

use peyk_tests::{
    fake::{Behaviour, Receiver, RecordedZarinPal},
    harness::wait_for,
};
use serde_json::{Value, json};

use super::steps::{CREATE, at, begin, states, written};
use crate::{
    login_steps::{header, patient},
    people::{Person, ask},
    webhooks::steps::{SECRET, endpoint},
};

#[tokio::test]
async fn a_payment_is_answered_as_the_old_system_did_and_with_more() {
    let gateway = RecordedZarinPal::start().await;
    let builder = at(&gateway).set("PAYMENTS__CALLBACK_HOSTS", "shop.example");
    let peyk = builder.set("PAYMENTS__FRONTEND_HOSTS", "app.example").start().await;
    let sara = Person::new(&peyk).await;
    let body = json!({"order_id": "123", "amount": 1000.0, "description": "Test payment",
        "callback_url": "https://shop.example/back?a=1", "mobile": "+98 921 189 2425",
        "frontend_callback_url": "https://app.example/done", "email": "user@example.com",
        "currency": "irt", "pay_mode": "2", "gateway": "ZARINPAL_COM"});
    let begun = sara.post(&peyk, CREATE, &body).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let authority = begun.json["details"]["authority"].as_str().unwrap();
    assert_eq!(authority.len(), 36);
    let details = json!({
        "gateway_url": format!("{}/pg/StartPay/{authority}", gateway.url()),
        "authority": authority, "gateway_title": "ZARINPAL_COM",
        "callback_url": "https://shop.example/back?a=1", "currency": "IRT", "status_code": 100,
        "message": "Success",
        "data": {"authority": authority, "fee": 0, "fee_type": "Merchant", "code": 100,
            "message": "Success"},
    });
    assert_eq!(begun.json["details"], details);
    let (status_url, id) = (begun.json["status_url"].as_str().unwrap(), &begun.json["id"]);
    let expected = json!({"details": details, "id": id, "order_id": "123", "status": "unpaid",
        "state": "redirected", "amount": 1000, "currency": "IRT", "amount_rials": 10000,
        "gateway": "zarinpal", "status_url": status_url});
    assert_eq!(begun.json, expected);
    assert_eq!(header(&begun, "cache-control"), Some("no-store"));
    // What the gateway was told: JSON, rials, an integer, and the payer in `metadata`.
    let told = &gateway.opened()[0];
    assert_eq!((&told["amount"], &told["currency"]), (&json!(10_000), &json!("IRR")));
    assert_eq!(told["metadata"]["mobile"], "09211892425");
    assert_eq!(told["metadata"]["email"], "user@example.com");
    assert_eq!(told["callback_url"], "https://shop.example/back?a=1");
    let row: (String, String, Option<String>) =
        sqlx::query_as("SELECT mobile, purpose, frontend_callback_url FROM payments")
            .fetch_one(&peyk.database.pool)
            .await
            .unwrap();
    let done = Some("https://app.example/done".to_owned());
    assert_eq!(row, ("09211892425".to_owned(), "pay_only".to_owned(), done));
}

#[tokio::test]
async fn the_least_a_request_can_say_is_an_amount() {
    let gateway = RecordedZarinPal::start().await;
    let peyk = at(&gateway).set("PAYMENTS__CURRENCY", "IRT").start().await;
    let sara = Person::new(&peyk).await;
    let begun = sara.post(&peyk, CREATE, &json!({"amount": "۲۵۰۰", "mobile": null})).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    assert_eq!(begun.json["amount_rials"], 25_000);
    let back = begun.json["details"]["callback_url"].as_str().unwrap();
    assert!(back.ends_with("/api/payment/verify/"), "{back}");
    let form = [("amount", "5000.0"), ("order_id", ""), ("currency", "IRR"), ("pay_mode", "1")];
    let url = peyk.url("/drfchelseru/payment/create");
    let request = peyk.client().post(url).bearer_auth(&sara.token).form(&form);
    let begun = peyk.send(request).await;
    assert_eq!((begun.status, &begun.json["amount_rials"]), (200, &json!(5_000)), "{begun:?}");
}

/// What is asked for, the field that is named, and the rule.
fn refusals() -> Vec<(Value, &'static str, &'static str)> {
    let with = |field: &str, value: Value| {
        let mut body = json!({"amount": 5000});
        body[field] = value;
        body
    };
    let mut refusals = vec![
        (json!({}), "amount", "required"),
        (json!({"amount": null}), "amount", "null"),
        (with("order_id", json!("x".repeat(65))), "order_id", "max_length"),
        (with("description", json!("x".repeat(501))), "description", "max_length"),
        (with("mobile", json!("12345")), "mobile", "invalid"),
        (with("mobile", json!("+14155552671")), "mobile", "invalid"),
        (with("email", json!("nobody")), "email", "invalid"),
        (with("currency", json!("USD")), "currency", "invalid_choice"),
        (with("currency", json!("IRT")), "currency", "invalid_choice"),
        (with("pay_mode", json!(1)), "pay_mode", "invalid_choice"),
        (with("pay_mode", json!(3)), "pay_mode", "invalid_choice"),
        (with("pay_mode", json!("wallet")), "pay_mode", "invalid"),
        (with("gateway", json!("payping")), "gateway", "invalid_choice"),
    ];
    for (amount, rule) in [
        (json!(0), "min_value"),
        (json!(-500), "min_value"),
        (json!(999), "min_value"),
        (json!(2_000_000_001_i64), "max_value"),
        (json!(i64::MAX), "max_value"),
        (json!(1000.5), "invalid"),
        (json!("abc"), "invalid"),
        (json!("1e4"), "invalid"),
        (json!(true), "invalid"),
        (json!([5000]), "invalid"),
    ] {
        refusals.push((json!({"amount": amount}), "amount", rule));
    }
    for field in ["callback_url", "frontend_callback_url"] {
        for (url, rule) in [
            ("javascript:alert(1)", "invalid"),
            ("/relative", "invalid"),
            ("ftp://shop.example/", "invalid"),
            ("https://evil.example/", "host_not_allowed"),
            ("https://shop.example.evil.example/", "host_not_allowed"),
            ("https://shop.example@evil.example/", "credentials"),
            ("https://a:b@shop.example/", "credentials"),
            ("https://shop.example/#x", "fragment"),
            ("https://shop.example\\@evil.example/", "invalid"),
            ("http://169.254.169.254/latest/", "host_not_allowed"),
            ("http://10.0.0.1/", "host_not_allowed"),
            ("http://[::1]/", "host_not_allowed"),
            ("http://localhost/", "host_not_allowed"),
        ] {
            refusals.push((with(field, json!(url)), field, rule));
        }
    }
    refusals
}

#[tokio::test]
async fn what_may_not_be_asked_for_is_named_and_writes_nothing() {
    let gateway = RecordedZarinPal::start().await;
    let builder = at(&gateway).set("PAYMENTS__CALLBACK_HOSTS", "shop.example");
    let builder = builder.set("PAYMENTS__FRONTEND_HOSTS", "shop.example");
    let builder = builder.set("PAYMENTS__CURRENCIES", "IRR").set("PAYMENTS__PURPOSES", "pay_only");
    let peyk = builder.start().await;
    let sara = Person::new(&peyk).await;
    for (body, field, rule) in refusals() {
        let refused = sara.post(&peyk, CREATE, &body).await;
        assert_eq!(refused.status, 400, "{body}: {refused:?}");
        let error = &refused.json["errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!(field), &json!(rule)), "{body}");
    }
    let exponent = peyk.client().post(peyk.url("/api/payment/create/")).bearer_auth(&sara.token);
    let exponent = exponent.header("Content-Type", "application/json").body("{\"amount\": 1e4}");
    assert_eq!(peyk.send(exponent).await.status, 400);
    let missing = sara.post(&peyk, CREATE, &json!({})).await;
    for member in ["error", "details", "message", "detail"] {
        assert_eq!(missing.json[member], "amount is required.", "{missing:?}");
    }
    let several = json!({"amount": -1, "currency": "USD", "callback_url": "x", "mobile": "y"});
    let several = sara.post(&peyk, CREATE, &several).await;
    assert_eq!(several.json["errors"].as_array().unwrap().len(), 3, "{several:?}");
    assert_eq!(
        ask(&peyk, 0, reqwest::Method::POST, CREATE, None, Some(&json!({"amount": 1})))
            .await
            .status,
        401
    );
    assert_eq!((written(&peyk).await, gateway.opened().len()), ((0, 0), 0));
}

#[tokio::test]
async fn who_may_not_do_anything_any_more_begins_no_payment() {
    let gateway = RecordedZarinPal::start().await;
    let peyk = at(&gateway).start().await;
    let sara = Person::new(&peyk).await;
    // The api has not heard of it: the account itself is asked.
    peyk.database.execute("UPDATE users SET is_active = false").await;
    let refused = sara.post(&peyk, CREATE, &json!({"amount": 5000})).await;
    assert_eq!((refused.status, &refused.json["code"]), (401, &json!("user_inactive")));
    assert_eq!((written(&peyk).await, gateway.opened().len()), ((0, 0), 0));
}

#[tokio::test]
async fn an_account_begins_so_many_payments_an_hour() {
    let gateway = RecordedZarinPal::start().await;
    let peyk = at(&gateway).set("PAYMENTS__HOURLY_PER_USER", "3").apis(2).start().await;
    let (sara, omid) = (Person::new(&peyk).await, Person::new(&peyk).await);
    for api in [0, 1, 0] {
        let body = json!({"amount": 5000});
        let begun = sara.ask_at(&peyk, api, reqwest::Method::POST, CREATE, Some(&body)).await;
        assert_eq!(begun.status, 200, "{begun:?}");
    }
    let refused = sara.post(&peyk, CREATE, &json!({"amount": 5000})).await;
    assert_eq!((refused.status, &refused.json["code"]), (429, &json!("rate_limited")));
    assert!(header(&refused, "retry-after").is_some());
    begin(&peyk, &omid, 5000).await;
    assert_eq!(written(&peyk).await, (4, 4));
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_502_within_the_budget_and_nothing_is_lost() {
    let gateway = RecordedZarinPal::start().await;
    let peyk = at(&gateway).set("PAYMENTS__BUDGET_MS", "1000").start().await;
    let sara = Person::new(&peyk).await;
    let message = "gateway request failed (no response).";
    for mode in ["drop", "http500", "badjson"] {
        gateway.set_mode(mode);
        let begun = sara.post(&peyk, CREATE, &json!({"amount": 5000})).await;
        assert_eq!((begun.status, &begun.json["details"]), (502, &json!(message)), "{mode}");
        assert_eq!(begun.json["code"], "gateway_no_answer");
    }
    // Two pages each: the second was asked for at once.
    assert_eq!(written(&peyk).await, (3, 6));
    gateway.set_mode("ok");
    for _ in 0..2 {
        gateway.behave(Behaviour::HangAfterRead { effect: false });
    }
    // The breaker has opened meanwhile, in this process.
    let mut peyk = peyk;
    peyk.start_api().await;
    let asked = Instant::now();
    let body = json!({"amount": 5000});
    let begun = sara.ask_at(&peyk, 1, reqwest::Method::POST, CREATE, Some(&body)).await;
    assert_eq!((begun.status, &begun.json["message"]), (502, &json!(message)), "{begun:?}");
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(4), "{took:?}");
    let (payments, pages) = states(&peyk).await;
    assert_eq!(payments, ["created"; 4]);
    // `refused`: the breaker had opened before the last call of the first process.
    let none = |state: &String| ["unknown", "opening", "refused"].contains(&state.as_str());
    assert!(pages.iter().all(none), "{pages:?}");
}

#[tokio::test]
async fn after_an_answer_that_was_lost_a_second_page_is_opened_and_the_first_stays_a_candidate() {
    let gateway = RecordedZarinPal::start().await;
    let peyk = at(&gateway).start().await;
    let sara = Person::new(&peyk).await;
    gateway.behave(Behaviour::TruncatedBody { effect: true });
    let begun = begin(&peyk, &sara, 5000).await;
    let (payments, pages) = states(&peyk).await;
    assert_eq!(
        (payments, pages),
        (vec!["redirected".to_owned()], vec!["unknown".to_owned(), "open".to_owned()])
    );
    assert_eq!(gateway.opened().len(), 2);
    let authority = begun.json["details"]["authority"].as_str().unwrap();
    assert!(authority.ends_with('2'), "the payer is sent to the second page: {authority}");
}

#[tokio::test]
async fn a_gateway_that_refuses_our_account_is_503_and_one_that_refuses_the_payment_is_400() {
    let gateway = RecordedZarinPal::start().await;
    let shop = Receiver::start(SECRET).await;
    let peyk = endpoint(at(&gateway), "SHOP", &shop.url()).start().await;
    let sara = Person::new(&peyk).await;
    gateway.set_mode("reject");
    let account = sara.post(&peyk, CREATE, &json!({"amount": 5000})).await;
    assert_eq!((account.status, &account.json["code"]), (503, &json!("gateway_unavailable")));
    let body =
        json!({"data": [], "errors": {"code": -9, "message": "secret words", "validations": []}});
    let headers = vec![("Content-Type", "application/json".to_owned())];
    gateway.behave(Behaviour::HttpStatus { status: 422, headers, body: body.to_string() });
    let payment = sara.post(&peyk, CREATE, &json!({"amount": 5000})).await;
    assert_eq!((payment.status, &payment.json["code"]), (400, &json!("gateway_refused")));
    assert_eq!(payment.json["errors"][0]["code"], "zarinpal.-9");
    assert!(!payment.json.to_string().contains("secret words"), "{payment:?}");
    let (payments, pages) = states(&peyk).await;
    assert_eq!(payments, ["created", "failed"]);
    assert_eq!(pages, ["refused", "refused"]);
    // The world is told of the one that failed, and not of the one that may be tried again.
    let told = "SELECT jsonb_agg(data) FROM webhook_events WHERE kind = 'payment.failed'";
    let told: Value = sqlx::query_scalar(told).fetch_one(&peyk.database.pool).await.unwrap();
    let failed = "SELECT id FROM payments WHERE state = 'failed'";
    let failed: i64 = sqlx::query_scalar(failed).fetch_one(&peyk.database.pool).await.unwrap();
    let event = json!([{"payment_id": failed, "order_id": "", "state": "failed",
        "amount_rials": 5000, "currency": "IRR", "gateway": "zarinpal", "ref_id": null,
        "user_id": sara.id, "purpose": "charge_wallet"}]);
    assert_eq!(told, event);
}

#[tokio::test]
async fn a_gateway_that_takes_its_time_is_asked_for_a_second_page_before_the_payer_gives_up() {
    let gateway = RecordedZarinPal::start().await;
    let peyk = at(&gateway).set("PAYMENTS__BUDGET_MS", "3000").start().await;
    let sara = Person::new(&peyk).await;
    gateway.behave(Behaviour::HangAfterRead { effect: true });
    let asked = Instant::now();
    begin(&peyk, &sara, 5000).await;
    assert!(asked.elapsed() >= Duration::from_millis(1_700), "{:?}", asked.elapsed());
    assert_eq!(gateway.opened().len(), 2);
    // What came of the first is written down although nobody waits for it any more.
    wait_for("the first page's end", async || {
        let (payments, pages) = states(&peyk).await;
        assert_eq!(payments, ["redirected"]);
        (pages == ["unknown", "open"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn payments_of_sandbox_mode_need_no_configuration() {
    let peyk = patient().start().await;
    let sara = Person::new(&peyk).await;
    let begun = begin(&peyk, &sara, 5000).await;
    let page = begun.json["details"]["gateway_url"].as_str().unwrap();
    let page = reqwest::Url::parse(page).unwrap();
    assert_eq!(peyk.get(page.path()).await.status, 200);
    assert_eq!(
        (&begun.json["gateway"], &begun.json["state"]),
        (&json!("sandbox"), &json!("redirected"))
    );
}

#[tokio::test]
async fn a_gateway_that_gives_one_page_twice_never_makes_it_two_payments() {
    let gateway = RecordedZarinPal::start().await;
    let peyk = at(&gateway).start().await;
    let sara = Person::new(&peyk).await;
    let first = begin(&peyk, &sara, 5000).await;
    let data = &first.json["details"]["data"];
    let body = json!({"data": data, "errors": []}).to_string();
    let headers = vec![("Content-Type", "application/json".to_owned())];
    for _ in 0..2 {
        let (headers, body) = (headers.clone(), body.clone());
        gateway.behave(Behaviour::HttpStatus { status: 200, headers, body });
    }
    let second = sara.post(&peyk, CREATE, &json!({"amount": 6000})).await;
    assert_eq!(second.status, 502, "{second:?}");
    let (payments, pages) = states(&peyk).await;
    assert_eq!((payments, pages.len()), (vec!["redirected".to_owned(), "created".to_owned()], 3));
    let authorities = "SELECT count(*) FROM payment_sessions WHERE authority IS NOT NULL";
    assert_eq!(peyk.database.count(authorities).await, 1);
}

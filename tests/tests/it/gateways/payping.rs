//! PayPing: the rules of all gateways, and what only it does.

use std::sync::Arc;

use chrono::TimeDelta;
use peyk_tests::fake::{Behaviour, FakeGateway, FakePayPing, PAYPING_TOKEN, PayPingDesk, Stage};
use serde_json::{Value, json};
use shared::{
    http_client::Timeouts,
    money::Rials,
    payments::{
        callbacks::{self, Body, Hint},
        gateways::{
            Guarded, NewPage, Opened, Page, PaymentGateway, Returned, Standing, Unanswered,
            Verified,
            payping::{Config, PayPing},
        },
    },
};

use super::suite::{
    AMOUNT, EMAIL, Rig, gateway_suite, new_page, open, opened, paid, reason, receipt, setup,
};
use crate::provider_suite::PATIENT;

struct PayPingRig(FakePayPing);

impl Rig for PayPingRig {
    type Desk = PayPingDesk;
    const OPEN: &'static str = "/v3/pay";
    const VERIFY: &'static str = "pay/verify";
    const TURNED_BACK: Standing = Standing::Cancelled;
    const NOBODYS: &'static str = "01J99999999999999999999999";
    async fn start() -> Self {
        Self(FakePayPing::start().await)
    }
    fn fake(&self) -> &FakeGateway<PayPingDesk> {
        &self.0
    }
    fn gateway(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn PaymentGateway> {
        let config = json!({"base_url": base_url, "token": PAYPING_TOKEN, "reversible": true});
        Arc::new(from_config(config, timeouts))
    }
    fn secrets() -> Vec<String> {
        [PAYPING_TOKEN, "9123456789", EMAIL].map(str::to_owned).to_vec()
    }
}

gateway_suite!(PayPingRig);

fn from_config(config: Value, timeouts: Timeouts) -> PayPing {
    let config: Config = serde_json::from_value(config).expect("a whole config");
    PayPing::new("main", &config, &setup(timeouts)).expect("a valid config")
}

#[tokio::test]
async fn a_page_is_asked_for_in_tomans() {
    let rig = PayPingRig::start().await;
    // The old system's name of the setting.
    let config = json!({"base_url": rig.0.url(), "merchant_id": PAYPING_TOKEN});
    let gateway = from_config(config, PATIENT);
    let opened = gateway.open(&new_page("peyk-1")).await;
    let Opened::Page { authority, url, .. } = opened else { panic!("{opened:?}") };
    assert_eq!(url, format!("https://api.payping.ir/v3/pay/start/{authority}"));
    let call = &rig.0.calls()[0];
    assert_eq!((&*call.method, &*call.target), ("POST", "/v3/pay"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let expected = json!({"amount": 5_000, "returnUrl": "https://shop.example/back",
        "clientRefId": "peyk-1", "description": "سفارش ۱۲", "payerIdentity": "09123456789"});
    assert_eq!(body, expected);
    assert!(!gateway.capabilities().reverse);
}

#[tokio::test]
async fn what_is_no_whole_toman_is_refused_before_any_call() {
    let (rig, gateway, page) = opened::<PayPingRig>().await;
    let amount = Rials::new(AMOUNT.get() + 1);
    let opened = gateway.open(&NewPage { amount, ..new_page("peyk-2") }).await;
    let why = "payping.whole_tomans";
    assert!(matches!(&opened, Opened::Refused(said) if said.reason == why), "{opened:?}");
    let page = Page { amount, reference: Some(7), ..page };
    assert_eq!(reason(&gateway.verify(&page).await), ("mismatch", why.to_owned()));
    assert_eq!(rig.0.calls().len(), 1);
}

#[tokio::test]
async fn amounts_it_does_not_take_and_tokens_it_does_not_know() {
    let rig = PayPingRig::start().await;
    let gateway = rig.gateway(&rig.0.url(), PATIENT);
    let small = NewPage { amount: Rials::new(9_990), ..new_page("peyk-1") };
    let opened = gateway.open(&small).await;
    assert!(matches!(&opened, Opened::Refused(said) if said.code == Some(101)), "{opened:?}");
    let other = from_config(json!({"base_url": rig.0.url(), "token": "other"}), PATIENT);
    let opened = other.open(&new_page("peyk-1")).await;
    assert!(matches!(&opened, Opened::Account(said) if said.code == Some(103)), "{opened:?}");
    for status in [401, 403] {
        let silent = Behaviour::HttpStatus { status, headers: vec![], body: String::new() };
        rig.0.behave("/v3/pay", silent);
        assert!(matches!(gateway.open(&new_page("peyk-1")).await, Opened::Account(_)));
    }
}

#[tokio::test]
async fn without_a_reference_it_is_not_even_asked() {
    let (rig, gateway, page) = opened::<PayPingRig>().await;
    rig.0.pay(&page.authority);
    assert_eq!(gateway.verify(&page).await, Verified::NoReference);
    assert_eq!(rig.0.count("verify"), 0);
}

#[tokio::test]
async fn another_reference_or_amount_is_refused_and_the_true_one_still_works() {
    let (rig, gateway, page) = paid::<PayPingRig>().await;
    // Of nobody, and of another payment: not verified, and verified already.
    let other = open(&*gateway, "peyk-2").await;
    rig.0.pay(&other.authority);
    let others = rig.0.books(|books| books.page(&other.authority).reference);
    for forged in [7, others] {
        let forged = Page { reference: Some(forged), ..page.clone() };
        let refused = ("not_found", "payping.133".to_owned());
        assert_eq!(reason(&gateway.verify(&forged).await), refused);
    }
    receipt(gateway.verify(&Page { reference: Some(others), ..other }).await);
    let forged = Page { reference: Some(others), ..page.clone() };
    assert_eq!(reason(&gateway.verify(&forged).await).0, "not_found");
    let wrong = Page { amount: Rials::new(AMOUNT.get() * 10), ..page.clone() };
    assert_eq!(reason(&gateway.verify(&wrong).await), ("not_found", "payping.137".to_owned()));
    assert_eq!(rig.0.verified(&page.authority), 0);
    assert!(!receipt(gateway.verify(&page).await).already);
}

#[tokio::test]
async fn while_it_is_at_work_it_says_so_and_then_verifies() {
    let (rig, gateway, page) = paid::<PayPingRig>().await;
    rig.0.desk(|desk| desk.processing = 2);
    assert_eq!(reason(&gateway.verify(&page).await), ("processing", "payping.http_202".to_owned()));
    assert_eq!(reason(&gateway.verify(&page).await), ("processing", "payping.155".to_owned()));
    let bare = Behaviour::HttpStatus { status: 502, headers: vec![], body: "<h1>".to_owned() };
    rig.0.behave("verify", bare);
    assert_eq!(reason(&gateway.verify(&page).await), ("processing", "payping.http_502".to_owned()));
    assert!(!receipt(gateway.verify(&page).await).already);
}

#[tokio::test]
async fn another_amount_in_its_answer_is_a_mismatch_on_200_and_110_alike() {
    for as_text in [false, true] {
        let (rig, gateway, page) = paid::<PayPingRig>().await;
        rig.0.desk(|desk| {
            desk.named_amount = Some(AMOUNT.get());
            desk.repeated_as_text = as_text;
        });
        let mismatch = ("mismatch", "payping.amount".to_owned());
        assert_eq!(reason(&gateway.verify(&page).await), mismatch);
        assert_eq!(reason(&gateway.verify(&page).await), mismatch);
        rig.0.desk(|desk| desk.named_amount = None);
        let again = receipt(gateway.verify(&page).await);
        assert_eq!((again.already, again.said.code), (true, Some(110)));
        assert_eq!(again.card_pan.as_deref(), Some("603799******1234"));
    }
}

#[tokio::test]
async fn verified_before_counts_only_where_it_names_our_payment() {
    let (rig, gateway, page) = paid::<PayPingRig>().await;
    let reference = page.reference.unwrap_or_default();
    let ours = json!({"Amount": 5_000, "Code": page.authority, "ClientRefId": "peyk-1",
        "PaymentRefId": reference});
    let with = |name: &str, value: Value| {
        let mut payment = ours.clone();
        payment[name] = value;
        payment
    };
    let cases = [
        (ours.clone(), "paid"),
        (Value::String(ours.to_string()), "paid"),
        (with("Code", json!("01K")), "not_found"),
        (with("ClientRefId", json!("peyk-9")), "not_found"),
        (with("PaymentRefId", json!(7)), "not_found"),
        (with("Amount", json!(500)), "mismatch"),
        (with("Amount", Value::Null), "unknown"),
        (json!({"Amount": 5_000}), "unknown"),
        (json!("already verified"), "unknown"),
    ];
    for code in [110, 123] {
        for (message, expected) in &cases {
            let body = json!({"metaData": {"code": code, "message": message}}).to_string();
            rig.0.behave("verify", Behaviour::HttpStatus { status: 409, headers: vec![], body });
            assert_eq!(reason(&gateway.verify(&page).await).0, *expected, "{code} {message}");
        }
    }
    // Where it does not say which, a report that does is believed.
    receipt(gateway.verify(&page).await);
    let body = json!({"metaData": {"code": 123}}).to_string();
    rig.0.behave("verify", Behaviour::HttpStatus { status: 409, headers: vec![], body });
    assert!(receipt(gateway.verify(&page).await).already);
}

#[tokio::test]
async fn another_payment_in_a_first_answer_is_for_a_person_to_see() {
    let (rig, gateway, page) = paid::<PayPingRig>().await;
    let reference = page.reference.unwrap_or_default();
    for (name, value, expected) in [
        ("code", json!("01K"), "mismatch"),
        ("clientRefId", json!("peyk-9"), "mismatch"),
        ("paymentRefId", json!(7), "mismatch"),
        ("amount", json!("5000"), "paid"),
        ("amount", json!(null), "unknown"),
    ] {
        let mut body = json!({"amount": 5_000, "code": page.authority, "clientRefId": "peyk-1",
            "paymentRefId": reference, "cardNumber": "6037991234561234"});
        body[name] = value;
        let body = body.to_string();
        rig.0.behave("verify", Behaviour::HttpStatus { status: 200, headers: vec![], body });
        let verified = gateway.verify(&page).await;
        assert_eq!(reason(&verified).0, expected, "{name}");
        assert!(!format!("{verified:?}").contains("6037991234561234"), "{verified:?}");
    }
}

#[tokio::test]
async fn after_ten_minutes_the_money_is_back() {
    let (rig, gateway, page) = paid::<PayPingRig>().await;
    rig.0.books(|books| books.pass(TimeDelta::minutes(11)));
    assert_eq!(reason(&gateway.verify(&page).await), ("not_paid", "payping.121".to_owned()));
    assert_eq!(gateway.inquire(&page).await, Ok(Standing::Reversed));
    assert_eq!(rig.0.captured(), 0);
}

#[tokio::test]
async fn a_report_that_says_nothing_clear_is_no_answer_and_no_fault() {
    let (rig, gateway, page) = paid::<PayPingRig>().await;
    rig.0.desk(|desk| desk.reports = false);
    // The breaker must not open for it: payments go on.
    let gateway = Guarded::new(gateway);
    for _ in 0..20 {
        assert_eq!(gateway.inquire(&page).await, Err(Unanswered::Unsupported));
    }
    assert!(matches!(gateway.verify(&page).await, Verified::Paid(_)));
}

#[tokio::test]
async fn only_what_was_opened_so_can_be_reversed_and_only_in_time() {
    let (rig, gateway, page) = paid::<PayPingRig>().await;
    receipt(gateway.verify(&page).await);
    let plain = from_config(json!({"base_url": rig.0.url(), "token": PAYPING_TOKEN}), PATIENT);
    assert_eq!(plain.reverse(&page).await, Err(Unanswered::Unsupported));
    let none = gateway.reverse(&Page { reference: None, ..page.clone() }).await;
    assert!(matches!(none, Ok(Returned::Refused(_))), "{none:?}");
    rig.0.behave("reverse", Behaviour::HangAfterRead { effect: false });
    let hasty = rig.gateway(&rig.0.url(), crate::provider_suite::HASTY);
    assert!(matches!(hasty.reverse(&page).await, Ok(Returned::Unknown(_))));
    let done = gateway.reverse(&page).await;
    assert!(matches!(done, Ok(Returned::Done(_))), "{done:?}");
    assert_eq!(rig.0.books(|books| books.page(&page.authority).stage), Stage::Returned);
    // Opened without, and too late.
    let other = open(&plain, "peyk-2").await;
    let late = open(&*gateway, "peyk-3").await;
    for page in [&other, &late] {
        rig.0.pay(&page.authority);
        let reference = rig.0.books(|books| books.page(&page.authority).reference);
        receipt(gateway.verify(&Page { reference: Some(reference), ..page.clone() }).await);
    }
    let reverse = async |page: &Page, code: i32| {
        let reference = rig.0.books(|books| books.page(&page.authority).reference);
        let refused = gateway.reverse(&Page { reference: Some(reference), ..page.clone() }).await;
        assert!(matches!(&refused, Ok(Returned::Refused(said)) if said.code == Some(code)));
    };
    reverse(&other, 134).await;
    rig.0.books(|books| books.pass(TimeDelta::minutes(31)));
    reverse(&late, 135).await;
}

#[tokio::test]
async fn its_way_back_is_read_and_brings_the_reference() {
    let (rig, _, page) = paid::<PayPingRig>().await;
    let (url, form) = rig.0.way_back(&page.authority);
    assert_eq!(url, "https://shop.example/back");
    let callback = callbacks::read(&[], Body::Form(&form)).unwrap();
    assert_eq!((&callback.authority, callback.reference), (&page.authority, page.reference));
    assert_eq!(callback.hint, Some(Hint::Paid));
}

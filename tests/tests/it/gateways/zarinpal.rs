//! ZarinPal: the rules of all gateways, and what only it does.

use std::sync::Arc;

use chrono::TimeDelta;
use peyk_tests::fake::{
    Behaviour, FakeGateway, FakeZarinPal, Stage, ZARINPAL_MERCHANT, ZARINPAL_TERMINAL,
    ZARINPAL_TOKEN, ZarinPalDesk,
};
use serde_json::{Value, json};
use shared::{
    http_client::Timeouts,
    money::Rials,
    payments::gateways::{
        NewPage, Opened, Page, PaymentGateway, Returned, Standing, Unanswered, Verified,
        zarinpal::{Config, ZarinPal},
    },
};

use super::suite::{
    AMOUNT, EMAIL, Rig, gateway_suite, new_page, open, opened, paid, reason, receipt, setup,
};
use crate::provider_suite::PATIENT;

struct ZarinPalRig(FakeZarinPal);

impl Rig for ZarinPalRig {
    type Desk = ZarinPalDesk;
    const OPEN: &'static str = "request.json";
    const VERIFY: &'static str = "verify.json";
    const TURNED_BACK: Standing = Standing::Failed;
    const NOBODYS: &'static str = "A99999999999999999999999999999999999";
    async fn start() -> Self {
        Self(FakeZarinPal::start().await)
    }
    fn fake(&self) -> &FakeGateway<ZarinPalDesk> {
        &self.0
    }
    fn gateway(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn PaymentGateway> {
        Arc::new(from_config(&json!({"base_url": base_url}), timeouts))
    }
    fn secrets() -> Vec<String> {
        [ZARINPAL_MERCHANT, ZARINPAL_TOKEN].map(str::to_owned).to_vec()
    }
}

gateway_suite!(ZarinPalRig);

fn from_config(more: &Value, timeouts: Timeouts) -> ZarinPal {
    let mut config = json!({"merchant_id": ZARINPAL_MERCHANT, "access_token": ZARINPAL_TOKEN,
        "terminal_id": ZARINPAL_TERMINAL});
    let members = config.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    members.insert("panel_url".to_owned(), more["base_url"].clone());
    let config: Config = serde_json::from_value(config).expect("a whole config");
    ZarinPal::new("main", &config, &setup(timeouts)).expect("a valid config")
}

#[tokio::test]
async fn a_page_is_asked_for_in_rials_as_json_and_with_filled_metadata_only() {
    let rig = ZarinPalRig::start().await;
    let gateway = rig.gateway(&rig.0.url(), PATIENT);
    let opened = gateway.open(&new_page("peyk-1")).await;
    let Opened::Page { authority, url, said } = opened else { panic!("{opened:?}") };
    assert_eq!(url, format!("{}/pg/StartPay/{authority}", rig.0.url()));
    assert_eq!((said.code, &*said.reason, &*said.message), (Some(100), "zarinpal.100", "Success"));
    let expected = json!({"code": 100, "message": "Success", "authority": authority,
        "fee_type": "Merchant", "fee": 100});
    assert_eq!(said.answer, expected);
    let call = &rig.0.calls()[0];
    assert_eq!((&*call.method, &*call.target), ("POST", "/pg/v4/payment/request.json"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let expected = json!({
        "merchant_id": ZARINPAL_MERCHANT, "amount": 50_000, "currency": "IRR",
        "callback_url": "https://shop.example/back", "description": "سفارش ۱۲",
        "metadata": {"mobile": "09123456789", "email": EMAIL, "order_id": "12"},
    });
    assert_eq!(body, expected);
    let bare = NewPage {
        mobile: String::new(),
        email: " ".to_owned(),
        order_id: String::new(),
        description: String::new(),
        ..new_page("peyk-2")
    };
    assert!(matches!(gateway.open(&bare).await, Opened::Page { .. }));
    let body: Value = serde_json::from_slice(&rig.0.calls()[1].body).unwrap();
    assert_eq!((body.get("metadata"), &body["description"]), (None, &json!("پرداخت")));
}

#[tokio::test]
async fn payers_may_be_sent_elsewhere_than_calls() {
    let rig = ZarinPalRig::start().await;
    let config = json!({"base_url": rig.0.url(), "pages_url": "https://payment.zarinpal.com"});
    let gateway = from_config(&config, PATIENT);
    let opened = gateway.open(&new_page("peyk-1")).await;
    let Opened::Page { authority, url, .. } = opened else { panic!("{opened:?}") };
    assert_eq!(url, format!("https://payment.zarinpal.com/pg/StartPay/{authority}"));
}

#[tokio::test]
async fn what_it_does_not_take_is_refused_or_the_accounts_matter() {
    let rig = ZarinPalRig::start().await;
    let gateway = rig.gateway(&rig.0.url(), PATIENT);
    for (amount, code) in [(999, -9), (1_000_000_001, -41)] {
        let page = NewPage { amount: Rials::new(amount), ..new_page("peyk-1") };
        let opened = gateway.open(&page).await;
        assert!(matches!(&opened, Opened::Refused(said) if said.code == Some(code)), "{opened:?}");
    }
    rig.0.desk(|desk| desk.domain = Some("other.example".to_owned()));
    let opened = gateway.open(&new_page("peyk-1")).await;
    assert!(matches!(&opened, Opened::Account(said) if said.code == Some(-14)), "{opened:?}");
    let other = json!({"base_url": rig.0.url(),
        "merchant_id": "00000000-0000-0000-0000-000000000000"});
    let opened = from_config(&other, PATIENT).open(&new_page("peyk-1")).await;
    assert!(matches!(&opened, Opened::Account(said) if said.code == Some(-10)), "{opened:?}");
}

#[tokio::test]
async fn another_amount_is_a_mismatch_even_before_anybody_paid() {
    let (rig, gateway, page) = opened::<ZarinPalRig>().await;
    let wrong = Page { amount: Rials::new(AMOUNT.get() / 10), ..page.clone() };
    let mismatch = ("mismatch", "zarinpal.-50".to_owned());
    assert_eq!(reason(&gateway.verify(&wrong).await), mismatch);
    rig.0.pay(&page.authority);
    assert_eq!(reason(&gateway.verify(&wrong).await), mismatch);
    assert_eq!(rig.0.verified(&page.authority), 0);
    receipt(gateway.verify(&page).await);
    assert_eq!(reason(&gateway.verify(&wrong).await), mismatch);
}

#[tokio::test]
async fn another_page_in_its_answer_is_a_mismatch() {
    let (rig, gateway, page) = paid::<ZarinPalRig>().await;
    for (code, authority, expected) in [
        (100, &*page.authority, ("paid", "zarinpal.100")),
        (100, ZarinPalRig::NOBODYS, ("mismatch", "zarinpal.authority")),
        (101, ZarinPalRig::NOBODYS, ("mismatch", "zarinpal.authority")),
    ] {
        let data = json!({"code": code, "message": "Paid", "ref_id": 5, "authority": authority});
        let body = json!({"data": data, "errors": []}).to_string();
        let how = Behaviour::HttpStatus { status: 200, headers: Vec::new(), body };
        rig.0.behave("verify", how);
        let (class, why) = expected;
        assert_eq!(reason(&gateway.verify(&page).await), (class, why.to_owned()));
    }
}

#[tokio::test]
async fn names_of_its_sandbox_and_of_nobody_are_not_found() {
    let (_rig, gateway, page) = opened::<ZarinPalRig>().await;
    for (authority, code) in
        [(page.authority.replacen('A', "S", 1), -54), (page.authority.replace('7', "9"), -55)]
    {
        let verified = gateway.verify(&Page { authority, ..page.clone() }).await;
        assert_eq!(reason(&verified), ("not_found", format!("zarinpal.{code}")));
    }
}

#[tokio::test]
async fn numbers_may_be_strings_and_objects_lists() {
    let (rig, gateway, page) = opened::<ZarinPalRig>().await;
    rig.0.desk(|desk| desk.php = true);
    assert!(matches!(gateway.open(&new_page("peyk-2")).await, Opened::Page { .. }));
    assert_eq!(reason(&gateway.verify(&page).await), ("not_paid", "zarinpal.-51".to_owned()));
    rig.0.pay(&page.authority);
    assert!(!receipt(gateway.verify(&page).await).already);
    let again = receipt(gateway.verify(&page).await);
    assert!(again.already && again.ref_id.is_some(), "{again:?}");
}

#[tokio::test]
async fn the_first_answer_is_kept_as_it_was_said() {
    let (_rig, gateway, page) = paid::<ZarinPalRig>().await;
    let first = receipt(gateway.verify(&page).await);
    let hash = "1EBE3EBEBE35C7EC0F8D6EE4F2F859107A87822CA179BC9528767EA7B5489B69";
    let expected = json!({"wages": null, "code": 100, "message": "Paid", "card_hash": hash,
        "card_pan": "502229******5995", "ref_id": first.ref_id, "fee_type": "Merchant", "fee": 0,
        "order_id": "12"});
    assert_eq!(first.said.answer, expected);
    assert_eq!(first.card_hash.as_deref(), Some(hash));
}

#[tokio::test]
async fn what_was_not_verified_in_time_goes_back() {
    let (rig, gateway, page) = paid::<ZarinPalRig>().await;
    rig.0.books(|books| books.pass(TimeDelta::minutes(31)));
    assert_eq!(reason(&gateway.verify(&page).await), ("not_paid", "zarinpal.-51".to_owned()));
    assert_eq!(gateway.inquire(&page).await, Ok(Standing::Reversed));
    assert_eq!(rig.0.captured(), 0);
}

#[tokio::test]
async fn its_list_names_what_was_paid_and_not_verified_with_the_time() {
    let (rig, gateway, page) = paid::<ZarinPalRig>().await;
    let other = open(&*gateway, "peyk-2").await;
    rig.0.pay(&other.authority);
    receipt(gateway.verify(&other).await);
    open(&*gateway, "peyk-3").await;
    let list = gateway.unverified().await.unwrap();
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!((&list[0].authority, list[0].amount), (&page.authority, AMOUNT));
    let paid_at = rig.0.books(|books| books.page(&page.authority).paid_at).unwrap();
    assert!((list[0].at.unwrap() - paid_at).num_seconds().abs() <= 1, "{list:?}");
    rig.0.behave("unVerified", Behaviour::InvalidJson { effect: false });
    let garbage = Unanswered::Unavailable("http.body".to_owned());
    assert_eq!(gateway.unverified().await, Err(garbage));
}

#[tokio::test]
async fn a_payment_is_reversed_once_and_then_said_to_be_so() {
    let (rig, gateway, page) = paid::<ZarinPalRig>().await;
    let reversed = gateway.reverse(&page).await;
    assert!(matches!(reversed, Ok(Returned::Refused(_))), "not verified: {reversed:?}");
    receipt(gateway.verify(&page).await);
    rig.0.behave("reverse", Behaviour::ResetAfterRead { effect: true });
    let reversed = gateway.reverse(&page).await;
    assert!(matches!(reversed, Ok(Returned::Unknown(_))), "{reversed:?}");
    let reversed = gateway.reverse(&page).await;
    assert!(matches!(reversed, Ok(Returned::Already(_))), "{reversed:?}");
    assert_eq!(rig.0.books(|books| books.page(&page.authority).stage), Stage::Returned);
    let (rig, gateway, page) = paid::<ZarinPalRig>().await;
    receipt(gateway.verify(&page).await);
    assert!(matches!(gateway.reverse(&page).await, Ok(Returned::Done(_))));
    let (other, gateway, page) = paid::<ZarinPalRig>().await;
    receipt(gateway.verify(&page).await);
    other.0.books(|books| books.pass(TimeDelta::minutes(31)));
    let late = gateway.reverse(&page).await;
    assert!(matches!(&late, Ok(Returned::Refused(said)) if said.code == Some(-63)), "{late:?}");
    assert_eq!((rig.0.captured(), other.0.captured()), (0, AMOUNT.get()));
}

#[tokio::test]
async fn a_payment_is_refunded_through_the_panel_once() {
    let (rig, gateway, page) = paid::<ZarinPalRig>().await;
    receipt(gateway.verify(&page).await);
    assert!(gateway.capabilities().refund);
    let refund = async || gateway.refund(&page, "returned goods").await;
    // The answer of the look-up, then of the refund itself, is lost.
    rig.0.behave("graphql", Behaviour::ResetAfterRead { effect: false });
    assert!(matches!(refund().await, Ok(Returned::RetryLater(_))));
    rig.0.behave("graphql", Behaviour::Ok);
    rig.0.behave("graphql", Behaviour::ResetAfterRead { effect: true });
    assert!(matches!(refund().await, Ok(Returned::Unknown(_))));
    assert!(matches!(refund().await, Ok(Returned::Already(_))));
    assert_eq!(rig.0.captured(), 0);
    let (rig, gateway, page) = paid::<ZarinPalRig>().await;
    receipt(gateway.verify(&page).await);
    assert!(matches!(gateway.refund(&page, "").await, Ok(Returned::Done(_))));
    assert_eq!(rig.0.captured(), 0);
    let nobodys = Page { reference: Some(7), ..page.clone() };
    assert!(matches!(gateway.refund(&nobodys, "").await, Ok(Returned::Refused(_))));
    let small = Page { amount: Rials::new(19_999), ..page.clone() };
    assert!(matches!(gateway.refund(&small, "").await, Ok(Returned::Refused(_))));
    // Without a token nothing can be refunded.
    let config = json!({"merchant_id": ZARINPAL_MERCHANT, "base_url": rig.0.url()});
    let config: Config = serde_json::from_value(config).unwrap();
    let plain = ZarinPal::new("main", &config, &setup(PATIENT)).unwrap();
    assert!(!plain.capabilities().refund);
    assert_eq!(plain.refund(&page, "").await, Err(Unanswered::Unsupported));
}

#[tokio::test]
async fn its_sandbox_gives_pages_of_its_own_and_the_two_are_not_mixed() {
    let fake = FakeZarinPal::start().await;
    fake.desk(|desk| desk.sandbox = true);
    let config = |sandbox: bool| {
        let merchant = "00000000-0000-0000-0000-000000000000";
        json!({"base_url": fake.url(), "sandbox": sandbox, "merchant_id": merchant})
    };
    let sandbox = from_config(&config(true), PATIENT);
    let page = open(&sandbox, "peyk-1").await;
    assert!(page.authority.starts_with('S'));
    fake.pay(&page.authority);
    assert!(matches!(sandbox.verify(&page).await, Verified::Paid(_)));
    // A real account that is answered by the sandbox would give goods away.
    let opened = from_config(&config(false), PATIENT).open(&new_page("peyk-2")).await;
    assert!(
        matches!(&opened, Opened::Account(said) if said.reason == "zarinpal.sandbox"),
        "{opened:?}"
    );
    let real = FakeZarinPal::start().await;
    let crossed = from_config(&json!({"base_url": real.url(), "sandbox": true}), PATIENT);
    assert!(matches!(crossed.open(&new_page("peyk-3")).await, Opened::Account(_)));
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let keys = |config: Value| {
        let config: Config = serde_json::from_value(config).unwrap();
        let problems = ZarinPal::new("main", &config, &setup(PATIENT)).unwrap_err();
        problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(json!({"merchant_id": "CHANGE_ME"})), ["merchant_id"]);
    let uuid = ZARINPAL_MERCHANT;
    assert_eq!(
        keys(json!({"merchant_id": uuid, "base_url": "ftp://a"})),
        ["base_url", "pages_url"]
    );
    assert_eq!(keys(json!({"merchant_id": uuid, "access_token": "t"})), ["terminal_id"]);
    assert_eq!(keys(json!({"merchant_id": uuid, "terminal_id": "1"})), ["access_token"]);
}

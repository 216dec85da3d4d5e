//! Zibal: the rules of all gateways, and what only it does.

use std::sync::Arc;

use peyk_tests::fake::{Behaviour, FakeGateway, FakeZibal, ZIBAL_MERCHANT, ZibalDesk};
use serde_json::{Value, json};
use shared::{
    http_client::Timeouts,
    money::Rials,
    payments::gateways::{
        NewPage, Opened, Page, PaymentGateway, Standing, Unanswered,
        zibal::{Config, Zibal},
    },
};

use super::suite::{AMOUNT, Rig, gateway_suite, new_page, opened, paid, reason, receipt, setup};
use crate::provider_suite::PATIENT;

struct ZibalRig(FakeZibal);

impl Rig for ZibalRig {
    type Desk = ZibalDesk;
    const OPEN: &'static str = "request";
    const VERIFY: &'static str = "verify";
    const TURNED_BACK: Standing = Standing::Cancelled;
    const NOBODYS: &'static str = "999999";
    async fn start() -> Self {
        Self(FakeZibal::start().await)
    }
    fn fake(&self) -> &FakeGateway<ZibalDesk> {
        &self.0
    }
    fn gateway(&self, base_url: &str, timeouts: Timeouts) -> Arc<dyn PaymentGateway> {
        let config = json!({"base_url": base_url, "merchant": ZIBAL_MERCHANT});
        Arc::new(from_config(config, timeouts).expect("a valid config"))
    }
    fn secrets() -> Vec<String> {
        vec![ZIBAL_MERCHANT.to_owned()]
    }
}

gateway_suite!(ZibalRig);

fn from_config(config: Value, timeouts: Timeouts) -> Result<Zibal, Vec<&'static str>> {
    let config: Config = serde_json::from_value(config).expect("a whole config");
    let built = Zibal::new("main", &config, &setup(timeouts));
    built.map_err(|problems| problems.into_iter().map(|problem| problem.key).collect())
}

#[tokio::test]
async fn a_page_is_asked_for_in_rials_under_our_reference() {
    let rig = ZibalRig::start().await;
    let gateway = rig.gateway(&rig.0.url(), PATIENT);
    let opened = gateway.open(&new_page("peyk-1")).await;
    let Opened::Page { authority, url, said } = opened else { panic!("{opened:?}") };
    assert_eq!(url, format!("{}/start/{authority}", rig.0.url()));
    assert_eq!((said.code, &*said.message), (Some(100), "success"));
    let call = &rig.0.calls()[0];
    assert_eq!((&*call.method, &*call.target), ("POST", "/v1/request"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let expected = json!({"merchant": ZIBAL_MERCHANT, "amount": 50_000, "orderId": "peyk-1",
        "callbackUrl": "https://shop.example/back", "description": "سفارش ۱۲",
        "mobile": "09123456789"});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_it_does_not_take_is_refused_or_the_accounts_matter() {
    let rig = ZibalRig::start().await;
    let gateway = rig.gateway(&rig.0.url(), PATIENT);
    for (amount, result) in [(999, 105), (1_000_000_001, 113)] {
        let page = NewPage { amount: Rials::new(amount), ..new_page("peyk-1") };
        let opened = gateway.open(&page).await;
        assert!(matches!(&opened, Opened::Refused(said) if said.code == Some(result)));
    }
    let other = json!({"base_url": rig.0.url(), "merchant": "other"});
    let opened = from_config(other, PATIENT).unwrap().open(&new_page("peyk-1")).await;
    assert!(matches!(&opened, Opened::Account(said) if said.code == Some(102)), "{opened:?}");
}

#[tokio::test]
async fn the_amount_it_answers_is_compared_on_100_and_on_201() {
    let (rig, gateway, page) = paid::<ZibalRig>().await;
    rig.0.desk(|desk| desk.named_amount = Some(AMOUNT.get() / 10));
    let mismatch = ("mismatch", "zibal.amount".to_owned());
    assert_eq!(reason(&gateway.verify(&page).await), mismatch);
    assert_eq!(reason(&gateway.verify(&page).await), mismatch);
    rig.0.desk(|desk| desk.named_amount = None);
    assert!(receipt(gateway.verify(&page).await).already);
    let other = Page { client_ref: "peyk-9".to_owned(), ..page.clone() };
    assert_eq!(reason(&gateway.verify(&other).await), ("mismatch", "zibal.order_id".to_owned()));
    let other = Page { amount: Rials::new(AMOUNT.get() * 10), ..page };
    assert_eq!(reason(&gateway.verify(&other).await), mismatch);
}

#[tokio::test]
async fn another_page_in_its_answer_is_a_mismatch() {
    let (rig, gateway, page) = paid::<ZibalRig>().await;
    let ours = json!({"result": 100, "amount": AMOUNT.get(), "orderId": page.client_ref,
        "trackId": page.authority, "refNumber": 5});
    let answer = async |name: &str, value: Value| {
        let mut body = ours.clone();
        body[name] = value;
        let (status, headers, body) = (200, Vec::new(), body.to_string());
        rig.0.behave("verify", Behaviour::HttpStatus { status, headers, body });
        reason(&gateway.verify(&page).await)
    };
    assert_eq!(answer("refNumber", 5.into()).await.0, "paid");
    let mismatch = |what: &str| ("mismatch", format!("zibal.{what}"));
    assert_eq!(answer("trackId", 1.into()).await, mismatch("track_id"));
    assert_eq!(answer("orderId", "peyk-9".into()).await, mismatch("order_id"));
    assert_eq!(answer("amount", 1.into()).await, mismatch("amount"));
}

#[tokio::test]
async fn names_that_are_no_numbers_are_nobodys_and_not_sent() {
    let (rig, gateway, page) = opened::<ZibalRig>().await;
    let page = Page { authority: "A1".to_owned(), ..page };
    assert_eq!(reason(&gateway.verify(&page).await).0, "not_found");
    assert_eq!(gateway.inquire(&page).await, Ok(Standing::NotFound));
    assert_eq!(rig.0.calls().len(), 1);
}

#[tokio::test]
async fn what_it_cannot_do_it_says() {
    let (_rig, gateway, page) = opened::<ZibalRig>().await;
    assert_eq!(gateway.reverse(&page).await, Err(Unanswered::Unsupported));
    assert_eq!(gateway.refund(&page, "").await, Err(Unanswered::Unsupported));
    assert_eq!(gateway.unverified().await, Err(Unanswered::Unsupported));
}

#[test]
fn its_sandbox_is_asked_for_by_both_settings() {
    for (merchant, sandbox, expected) in [
        ("zibal", true, None),
        ("zibal", false, Some("sandbox")),
        (ZIBAL_MERCHANT, true, Some("sandbox")),
        (ZIBAL_MERCHANT, false, None),
        (" ", false, Some("merchant")),
    ] {
        let config = json!({"merchant": merchant, "sandbox": sandbox});
        let built = from_config(config, PATIENT);
        assert_eq!(built.err().unwrap_or_default(), Vec::from_iter(expected), "{merchant}");
    }
}

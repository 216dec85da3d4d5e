//! The page of the sandbox bank: what it answers, and what a browser makes of it.

use std::time::Duration;

use peyk_tests::{
    browser::{Browser, Tab},
    fake::{Answer, FakeKavenegar, FakeProvider, http::Request, http::Response},
    harness::{Peyk, wait_for},
};
use serde_json::{Value, json};
use shared::{
    http_client::Timeouts,
    money::Rials,
    payments::gateways::{
        NewPage, Opened, PaymentGateway, Setup,
        sandbox::{Config, Imitation, Sandbox},
    },
};

/// A shop that is told when payers come back: it shows a page, or sends them on to another one.
pub(crate) struct Shop(FakeProvider);

impl Shop {
    pub(crate) async fn start(sends_on_to: Option<&str>) -> Self {
        let onward = sends_on_to.map(str::to_owned);
        let answer = move |_: &Request, _| {
            let page = Response {
                status: 200,
                headers: vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned())],
                body: "<!doctype html><title>Shop</title><p>Welcome back".as_bytes().to_vec(),
            };
            Answer::only(match &onward {
                Some(url) => Response { status: 303, ..page }.with_header("Location", url),
                None => page,
            })
        };
        Self(FakeProvider::start(answer).await)
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/back?order=7", self.0.url())
    }

    /// Its host and port.
    pub(crate) fn host(&self) -> String {
        self.0.url().trim_start_matches("http://").to_owned()
    }

    /// Who came back, without what browsers ask for by themselves.
    pub(crate) fn returns(&self) -> Vec<Request> {
        let calls = self.0.calls().into_iter();
        calls.filter(|call| call.path() == "/back").collect()
    }

    /// The fields of those who came back with them.
    fn told(&self, name: &str) -> Vec<String> {
        let returns = self.returns();
        let fields = returns.iter().flat_map(Request::fields);
        fields.filter(|(known, _)| known == name).map(|(_, value)| value).collect()
    }
}

/// A page of 1,234,500 rials at the sandbox bank.
async fn opened(peyk: &Peyk, imitates: Imitation, callback_url: &str) -> String {
    let second = Duration::from_secs(1);
    let setup = Setup {
        timeouts: Timeouts { connect: second, budget: second * 20 },
        public_url: peyk.urls[0].clone(),
        pool: Some(peyk.database.pool.clone()),
    };
    let sandbox = Sandbox::new("sandbox", &Config { imitates }, &setup).unwrap();
    let page = NewPage {
        amount: Rials::new(1_234_500),
        callback_url: callback_url.to_owned(),
        description: "سفارش ۷ <script>alert(1)</script>".to_owned(),
        client_ref: "peyk-7-1".to_owned(),
        order_id: "7".to_owned(),
        mobile: String::new(),
        email: String::new(),
    };
    match sandbox.open(&page).await {
        Opened::Page { url, .. } => url,
        other => panic!("{other:?}"),
    }
}

/// An api without anything else.
async fn bank() -> Peyk {
    Peyk::builder().workers(0).start().await
}

/// Whatever somebody without a browser is answered: status, where to, and the page.
async fn press(peyk: &Peyk, url: &str, action: &str) -> (u16, String) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.no_proxy().build().unwrap();
    let answer = client.post(url).form(&[("action", action)]).send().await.unwrap();
    let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    let _ = peyk;
    (answer.status().as_u16(), to.unwrap_or_default())
}

async fn read(peyk: &Peyk, url: &str) -> (u16, String, String) {
    let answer = peyk.client().get(url).send().await.unwrap();
    let policy = answer.headers().get("content-security-policy");
    let policy = policy.map(|policy| policy.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), policy, answer.text().await.unwrap())
}

#[tokio::test]
async fn each_button_answers_as_the_imitated_gateway_would() {
    let peyk = bank().await;
    let shop = "https://shop.test/back";
    for (action, status) in [("pay", "OK"), ("cancel", "NOK"), ("fail", "NOK")] {
        let url = opened(&peyk, Imitation::ZarinPal, shop).await;
        let authority = url.rsplit('/').next().unwrap();
        let back = format!("{shop}?Authority={authority}&Status={status}");
        // However often it is pressed.
        for _ in 0..2 {
            assert_eq!(press(&peyk, &url, action).await, (303, back.clone()));
        }
        let other = if action == "pay" { "cancel" } else { "pay" };
        assert_eq!(press(&peyk, &url, other).await, (303, "?then=".to_owned()), "{action}");
        let (code, _, page) = read(&peyk, &url).await;
        assert_eq!(code, 200);
        assert!(page.contains(&back.replace('&', "&amp;")) && !page.contains("value=\"pay\""));
    }
    for action in ["close", "late", "double"] {
        let url = opened(&peyk, Imitation::Zibal, shop).await;
        assert_eq!(press(&peyk, &url, action).await, (303, format!("?then={action}")));
        let (_, _, page) = read(&peyk, &format!("{url}?then={action}")).await;
        assert_eq!(page.contains("success=1"), action != "close", "{page}");
    }
    let url = opened(&peyk, Imitation::ZarinPal, shop).await;
    assert_eq!(press(&peyk, &url, "steal").await.0, 400);
    let (_, _, page) = read(&peyk, &format!("{url}?then=late")).await;
    assert!(page.contains("value=\"pay\""), "nothing was done: {page}");
}

#[tokio::test]
async fn the_page_shows_amounts_in_both_languages_and_runs_nothing() {
    let peyk = bank().await;
    let url = opened(&peyk, Imitation::ZarinPal, "https://shop.test/back").await;
    let (status, policy, page) = read(&peyk, &url).await;
    assert_eq!(status, 200);
    for shown in ["۱٬۲۳۴٬۵۰۰ ریال", "۱۲۳٬۴۵۰ تومان", "1,234,500 rials · 123,450 tomans"]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"), "{page}");
    assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    let (_, again, _) = read(&peyk, &url).await;
    assert_ne!(policy, again, "a nonce is used once");
}

#[tokio::test]
async fn an_unknown_page_is_a_page_that_says_so_and_production_has_no_bank() {
    let peyk = bank().await;
    let url = format!("{}/sandbox/bank/{}", peyk.urls[0], "S".repeat(36));
    let (status, _, page) = read(&peyk, &url).await;
    assert_eq!((status, page.contains("There is no such payment")), (404, true), "{page}");
    assert_eq!(press(&peyk, &url, "pay").await.0, 404);
    let fake = FakeKavenegar::start().await;
    let peyk = Peyk::builder().workers(0).kavenegar(&fake.url()).start().await;
    let url = opened(&peyk, Imitation::ZarinPal, "https://shop.test/back").await;
    let (status, _, page) = read(&peyk, &url).await;
    let problem: Value = serde_json::from_str(&page).unwrap();
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    assert_eq!(press(&peyk, &url, "pay").await.0, 404);
}

/// What the bank has of a page, by its address.
async fn state(peyk: &Peyk, url: &str) -> String {
    let authority = url.rsplit('/').next().unwrap();
    let sql = "SELECT state FROM sandbox_pages WHERE authority = $1";
    let pool = &peyk.database.pool;
    sqlx::query_scalar(sql).bind(authority).fetch_one(pool).await.unwrap()
}

const PAY: &str = "button[value=pay]";
const SHOP: &str = "/back?order=7";

#[tokio::test]
async fn a_browser_pays_and_cancels_and_lands_where_it_should() {
    let Some(browser) = Browser::start().await else { return };
    let peyk = bank().await;
    let front = Shop::start(None).await;
    let shop = Shop::start(Some(&front.url())).await;
    let tab = browser.tab().await;
    for imitates in [Imitation::ZarinPal, Imitation::Zibal, Imitation::PayPing] {
        for (button, stays) in [("pay", "paid"), ("cancel", "cancelled"), ("fail", "failed")] {
            let returned = shop.returns().len();
            let url = opened(&peyk, imitates, &shop.url()).await;
            tab.go(&url).await;
            tab.wait_for_text("1,234,500 rials").await;
            // Looking again changes nothing.
            tab.reload().await;
            assert_eq!(state(&peyk, &url).await, "open");
            tab.click(&format!("button[value={button}]"), 1).await;
            // Over the shop's callback and on to its front end.
            let address = tab.wait_for_address(SHOP).await;
            assert!(address.starts_with(front.url().trim_end_matches(SHOP)), "{address}");
            tab.wait_for_text("Welcome back").await;
            assert_eq!(state(&peyk, &url).await, stays);
            assert_eq!(shop.returns().len(), returned + 1, "{imitates:?} {button}");
            let post = imitates == Imitation::PayPing;
            let last = shop.returns().pop().unwrap();
            assert_eq!(last.method, if post { "POST" } else { "GET" });
        }
    }
    assert_eq!(shop.told("Status"), ["OK", "NOK", "NOK"]);
    assert_eq!(shop.told("success"), ["1", "0", "0"]);
    let told: Vec<_> = shop.returns().iter().flat_map(Request::fields).collect();
    let status = told.iter().filter(|(name, _)| name == "errorCode");
    assert_eq!(status.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["", "127", "127"]);
    assert_eq!(tab.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_browser_that_presses_twice_and_comes_again_pays_once() {
    let Some(browser) = Browser::start().await else { return };
    let peyk = bank().await;
    let shop = Shop::start(None).await;
    let tab = browser.tab().await;
    let url = opened(&peyk, Imitation::ZarinPal, &shop.url()).await;
    tab.go(&url).await;
    tab.click(PAY, 2).await;
    let address = tab.wait_for_address(SHOP).await;
    assert!(address.ends_with("&Status=OK"), "{address}");
    let paid_at = "SELECT extract(epoch FROM paid_at)::text FROM sandbox_pages";
    let once: String = sqlx::query_scalar(paid_at).fetch_one(&peyk.database.pool).await.unwrap();
    // The bank says what was done, and has the way back once more.
    tab.go(&url).await;
    tab.wait_for_text("This has been paid.").await;
    assert_eq!(tab.value("document.querySelectorAll('button').length").await, Some(json!(0)));
    tab.click("a.go", 1).await;
    assert_eq!(tab.wait_for_address(SHOP).await, address);
    let again: String = sqlx::query_scalar(paid_at).fetch_one(&peyk.database.pool).await.unwrap();
    assert_eq!(once, again);
    assert_eq!(tab.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_browser_plays_what_goes_wrong() {
    let Some(browser) = Browser::start().await else { return };
    let peyk = bank().await;
    let tab = browser.tab().await;
    for imitates in [Imitation::ZarinPal, Imitation::PayPing] {
        let shop = Shop::start(None).await;
        let press = async |button: &str| {
            let url = opened(&peyk, imitates, &shop.url()).await;
            tab.go(&url).await;
            tab.click(&format!("button[value={button}]"), 1).await;
            tab.wait_for_address(&format!("?then={button}")).await;
            assert_eq!(state(&peyk, &url).await, "paid");
        };
        press("close").await;
        tab.wait_for_text("You can close this tab").await;
        tab.reload().await;
        assert_eq!(
            tab.value("document.querySelectorAll('main a, main form').length").await,
            Some(json!(0))
        );
        press("late").await;
        tab.wait_for_text("Go back whenever you like").await;
        assert_eq!(shop.returns().len(), 0, "nobody came back so far");
        follow(&tab).await;
        tab.wait_for_address(SHOP).await;
        assert_eq!(shop.returns().len(), 1);
        press("double").await;
        wait_for("both callbacks", || async { (shop.returns().len() == 3).then_some(()) }).await;
        let both: Vec<_> = shop.returns().iter().skip(1).map(Request::fields).collect();
        assert_eq!(both[0], both[1]);
        follow(&tab).await;
        tab.wait_for_address(SHOP).await;
        assert_eq!(shop.returns().len(), 4);
    }
    assert_eq!(tab.complaints(), [""; 0]);
}

/// Presses the last way back on the page.
async fn follow(tab: &Tab) {
    tab.click(".deeds > a.go, .deeds > form:not(.sent) .go", 1).await;
}

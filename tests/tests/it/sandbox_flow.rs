//! A payer with a real browser, from `payment/create/` over the sandbox bank to the wallet, as each
//! gateway that the bank imitates would have it.

use peyk_tests::{
    browser::{Browser, Tab},
    harness::{Peyk, free_port, wait_for},
};
use serde_json::json;

use crate::{login_steps::patient, people::Person, sandbox_bank::Shop};

const GATEWAYS: [&str; 3] = ["zarinpal", "payping", "zibal"];
const AMOUNT: i64 = 50_000;

/// A Peyk whose bank has a page under an address that browsers find, and a shop's front end.
async fn start(front: &Shop) -> Peyk {
    let port = free_port();
    let host = front.host();
    let mut peyk = patient()
        .set("HTTP__LISTEN", format!("127.0.0.1:{port}"))
        .set("HTTP__PUBLIC_URL", format!("http://127.0.0.1:{port}"))
        .set("PAYMENTS__FRONTEND_HOSTS", host)
        .set("PAYMENTS__GATEWAY", GATEWAYS[0])
        .set("PAYMENTS__CHOICES", GATEWAYS.join(","));
    for name in GATEWAYS {
        let table = format!("PAYMENTS__GATEWAYS__{}", name.to_uppercase());
        peyk = peyk.set(&format!("{table}__KIND"), "sandbox");
        peyk = peyk.set(&format!("{table}__IMITATES"), name);
    }
    peyk.start().await
}

/// A payment that was begun.
struct Begun {
    id: i64,
    url: String,
}

async fn begin(peyk: &Peyk, payer: &Person, gateway: &str, front: Option<&Shop>) -> Begun {
    let mut body = json!({"amount": AMOUNT, "gateway": gateway, "description": "سفارش"});
    if let Some(front) = front {
        body["frontend_callback_url"] = front.url().into();
    }
    let begun = payer.post(peyk, "payment/create/", &body).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    Begun {
        id: begun.json["id"].as_i64().unwrap(),
        url: begun.json["details"]["gateway_url"].as_str().unwrap().to_owned(),
    }
}

/// Waits until a payment is in one of these states.
async fn wait_for_state(peyk: &Peyk, payment: &Begun, wanted: &[&str]) -> String {
    wait_for(&format!("a payment that is {wanted:?}"), || async {
        let sql = "SELECT state FROM payments WHERE id = $1";
        let state: String =
            sqlx::query_scalar(sql).bind(payment.id).fetch_one(&peyk.database.pool).await.unwrap();
        wanted.contains(&&*state).then_some(state)
    })
    .await
}

/// How often a payment was credited, and what all wallets hold.
async fn credits(peyk: &Peyk, payment: &Begun) -> (i64, i64) {
    let times = "SELECT count(*) FROM ledger_transactions WHERE key = 'payment:' || $1";
    let times = sqlx::query_scalar(times).bind(payment.id).fetch_one(&peyk.database.pool).await;
    let held = "SELECT coalesce(sum(balance_rials), 0)::bigint FROM wallets";
    (times.unwrap(), peyk.database.count(held).await)
}

async fn press(tab: &Tab, url: &str, button: &str, times: u32) {
    tab.go(url).await;
    tab.click(&format!("button[value={button}]"), times).await;
}

#[tokio::test]
async fn who_pays_with_a_browser_lands_at_the_front_end_and_is_credited_once() {
    let Some(browser) = Browser::start().await else { return };
    let front = Shop::start(None).await;
    let peyk = start(&front).await;
    let payer = Person::new(&peyk).await;
    let tab = browser.tab().await;
    for (paid, gateway) in (1..).zip(GATEWAYS) {
        let payment = begin(&peyk, &payer, gateway, Some(&front)).await;
        press(&tab, &payment.url, "pay", 2).await;
        let address = tab.wait_for_address("status=paid").await;
        assert!(address.starts_with(&front.url()), "{gateway}: {address}");
        assert!(address.contains("amount=50000"), "{gateway}: {address}");
        tab.reload().await;
        assert_eq!(credits(&peyk, &payment).await, (1, paid * AMOUNT), "{gateway}");
        // Coming back again, to the bank and from there to the shop, is told the same.
        tab.go(&payment.url).await;
        tab.wait_for_text("This has been paid.").await;
        tab.click(".deeds .go", 1).await;
        tab.wait_for_address("status=paid").await;
        assert_eq!(credits(&peyk, &payment).await, (1, paid * AMOUNT), "{gateway}");
    }
    assert_eq!(tab.complaints(), [""; 0]);
}

#[tokio::test]
async fn who_turns_back_or_comes_back_twice_or_late_or_never_is_told_what_the_bank_says() {
    let Some(browser) = Browser::start().await else { return };
    let front = Shop::start(None).await;
    let peyk = start(&front).await;
    let payer = Person::new(&peyk).await;
    let tab = browser.tab().await;
    let mut paid = 0;
    for gateway in GATEWAYS {
        for button in ["cancel", "fail"] {
            let payment = begin(&peyk, &payer, gateway, Some(&front)).await;
            press(&tab, &payment.url, button, 1).await;
            let address = tab.wait_for_address("/back?").await;
            assert!(!address.contains("status=paid"), "{address}");
            let cancelled = button == "cancel" && gateway != "zarinpal";
            let state = if cancelled { "cancelled" } else { "failed" };
            wait_for_state(&peyk, &payment, &[state]).await;
            assert_eq!(credits(&peyk, &payment).await, (0, paid), "{gateway} {button}");
        }
        // Two callbacks at once, whose answers the bank's page shows.
        let payment = begin(&peyk, &payer, gateway, None).await;
        press(&tab, &payment.url, "double", 1).await;
        wait_for_state(&peyk, &payment, &["paid"]).await;
        paid += AMOUNT;
        tab.click(".deeds > a.go, .deeds > form:not(.sent) .go", 1).await;
        tab.wait_for_address("payment/verify").await;
        tab.wait_for_text("\"is_pay\":1").await;
        assert_eq!(credits(&peyk, &payment).await, (1, paid), "{gateway}");
        // Late.
        let payment = begin(&peyk, &payer, gateway, None).await;
        press(&tab, &payment.url, "late", 1).await;
        tab.wait_for_text("Go back whenever you like").await;
        assert_eq!(credits(&peyk, &payment).await, (0, paid), "{gateway}");
        tab.click(".deeds .go", 1).await;
        tab.wait_for_text("\"is_pay\":1").await;
        paid += AMOUNT;
        assert_eq!(credits(&peyk, &payment).await, (1, paid), "{gateway}");
        // Never: nobody comes back, and after a while the watcher asks the bank.
        let payment = begin(&peyk, &payer, gateway, None).await;
        press(&tab, &payment.url, "close", 1).await;
        tab.wait_for_text("You can close this tab").await;
        assert_eq!(credits(&peyk, &payment).await, (0, paid), "{gateway}");
        let age = "UPDATE payments SET updated_at = updated_at - interval '8 minutes'
                   WHERE state = 'redirected'";
        peyk.database.execute(age).await;
        let watch = peyk.run("worker", &["cron", "run", "watch-payments"]).await;
        assert!(watch.0, "{}", watch.1);
        wait_for_state(&peyk, &payment, &["paid"]).await;
        paid += AMOUNT;
        assert_eq!(credits(&peyk, &payment).await, (1, paid), "{gateway}");
    }
    assert_eq!(tab.complaints(), [""; 0]);
}

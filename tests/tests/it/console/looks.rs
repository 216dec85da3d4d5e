//! How the pages look, in both languages, on a desk and on a phone: pictures for people in
//! `target/screenshots`, and what can be said of them without one: nothing is wider than the screen,
//! nothing serious is in anybody's way, nothing complains.

use peyk_tests::browser::{Browser, Tab, axe_script};
use serde_json::json;

use super::steps::{Console, at_home, pictures};
use crate::people::Person;

const PAGES: [(&str, &str); 26] = [
    ("home", ""),
    ("timeline", "timeline/?search=user:2"),
    ("users", "users/"),
    ("user", "users/2/"),
    ("sessions", "sessions/"),
    ("organizations", "organizations/"),
    ("rooms", "rooms/"),
    ("reports", "reports/"),
    ("otp_requests", "otp_requests/"),
    ("messages", "messages/"),
    ("message", "messages/1/"),
    ("guard", "guard/"),
    ("webhooks", "webhooks/"),
    ("templates", "templates/"),
    ("wallets", "wallets/"),
    ("api_keys", "api_keys/"),
    ("payments", "payments/"),
    ("payment", "payments/1/"),
    ("wallet", "wallets/2/"),
    ("queues", "queues/"),
    ("queue", "queues/otp/?state=failed"),
    ("providers", "providers/"),
    ("cron", "cron/"),
    ("job", "cron/purge-expired-otps/"),
    ("blocks", "blocks/"),
    ("audit", "audit/"),
];

/// Widths of a desk and of a small phone.
const SIZES: [(&str, u32, u32); 2] = [("desk", 1280, 900), ("phone", 375, 740)];

/// Waits until nothing is being fetched any more.
async fn settle(tab: &Tab) {
    tab.wait_for("main h1").await;
    tab.wait_until_gone("main p.state[role=status]").await;
}

async fn look(tab: &Tab, name: &str, language: &str, axe: Option<&str>) {
    for (size, width, height) in SIZES {
        for dark in [false, true] {
            if dark && size == "phone" {
                continue;
            }
            tab.looks(width, height, dark).await;
            let shade = if dark { "-dark" } else { "" };
            let file = format!("{name}-{language}-{size}{shade}.png");
            tab.picture(&pictures().join(file)).await;
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            assert_eq!(tab.value(fits).await, Some(json!(true)), "{name} {language} {size}");
            if let Some(axe) = axe {
                let barriers = tab.barriers(axe).await;
                assert_eq!(barriers, [""; 0], "{name} {language} {size}{shade}");
            }
        }
    }
}

#[tokio::test]
async fn every_page_of_the_console_fits_is_readable_and_complains_of_nothing() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    let sara = Person::new(peyk).await;
    assert_eq!(sara.id, 2);
    sara.post(peyk, "payment/create/", &json!({"amount": 1_250_000, "description": "کتاب"})).await;
    let axe = axe_script();
    for language in ["en", "fa"] {
        tab.wait_for("[data-language]").await;
        if tab.value("document.documentElement.lang").await != Some(json!(language)) {
            tab.click(&format!("[data-language={language}]"), 1).await;
        }
        for (name, path) in PAGES {
            tab.looks(1280, 900, false).await;
            console.go(path).await;
            settle(tab).await;
            let failed = tab.value("document.querySelector('main [role=alert]')?.innerText").await;
            assert_eq!(failed, None, "{name}");
            look(tab, name, language, axe.as_deref()).await;
        }
    }
    console.assert_calm();
}

#[tokio::test]
async fn the_pages_of_strangers_and_of_the_sandbox_fit_and_are_readable() {
    let Some(browser) = Browser::start().await else { return };
    let peyk = at_home().start().await;
    peyk.send_otp("09123456789").await;
    let tab = browser.tab().await;
    let axe = axe_script();
    for (name, path) in [
        ("login", "/admin/"),
        ("walk", "/"),
        ("inbox", "/sandbox/"),
        ("chat", "/sandbox/chat/"),
        ("faults", "/sandbox/failures/"),
    ] {
        tab.go(&peyk.url(path)).await;
        for language in ["fa", "en"] {
            tab.wait_for("[data-language]").await;
            if tab.value("document.documentElement.lang").await != Some(json!(language)) {
                tab.click(&format!("[data-language={language}]"), 1).await;
            }
            tab.wait_for("main h1").await;
            // The two of the chat are logging in.
            tab.wait_until_gone("main [role=status]").await;
            look(&tab, name, language, axe.as_deref()).await;
        }
    }
    assert_eq!(tab.faults(), [""; 0]);
}

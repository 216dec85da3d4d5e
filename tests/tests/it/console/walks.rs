//! The pages of the sandbox, as a newcomer meets them.

use peyk_tests::browser::{Browser, Tab};
use serde_json::json;

use super::steps::at_home;
use crate::login_steps::count;

async fn english(tab: &Tab) {
    tab.wait_for("[data-language]").await;
    if tab.value("document.documentElement.lang").await == Some(json!("fa")) {
        tab.click("[data-language=en]", 1).await;
    }
}

#[tokio::test]
async fn a_newcomer_logs_in_pays_and_chats_from_the_first_page() {
    let Some(browser) = Browser::start().await else { return };
    let peyk = at_home().start().await;
    let tab = browser.tab().await;
    tab.go(&peyk.url("/")).await;
    english(&tab).await;
    tab.fill("input[name=mobile_number]", "09123456789").await;
    tab.click("[data-do=send]", 1).await;
    tab.wait_for("[data-text] .code").await;
    let code = tab.value("document.querySelector('.code').textContent").await.unwrap();
    tab.fill("input[name=code]", code.as_str().unwrap()).await;
    tab.click("[data-do=enter]", 1).await;
    tab.wait_for_text("You are logged in as").await;
    tab.click("[data-do=pay]", 1).await;
    tab.wait_for_address("/sandbox/bank/").await;
    tab.click("button[value=pay]", 1).await;
    tab.wait_for_text("The wallet was credited.").await;
    tab.wait_for_text("50,000 T").await;
    tab.click("[data-do=chat]", 1).await;
    tab.wait_for_address("/sandbox/chat/").await;
    talk(&tab).await;
    assert_eq!(tab.faults(), [""; 0]);
}

/// The one writes and the other reads it.
async fn talk(tab: &Tab) {
    tab.wait_for(".card:first-child [data-state=online]").await;
    tab.wait_for(".card:last-child [data-state=online]").await;
    for (who, whom, words) in [("first", "last", "سلام!"), ("last", "first", "Hello <b>there</b>")]
    {
        tab.fill(&format!(".card:{who}-child input"), words).await;
        tab.click(&format!(".card:{who}-child button"), 1).await;
        let heard = format!(
            "[...document.querySelectorAll('.card:{whom}-child .log li:not(.mine)')]
                .some((it) => it.textContent.includes({words:?})) || null"
        );
        peyk_tests::harness::wait_for(words, || tab.value(&heard)).await;
    }
}

#[tokio::test]
async fn a_fault_is_planned_and_taken_back_and_texts_meet_it() {
    let Some(browser) = Browser::start().await else { return };
    let peyk = at_home().start().await;
    let tab = browser.tab().await;
    tab.go(&peyk.url("/sandbox/failures/")).await;
    english(&tab).await;
    tab.wait_for_text("It works.").await;
    tab.fill("input", "۲").await;
    tab.click("[data-do=set]", 1).await;
    tab.wait_for("[data-fault=refuse]").await;
    assert_eq!(peyk.send_otp("09121111111").await.status, 502);
    tab.click("[data-do=reset]", 1).await;
    tab.wait_for("[data-fault=none]").await;
    assert_eq!(peyk.send_otp("09122222222").await.status, 200);
    assert_eq!(tab.faults(), [""; 0]);
}

#[tokio::test]
async fn the_inbox_shows_texts_as_they_come_and_those_of_one_number_alone() {
    let Some(browser) = Browser::start().await else { return };
    let peyk = at_home().start().await;
    let tab = browser.tab().await;
    tab.go(&peyk.url("/sandbox/")).await;
    english(&tab).await;
    tab.wait_for_text("No texts so far.").await;
    for mobile in ["09121111111", "09122222222"] {
        peyk.send_otp(mobile).await;
        tab.wait_for_text(mobile).await;
    }
    tab.fill("input[type=search]", "۰۹۱۲۱۱۱۱۱۱۱").await;
    tab.press("Enter").await;
    peyk_tests::harness::wait_for("one text alone", || {
        tab.value("document.querySelectorAll('article').length === 1 || null")
    })
    .await;
    let shown = tab.wait_for_text("09121111111").await;
    assert!(!shown.contains("09122222222"), "{shown}");
    let stored = "SELECT count(*) FROM sms_messages";
    assert_eq!(count(&peyk, stored).await, 2);
    assert_eq!(tab.faults(), [""; 0]);
}

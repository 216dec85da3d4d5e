//! What staff do in the console, with a browser.

use std::time::{Duration, Instant};

use peyk_tests::{browser::Browser, harness::wait_for};
use serde_json::json;

use super::steps::Console;
use crate::{login_steps::count, people::Person};

#[tokio::test]
async fn the_first_superuser_comes_in_and_goes_out() {
    let Some(console) = Console::start().await else { return };
    let tab = &console.tab;
    tab.wait_for_text("root").await;
    tab.click("[data-leave]", 1).await;
    tab.wait_for("input[name=password]").await;
    tab.fill("input[name=username]", "root").await;
    tab.fill("input[name=password]", "something else").await;
    tab.click("form button.go", 1).await;
    tab.wait_for_text("No active account found").await;
    assert_eq!(tab.value("document.cookie").await, Some(json!("")), "no script sees the cookie");
    console.log_in(super::steps::ROOT).await;
    tab.reload().await;
    tab.wait_for("#menu").await;
    console.assert_calm();
}

#[tokio::test]
async fn somebody_without_a_password_comes_in_by_code_and_a_stranger_does_not() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    let (sara, omid) = (Person::new(peyk).await, Person::new(peyk).await);
    sara.join_staff(peyk, "support").await;
    for (person, enters) in [(&omid, false), (&sara, true)] {
        peyk_tests::aging::pass_seconds(&peyk.database.pool, &person.mobile, 300.0).await;
        if tab.value("document.querySelector('[data-leave]') ? true : null").await.is_some() {
            tab.click("[data-leave]", 1).await;
            // A page that goes away takes the request with it.
            tab.wait_for("[data-way=otp]").await;
        }
        tab.reload().await;
        tab.click("[data-way=otp]", 1).await;
        tab.fill("input[name=mobile_number]", &person.mobile).await;
        tab.click("form button.go", 1).await;
        tab.wait_for("input[name=code]").await;
        let code = peyk.sandbox_code(&person.mobile).await;
        tab.fill("input[name=code]", &code).await;
        tab.press("Enter").await;
        if enters {
            tab.wait_for("#menu").await;
        } else {
            tab.wait_for_text("This account is not on the staff.").await;
        }
    }
    let shown = tab.wait_for_text("support").await;
    assert!(!shown.contains("Audit log"), "nothing is offered that the role may not do");
    console.assert_calm();
}

#[tokio::test]
async fn a_user_is_found_by_number_and_their_session_ends_for_their_client_too() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    let sara = Person::new(peyk).await;
    console.go("users/").await;
    tab.wait_for_text(&sara.mobile).await;
    tab.press("/").await;
    let persian: String = sara
        .mobile
        .bytes()
        .map(|it| char::from_u32(0x6f0 + u32::from(it - b'0')).unwrap())
        .collect();
    tab.fill("input[type=search]", &persian).await;
    tab.press("Enter").await;
    tab.wait_for_address("search=").await;
    tab.click("main tbody a", 1).await;
    tab.wait_for_address(&format!("/admin/users/{}/", sara.id)).await;
    tab.wait_for_text("End all sessions").await;
    assert_eq!(sara.get(peyk, "me/").await.status, 200);
    tab.click("[data-action=revoke_sessions]", 1).await;
    console.agree().await;
    let began = Instant::now();
    wait_for("the token to be refused", || async {
        (sara.get(peyk, "me/").await.status == 401).then_some(())
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    tab.wait_for_text("Done: End all sessions").await;
    console.assert_calm();
}

#[tokio::test]
async fn what_changes_an_account_asks_for_the_password_when_the_login_is_old() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    let omid = Person::new(peyk).await;
    let old = "UPDATE sessions SET authenticated_at = authenticated_at - interval '1 hour'";
    peyk.database.execute(old).await;
    console.open(&format!("users/{}/", omid.id)).await;
    tab.click("[data-action=disable_user]", 1).await;
    tab.click("dialog .danger", 1).await;
    tab.wait_for_text("Is it you?").await;
    tab.fill("dialog [name=password]", "wrong horse 78").await;
    tab.press("Enter").await;
    tab.wait_for_text("entered incorrectly").await;
    let active = "SELECT count(*) FROM users WHERE NOT is_active";
    assert_eq!(count(peyk, active).await, 0);
    tab.fill("dialog [name=password]", super::steps::ROOT.1).await;
    tab.press("Enter").await;
    tab.wait_until_gone("dialog").await;
    tab.wait_for("[data-action=enable_user]").await;
    assert_eq!(count(peyk, active).await, 1);
    console.assert_calm();
}

#[tokio::test]
async fn a_wallet_is_adjusted_by_an_entry_with_a_reason() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    let sara = Person::new(peyk).await;
    console.open(&format!("wallets/{}/", sara.id)).await;
    tab.click("[data-action=adjust_wallet]", 1).await;
    console.tell("amount", "۱۲۰٬۰۰۰").await;
    console.tell("reason", "A gift").await;
    console.agree().await;
    tab.wait_for_text("12,000 T").await;
    let balance = "SELECT coalesce(sum(balance_rials), 0)::bigint FROM wallets";
    assert_eq!(count(peyk, balance).await, 120_000);
    let audited = "SELECT count(*) FROM audit_events WHERE action LIKE 'wallet.adjust%'";
    assert_eq!(count(peyk, audited).await, 1);
    console.assert_calm();
}

#[tokio::test]
async fn a_payment_that_waits_for_a_person_is_decided() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    let sara = Person::new(peyk).await;
    let payment = sara.post(peyk, "payment/create/", &json!({"amount": 50_000})).await;
    let id = payment.json["id"].as_i64().unwrap();
    let waits = "UPDATE payments SET state = 'needs_review', next_attempt_at = NULL";
    peyk.database.execute(waits).await;
    console.open("payments/?state=needs_review").await;
    tab.click("main tbody a", 1).await;
    tab.wait_for_address(&format!("/admin/payments/{id}/")).await;
    tab.click("[data-action=settle_payment]", 1).await;
    console.tell("note", "The gateway's panel says so").await;
    console.agree().await;
    tab.wait_until_gone("[data-action=settle_payment]").await;
    let paid = "SELECT count(*) FROM payments WHERE state = 'paid'";
    assert_eq!(count(peyk, paid).await, 1);
    console.assert_calm();
}

#[tokio::test]
async fn the_language_is_switched_at_once_and_stays() {
    let Some(console) = Console::start().await else { return };
    let tab = &console.tab;
    console.go("users/").await;
    tab.wait_for_text("Users").await;
    tab.click("[data-language=fa]", 1).await;
    tab.wait_for_text("کاربران").await;
    assert_eq!(tab.value("document.documentElement.dir").await, Some(json!("rtl")));
    tab.reload().await;
    let shown = tab.wait_for_text("کاربران").await;
    assert!(!shown.contains("Users"), "{shown}");
    tab.click("[data-language=en]", 1).await;
    tab.wait_for_text("Users").await;
    console.assert_calm();
}

#[tokio::test]
async fn the_keyboard_searches_moves_opens_and_goes() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    let people = [Person::new(peyk).await, Person::new(peyk).await];
    for key in ["g", "u"] {
        tab.press(key).await;
    }
    tab.wait_for_address("/admin/users/").await;
    tab.wait_for_text(&people[0].mobile).await;
    for key in ["j", "j", "k", "j"] {
        tab.press(key).await;
    }
    tab.press("Enter").await;
    tab.wait_for_address(&format!("/admin/users/{}/", people[0].id)).await;
    tab.press("?").await;
    tab.wait_for("dialog kbd").await;
    console.assert_calm();
}

#[tokio::test]
async fn a_queue_is_paused_with_a_reason_and_goes_on() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    console.go("queues/").await;
    tab.click("[data-queue=otp] [data-action=pause]", 1).await;
    console.tell("reason", "The provider is being moved").await;
    console.agree().await;
    tab.wait_for("[data-queue=otp] [data-action=resume]").await;
    tab.wait_for_text("The provider is being moved").await;
    assert_eq!(count(peyk, "SELECT count(*) FROM queue_pauses").await, 1);
    tab.click("[data-queue=otp] [data-action=resume]", 1).await;
    tab.wait_for("[data-queue=otp] [data-action=pause]").await;
    assert_eq!(count(peyk, "SELECT count(*) FROM queue_pauses").await, 0);
    console.assert_calm();
}

#[tokio::test]
async fn a_number_is_blocked_and_unblocked() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    console.go("blocks/").await;
    tab.click("header.top .go", 1).await;
    console.tell("value", "09121234567").await;
    console.tell("reason", "Somebody pumps").await;
    console.agree().await;
    tab.wait_for_text("09121234567").await;
    wait_for("the send to be refused", || async {
        (peyk.send_otp("09121234567").await.status >= 400).then_some(())
    })
    .await;
    tab.click("[data-action=unblock]", 1).await;
    console.agree().await;
    tab.wait_for_text("There is nothing here.").await;
    assert_eq!(count(peyk, "SELECT count(*) FROM blocks").await, 0);
    console.assert_calm();
}

#[tokio::test]
async fn a_text_that_failed_is_tried_again() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    let key = crate::bulk_steps::key(peyk).await;
    let body = json!({"mobile_number": "09121200001", "message_text": "سلام"});
    let send = peyk.client().post(peyk.url("/api/message/send/")).header("X-API-Key", &key);
    peyk.send(send.json(&body)).await;
    let failed = "SELECT count(*) FROM sms_messages WHERE status = 'failed'";
    wait_for("the text to fail", || async { (count(peyk, failed).await == 1).then_some(()) }).await;
    console.go("messages/?status=failed").await;
    tab.click("main tbody a", 1).await;
    tab.click("[data-action=retry_message]", 1).await;
    tab.wait_for_text("Done: Try again").await;
    let attempts = "SELECT count(*) FROM sms_attempts";
    wait_for("another attempt", || async { (count(peyk, attempts).await == 2).then_some(()) })
        .await;
    console.assert_calm();
}

#[tokio::test]
async fn a_timeline_says_what_happened_to_a_number_and_why_no_code_came() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    assert_eq!(peyk.send_otp("09121200001").await.status, 502);
    console.go("timeline/").await;
    tab.fill("main input[type=search]", "۰۹۱۲۱۲۰۰۰۰۱").await;
    tab.press("Enter").await;
    tab.wait_for("[data-code=code_asked]").await;
    tab.wait_for("[data-code=provider_refused]").await;
    tab.wait_for("[data-verdict=provider_refused]").await;
    console.assert_calm();
}

#[tokio::test]
async fn a_job_is_run_now() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    let announced = "SELECT count(*) FROM cron_jobs WHERE name = 'purge-expired-otps'";
    wait_for("the jobs", || async { (count(peyk, announced).await == 1).then_some(()) }).await;
    console.open("cron/purge-expired-otps/").await;
    tab.click("[data-action=run_job]", 1).await;
    console.agree().await;
    let runs = "SELECT count(*) FROM cron_runs WHERE job = 'purge-expired-otps' AND asked_by = 1";
    wait_for("the run", || async { (count(peyk, runs).await == 1).then_some(()) }).await;
    console.assert_calm();
}

#[tokio::test]
async fn the_money_of_a_payment_goes_back_from_its_page() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    let sara = Person::new(peyk).await;
    let payment = sara.post(peyk, "payment/create/", &json!({"amount": 50_000})).await;
    tab.go(payment.json["details"]["gateway_url"].as_str().unwrap()).await;
    tab.click("button[value=pay]", 1).await;
    let held = "SELECT coalesce(sum(balance_rials), 0)::bigint FROM wallets";
    wait_for("the credit", || async { (count(peyk, held).await == 50_000).then_some(()) }).await;
    console.open(&format!("payments/{}/", payment.json["id"])).await;
    tab.wait_for("[data-action=reverse_payment]").await;
    tab.click("[data-action=refund_payment]", 1).await;
    console.tell("note", "Ordered twice").await;
    console.agree().await;
    tab.wait_until_gone("[data-action=refund_payment]").await;
    tab.wait_for_text("Ordered twice").await;
    assert_eq!(count(peyk, held).await, 0);
    assert_eq!(count(peyk, "SELECT count(*) FROM payments WHERE state = 'refunded'").await, 1);
    console.assert_calm();
}

#[tokio::test]
async fn the_numbers_of_a_queue_lead_to_its_rows_and_they_to_what_they_are_about() {
    let Some(console) = Console::start().await else { return };
    let (peyk, tab) = (&console.peyk, &console.tab);
    assert_eq!(peyk.send_otp("09121200001").await.status, 502);
    console.go("queues/").await;
    tab.click("[data-queue=otp] a[href$='state=failed']", 1).await;
    tab.wait_for_address("/admin/queues/otp/?state=failed").await;
    tab.wait_for_text("Queue: code").await;
    tab.click("main tbody a", 1).await;
    tab.wait_for_address("/admin/messages/").await;
    tab.wait_for_text("09121200001").await;
    console.assert_calm();
}

#[tokio::test]
async fn nobody_is_asked_for_before_somebody_came_in() {
    let Some(browser) = Browser::start().await else { return };
    let peyk = super::steps::at_home().workers(0).start().await;
    let tab = browser.tab().await;
    tab.go(&peyk.url("/admin/")).await;
    tab.wait_for("input[name=password]").await;
    assert_eq!(tab.complaints(), [""; 0], "not even a refused request");
}

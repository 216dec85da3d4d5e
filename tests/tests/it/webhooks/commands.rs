//! What operators do about webhooks, and what is kept of them.

use peyk_tests::{fake::Receiver, harness::Peyk};

use super::steps::{SECRET, emit, event, numbers, teller, wait_for_status};
use crate::cron::{cron, idle};

async fn webhooks(peyk: &Peyk, arguments: &[&str]) -> (bool, String) {
    peyk.run("worker", &[&["webhooks"], arguments].concat()).await
}

#[tokio::test]
async fn what_was_given_up_is_listed_and_told_again_on_demand() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).set("WEBHOOKS__MAX_ATTEMPTS", "1").start().await;
    shop.answer_with(400);
    emit(&peyk, &[event("a", 1), event("b", 1)]).await;
    wait_for_status(&peyk, "failed", 2).await;
    shop.answer_with(204);
    emit(&peyk, &[event("c", 1)]).await;
    wait_for_status(&peyk, "sent", 1).await;
    let (_, list) = webhooks(&peyk, &["list"]).await;
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.lines().next().unwrap().contains(" sms.sent c "), "{list}");
    let (_, failed) = webhooks(&peyk, &["list", "--failed"]).await;
    assert_eq!(failed.lines().count(), 2, "{failed}");
    assert!(failed.contains("-> shop: failed (attempt 1, http.400)"), "{failed}");
    // One of them by its handle, then all that failed, then everything.
    let id = failed.lines().find(|line| line.contains(" a ")).unwrap()[..32].to_owned();
    let (worked, output) = webhooks(&peyk, &["replay", &id]).await;
    assert!(worked && output.contains("1 deliveries"), "{output}");
    shop.wait_for_told(2).await;
    assert_eq!(shop.told()[1].id, id);
    wait_for_status(&peyk, "sent", 2).await;
    let all = ["replay", "--endpoint", "shop", "--since", "2020-01-01T00:00:00Z"];
    let (worked, output) = webhooks(&peyk, &[&all[..], &["--failed"]].concat()).await;
    assert!(worked && output.contains("1 deliveries"), "{output}");
    shop.wait_for_told(3).await;
    assert_eq!(numbers(&shop), ["c 1", "a 1", "b 1"]);
    wait_for_status(&peyk, "sent", 3).await;
    let (worked, output) = webhooks(&peyk, &all).await;
    assert!(worked && output.contains("3 deliveries"), "{output}");
    assert_eq!(shop.wait_for_told(6).await.len(), 6);
    let later = ["replay", "--endpoint", "shop", "--since", "2999-01-01T00:00:00Z"];
    assert!(webhooks(&peyk, &later).await.1.contains("0 deliveries"));
}

#[tokio::test]
async fn an_endpoint_can_be_tried_out() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).set("WEBHOOKS__ENDPOINTS__SHOP__EVENTS", "otp.*").start().await;
    let (worked, output) = webhooks(&peyk, &["test", "shop"]).await;
    assert!(worked && output.contains("-> shop: sent (attempt 1, http.204)"), "{output}");
    assert_eq!(shop.told()[0].kind(), "webhook.test");
    shop.answer_with(500);
    let (worked, output) = webhooks(&peyk, &["test", "shop"]).await;
    assert!(!worked && output.contains("queued (attempt 1, http.500, due "), "{output}");
}

#[tokio::test]
async fn mistakes_are_named() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).workers(0).start().await;
    let nobody = "0".repeat(32);
    for (arguments, word) in [
        (&["test", "nobody"][..], "there are: shop"),
        (&["replay", "7"], "is no webhook-id"),
        (&["replay", &nobody], "there is no event"),
        (&["replay", "--endpoint", "nobody", "--since", "2020-01-01T00:00:00Z"], "there are: shop"),
        (&["replay", "--endpoint", "shop"], "needs --since"),
        (&["replay"], "required"),
    ] {
        let (worked, output) = webhooks(&peyk, arguments).await;
        assert!(!worked && output.contains(word), "{arguments:?}: {output}");
    }
    let settings = [("WEBHOOKS__ENDPOINTS__SHOP__URL", "ftp://shop.example")];
    let (worked, output) = peyk.run_with("worker", &["webhooks", "list"], &settings).await;
    assert!(!worked && output.contains("webhooks.endpoints.shop.url"), "{output}");
}

/// Events: 1,100 that are older than 30 days, one younger, and one old that is not over.
const EVENTS: &str = "
    INSERT INTO webhook_events (id, kind, subject, data, created_at)
    SELECT md5(n::text), 'sms.sent', 'sms:' || n, '{}',
        now() - CASE WHEN n = 1101 THEN interval '29 days' ELSE interval '30 days 1 hour' END
    FROM generate_series(1, 1102) n;
    INSERT INTO webhook_deliveries (event_id, endpoint, subject, status, next_attempt_at, give_up_at)
    SELECT md5(n::text), 'shop', 'sms:' || n, CASE WHEN n = 1102 THEN 'queued' ELSE 'sent' END,
        CASE WHEN n = 1102 THEN now() END, now() + interval '1 day'
    FROM generate_series(1, 1102) n";

#[tokio::test]
async fn the_purge_takes_what_is_old_and_over_with_its_deliveries() {
    let peyk = idle().await;
    peyk.database.execute(EVENTS).await;
    let run = ["run", "purge-webhook-events"];
    let output = cron(&peyk, &[&run[..], &["--dry-run"]].concat()).await;
    assert_eq!(output.trim(), "purge-webhook-events: would delete 1100 rows");
    assert_eq!(cron(&peyk, &run).await.trim(), "purge-webhook-events: deleted 1100 rows");
    assert_eq!(cron(&peyk, &run).await.trim(), "purge-webhook-events: deleted 0 rows");
    for table in ["SELECT count(*) FROM webhook_events", "SELECT count(*) FROM webhook_deliveries"]
    {
        assert_eq!(peyk.database.count(table).await, 2);
    }
}

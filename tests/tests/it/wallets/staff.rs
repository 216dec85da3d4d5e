//! What staff do with wallets.

use serde_json::json;

use super::{Shop, adjust, adjust_with, assert_proven, assert_refused, finance, user};
use crate::{
    login_steps::{count, patient},
    people::{Person, column},
};

#[tokio::test]
async fn finance_and_admins_adjust_wallets_with_a_reason_that_is_written_down() {
    let peyk = patient().start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let user = user(&peyk).await;
    let given = adjust(&peyk, &staff, user, 500, "a").await;
    assert_eq!(
        (&given.json["amount_rials"], &given.json["balance_rials"]),
        (&json!(500), &json!(500))
    );
    let again = adjust(&peyk, &staff, user, 500, "a").await;
    assert_eq!(again.json, given.json);
    assert_refused(&adjust(&peyk, &staff, user, 501, "a").await, 422, "idempotency_mismatch");
    let taken = adjust(&peyk, &staff, user, -200, "b").await;
    assert_eq!((taken.status, &taken.json["amount"]), (200, &json!(-200)), "{taken:?}");
    assert_refused(&adjust(&peyk, &staff, user, -301, "c").await, 409, "insufficient_balance");
    assert_refused(&adjust(&peyk, &staff, user, 10_000_000_000, "c").await, 409, "wallet_full");
    assert_refused(&adjust(&peyk, &staff, user, 0, "c").await, 400, "validation");
    assert_refused(&adjust(&peyk, &staff, 999, 5, "c").await, 404, "not_found");
    for body in [json!({"amount": 5}), json!({"amount": 5, "reason": " "})] {
        let refused = adjust_with(&peyk, &staff, user, "c", &body).await;
        assert_refused(&refused, 400, "validation");
    }
    assert_eq!(shop.has(&peyk, user).await, (300, 0));
    let events = "SELECT count(*) FROM audit_events WHERE action = 'wallet.adjusted'
        AND actor = 'user' AND subject = 'user' AND detail ? 'transaction'";
    assert_eq!(count(&peyk, events).await, 2);
    let told = "SELECT count(*) FROM audit_events WHERE detail::text LIKE '%for a test%'";
    assert_eq!(count(&peyk, told).await, 0, "the log holds ids and words");
    let looked = staff.get(&peyk, &format!("admin/wallets/{user}/")).await;
    assert_eq!(looked.json["balance_rials"], 300);
    let viewed = "SELECT count(*) FROM audit_events WHERE action = 'wallet.viewed'";
    assert_eq!(count(&peyk, viewed).await, 1);
    assert_proven(&peyk).await;
}

#[tokio::test]
async fn nobody_else_adjusts_and_nobody_without_a_recent_login() {
    let peyk = patient().start().await;
    let user = user(&peyk).await;
    for (role, may_look) in [(None, false), (Some("viewer"), true), (Some("support"), true)] {
        let person = Person::new(&peyk).await;
        if let Some(role) = role {
            person.join_staff(&peyk, role).await;
        }
        let refused = adjust(&peyk, &person, user, 5, "a").await;
        assert_refused(&refused, 403, "permission_denied");
        let looked = person.get(&peyk, &format!("admin/wallets/{user}/")).await;
        assert_eq!(looked.status == 200, may_look, "{looked:?}");
    }
    let stale = finance(&peyk).await;
    stale.grow_stale(&peyk).await;
    assert_refused(&adjust(&peyk, &stale, user, 5, "a").await, 403, "confirmation_required");
    assert_eq!(count(&peyk, "SELECT count(*) FROM ledger_transactions").await, 0);
}

/// Whoever is erased leaves what they had: the money is somebody's, and the ledger tells whose row.
#[tokio::test]
async fn an_erased_account_keeps_its_balance_and_the_ledger_agrees() {
    let peyk = patient().start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let sara = Person::new(&peyk).await;
    assert_eq!(adjust(&peyk, &staff, sara.id, 500, "a").await.status, 200);
    let id = sara.id.to_string();
    let (worked, output) = peyk.run("api", &["users", "erase", &id, "--yes"]).await;
    assert!(worked, "{output}");
    assert_eq!(shop.has(&peyk, sara.id).await, (500, 0));
    let spent = shop.post(&peyk, "spend/", "s", &super::spend(sara.id, 5)).await;
    assert_refused(&spent, 404, "not_found");
    assert_eq!(adjust(&peyk, &staff, sara.id, -500, "b").await.status, 200);
    assert_eq!(shop.has(&peyk, sara.id).await, (0, 0));
    assert_proven(&peyk).await;
}

#[tokio::test]
async fn wallets_are_found_by_number_and_account_and_sorted_by_what_they_hold() {
    let peyk = patient().start().await;
    let staff = finance(&peyk).await;
    let [rich, poor] = [Person::new(&peyk).await, Person::new(&peyk).await];
    let never = Person::new(&peyk).await;
    adjust(&peyk, &staff, poor.id, 200, "a").await;
    adjust(&peyk, &staff, rich.id, 700, "b").await;
    for (query, found) in [
        (String::new(), vec![rich.id, poor.id]),
        ("?sort=oldest".to_owned(), vec![poor.id, rich.id]),
        ("?sort=balance".to_owned(), vec![rich.id, poor.id]),
        (format!("?search={}", poor.mobile), vec![poor.id]),
        (format!("?search={}&sort=balance", poor.id), vec![poor.id]),
        (format!("?search={}", never.mobile), vec![]),
    ] {
        let page = staff.get(&peyk, &format!("admin/wallets/{query}")).await;
        assert_eq!(column(&page, "user_id"), found, "{query}");
    }
    assert_refused(&staff.get(&peyk, "admin/wallets/?search=sara").await, 400, "validation");
    let page = staff.get(&peyk, "admin/wallets/?sort=balance&limit=1").await;
    assert_eq!(column(&page, "balance_rials"), [700]);
    assert_eq!(column(&page, "held_rials"), [0]);
    let masked = format!("{}***{}", &rich.mobile[..4], &rich.mobile[9..]);
    assert_eq!(column(&page, "mobile_number"), [&masked]);
    let (_, next) = page.json["next"].as_str().unwrap().split_once("/api/").unwrap();
    let last = staff.get(&peyk, next).await;
    assert_eq!(column(&last, "user_id"), [poor.id]);
    assert!(last.json["next"].is_null(), "{last:?}");
    let support = Person::new(&peyk).await;
    support.join_staff(&peyk, "support").await;
    let whole = support.get(&peyk, &format!("admin/wallets/?search={}", rich.id)).await;
    assert_eq!(column(&whole, "mobile_number"), [&rich.mobile]);
    let told: serde_json::Value = sqlx::query_scalar(
        "SELECT detail FROM audit_events WHERE action = 'wallet.searched' AND actor_user_id = $1",
    )
    .bind(support.id)
    .fetch_one(&peyk.database.pool)
    .await
    .unwrap();
    let expected = json!({"by": ["user_id"], "ids": [rich.id], "rows": 1, "shown": "whole"});
    assert_eq!(told, expected);
}

//! Money that is set aside.

use futures_util::future::join_all;
use peyk_tests::harness::Peyk;
use serde_json::{Value, json};

use super::{Shop, assert_proven, assert_refused, finance, rich, spend, two_apis};
use crate::login_steps::patient;

async fn hold(peyk: &Peyk, shop: &Shop, user: i64, rials: i64, key: &str) -> i64 {
    let held = shop.post(peyk, "hold/", key, &spend(user, rials)).await;
    assert_eq!((held.status, &held.json["state"]), (200, &json!("held")), "{held:?}");
    held.json["id"].as_i64().unwrap()
}

fn part(rials: i64) -> Value {
    json!({"amount": rials, "currency": "IRR"})
}

#[tokio::test]
async fn what_is_held_cannot_be_spent_and_is_captured_whole_or_in_part_or_released() {
    let peyk = patient().start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let user = rich(&peyk, &staff, 1_000).await;
    let (whole, some, none) = (
        hold(&peyk, &shop, user, 300, "a").await,
        hold(&peyk, &shop, user, 300, "b").await,
        hold(&peyk, &shop, user, 300, "c").await,
    );
    assert_eq!(shop.has(&peyk, user).await, (100, 900));
    let spent = shop.post(&peyk, "spend/", "s", &spend(user, 101)).await;
    assert_refused(&spent, 409, "insufficient_balance");
    let too_much = shop.post(&peyk, &format!("hold/{some}/capture/"), "d", &part(301)).await;
    assert_refused(&too_much, 400, "validation");
    let whole = format!("hold/{whole}/capture/");
    let captured = shop.post(&peyk, &whole, "d", &json!({})).await;
    assert_eq!(captured.json["captured_rials"], 300, "{captured:?}");
    assert_eq!(shop.has(&peyk, user).await, (100, 600));
    let captured = shop.post(&peyk, &format!("hold/{some}/capture/"), "e", &part(120)).await;
    assert_eq!(
        (captured.status, &captured.json["state"]),
        (200, &json!("captured")),
        "{captured:?}"
    );
    assert_eq!(captured.json["captured_rials"], 120);
    let none = format!("hold/{none}/release/");
    let released = shop.post(&peyk, &none, "f", &json!({})).await;
    assert_eq!(released.json["state"], "released", "{released:?}");
    assert_eq!(shop.has(&peyk, user).await, (580, 0));
    // Again under their keys: the same. Under others: it is over.
    for (path, key) in [(&whole, "d"), (&none, "f")] {
        assert_eq!(shop.post(&peyk, path, key, &json!({})).await.status, 200);
        let ended = shop.post(&peyk, path, "other", &json!({})).await;
        assert_refused(&ended, 409, "hold_ended");
    }
    assert_eq!(shop.has(&peyk, user).await, (580, 0));
    assert_proven(&peyk).await;
}

#[tokio::test]
async fn of_captures_and_releases_at_once_one_wins() {
    let peyk = two_apis().start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let user = rich(&peyk, &staff, 10_000).await;
    let mut left = 10_000;
    for round in 0..5 {
        let id = hold(&peyk, &shop, user, 1_000, &format!("h{round}")).await;
        let ends = (0..16_usize).map(|n| {
            let what = if n % 2 == 0 { "capture" } else { "release" };
            let (path, key) = (format!("hold/{id}/{what}/"), format!("{round}-{n}"));
            let (shop, peyk) = (&shop, &peyk);
            async move { shop.post_at((peyk, n / 2 % 2), &path, Some(&key), &json!({})).await }
        });
        let answers = join_all(ends).await;
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            assert_refused(lost, 409, "hold_ended");
        }
        left -= if won[0].json["state"] == "captured" { 1_000 } else { 0 };
        assert_eq!(shop.has(&peyk, user).await, (left, 0));
    }
    assert_proven(&peyk).await;
}

#[tokio::test]
async fn what_is_held_for_too_long_goes_back_by_itself_and_cannot_be_captured() {
    let peyk = patient().set("CRON__RELEASE_EXPIRED_HOLDS__ENABLED", "false").start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let user = rich(&peyk, &staff, 1_000).await;
    let (over, lasting) =
        (hold(&peyk, &shop, user, 300, "a").await, hold(&peyk, &shop, user, 200, "b").await);
    let later = sqlx::query("UPDATE wallet_holds SET expires_at = now() WHERE id = $1").bind(over);
    later.execute(&peyk.database.pool).await.unwrap();
    let late = shop.post(&peyk, &format!("hold/{over}/capture/"), "c", &json!({})).await;
    assert_refused(&late, 409, "hold_ended");
    let (worked, counted) =
        peyk.run("worker", &["cron", "run", "release-expired-holds", "--dry-run"]).await;
    assert!(worked && counted.contains('1'), "{counted}");
    assert_eq!(shop.has(&peyk, user).await, (500, 500));
    for _ in 0..2 {
        let (worked, output) = peyk.run("worker", &["cron", "run", "release-expired-holds"]).await;
        assert!(worked, "{output}");
        assert_eq!(shop.has(&peyk, user).await, (800, 200));
    }
    let captured = shop.post(&peyk, &format!("hold/{lasting}/capture/"), "d", &json!({})).await;
    assert_eq!(captured.status, 200, "{captured:?}");
    assert_proven(&peyk).await;
}

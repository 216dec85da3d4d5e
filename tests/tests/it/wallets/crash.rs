//! An api that is killed in the middle of a storm of postings.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::future::join_all;
use peyk_tests::{
    chaos::{Dice, size},
    harness::{Peyk, wait_for},
};
use serde_json::{Value, json};

use super::{Shop, assert_proven, finance, rich, spend};
use crate::login_steps::patient;

/// Callers at the same time.
const CALLERS: usize = 16;

/// What one caller was told: the ids of movements by the keys of its requests. What it was not told it
/// asks for again under the same key, until it is.
async fn storm(
    (url, client): (&str, &reqwest::Client),
    shop: &Shop,
    (caller, users): (usize, &[i64]),
    over: &AtomicBool,
) -> BTreeMap<String, Option<i64>> {
    let mut told = BTreeMap::new();
    for n in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("c{caller}-{n}");
        let body = body(users, caller, n);
        let path = if body["to_user_id"].is_null() { "spend" } else { "transfer" };
        let request = client.post(format!("{url}/api/wallet/{path}/")).json(&body);
        let request = request.header("X-API-Key", &shop.key).header("Idempotency-Key", &key);
        let id = match request.send().await {
            Ok(answer) if answer.status() == 200 => match answer.json::<Value>().await {
                Ok(json) => json["id"].as_i64(),
                Err(_) => None,
            },
            _ => None,
        };
        told.insert(key, id);
    }
    told
}

fn body(users: &[i64], caller: usize, n: usize) -> Value {
    let user = users[(caller + n) % users.len()];
    if n.is_multiple_of(3) {
        let to = users[(caller + n + 1) % users.len()];
        return json!({"from_user_id": user, "to_user_id": to, "amount": 10});
    }
    spend(user, 1)
}

#[tokio::test]
async fn every_posting_that_was_answered_is_there_and_none_is_there_twice() {
    let mut peyk = patient().start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let mut users = Vec::new();
    for _ in 0..3 {
        users.push(rich(&peyk, &staff, 1_000_000).await);
    }
    let mut dice = Dice::new("wallets");
    for round in 0..size("ROUNDS", 3, |rounds| rounds / 10) {
        let shop = Shop { key: shop.key.clone() };
        killed_once(&mut peyk, &shop, &users, &mut dice, round).await;
    }
    assert_proven(&peyk).await;
}

async fn killed_once(peyk: &mut Peyk, shop: &Shop, users: &[i64], dice: &mut Dice, round: usize) {
    let over = AtomicBool::new(false);
    let posted = "SELECT count(*) FROM ledger_transactions WHERE kind IN ('spend', 'transfer')";
    let before = peyk.database.count(posted).await;
    let enough = before + i64::try_from(20 + dice.below(200)).unwrap();
    let url = peyk.urls.last().unwrap().clone();
    let client = peyk.client().clone();
    let pool = peyk.database.pool.clone();
    let mut api = peyk.apis.pop().unwrap();
    let callers = (0..CALLERS)
        .map(|caller| storm((&url, &client), shop, (round * CALLERS + caller, users), &over));
    let killing = async {
        wait_for("postings", || async {
            let count: i64 = sqlx::query_scalar(posted).fetch_one(&pool).await.unwrap();
            (count >= enough).then_some(())
        })
        .await;
        api.kill().await;
        over.store(true, Ordering::Relaxed);
    };
    let (told, ()) = tokio::join!(join_all(callers), killing);
    peyk.urls.pop();
    peyk.start_api().await;
    peyk.wait_until_ready().await;
    assert_there_once(peyk, shop, users, (round, told)).await;
}

/// Each request again under its key: those that were answered are the same movements, and after that
/// there are as many movements as requests.
async fn assert_there_once(
    peyk: &Peyk,
    shop: &Shop,
    users: &[i64],
    (round, told): (usize, Vec<BTreeMap<String, Option<i64>>>),
) {
    let mut answered = 0;
    for (caller, told) in told.iter().enumerate() {
        let caller = round * CALLERS + caller;
        let again = (0..told.len()).map(|n| async move {
            let (key, body) = (format!("c{caller}-{n}"), body(users, caller, n));
            let path = if body["to_user_id"].is_null() { "spend/" } else { "transfer/" };
            (key.clone(), shop.post(peyk, path, &key, &body).await)
        });
        for (key, answer) in join_all(again).await {
            assert_eq!(answer.status, 200, "{answer:?}");
            if let Some(id) = told[&key] {
                answered += 1;
                assert_eq!(answer.json["id"], id, "{key}");
            }
        }
    }
    assert!(answered > 0, "somebody was answered before the end");
    let keys: i64 = sqlx::query_scalar(
        "SELECT count(*) - count(DISTINCT reference) FROM idempotency_keys
         WHERE operation IN ('spendFromWallet', 'transferBetweenWallets')",
    )
    .fetch_one(&peyk.database.pool)
    .await
    .unwrap();
    assert_eq!(keys, 0);
    let (movements, requests): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM ledger_transactions WHERE kind IN ('spend', 'transfer')),
                (SELECT count(*) FROM idempotency_keys
                 WHERE operation IN ('spendFromWallet', 'transferBetweenWallets'))",
    )
    .fetch_one(&peyk.database.pool)
    .await
    .unwrap();
    assert_eq!(movements, requests, "as many movements as requests");
}

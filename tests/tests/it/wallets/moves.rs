//! Spending and moving money.

use futures_util::future::join_all;
use peyk_tests::harness::Answer;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Shop, adjust, assert_proven, assert_refused, finance, rich, spend, two_apis, user};
use crate::{
    login_steps::{count, patient, text},
    people::{Person, column},
};

const MOVES: &str = "SELECT count(*) FROM ledger_transactions";
const KEYS: &str = "SELECT count(*) FROM idempotency_keys";

#[tokio::test]
async fn a_spend_is_answered_the_same_again_and_another_request_under_its_key_is_refused() {
    let peyk = two_apis().start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let user = rich(&peyk, &staff, 10_000).await;
    let body = json!({"user_id": user, "amount": 250, "currency": "IRT", "order_id": "o-1",
        "description": "Two tickets"});
    let first = shop.post(&peyk, "spend/", "k", &body).await;
    assert_eq!(first.status, 200, "{first:?}");
    for (name, value) in [
        ("kind", json!("spend")),
        ("user_id", json!(user)),
        ("amount", json!(250)),
        ("currency", json!("IRT")),
        ("amount_rials", json!(2_500)),
        ("balance_rials", json!(7_500)),
        ("order_id", json!("o-1")),
        ("description", json!("Two tickets")),
    ] {
        assert_eq!(first.json[name], value, "{name}");
    }
    assert_eq!(shop.post(&peyk, "spend/", "other", &spend(user, 100)).await.status, 200);
    // Its own answer, whatever came after it; by another process, too.
    for api in [0, 1] {
        let again = shop.post_at((&peyk, api), "spend/", Some("k"), &body).await;
        assert_eq!((again.status, &again.json), (200, &first.json));
    }
    for (name, value) in [("amount", json!(251)), ("order_id", json!("o-2")), ("user_id", json!(1))]
    {
        let mut changed = body.clone();
        changed[name] = value;
        let refused = shop.post(&peyk, "spend/", "k", &changed).await;
        assert_refused(&refused, 422, "idempotency_mismatch");
    }
    let hold = shop.post(&peyk, "hold/", "k", &body).await;
    assert_refused(&hold, 422, "idempotency_mismatch");
    assert_refused(&shop.post_at((&peyk, 0), "spend/", None, &body).await, 400, "validation");
    assert_eq!(count(&peyk, MOVES).await, 3);
    assert_eq!(shop.has(&peyk, user).await, (7_400, 0));
    assert_proven(&peyk).await;
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_and_may_be_asked_for_again() {
    let peyk = patient().start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let (poor, other) = (user(&peyk).await, user(&peyk).await);
    let keys = count(&peyk, KEYS).await;
    let transfer = |to: i64| json!({"from_user_id": poor, "to_user_id": to, "amount": 5});
    let insufficient = "insufficient_balance";
    assert_refused(&shop.post(&peyk, "spend/", "k", &spend(poor, 100)).await, 409, insufficient);
    assert_refused(&shop.post(&peyk, "hold/", "k", &spend(poor, 100)).await, 409, insufficient);
    assert_refused(&shop.post(&peyk, "transfer/", "k", &transfer(other)).await, 409, insufficient);
    for (path, body) in
        [("spend/", spend(999, 1)), ("hold/", spend(999, 1)), ("transfer/", transfer(999))]
    {
        assert_refused(&shop.post(&peyk, path, "k", &body).await, 404, "not_found");
    }
    for path in ["hold/7/capture/", "hold/7/release/"] {
        assert_refused(&shop.post(&peyk, path, "k", &json!({})).await, 404, "not_found");
    }
    for amount in [json!(0), json!(-5), json!(1.5), json!("x"), json!(i64::MAX), Value::Null] {
        let body = json!({"user_id": poor, "amount": amount, "currency": "IRT"});
        assert_refused(&shop.post(&peyk, "spend/", "k", &body).await, 400, "validation");
    }
    assert_refused(&shop.post(&peyk, "transfer/", "k", &transfer(poor)).await, 400, "validation");
    assert_eq!((count(&peyk, KEYS).await, count(&peyk, MOVES).await), (keys, 0));
    assert_eq!(adjust(&peyk, &staff, poor, 100, "give").await.status, 200);
    assert_eq!(shop.post(&peyk, "spend/", "k", &spend(poor, 100)).await.status, 200);
    assert_proven(&peyk).await;
}

/// A hundred ask for a thousand rials each, of a wallet that has thirty-seven thousand.
#[tokio::test]
async fn of_a_hundred_parallel_spends_exactly_those_that_are_covered_succeed() {
    let peyk = two_apis().start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let user = rich(&peyk, &staff, 37_500).await;
    let body = spend(user, 1_000);
    let keys: Vec<_> = (0..100).map(|n| format!("k{n}")).collect();
    let spends = keys
        .iter()
        .enumerate()
        .map(|(n, key)| shop.post_at((&peyk, n % 2), "spend/", Some(key), &body));
    let answers: Vec<Answer> = join_all(spends).await;
    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(done.len(), 37);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_refused(answer, 409, "insufficient_balance");
    }
    let mut balances: Vec<_> =
        done.iter().map(|answer| answer.json["balance_rials"].as_i64().unwrap()).collect();
    balances.sort_unstable();
    let expected: Vec<i64> = (0..37).map(|n| 500 + n * 1_000).collect();
    assert_eq!(balances, expected, "each saw a balance of its own");
    assert_eq!(shop.has(&peyk, user).await, (500, 0));
    assert_proven(&peyk).await;
}

#[tokio::test]
async fn fifty_parallel_requests_with_one_key_move_money_once() {
    let peyk = two_apis().start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let user = rich(&peyk, &staff, 10_000).await;
    let body = spend(user, 1_000);
    let spends = (0..50).map(|n| shop.post_at((&peyk, n % 2), "spend/", Some("k"), &body));
    let answers = join_all(spends).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.json), (200, &answers[0].json), "{answer:?}");
    }
    assert_eq!(shop.has(&peyk, user).await, (9_000, 0));
    assert_proven(&peyk).await;
}

#[tokio::test]
async fn transfers_both_ways_at_once_neither_wait_for_ever_nor_make_money() {
    let peyk = two_apis().start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let (a, b) = (rich(&peyk, &staff, 5_000).await, rich(&peyk, &staff, 5_000).await);
    let transfers =
        (0..80_usize).map(|n| {
            let (from, to) = if n % 2 == 0 { (a, b) } else { (b, a) };
            let body = json!({"from_user_id": from, "to_user_id": to, "amount": 10});
            let (shop, peyk) = (&shop, &peyk);
            async move {
                shop.post_at((peyk, n / 2 % 2), "transfer/", Some(&format!("t{n}")), &body).await
            }
        });
    for answer in join_all(transfers).await {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json["kind"], "transfer");
    }
    assert_eq!(shop.has(&peyk, a).await, (5_000, 0));
    assert_eq!(shop.has(&peyk, b).await, (5_000, 0));
    assert_proven(&peyk).await;
}

#[tokio::test]
async fn only_keys_with_the_scope_touch_wallets_and_a_user_sees_their_own_alone() {
    let peyk = patient().start().await;
    let (reader, writer) =
        (Shop::new(&peyk, &["wallet:read"]).await, Shop::new(&peyk, &["wallet:write"]).await);
    let sms = Shop::new(&peyk, &["sms:send"]).await;
    let sara = Person::new(&peyk).await;
    let all_scopes = "UPDATE users SET scopes = '{wallet:read,wallet:write}'";
    peyk.database.execute(all_scopes).await;
    let body = spend(sara.id, 5);
    for shop in [&reader, &sms, &Shop { key: sara.token.clone() }] {
        let refused = shop.post(&peyk, "spend/", "k", &body).await;
        assert!([401, 403].contains(&refused.status), "{refused:?}");
    }
    let path = format!("users/{}/", sara.id);
    for path in [path.clone(), format!("{path}entries/")] {
        assert_eq!(reader.get(&peyk, &path).await.status, 200);
        assert_refused(&writer.get(&peyk, &path).await, 403, "permission_denied");
        let own_token = sara.get(&peyk, &format!("wallet/{path}")).await;
        assert_refused(&own_token, 403, "permission_denied");
    }
    let spending = sara.post(&peyk, "wallet/spend/", &body).await;
    assert_refused(&spending, 403, "permission_denied");
    assert_refused(&reader.get(&peyk, "users/999/").await, 404, "not_found");
    assert_refused(&reader.get(&peyk, "users/999/entries/").await, 404, "not_found");
    assert_eq!(sara.get(&peyk, "wallet/").await.json["user_id"], sara.id);
    assert_eq!(peyk.get("/api/wallet/").await.status, 401);
}

#[tokio::test]
async fn a_user_sees_what_went_through_the_wallet_page_by_page_without_the_reasons_of_staff() {
    let peyk = patient().set("PAYMENTS__CURRENCY", "IRT").start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let sara = Person::new(&peyk).await;
    assert_eq!(adjust(&peyk, &staff, sara.id, 10_005, "a").await.status, 200);
    let mut body = spend(sara.id, 1_000);
    body["description"] = "Tea".into();
    assert_eq!(shop.post(&peyk, "spend/", "s", &body).await.status, 200);
    assert_eq!(shop.post(&peyk, "hold/", "h", &spend(sara.id, 2_000)).await.status, 200);
    let wallet = sara.get(&peyk, "wallet/").await;
    let expected = json!({"user_id": sara.id, "amount": 700, "currency": "IRT",
        "balance_rials": 7_005, "held_rials": 2_000});
    assert_eq!(wallet.json, expected);
    let page = sara.get(&peyk, "wallet/entries/?limit=2").await;
    assert_eq!(column(&page, "kind"), ["hold", "spend"]);
    assert_eq!(column(&page, "amount"), [-200, -100]);
    assert_eq!(column(&page, "balance_rials"), [7_005, 9_005]);
    assert_eq!(column(&page, "description"), ["", "Tea"]);
    let next = text(&page, "next");
    let (_, rest) = next.split_once("/api/").unwrap();
    let last = sara.ask(&peyk, Method::GET, rest, None).await;
    assert_eq!(column(&last, "kind"), ["adjustment"]);
    assert_eq!(
        (&last.json["results"][0]["description"], &last.json["next"]),
        (&json!(""), &Value::Null)
    );
    let by_shop = shop.get(&peyk, &format!("users/{}/entries/", sara.id)).await;
    assert_eq!(column(&by_shop, "description"), ["", "Tea", ""]);
    let by_staff = staff.get(&peyk, &format!("admin/wallets/{}/entries/", sara.id)).await;
    assert_eq!(column(&by_staff, "description"), ["", "Tea", "for a test"]);
    let query = format!("admin/wallets/{}/entries/?kind=spend&sort=oldest", sara.id);
    let by_kind = staff.get(&peyk, &query).await;
    assert_eq!(column(&by_kind, "kind"), ["spend"]);
    assert!(by_kind.json["next"].is_null(), "{by_kind:?}");
    let looks = "SELECT count(*) FROM audit_events WHERE action = 'wallet.entries_listed'
        AND subject = 'user' AND subject_id = $1 AND detail->'by' ? 'user_id'";
    let looks: i64 =
        sqlx::query_scalar(looks).bind(sara.id).fetch_one(&peyk.database.pool).await.unwrap();
    assert_eq!(looks, 2);
    assert_eq!(staff.get(&peyk, "admin/wallets/999/entries/").await.status, 404);
}

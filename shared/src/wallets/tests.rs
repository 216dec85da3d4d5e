//! The ledger in a real database.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sqlx::PgPool;

use super::*;
use crate::{
    clock::SystemClock,
    config::{WebhookEndpoint, Webhooks},
    webhooks::Outbox,
};

const MOST: Rials = Rials::new(1_000_000);

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn quiet() -> Outbox {
    Outbox::new(&Webhooks::default(), Arc::new(SystemClock))
}

async fn user(pool: &PgPool, name: &str) -> i64 {
    sqlx::query_scalar("INSERT INTO users (username, created_at) VALUES ($1, $2) RETURNING id")
        .bind(name)
        .bind(now())
        .fetch_one(pool)
        .await
        .unwrap()
}

fn posting(key: &str, kind: Kind, from: Account, to: Account, rials: i64) -> Posting {
    let legs = vec![(from, Rials::new(-rials)), (to, Rials::new(rials))];
    Posting {
        key: key.to_owned(),
        kind,
        reference: "order-1".to_owned(),
        note: String::new(),
        legs,
    }
}

fn charge(key: &str, user: i64, rials: i64) -> Posting {
    let gateway = Account::Gateway("zarinpal".to_owned());
    posting(key, Kind::Payment, gateway, Account::Wallet(user), rials)
}

fn spend(key: &str, user: i64, rials: i64) -> Posting {
    posting(key, Kind::Spend, Account::Wallet(user), Account::Sales, rials)
}

async fn post_all(pool: &PgPool, outbox: &Outbox, postings: &[Posting]) -> Vec<Posted> {
    let mut tx = pool.begin().await.unwrap();
    let posted = post(&mut tx, outbox, now(), MOST, postings).await.unwrap();
    tx.commit().await.unwrap();
    posted
}

async fn number(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

/// Whatever the ledger holds: everything together zero, each transaction zero, and each wallet what its
/// entries say, one after the other.
async fn assert_sound(pool: &PgPool) {
    let wrong = "
        SELECT (SELECT count(*) FROM (SELECT FROM ledger_entries GROUP BY transaction_id
                    HAVING sum(amount_rials) <> 0 OR count(*) < 2) AS t)
             + (SELECT count(*) FROM ledger_transactions t
                WHERE NOT EXISTS (SELECT FROM ledger_entries WHERE transaction_id = t.id))
             + (SELECT count(*) FROM (SELECT balance_rials - sum(amount_rials)
                    OVER (PARTITION BY account_id ORDER BY id) AS off
                    FROM ledger_entries WHERE balance_rials IS NOT NULL) AS e WHERE off <> 0)
             + (SELECT count(*) FROM wallets w WHERE balance_rials <>
                    (SELECT coalesce(sum(amount_rials), 0) FROM ledger_entries e
                     WHERE e.account_id = w.account_id))";
    assert_eq!(number(pool, wrong).await, 0);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_posting_happens_once_and_its_key_is_good_for_nothing_else(pool: PgPool) {
    let a = user(&pool, "a").await;
    let charge = charge("payment:1", a, 500);
    let first = post_all(&pool, &quiet(), std::slice::from_ref(&charge)).await;
    let Posted::Done(id) = first[0] else { panic!("{first:?}") };
    let mut reworded = charge.clone();
    reworded.note = "again".to_owned();
    reworded.legs.reverse();
    for same in [charge.clone(), reworded] {
        assert_eq!(post_all(&pool, &quiet(), &[same]).await, [Posted::Repeated(id)]);
    }
    let mut others = vec![charge.clone(); 3];
    others[0].legs[0].1 = Rials::new(-501);
    others[0].legs[1].1 = Rials::new(501);
    others[1].kind = Kind::Adjustment;
    others[2].reference = "order-2".to_owned();
    assert_eq!(post_all(&pool, &quiet(), &others).await, [Posted::Mismatch; 3]);
    assert_eq!(number(&pool, "SELECT balance_rials FROM wallets").await, 500);
    assert_eq!(number(&pool, "SELECT count(*) FROM ledger_entries").await, 2);
    assert_sound(&pool).await;
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn postings_of_one_call_are_applied_in_their_order_and_refused_ones_leave_nothing(
    pool: PgPool,
) {
    let (a, b) = (user(&pool, "a").await, user(&pool, "b").await);
    let transfer = posting("t", Kind::Transfer, Account::Wallet(a), Account::Wallet(b), 40);
    let posted = post_all(
        &pool,
        &quiet(),
        &[
            spend("early", a, 1),
            charge("c", a, 100),
            spend("s1", a, 60),
            spend("s2", a, 60),
            charge("c", a, 100),
            transfer,
            spend("s2", a, 1),
        ],
    )
    .await;
    let Posted::Done(charged) = posted[1] else { panic!("{posted:?}") };
    assert_eq!(posted[0], Posted::Insufficient);
    assert_eq!(posted[3], Posted::Insufficient);
    assert_eq!(posted[4], Posted::Repeated(charged));
    assert!(matches!((posted[2], posted[5]), (Posted::Done(_), Posted::Done(_))), "{posted:?}");
    assert_eq!(posted[6], Posted::Insufficient);
    assert_eq!(number(&pool, "SELECT count(*) FROM ledger_transactions").await, 3);
    // What was refused may be asked for again.
    let more = post_all(&pool, &quiet(), &[charge("c2", a, 60), spend("s2", a, 60)]).await;
    assert!(more.iter().all(|posted| matches!(posted, Posted::Done(_))), "{more:?}");
    assert_sound(&pool).await;
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_wallet_holds_no_more_than_allowed_but_what_was_paid_is_never_refused(pool: PgPool) {
    let a = user(&pool, "a").await;
    let give = |key: &str, rials| {
        posting(key, Kind::Adjustment, Account::Adjustments, Account::Wallet(a), rials)
    };
    let posted = post_all(
        &pool,
        &quiet(),
        &[give("1", MOST.get()), give("2", 1), charge("3", a, 1), give("4", 1)],
    )
    .await;
    assert!(matches!((posted[0], posted[2]), (Posted::Done(_), Posted::Done(_))), "{posted:?}");
    assert_eq!((posted[1], posted[3]), (Posted::TooMuch, Posted::TooMuch));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn wallets_that_have_more_or_less_are_told_of(pool: PgPool) {
    let (a, b) = (user(&pool, "a").await, user(&pool, "b").await);
    let mut config = Webhooks::default();
    let endpoint =
        WebhookEndpoint { events: vec!["wallet.*".to_owned()], ..WebhookEndpoint::default() };
    config.endpoints.insert("shop".to_owned(), endpoint);
    let outbox = Outbox::new(&config, Arc::new(SystemClock));
    let transfer = posting("t", Kind::Transfer, Account::Wallet(a), Account::Wallet(b), 40);
    let posted =
        post_all(&pool, &outbox, &[charge("c", a, 100), transfer, spend("x", a, 1_000)]).await;
    let Posted::Done(id) = posted[1] else { panic!("{posted:?}") };
    let told: Vec<(String, serde_json::Value)> = sqlx::query_as(
        "SELECT kind, data FROM webhook_events ORDER BY data->>'amount_rials', kind",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let kinds: Vec<_> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["wallet.credited", "wallet.credited", "wallet.debited"]);
    let data = serde_json::json!({
        "user_id": a, "amount_rials": 40, "balance_rials": 60, "kind": "transfer",
        "reference": "order-1", "transaction_id": id,
    });
    assert_eq!(told[2].1, data);
}

/// Random postings in random batches, some of them again, against the pure rules.
#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn random_postings_do_what_the_rules_say(pool: PgPool) {
    let mut users = Vec::new();
    for name in ["a", "b", "c", "d"] {
        users.push(user(&pool, name).await);
    }
    let mut rng = StdRng::seed_from_u64(7);
    let mut model = rules::Books::new([], MOST);
    let mut done: HashMap<String, (Posting, i64)> = HashMap::new();
    for _ in 0..60 {
        let batch: Vec<_> =
            (0..rng.random_range(1..12)).map(|_| random_posting(&mut rng, &users)).collect();
        let posted = post_all(&pool, &quiet(), &batch).await;
        for (posting, posted) in batch.into_iter().zip(posted) {
            let expected = match done.get(&posting.key) {
                Some((earlier, id)) if earlier.fingerprint() == posting.fingerprint() => {
                    Some(Posted::Repeated(*id))
                }
                Some(_) => Some(Posted::Mismatch),
                None => match model.apply(&posting) {
                    Ok(_) => None,
                    Err(rules::Refusal::Insufficient) => Some(Posted::Insufficient),
                    Err(rules::Refusal::TooMuch) => Some(Posted::TooMuch),
                },
            };
            match (expected, posted) {
                (None, Posted::Done(id)) => drop(done.insert(posting.key.clone(), (posting, id))),
                (expected, posted) => assert_eq!(expected, Some(posted), "{posting:?}"),
            }
        }
    }
    assert!(done.len() > 100, "{}", done.len());
    for user in users {
        let held: i64 = sqlx::query_scalar("SELECT balance_rials FROM wallets WHERE user_id = $1")
            .bind(user)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(Rials::new(held), model.balance(user));
    }
    let transactions = number(&pool, "SELECT count(*) FROM ledger_transactions").await;
    assert_eq!(transactions, i64::try_from(done.len()).unwrap());
    assert_sound(&pool).await;
}

fn random_posting(rng: &mut StdRng, users: &[i64]) -> Posting {
    let key = format!("k{}", rng.random_range(0..400));
    let rials = rng.random_range(1..4) * 1_000;
    let from = rng.random_range(0..users.len());
    let to = (from + rng.random_range(1..users.len())) % users.len();
    let (from, to) = (Account::Wallet(users[from]), Account::Wallet(users[to]));
    match rng.random_range(0..4) {
        0 => posting(&key, Kind::Payment, Account::Gateway("zibal".to_owned()), to, 3 * rials),
        1 => posting(&key, Kind::Spend, from, Account::Sales, rials),
        2 => posting(&key, Kind::Hold, from, Account::Holds, rials),
        _ => posting(&key, Kind::Transfer, from, to, rials),
    }
}

/// The ledger defends itself: against us.
#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_database_refuses_what_no_ledger_may_hold(pool: PgPool) {
    let a = user(&pool, "a").await;
    post_all(&pool, &quiet(), &[charge("c", a, 100)]).await;
    let zero_sum =
        "INSERT INTO ledger_entries (transaction_id, account_id, amount_rials, created_at)";
    let refused = [
        "UPDATE ledger_entries SET amount_rials = 1".to_owned(),
        "DELETE FROM ledger_entries".to_owned(),
        "TRUNCATE ledger_entries".to_owned(),
        "UPDATE ledger_transactions SET note = 'x'".to_owned(),
        "DELETE FROM ledger_transactions".to_owned(),
        "TRUNCATE ledger_transactions CASCADE".to_owned(),
        "UPDATE wallets SET balance_rials = -1".to_owned(),
        "INSERT INTO ledger_transactions (key, kind, fingerprint, created_at)
         SELECT key, kind, fingerprint, created_at FROM ledger_transactions"
            .to_owned(),
        format!(
            "{zero_sum} SELECT transaction_id, account_id, 1, now() FROM ledger_entries LIMIT 1"
        ),
        format!("{zero_sum} SELECT transaction_id, account_id, 5, now() FROM ledger_entries"),
        format!("{zero_sum} SELECT transaction_id, account_id, 0, now() FROM ledger_entries"),
    ];
    for sql in refused {
        let refused = sqlx::query(sqlx::AssertSqlSafe(sql.clone())).execute(&pool).await;
        let code =
            refused.expect_err(&sql).as_database_error().unwrap().code().unwrap().into_owned();
        assert!(code.starts_with("23"), "{sql}: {code}");
    }
    let mut unbalanced = charge("d", a, 100);
    unbalanced.legs[0].1 = Rials::new(-99);
    let mut tx = pool.begin().await.unwrap();
    post(&mut tx, &quiet(), now(), MOST, &[unbalanced]).await.unwrap_err();
    tx.rollback().await.unwrap();
    assert_sound(&pool).await;
}

/// Whoever moves the same money at the same time: nobody waits for ever, and no money is made.
#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn transfers_both_ways_and_the_same_keys_at_once_end(pool: PgPool) {
    let (a, b) = (user(&pool, "a").await, user(&pool, "b").await);
    post_all(&pool, &quiet(), &[charge("a", a, 1_000), charge("b", b, 1_000)]).await;
    let rounds = (0..40).map(|round| {
        let pool = pool.clone();
        async move {
            let (from, to) = if round % 2 == 0 { (a, b) } else { (b, a) };
            let transfer = |key: String| {
                posting(&key, Kind::Transfer, Account::Wallet(from), Account::Wallet(to), 10)
            };
            // Each pair of keys is used by two, in both orders.
            let (first, second) = (format!("x{}", round / 4), format!("y{}", round / 4));
            let mut keys = [format!("{first}{from}"), format!("{second}{from}")];
            if round % 4 > 1 {
                keys.reverse();
            }
            post_all(&pool, &quiet(), &keys.map(transfer)).await
        }
    });
    let posted = futures_util::future::join_all(rounds).await.concat();
    let done = posted.iter().filter(|posted| matches!(posted, Posted::Done(_))).count();
    let repeated = posted.iter().filter(|posted| matches!(posted, Posted::Repeated(_))).count();
    assert_eq!((done, repeated), (40, 40));
    assert_eq!(number(&pool, "SELECT sum(balance_rials)::bigint FROM wallets").await, 2_000);
    assert_sound(&pool).await;
}

//! The proof of the ledger.

use peyk_tests::harness::Peyk;
use serde_json::json;

use super::{Shop, assert_proven, finance, rich, spend, user};
use crate::login_steps::patient;

async fn refuted(peyk: &Peyk) -> String {
    let (worked, output) = peyk.run("api", &["ledger", "verify"]).await;
    assert!(!worked, "{output}");
    output
}

/// Does what the database forbids, as somebody who owns it could.
async fn tamper(peyk: &Peyk, sql: &'static str) {
    let mut tx = peyk.database.pool.begin().await.unwrap();
    for statement in ["SET LOCAL session_replication_role = replica", sql] {
        sqlx::raw_sql(statement).execute(&mut *tx).await.expect(statement);
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn whatever_is_tampered_with_is_found() {
    let peyk = patient().start().await;
    let (shop, staff) = (Shop::that_may_all(&peyk).await, finance(&peyk).await);
    let user = rich(&peyk, &staff, 1_000).await;
    assert_eq!(shop.post(&peyk, "hold/", "h", &spend(user, 300)).await.status, 200);
    assert_eq!(shop.post(&peyk, "spend/", "s", &spend(user, 100)).await.status, 200);
    assert_proven(&peyk).await;
    for (break_it, mend_it, found) in [
        (
            "UPDATE wallets SET balance_rials = 601",
            "UPDATE wallets SET balance_rials = 600",
            vec!["balance  wallet:"],
        ),
        (
            "UPDATE ledger_entries SET balance_rials = 701 WHERE balance_rials = 700",
            "UPDATE ledger_entries SET balance_rials = 700 WHERE balance_rials = 701",
            vec!["running_balance  entry:"],
        ),
        (
            "UPDATE ledger_entries SET amount_rials = 101 WHERE amount_rials = 100",
            "UPDATE ledger_entries SET amount_rials = 100 WHERE amount_rials = 101",
            vec!["transaction  transaction:", "total  ledger: expected 0, found 1"],
        ),
        (
            "UPDATE wallet_holds SET amount_rials = 299",
            "UPDATE wallet_holds SET amount_rials = 300",
            vec!["holds  holds: expected 299, found 300"],
        ),
        (
            "INSERT INTO ledger_transactions (key, kind, fingerprint, created_at)
             VALUES ('payment:41', 'payment', sha256('x'), now())",
            "DELETE FROM ledger_transactions WHERE key = 'payment:41'",
            vec!["unpaid  payment:41", "transaction  transaction:"],
        ),
        (
            "INSERT INTO payments (handle, user_id, amount, currency, amount_rials, purpose, gateway,
                 callback_url, state, created_at, updated_at, paid_at, watch_until)
             VALUES (md5('x'), 1, 5, 'IRR', 5, 'charge_wallet', 'zibal', '', 'paid', now(), now(),
                 now(), now())",
            "DELETE FROM payments",
            vec!["payment  payment:1: expected 5, found nothing"],
        ),
    ] {
        tamper(&peyk, break_it).await;
        let output = refuted(&peyk).await;
        for found in found {
            assert!(output.contains(found), "{found}: {output}");
        }
        tamper(&peyk, mend_it).await;
        assert_proven(&peyk).await;
    }
}

#[tokio::test]
async fn the_nightly_proof_says_loudly_what_it_found() {
    let peyk = patient().set("CRON__VERIFY_LEDGER__SCHEDULE", "* * * * * *").start().await;
    let staff = finance(&peyk).await;
    rich(&peyk, &staff, 1_000).await;
    let worker = &peyk.workers[0];
    assert_eq!(worker.log_line("the ledger agrees").await["level"], "INFO");
    tamper(&peyk, "UPDATE wallets SET balance_rials = 999").await;
    let alarm = worker.log_line("the ledger does not agree: api ledger verify").await;
    assert_eq!((&alarm["level"], &alarm["differences"]), (&json!("ERROR"), &json!(1)));
    let difference = worker.log_line("in the ledger").await["difference"].clone();
    assert!(difference.as_str().unwrap().contains("expected 1000, found 999"), "{difference}");
    let series = "peyk_ledger_differences_total{check=\"balance\"}";
    assert!(peyk.worker_metric(series).await.is_some());
    let (_, counted) = peyk.run("worker", &["cron", "run", "verify-ledger", "--dry-run"]).await;
    assert!(counted.contains(" 1 rows"), "{counted}");
}

/// A hundred thousand entries of a thousand wallets.
#[tokio::test]
async fn a_large_ledger_is_proven_entry_by_entry() {
    let peyk = patient().workers(0).start().await;
    user(&peyk).await;
    tamper(
        &peyk,
        "INSERT INTO users (username, created_at) SELECT 'n' || n, now() FROM generate_series(1, 1000) n;
         INSERT INTO ledger_accounts (name, user_id) SELECT 'wallet:' || id, id FROM users;
         INSERT INTO wallets (account_id, user_id, balance_rials, updated_at)
             SELECT id, user_id, 50 * 10, now() FROM ledger_accounts
             WHERE user_id IN (SELECT id FROM users ORDER BY id LIMIT 1000);
         INSERT INTO ledger_transactions (key, kind, fingerprint, created_at)
             SELECT 'n:' || n, 'adjustment', sha256('x'), now() FROM generate_series(1, 50000) n;
         INSERT INTO ledger_entries (transaction_id, account_id, amount_rials, balance_rials, created_at)
             SELECT t.id, w.account_id, 10, 10 * (1 + (t.id - 1) / 1000), now()
             FROM ledger_transactions t
             JOIN (SELECT account_id, row_number() OVER (ORDER BY account_id) - 1 AS place FROM wallets)
                 AS w ON w.place = (t.id - 1) % 1000
             ORDER BY t.id;
         INSERT INTO ledger_entries (transaction_id, account_id, amount_rials, created_at)
             SELECT t.id, (SELECT id FROM ledger_accounts WHERE name = 'adjustments'), -10, now()
             FROM ledger_transactions t;",
    )
    .await;
    let (worked, output) = peyk.run("api", &["ledger", "verify"]).await;
    assert!(
        worked && output.contains("100000 entries of 1001 accounts, 0 differences"),
        "{output}"
    );
    tamper(&peyk, "UPDATE ledger_entries SET balance_rials = 11 WHERE id = 500").await;
    assert!(refuted(&peyk).await.contains("1 differences"));
}

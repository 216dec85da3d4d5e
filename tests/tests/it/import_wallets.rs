//! `api import-django`: what wallets held becomes the first movement here.

use peyk_tests::harness::Peyk;

use super::import_steps::{Old, empty_peyk, import};

async fn wallet(old: &Old, id: i64, owner: i64, amount: &str) {
    old.execute(&format!(
        "INSERT INTO drfchelseru_wallet (id, user_id, amount, created_at, updated_at)
         VALUES ({id}, {owner}, {amount}, '2024-03-01 10:00:00', '2024-03-01 10:00:00')"
    ))
    .await;
}

/// What everybody has: the account and its rials.
async fn balances(peyk: &Peyk) -> Vec<(i64, i64)> {
    sqlx::query_as("SELECT user_id, balance_rials FROM wallets ORDER BY user_id")
        .fetch_all(&peyk.database.pool)
        .await
        .unwrap()
}

async fn assert_proven(peyk: &Peyk) {
    let (good, output) = peyk.run("api", &["ledger", "verify"]).await;
    assert!(good, "{output}");
}

#[tokio::test]
async fn wallets_come_with_what_they_held_in_the_currency_that_is_named() {
    let whole = 10_i64.pow(15);
    for (currency, held) in [
        ("--currency=IRT", [(1, 155), (2, 0), (3, whole * 10), (5, 20_000)]),
        ("--currency=irr", [(1, 16), (2, 0), (3, whole), (5, 2_000)]),
    ] {
        for old in [Old::sqlite().await, Old::postgres().await] {
            old.accounts(5).await;
            for (owner, amount) in [(1, "15.5"), (2, "0"), (3, "1e15"), (4, "-5"), (5, "2000.04")] {
                wallet(&old, owner + 20, owner, amount).await;
            }
            let peyk = empty_peyk().await;
            let options = [currency, "--allow-refused"];
            let first = import(&peyk, &old, &[&options[..], &["--dry-run"]].concat()).await.1;
            assert!(first.contains("wallets: 5 read, 4 could be imported"), "{first}");
            assert_eq!(balances(&peyk).await, []);
            let (good, output) = import(&peyk, &old, &options).await;
            assert!(good && output.contains("wallets: 5 read, 4 imported, 0 here"), "{output}");
            assert!(output.contains("refused          1  amount_bad"), "{output}");
            assert!(
                output.contains("rounded half up to whole rials"),
                "the rule is said: {output}"
            );
            assert_eq!(balances(&peyk).await, held);
            // What has been spent here since stays spent.
            let again = [&options[..], &["--again"]].concat();
            let (good, output) = import(&peyk, &old, &again).await;
            assert!(good && output.contains("wallets: 5 read, 0 imported, 4 here"), "{output}");
            assert_eq!(balances(&peyk).await.len(), 4);
            assert_proven(&peyk).await;
        }
    }
}

#[tokio::test]
async fn wallets_without_a_currency_or_an_owner_do_not_come() {
    let old = Old::sqlite().await;
    old.accounts(1).await;
    wallet(&old, 7, 1, "5").await;
    let peyk = empty_peyk().await;
    for options in [&[][..], &["--check"], &["--dry-run"]] {
        let (good, output) = import(&peyk, &old, options).await;
        assert!(!good && output.contains("--currency IRT or --currency IRR"), "{output}");
    }
    old.execute("PRAGMA foreign_keys = OFF; UPDATE drfchelseru_wallet SET user_id = 99").await;
    // Whoever only asks is told the same.
    for mode in [&["--check"][..], &["--dry-run"], &[]] {
        let options = [&["--currency=IRT", "--allow-refused"], mode].concat();
        let (good, output) = import(&peyk, &old, &options).await;
        assert!(good && output.contains("refused          1  owner_missing"), "{mode:?}: {output}");
        assert_eq!(balances(&peyk).await, []);
    }
}

#[tokio::test]
async fn wallets_go_on_after_the_last_batch_that_was_committed() {
    let old = Old::sqlite().await;
    old.accounts(20).await;
    for owner in 1..=20 {
        wallet(&old, owner, owner, "7").await;
    }
    let peyk = empty_peyk().await;
    // The second batch of wallets does not commit.
    peyk.database
        .execute(
            "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF NEW.part = 'wallets' AND NEW.last_id > 5 THEN RAISE EXCEPTION 'stop'; END IF;
                 RETURN NEW; END $$;
             CREATE TRIGGER stop BEFORE UPDATE ON import_progress FOR EACH ROW EXECUTE FUNCTION stop()",
        )
        .await;
    let options = ["--currency=IRT", "--batch=5", "--allow-refused"];
    let (good, output) = import(&peyk, &old, &options).await;
    assert!(!good, "{output}");
    assert_eq!(balances(&peyk).await.len(), 5);
    peyk.database.execute("DROP TRIGGER stop ON import_progress").await;
    let (good, output) = import(&peyk, &old, &[&options[..], &["--resume"]].concat()).await;
    // Two of the twenty accounts are refused, and so are their wallets.
    assert!(good && output.contains("wallets: 20 read, 18 imported, 0 here"), "{output}");
    assert!(balances(&peyk).await.iter().all(|(_, rials)| *rials == 70));
    assert_eq!(balances(&peyk).await.len(), 18);
    assert_proven(&peyk).await;
}

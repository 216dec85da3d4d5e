//! Reconciliation: every way in which gateway, payments and ledger may differ is named, and nothing is
//! changed.

use peyk_tests::{fake::FakeZarinPal, harness::Peyk};
use shared::clock::{Clock, SystemClock};

use super::return_steps::{RIALS, at, begin, clerk, give_back, pay};
use crate::people::Person;

/// What the command says of the last hour: whether all agrees, and its lines.
async fn compare(peyk: &Peyk) -> (bool, Vec<String>) {
    let hour = |hours| (SystemClock.now() + chrono::TimeDelta::hours(hours)).to_rfc3339();
    let (since, until) = (hour(-1), hour(1));
    let arguments = ["payments", "reconcile", "--since", &since, "--until", &until];
    let (good, output) = peyk.run("worker", &arguments).await;
    (good, output.lines().map(str::to_owned).collect())
}

fn of<'a>(lines: &'a [String], kind: &str) -> Vec<&'a String> {
    let word = format!("  {kind}  ");
    lines.iter().filter(|line| line.contains(&word)).collect()
}

#[tokio::test]
async fn what_agrees_is_no_difference_whatever_became_of_it() {
    let zarinpal = FakeZarinPal::start().await;
    let peyk = at(&zarinpal).start().await;
    let (payer, clerk) = (Person::new(&peyk).await, clerk(&peyk).await);
    pay(&peyk, &zarinpal, &payer, 1).await;
    pay(&peyk, &zarinpal, &payer, 2).await;
    begin(&peyk, &payer, 1).await;
    let cancelled = begin(&peyk, &payer, 1).await;
    zarinpal.cancel(&cancelled.authority);
    for how in ["reverse", "refund"] {
        let paid = pay(&peyk, &zarinpal, &payer, 1).await;
        assert_eq!(give_back(&peyk, &clerk, paid.id, how).await.status, 200);
    }
    let (good, lines) = compare(&peyk).await;
    assert!(good, "{lines:#?}");
    let row: Vec<_> = lines[2].split_whitespace().collect();
    assert_eq!(row, ["zarinpal", "6", &(4 * RIALS).to_string(), "6", "0", "0"], "{lines:#?}");
}

#[tokio::test]
async fn every_difference_is_named_and_nothing_is_changed() {
    let zarinpal = FakeZarinPal::start().await;
    let peyk = at(&zarinpal).start().await;
    let payer = Person::new(&peyk).await;
    let unseen = begin(&peyk, &payer, 1).await;
    zarinpal.pay(&unseen.authority);
    let lost = pay(&peyk, &zarinpal, &payer, 1).await;
    let reversed = pay(&peyk, &zarinpal, &payer, 1).await;
    let tenfold = pay(&peyk, &zarinpal, &payer, 1).await;
    let missing = pay(&peyk, &zarinpal, &payer, 2).await;
    let unpaid = begin(&peyk, &payer, 1).await;
    let strange = begin(&peyk, &payer, 1).await;
    zarinpal.pay(&strange.authority);
    let cheap = begin(&peyk, &payer, 1).await;
    zarinpal.pay(&cheap.authority);
    zarinpal.books(|books| {
        books.page(&lost.authority).stage = peyk_tests::fake::Stage::Failed;
        books.page(&reversed.authority).stage = peyk_tests::fake::Stage::Returned;
        books.page(&cheap.authority).amount /= 10;
    });
    let tamper = format!(
        "ALTER TABLE ledger_transactions DISABLE TRIGGER USER;
         ALTER TABLE ledger_entries DISABLE TRIGGER USER;
         UPDATE ledger_entries SET amount_rials = amount_rials * 10 WHERE transaction_id =
             (SELECT id FROM ledger_transactions WHERE key = 'payment:{}');
         UPDATE ledger_transactions SET key = 'payment:{}' WHERE key = 'payment:{}';
         UPDATE payment_sessions SET authority = 'elsewhere' WHERE payment_id = {};",
        tenfold.id, unpaid.id, missing.id, strange.id,
    );
    let sql = sqlx::AssertSqlSafe(tamper);
    sqlx::raw_sql(sql).execute(&peyk.database.pool).await.unwrap();
    let before = written(&peyk).await;
    let (good, lines) = compare(&peyk).await;
    assert!(!good, "{lines:#?}");
    let about = |id: i64| format!("payment {id}  ");
    for (kind, id) in [
        ("paid_at_gateway_not_here", unseen.id),
        ("paid_here_not_at_gateway", lost.id),
        ("reversed_at_gateway", reversed.id),
        ("ledger_amount", tenfold.id),
        ("ledger_missing", missing.id),
        ("ledger_without_payment", unpaid.id),
        ("amount", cheap.id),
    ] {
        let found = of(&lines, kind);
        assert!(found.iter().any(|line| line.contains(&about(id))), "{kind}: {lines:#?}");
    }
    let strangers = of(&lines, "unknown_authority");
    assert!(strangers.len() == 1 && strangers[0].contains(&strange.authority), "{lines:#?}");
    assert_eq!(written(&peyk).await, before, "it only looks");
    let kept = "SELECT jsonb_array_length(differences)::bigint FROM payment_reports
        WHERE finished_at IS NOT NULL";
    assert!(peyk.database.count(kept).await >= 8);
}

/// All that reconciliation could change.
async fn written(peyk: &Peyk) -> Vec<String> {
    let sql = "SELECT p::text FROM payments p UNION ALL SELECT s::text FROM payment_sessions s
        UNION ALL SELECT e::text FROM ledger_entries e UNION ALL SELECT w::text FROM wallets w
        ORDER BY 1";
    sqlx::query_scalar(sql).fetch_all(&peyk.database.pool).await.unwrap()
}

#[tokio::test]
async fn a_gateway_that_cannot_be_asked_is_said_and_the_ledger_is_compared_all_the_same() {
    let zarinpal = FakeZarinPal::start().await;
    let mut peyk = at(&zarinpal).start().await;
    let payer = Person::new(&peyk).await;
    pay(&peyk, &zarinpal, &payer, 1).await;
    peyk.kill_worker().await;
    drop(zarinpal);
    let (good, lines) = compare(&peyk).await;
    assert!(good, "{lines:#?}");
    let row: Vec<_> = lines[2].split_whitespace().collect();
    assert_eq!(row, ["zarinpal", "1", &RIALS.to_string(), "0", "1", "0"], "{lines:#?}");
}

#[tokio::test]
async fn a_night_that_was_cut_short_goes_on_where_it_was() {
    let zarinpal = FakeZarinPal::start().await;
    let peyk = at(&zarinpal).start().await;
    let payer = Person::new(&peyk).await;
    for _ in 0..3 {
        pay(&peyk, &zarinpal, &payer, 1).await;
    }
    peyk.database
        .execute(
            "UPDATE payments SET paid_at = date_trunc('day', now() AT TIME ZONE 'UTC')
                 AT TIME ZONE 'UTC' - interval '1 hour';
             INSERT INTO payment_reports (gateway, since, until, payments, paid_rials, differences,
                 created_at, last_id)
             SELECT 'zarinpal', day - interval '1 day', day, 1, 50000, '[]', now(),
                 (SELECT min(id) FROM payments)
             FROM (SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS day) d",
        )
        .await;
    let asked = zarinpal.count("inquiry.json");
    let (good, output) = peyk.run("worker", &["cron", "run", "reconcile-payments"]).await;
    assert!(good, "{output}");
    assert_eq!(zarinpal.count("inquiry.json") - asked, 2, "the first was compared before");
    let report = "SELECT count(*) FROM payment_reports
        WHERE payments = 3 AND paid_rials = 150000 AND asked = 2 AND finished_at IS NOT NULL";
    assert_eq!(peyk.database.count(report).await, 1);
}

//! `api import-django`: payments of `django-chelseru`.

use std::fmt::Write;

use peyk_tests::harness::Peyk;

use super::import_steps::{Old, empty_peyk, import};

/// A payment of the old system: what is not said is as its own models leave it.
async fn payment(old: &Old, id: i64, columns: &[(&str, &str)]) {
    let usual = [
        ("user_id", "1"),
        ("order_id", "''"),
        ("amount", "1000"),
        ("description", "'django-chelseru: new order'"),
        ("callback_url", "'https://shop.example/verify'"),
        ("status", "'unpaid'"),
        ("pay_mode", "1"),
        ("created_at", "'2024-03-01 10:00:00'"),
        ("updated_at", "'2024-03-01 10:05:00'"),
    ];
    let of = |name: &str| columns.iter().find(|(column, _)| *column == name);
    let usual = usual.iter().map(|it| of(it.0).unwrap_or(it));
    let more = columns.iter().filter(|(name, _)| !USUAL.contains(name));
    let all: Vec<_> = usual.chain(more).collect();
    let names: Vec<_> = all.iter().map(|it| it.0).collect();
    let values: Vec<_> = all.iter().map(|it| it.1).collect();
    let (names, values) = (names.join(", "), values.join(", "));
    old.execute(&format!("INSERT INTO drfchelseru_payment (id, {names}) VALUES ({id}, {values})"))
        .await;
}

const USUAL: [&str; 9] = [
    "user_id",
    "order_id",
    "amount",
    "description",
    "callback_url",
    "status",
    "pay_mode",
    "created_at",
    "updated_at",
];

const ZARINPAL: (&str, &str) = ("gateway_title", "'ZARINPAL_COM'");
const PAYPING: (&str, &str) = ("gateway_title", "'PAYPING_IR'");
const PAID: (&str, &str) = ("status", "'paid'");

/// Payments of every kind, and what becomes of them.
async fn fill(old: &Old) -> Vec<&'static str> {
    for id in 1..=2 {
        old.account(id, &format!("payer-{id}"), None).await;
    }
    let (irr, irt) = (("currency", "'IRR'"), ("currency", "'IRT'"));
    let card = [
        ("card_pan", "'5022291234565995'"),
        ("card_hash", "'1EBE3EBEBE35C7EC0F8D6EE4F2F859107A87822CA179BC9528767EA7B5489B69'"),
        ("data", "'None | {''merchant_id'': ''secret''} | {''card_pan'': ''5022291234565995''}'"),
        ("status_code", "100"),
        ("message", "'Verified'"),
        ("order_id", "'A-7'"),
    ];
    let paid = [&[ZARINPAL, PAID, irr, ("authority", "'A00001'"), ("ref_id", "201")][..], &card];
    payment(old, 1, &paid.concat()).await;
    let toman = [ZARINPAL, irt, ("authority", "'A00002'"), ("amount", "1000.0000001")];
    payment(old, 2, &toman).await;
    let spent = [PAYPING, PAID, irr, ("authority", "'01J'"), ("ref_id", "9"), ("pay_mode", "2")];
    payment(old, 3, &spent).await;
    payment(old, 4, &[("status", "'canceled'"), ("user_id", "2")]).await;
    payment(old, 5, &[ZARINPAL, irr, ("status", "'refounded'"), ("authority", "'A00005'")]).await;
    // What the first one has.
    let twice = [ZARINPAL, PAID, irr, ("authority", "'A00001'"), ("ref_id", "201")];
    payment(old, 6, &twice).await;
    payment(old, 7, &[ZARINPAL, ("amount", "1000.5")]).await;
    payment(old, 8, &[ZARINPAL, ("amount", "-500")]).await;
    payment(old, 9, &[ZARINPAL, ("currency", "'USD'")]).await;
    payment(old, 10, &[ZARINPAL, ("status", "'odd'")]).await;
    payment(old, 11, &[ZARINPAL, ("pay_mode", "3")]).await;
    let hash = "1EBE3EBEBE35C7EC0F8D6EE4F2F859107A87822CA179BC9528767EA7B5489B69";
    vec![
        Box::leak(
            format!(
                "1|1|A-7|1000|IRR|1000|charge_wallet|zarinpal|paid|100|201|502229******5995|{hash}|\
                 2024-03-01 10:05:00|A00001|paid"
            )
            .into_boxed_str(),
        ),
        "2|1||1000|IRT|10000|charge_wallet|zarinpal|expired|-|-|-|-|-|A00002|open",
        "3|1||1000|IRT|10000|pay_only|payping|paid|-|9|-|-|2024-03-01 10:05:00|01J|paid",
        "4|2||1000|IRR|1000|charge_wallet|imported|cancelled|-|-|-|-|-|-|-",
        "5|1||1000|IRR|1000|charge_wallet|zarinpal|refunded|-|-|-|-|2024-03-01 10:05:00|A00005|paid",
        "6|1||1000|IRR|1000|charge_wallet|zarinpal|paid|-|-|-|-|2024-03-01 10:05:00|-|-",
    ]
}

/// Every payment with its page, if it has one.
async fn payments(peyk: &Peyk) -> Vec<String> {
    let sql = "SELECT concat_ws('|', p.id, p.user_id, p.order_id, p.amount, p.currency,
            p.amount_rials, p.purpose, p.gateway, p.state, coalesce(p.gateway_code::text, '-'),
            coalesce(p.ref_id::text, '-'), coalesce(p.card_pan, '-'), coalesce(p.card_hash, '-'),
            coalesce(to_char(p.paid_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), '-'),
            coalesce(s.authority, '-'),
            coalesce(CASE WHEN p.paid_session_id = s.id THEN 'paid' ELSE s.state END, '-'))
        FROM payments p LEFT JOIN payment_sessions s ON s.payment_id = p.id ORDER BY p.id";
    sqlx::query_scalar(sql).fetch_all(&peyk.database.pool).await.unwrap()
}

#[tokio::test]
async fn payments_come_with_their_pages_and_nothing_in_the_ledger() {
    for old in [Old::sqlite().await, Old::postgres().await] {
        let expected = fill(&old).await;
        let peyk = empty_peyk().await;
        // One a batch: what collides is never in the same.
        let options = ["--allow-refused", "--batch=1", "--currency=IRR"];
        let mut said = Vec::new();
        for mode in ["--check", "--dry-run", ""] {
            let mode: &[&str] = if mode.is_empty() { &[] } else { &[mode] };
            let (good, output) = import(&peyk, &old, &[mode, &options].concat()).await;
            assert!(good && output.contains("payments: 11 read, 6 "), "{mode:?}: {output}");
            said.push(output.replace("could be imported", "imported"));
        }
        assert!(said.iter().all(|text| *text == said[2]), "{said:?}");
        for (count, reason) in
            [(2, "amount_bad"), (1, "currency_bad"), (1, "status_bad"), (1, "pay_mode_bad")]
        {
            let line = format!("refused          {count}  {reason}");
            assert!(said[2].contains(&line), "{reason}: {}", said[2]);
        }
        for reason in ["authority_taken", "ref_id_taken"] {
            assert!(said[2].contains(&format!("noted            1  {reason}")), "{}", said[2]);
        }
        assert_eq!(payments(&peyk).await, expected);
        let imported = "SELECT count(*) FROM payments WHERE reason = 'imported'
            AND gateway_answer IS NULL AND next_attempt_at IS NULL AND watch_until < now()";
        assert_eq!(peyk.database.count(imported).await, 6);
        let entries = "SELECT count(*) FROM ledger_transactions WHERE kind = 'payment'";
        assert_eq!(peyk.database.count(entries).await, 0);
        assert_eq!(peyk.database.count("SELECT nextval('payments_id_seq')").await, 12);
        let secrets = "SELECT count(*) FROM payments p WHERE p::text LIKE '%secret%'
            OR p::text LIKE '%5022291234565995%'";
        assert_eq!(peyk.database.count(secrets).await, 0);
        let (proven, output) = peyk.run("api", &["ledger", "verify"]).await;
        assert!(proven, "opening balances have what was paid there: {output}");
        let (_, output) =
            import(&peyk, &old, &["--again", "--allow-refused", "--currency=IRR"]).await;
        assert!(
            output.contains("payments: 11 read, 0 imported, 6 here before, 5 refused"),
            "{output}"
        );
        assert_eq!(payments(&peyk).await, expected);
    }
}

#[tokio::test]
async fn an_import_of_payments_that_stopped_goes_on_with_the_same_result() {
    let old = Old::sqlite().await;
    old.account(1, "payer", None).await;
    let mut rows = String::new();
    for id in 1..=25 {
        write!(
            rows,
            "INSERT INTO drfchelseru_payment (id, user_id, order_id, amount, description,
                 callback_url, status, pay_mode, created_at, updated_at, gateway_title, authority)
             VALUES ({id}, 1, 'o-{id}', {id}000.0, '', '', 'paid', 1, '2024-03-01 10:00:00',
                 '2024-03-01 10:00:00', 'ZARINPAL_COM', 'A{id}');"
        )
        .unwrap();
    }
    old.execute(&rows).await;
    let peyk = empty_peyk().await;
    // The third batch fails, and with it the command.
    peyk.database.execute("ALTER TABLE payments ADD CONSTRAINT no_more CHECK (id <= 20)").await;
    let (good, output) = import(&peyk, &old, &["--batch=10"]).await;
    assert!(!good, "{output}");
    assert_eq!(payments(&peyk).await.len(), 20);
    peyk.database.execute("ALTER TABLE payments DROP CONSTRAINT no_more").await;
    let (good, output) = import(&peyk, &old, &["--batch=10", "--resume"]).await;
    assert!(good && output.contains("payments: 25 read, 25 imported, 0 here before"), "{output}");
    assert_eq!(payments(&peyk).await.len(), 25);
    assert_eq!(peyk.database.count("SELECT count(*) FROM payment_sessions").await, 25);
    let sum = "SELECT sum(amount_rials)::bigint FROM payments";
    assert_eq!(peyk.database.count(sum).await, 325_000);
}

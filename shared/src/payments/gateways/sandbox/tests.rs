//! The sandbox over its table.

use std::time::Duration;

use sqlx::PgPool;

use super::*;
use crate::http_client::Timeouts;

const SECOND: Duration = Duration::from_secs(1);

fn sandbox(imitates: Imitation, pool: Option<&PgPool>) -> Sandbox {
    let setup = Setup {
        timeouts: Timeouts { connect: SECOND, budget: SECOND * 10 },
        public_url: "http://peyk.test/sub".to_owned(),
        pool: pool.cloned(),
    };
    Sandbox::new("play", &Config { imitates }, &setup).unwrap()
}

fn new_page(rials: i64) -> NewPage {
    NewPage {
        amount: Rials::new(rials),
        callback_url: "https://shop.test/back?order=7".to_owned(),
        description: "سفارش ۷".to_owned(),
        client_ref: "peyk-7-1".to_owned(),
        order_id: "7".to_owned(),
        mobile: String::new(),
        email: String::new(),
    }
}

/// Opens a page and gives what is to be asked about it.
async fn opened(sandbox: &Sandbox) -> Page {
    let Opened::Page { authority, url, .. } = sandbox.open(&new_page(20_000)).await else {
        panic!("it opens a page");
    };
    assert_eq!(url, format!("http://peyk.test/sub/sandbox/bank/{authority}"));
    let client_ref = "peyk-7-1".to_owned();
    Page { authority, amount: Rials::new(20_000), client_ref, reference: None }
}

/// Lets a payer do it, and gives the way back.
async fn done(pool: &PgPool, page: &Page, deed: Deed) -> BankPage {
    act(pool, &page.authority, deed).await.unwrap().expect("there is such a page")
}

/// As if it had been paid so many minutes earlier.
async fn age(pool: &PgPool, minutes: i64) {
    let sql = "UPDATE sandbox_pages SET paid_at = paid_at - $1 * interval '1 minute',
                   created_at = created_at - $1 * interval '1 minute'";
    sqlx::query(sql).bind(minutes).execute(pool).await.unwrap();
}

#[track_caller]
fn paid(verified: Verified) -> Receipt {
    match verified {
        Verified::Paid(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn it_is_verified_once_and_then_again_as_already(pool: PgPool) {
    for (imitates, codes) in [
        (Imitation::ZarinPal, (Some(100), Some(101))),
        (Imitation::PayPing, (Some(200), Some(110))),
        (Imitation::Zibal, (Some(100), Some(201))),
    ] {
        let sandbox = sandbox(imitates, Some(&pool));
        let mut page = opened(&sandbox).await;
        page.reference = done(&pool, &page, Deed::Pay).await.ref_id;
        let first = paid(sandbox.verify(&page).await);
        let second = paid(sandbox.verify(&page).await);
        assert_eq!((first.already, second.already), (false, true));
        assert_eq!((first.said.code, second.said.code), codes, "{imitates:?}");
        assert_eq!((first.ref_id, second.ref_id), (page.reference, page.reference));
        assert!(first.ref_id.is_some());
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_nobody_paid_is_not_paid_and_what_was_refused_neither(pool: PgPool) {
    let zibal = sandbox(Imitation::Zibal, Some(&pool));
    let open = opened(&zibal).await;
    assert!(matches!(zibal.verify(&open).await, Verified::NotPaid(said) if said.code == Some(202)));
    assert_eq!(zibal.inquire(&open).await, Ok(Standing::Open));
    for (deed, zibal_says, zarinpal_says) in [
        (Deed::Cancel, Standing::Cancelled, Standing::Failed),
        (Deed::Fail, Standing::Failed, Standing::Failed),
    ] {
        for (imitates, says) in
            [(Imitation::Zibal, zibal_says), (Imitation::ZarinPal, zarinpal_says)]
        {
            let sandbox = sandbox(imitates, Some(&pool));
            let page = opened(&sandbox).await;
            assert_eq!(done(&pool, &page, deed).await.state, deed.leads_to());
            // What is done is done.
            assert_eq!(done(&pool, &page, Deed::Pay).await.state, deed.leads_to());
            assert!(matches!(sandbox.verify(&page).await, Verified::NotPaid(_)));
            assert_eq!(sandbox.inquire(&page).await, Ok(says));
        }
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn another_amount_reference_or_gateway_takes_nothing(pool: PgPool) {
    let zarinpal = sandbox(Imitation::ZarinPal, Some(&pool));
    let page = opened(&zarinpal).await;
    done(&pool, &page, Deed::Pay).await;
    let other = Page { amount: Rials::new(2_000), ..page.clone() };
    assert!(matches!(zarinpal.verify(&other).await, Verified::Mismatch(s) if s.code == Some(-50)));
    let other = Page { client_ref: "peyk-8-1".to_owned(), ..page.clone() };
    assert!(matches!(zarinpal.verify(&other).await, Verified::Mismatch(_)));
    let other = Page { authority: "S".repeat(36), ..page.clone() };
    assert!(matches!(zarinpal.verify(&other).await, Verified::NotFound(_)));
    assert_eq!(zarinpal.inquire(&other).await, Ok(Standing::NotFound));
    let elsewhere =
        Sandbox { name: "other".to_owned(), ..sandbox(Imitation::ZarinPal, Some(&pool)) };
    assert!(matches!(elsewhere.verify(&page).await, Verified::NotFound(_)));
    assert_eq!(elsewhere.unverified().await, Ok(Vec::new()));
    assert_eq!(zarinpal.inquire(&page).await, Ok(Standing::Paid(None)));
    assert!(!paid(zarinpal.verify(&page).await).already);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn payping_wants_the_reference_of_the_way_back(pool: PgPool) {
    let payping = sandbox(Imitation::PayPing, Some(&pool));
    let mut page = opened(&payping).await;
    assert_eq!(payping.verify(&page).await, Verified::NoReference);
    page.reference = Some(1);
    assert!(matches!(payping.verify(&page).await, Verified::NotPaid(s) if s.code == Some(121)));
    let reference = done(&pool, &page, Deed::Pay).await.ref_id;
    assert!(matches!(payping.verify(&page).await, Verified::NotFound(s) if s.code == Some(122)));
    assert_eq!(payping.inquire(&page).await, Ok(Standing::Paid(reference)));
    assert_eq!(payping.unverified().await, Err(Unanswered::Unsupported));
    page.reference = reference;
    assert!(!paid(payping.verify(&page).await).already);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn unverified_money_goes_back_by_itself_when_its_time_is_over(pool: PgPool) {
    for (imitates, minutes) in [(Imitation::ZarinPal, 30), (Imitation::PayPing, 10)] {
        let sandbox = sandbox(imitates, Some(&pool));
        let mut page = opened(&sandbox).await;
        page.reference = done(&pool, &page, Deed::Pay).await.ref_id;
        age(&pool, minutes - 1).await;
        if imitates == Imitation::ZarinPal {
            let listed = sandbox.unverified().await.unwrap();
            assert_eq!(listed.len(), 1);
            assert_eq!((&listed[0].authority, listed[0].amount), (&page.authority, page.amount));
        }
        age(&pool, 2).await;
        assert!(matches!(sandbox.verify(&page).await, Verified::NotPaid(_)), "{imitates:?}");
        assert_eq!(sandbox.inquire(&page).await, Ok(Standing::Reversed));
        assert_ne!(sandbox.unverified().await.map(|listed| listed.len()), Ok(1));
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_page_that_was_open_too_long_takes_no_payment(pool: PgPool) {
    let sandbox = sandbox(Imitation::ZarinPal, Some(&pool));
    let page = opened(&sandbox).await;
    age(&pool, 21).await;
    let found = done(&pool, &page, Deed::Pay).await;
    assert_eq!((found.state, found.is_over()), (PageState::Open, true));
    assert_eq!(sandbox.inquire(&page).await, Ok(Standing::Failed));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn verified_money_is_given_back_once_and_in_time(pool: PgPool) {
    let zarinpal = sandbox(Imitation::ZarinPal, Some(&pool));
    let page = opened(&zarinpal).await;
    done(&pool, &page, Deed::Pay).await;
    assert!(matches!(zarinpal.reverse(&page).await, Ok(Returned::Refused(_))), "not verified");
    paid(zarinpal.verify(&page).await);
    age(&pool, 31).await;
    let late = zarinpal.reverse(&page).await;
    assert!(matches!(late, Ok(Returned::Refused(said)) if said.code == Some(-63)));
    assert!(matches!(zarinpal.refund(&page, "x").await, Ok(Returned::Done(_))));
    assert!(matches!(zarinpal.refund(&page, "x").await, Ok(Returned::Already(_))));
    assert!(matches!(zarinpal.reverse(&page).await, Ok(Returned::Already(_))));
    assert_eq!(zarinpal.inquire(&page).await, Ok(Standing::Reversed));
    assert!(matches!(zarinpal.verify(&page).await, Verified::NotPaid(_)));
    let zibal = sandbox(Imitation::Zibal, Some(&pool));
    assert_eq!(zibal.reverse(&page).await, Err(Unanswered::Unsupported));
    assert_eq!(zibal.refund(&page, "x").await, Err(Unanswered::Unsupported));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn amounts_it_would_not_take_are_refused(pool: PgPool) {
    for (imitates, wrong) in [
        (Imitation::ZarinPal, [999, 1_000_000_001]),
        (Imitation::PayPing, [20_005, 9_990]),
        (Imitation::Zibal, [999, 1_000_000_001]),
    ] {
        let sandbox = sandbox(imitates, Some(&pool));
        for rials in wrong {
            let opened = sandbox.open(&new_page(rials)).await;
            assert!(matches!(opened, Opened::Refused(_)), "{imitates:?} {rials}");
        }
    }
}

#[tokio::test]
async fn without_a_database_it_is_built_and_answers_later() {
    let sandbox = sandbox(Imitation::ZarinPal, None);
    assert!(matches!(sandbox.open(&new_page(20_000)).await, Opened::RetryLater(_)));
    let (authority, client_ref) = ("S".repeat(36), String::new());
    let page = Page { authority, client_ref, amount: Rials::ZERO, reference: None };
    assert!(matches!(sandbox.verify(&page).await, Verified::RetryLater { .. }));
    let unavailable = Unanswered::Unavailable("sandbox.no_database".to_owned());
    assert_eq!(sandbox.inquire(&page).await, Err(unavailable));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn payers_come_back_as_from_the_real_one(pool: PgPool) {
    let back = async |imitates, deed| {
        let sandbox = sandbox(imitates, Some(&pool));
        let page = opened(&sandbox).await;
        let page = done(&pool, &page, deed).await;
        (page.way_back(), page.authority, page.ref_id)
    };
    for (deed, status) in [(Deed::Pay, "OK"), (Deed::Cancel, "NOK"), (Deed::Fail, "NOK")] {
        let (way, authority, _) = back(Imitation::ZarinPal, deed).await;
        let shop = "https://shop.test/back?order=7";
        assert_eq!(way, WayBack::Get(format!("{shop}&Authority={authority}&Status={status}")));
    }
    for (deed, success, status) in [(Deed::Pay, 1, 2), (Deed::Cancel, 0, 3), (Deed::Fail, 0, 5)] {
        let (way, authority, _) = back(Imitation::Zibal, deed).await;
        let told =
            format!("success={success}&trackId={authority}&orderId=peyk-7-1&status={status}");
        assert_eq!(way, WayBack::Get(format!("https://shop.test/back?order=7&{told}")));
    }
    for (deed, status, error) in [(Deed::Pay, "1", ""), (Deed::Cancel, "0", "127")] {
        let (way, authority, ref_id) = back(Imitation::PayPing, deed).await;
        let WayBack::Post { url, fields } = way else { panic!("a form") };
        assert_eq!(url, "https://shop.test/back?order=7");
        assert_eq!(fields[0], ("status", status.to_owned()));
        assert_eq!(fields[1], ("errorCode", error.to_owned()));
        let data: Value = serde_json::from_str(&fields[2].1).unwrap();
        assert_eq!((&data["paymentCode"], &data["amount"]), (&authority.into(), &2_000.into()));
        assert_eq!(data["paymentRefId"].as_i64(), ref_id);
    }
}

//! Looks whose answer comes when the payment, or the ledger, is no more as they thought.

use std::sync::Arc;

use serde_json::json;

use super::verify_steps::{
    Outside, assert_paid_once, back, balance, begin, credited, said, state, told, unwatched,
    wait_until_still,
};
use crate::people::Person;

#[tokio::test]
async fn an_answer_that_a_persons_decision_overtook_changes_nothing() {
    let outside = Outside::new().await;
    let peyk = Arc::new(unwatched(outside.peyk()).start().await);
    let (who, staff) = (Person::new(&peyk).await, Person::new(&peyk).await);
    staff.join_staff(&peyk, "finance").await;
    for (decided, at_the_gateway) in [("paid", "failed"), ("failed", "paid")] {
        let begun = begin(&peyk, &who, "zarinpal", 50_000).await;
        let review = "UPDATE payments SET state = 'needs_review' WHERE id = $1";
        let review = sqlx::query(review).bind(begun.id).execute(&peyk.database.pool);
        review.await.unwrap();
        if at_the_gateway == "paid" {
            outside.zarinpal.pay(&begun.authority);
        } else {
            outside.zarinpal.cancel(&begun.authority);
        }
        let mut held = outside.zarinpal.hold("inquiry");
        let look = tokio::spawn({
            let (peyk, staff, id) = (peyk.clone(), staff.clone(), begun.id);
            async move { staff.post(&peyk, &format!("admin/payments/{id}/look/"), &json!({})).await }
        });
        held.carried_out().await;
        let path = format!("admin/payments/{}/settle/", begun.id);
        let decision = json!({"state": decided, "note": "In the panel."});
        let answer = staff.post(&peyk, &path, &decision).await;
        assert_eq!((answer.status, &answer.json["state"]), (200, &decided.into()), "{answer:?}");
        drop(held);
        look.await.unwrap();
        wait_until_still(&peyk).await;
        if decided == "paid" {
            assert_paid_once(&peyk, &begun, 50_000).await;
        } else {
            // It is asked again for what it said, and now it is heard.
            assert_eq!(told(&peyk, begun.id).await, ["payment.failed", "payment.paid"]);
            assert_paid_once(&peyk, &begun, 50_000).await;
        }
    }
    assert_eq!(balance(&peyk, &who).await, 100_000);
}

#[tokio::test]
async fn a_payment_under_whose_name_the_ledger_has_something_else_is_for_a_person() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let (odd, fine) = (
        begin(&peyk, &who, "zarinpal", 50_000).await,
        begin(&peyk, &who, "zarinpal", 60_000).await,
    );
    let other = "WITH made AS (
            INSERT INTO ledger_transactions (key, kind, fingerprint, created_at)
            VALUES ('payment:' || $1::text, 'payment', sha256('other'), now()) RETURNING id)
        INSERT INTO ledger_entries (transaction_id, account_id, amount_rials, created_at)
        SELECT made.id, a.id, CASE a.name WHEN 'sales' THEN 5 ELSE -5 END, now()
        FROM made, ledger_accounts a WHERE a.name IN ('sales', 'adjustments')";
    sqlx::query(other).bind(odd.id).execute(&peyk.database.pool).await.unwrap();
    for begun in [&odd, &fine] {
        outside.zarinpal.pay(&begun.authority);
    }
    let (one, another) =
        tokio::join!(back(&peyk, &odd.authority, "OK"), back(&peyk, &fine.authority, "OK"));
    assert_eq!((said(&one).0, said(&another).0), (0, 1), "{one:?}");
    let reason = Some("ledger.mismatch".to_owned());
    assert_eq!(state(&peyk, odd.id).await, ("needs_review".to_owned(), reason));
    assert_eq!(told(&peyk, odd.id).await, ["payment.needs_review"]);
    assert_eq!(credited(&peyk, &odd).await, (1, 0), "what was there");
    assert_paid_once(&peyk, &fine, 60_000).await;
    assert_eq!(balance(&peyk, &who).await, 60_000);
}

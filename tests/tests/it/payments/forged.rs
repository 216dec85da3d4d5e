//! Anybody may come back with anything: it changes nothing, and the true one still works.

use super::verify_steps::{
    Outside, age, assert_paid_once, back, back_from_zibal, begin, credited, payping_form,
    post_back, said, state, told, unwatched, wait_for_state, wait_until_still,
};
use crate::people::Person;

#[tokio::test]
async fn a_made_up_no_changes_nothing_and_a_true_one_is_honoured() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
    for status in ["NOK", "nok", "OK"] {
        // The payer is still at the bank.
        let answer = back(&peyk, &begun.authority, status).await;
        assert_eq!((answer.status, said(&answer).0), (200, 0), "{answer:?}");
        assert_eq!(state(&peyk, begun.id).await.0, "redirected", "{status}");
    }
    outside.zarinpal.pay(&begun.authority);
    // Somebody else says no, and the gateway says paid: it is verified.
    let answer = back(&peyk, &begun.authority, "NOK").await;
    assert_eq!(said(&answer).0, 1, "{answer:?}");
    assert_paid_once(&peyk, &begun, 5_000).await;
    // A true no.
    let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
    outside.zarinpal.cancel(&begun.authority);
    let verified = outside.zarinpal.count("verify");
    assert_eq!(said(&back(&peyk, &begun.authority, "NOK").await).0, 0);
    // ZarinPal does not tell one no from another.
    assert_eq!(state(&peyk, begun.id).await.0, "failed");
    assert_eq!(outside.zarinpal.count("verify"), verified, "a no was verified");
    let begun = begin(&peyk, &who, "zibal", 5_000).await;
    outside.zibal.cancel(&begun.authority);
    let answer = back_from_zibal(&peyk, &begun.authority, 0).await;
    assert_eq!((said(&answer).0, &answer.json["status"]), (0, &"canceled".into()));
    assert_eq!(state(&peyk, begun.id).await.0, "cancelled");
    assert_eq!(told(&peyk, begun.id).await, ["payment.failed"]);
    assert_eq!(credited(&peyk, &begun).await, (0, 0));
}

#[tokio::test]
async fn made_up_references_change_nothing_and_the_true_one_still_works() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let other = begin(&peyk, &who, "payping", 50_000).await;
    let begun = begin(&peyk, &who, "payping", 90_000).await;
    outside.payping.pay(&other.authority);
    let others = outside.payping.books(|books| books.page(&other.authority).reference);
    // One that is nobody's, and that of another payment with another amount, card and page.
    for reference in [5, others, i64::MAX] {
        let answer = post_back(&peyk, &payping_form(&begun.authority, reference)).await;
        assert_eq!((answer.status, said(&answer).0), (200, 0), "{answer:?}");
        assert_eq!(state(&peyk, begun.id).await.0, "redirected", "{reference}");
    }
    wait_until_still(&peyk).await;
    assert_eq!(credited(&peyk, &begun).await, (0, 0));
    assert_eq!(outside.payping.verified(&other.authority), 0, "somebody else's was verified");
    outside.payping.pay(&begun.authority);
    let form = outside.payping.way_back(&begun.authority).1;
    assert_eq!(said(&post_back(&peyk, &form).await).0, 1);
    assert_paid_once(&peyk, &begun, 90_000).await;
    // The other one is whole as well.
    let form = outside.payping.way_back(&other.authority).1;
    assert_eq!(said(&post_back(&peyk, &form).await).0, 1);
    assert_paid_once(&peyk, &other, 50_000).await;
}

#[tokio::test]
async fn more_made_up_references_than_are_kept_do_not_keep_the_true_one_out() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "payping", 90_000).await;
    for reference in 5..20 {
        post_back(&peyk, &payping_form(&begun.authority, reference)).await;
    }
    wait_until_still(&peyk).await;
    assert_eq!(state(&peyk, begun.id).await.0, "redirected");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM payment_references")
        .fetch_one(&peyk.database.pool)
        .await
        .unwrap();
    assert!(kept <= 20, "{kept}");
    outside.payping.pay(&begun.authority);
    let form = outside.payping.way_back(&begun.authority).1;
    assert_eq!(said(&post_back(&peyk, &form).await).0, 1);
    assert_paid_once(&peyk, &begun, 90_000).await;
}

#[tokio::test]
async fn late_success_is_credited_whatever_was_thought_of_it() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    for given_up in ["failed", "cancelled", "expired", "needs_review"] {
        let begun = begin(&peyk, &who, "zarinpal", 5_000).await;
        let give_up = "UPDATE payments SET state = $2 WHERE id = $1";
        let query = sqlx::query(give_up).bind(begun.id).bind(given_up);
        query.execute(&peyk.database.pool).await.unwrap();
        age(&peyk, begun.id).await;
        // Asked about while nobody has paid it stays what it was.
        back(&peyk, &begun.authority, "OK").await;
        assert_eq!(state(&peyk, begun.id).await.0, given_up);
        outside.zarinpal.pay(&begun.authority);
        assert_eq!(said(&back(&peyk, &begun.authority, "OK").await).0, 1, "{given_up}");
        assert_paid_once(&peyk, &begun, 5_000).await;
    }
}

#[tokio::test]
async fn a_page_that_many_come_back_from_is_not_looked_at_for_each() {
    let outside = Outside::new().await;
    let peyk =
        unwatched(outside.peyk()).set("LIMITS__PAYMENT_LOOKS_PER_PAGE", "5/1h").start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "payping", 90_000).await;
    let junk = payping_form(&begun.authority, 5);
    for _ in 0..12 {
        assert_eq!(post_back(&peyk, &junk).await.status, 200);
    }
    wait_until_still(&peyk).await;
    let looks = outside.payping.count("verify") + outside.payping.count("report");
    assert!(looks <= 12, "{looks} questions");
    // What is new is worth a look all the same.
    outside.payping.pay(&begun.authority);
    let form = outside.payping.way_back(&begun.authority).1;
    post_back(&peyk, &form).await;
    wait_for_state(&peyk, begun.id, "paid").await;
    assert_paid_once(&peyk, &begun, 90_000).await;
}

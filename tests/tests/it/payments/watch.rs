//! Nobody comes back: the watcher finds who paid, and ends what nobody paid.

use peyk_tests::{fake::Behaviour, harness::wait_within};
use serde_json::json;

use super::verify_steps::{
    Outside, SETTLED_WITHIN, age, assert_paid_once, begin, credited, state, told, unwatched,
    wait_for_state, wait_until_still, watchful,
};
use crate::people::Person;

#[tokio::test]
async fn with_every_callback_lost_all_that_were_paid_are_credited() {
    let outside = Outside::new().await;
    let peyk = watchful(outside.peyk()).workers(2).start().await;
    let who = Person::new(&peyk).await;
    let (mut paid, mut open) = (Vec::new(), Vec::new());
    for at in 0..6_i64 {
        for gateway in ["zarinpal", "zibal", "payping"] {
            let rials = 20_000 + at * 1_000;
            let begun = begin(&peyk, &who, gateway, rials).await;
            if at % 3 == 0 {
                open.push(begun);
                continue;
            }
            match gateway {
                "zarinpal" => outside.zarinpal.pay(&begun.authority),
                "zibal" => outside.zibal.pay(&begun.authority),
                _ => outside.payping.pay(&begun.authority),
            }
            paid.push((begun, rials));
        }
    }
    for (begun, rials) in &paid {
        wait_for_state(&peyk, begun.id, "paid").await;
        assert_paid_once(&peyk, begun, *rials).await;
    }
    for begun in &open {
        assert_eq!(state(&peyk, begun.id).await.0, "redirected");
        assert_eq!(credited(&peyk, begun).await, (0, 0));
    }
    // Nobody pays those any more.
    for begun in &open {
        age(&peyk, begun.id).await;
        let reason = wait_for_state(&peyk, begun.id, "expired").await;
        assert_eq!(reason.as_deref(), Some("expired"));
        assert_eq!(told(&peyk, begun.id).await, ["payment.failed"]);
    }
}

#[tokio::test]
async fn payping_without_reports_ends_with_a_person_and_never_as_failed() {
    let outside = Outside::new().await;
    let peyk = watchful(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    outside.payping.desk(|desk| desk.reports = false);
    let begun = begin(&peyk, &who, "payping", 50_000).await;
    outside.payping.pay(&begun.authority);
    wait_within(SETTLED_WITHIN, "PayPing to be asked", || async {
        (outside.payping.count("report") > 0).then_some(())
    })
    .await;
    assert_eq!(state(&peyk, begun.id).await.0, "redirected");
    age(&peyk, begun.id).await;
    let reason = wait_for_state(&peyk, begun.id, "needs_review").await;
    assert_eq!(reason.as_deref(), Some("payping.no_reference"));
    assert_eq!(told(&peyk, begun.id).await, ["payment.needs_review"]);
    assert_eq!(credited(&peyk, &begun).await, (0, 0));
}

#[tokio::test]
async fn a_page_that_nobody_was_sent_to_ends_with_its_time() {
    let outside = Outside::new().await;
    let peyk = watchful(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    for page in ["opening", "unknown"] {
        let begun = begin(&peyk, &who, "zarinpal", 50_000).await;
        let lost = "WITH lost AS (
                UPDATE payment_sessions SET state = $2, authority = NULL
                WHERE payment_id = $1 RETURNING payment_id)
            UPDATE payments SET state = 'created' FROM lost WHERE id = payment_id";
        let lost = sqlx::query(lost).bind(begun.id).bind(page);
        lost.execute(&peyk.database.pool).await.unwrap();
        age(&peyk, begun.id).await;
        wait_for_state(&peyk, begun.id, "expired").await;
        assert_eq!(told(&peyk, begun.id).await, ["payment.failed"]);
    }
}

#[tokio::test]
async fn zarinpals_list_finds_what_was_given_up_and_what_has_another_amount() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let (late, odd) = (
        begin(&peyk, &who, "zarinpal", 50_000).await,
        begin(&peyk, &who, "zarinpal", 60_000).await,
    );
    for begun in [&late, &odd] {
        outside.zarinpal.pay(&begun.authority);
        let expire = "UPDATE payments SET state = 'expired' WHERE id = $1";
        sqlx::query(expire).bind(begun.id).execute(&peyk.database.pool).await.unwrap();
    }
    outside.zarinpal.books(|books| books.page(&odd.authority).amount = 6_000);
    let list = ["cron", "run", "list-unverified-payments"];
    let (worked, output) = peyk.run("worker", &list).await;
    assert!(worked, "{output}");
    wait_for_state(&peyk, late.id, "paid").await;
    assert_paid_once(&peyk, &late, 50_000).await;
    let reason = wait_for_state(&peyk, odd.id, "needs_review").await;
    assert_eq!(reason.as_deref(), Some("unverified.amount"));
    assert_eq!(credited(&peyk, &odd).await, (0, 0));
    assert_eq!(outside.zarinpal.verified(&odd.authority), 0);
}

#[tokio::test]
async fn a_gateway_that_is_silent_to_the_end_leaves_it_to_a_person_and_an_answer_settles_it() {
    let outside = Outside::new().await;
    let peyk = watchful(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "zibal", 50_000).await;
    outside.zibal.pay(&begun.authority);
    for _ in 0..2 {
        let body = "<html>".to_owned();
        outside.zibal.behave("", Behaviour::HttpStatus { status: 502, headers: Vec::new(), body });
    }
    age(&peyk, begun.id).await;
    let reason = wait_for_state(&peyk, begun.id, "needs_review").await;
    assert_eq!(reason.as_deref(), Some("zibal.silent"));
    let staff = Person::new(&peyk).await;
    staff.join_staff(&peyk, "finance").await;
    // It talks again, and its breaker lets a question through.
    wait_within(SETTLED_WITHIN, "a look to credit it", || async {
        let path = format!("admin/payments/{}/look/", begun.id);
        let answer = staff.post(&peyk, &path, &json!({})).await;
        (answer.json["details"]["is_pay"] == 1).then_some(())
    })
    .await;
    wait_until_still(&peyk).await;
    assert_paid_once(&peyk, &begun, 50_000).await;
}

#[tokio::test]
async fn a_person_decides_once_and_it_is_written_down() {
    let outside = Outside::new().await;
    let peyk = unwatched(outside.peyk()).start().await;
    let who = Person::new(&peyk).await;
    let staff = Person::new(&peyk).await;
    staff.join_staff(&peyk, "finance").await;
    let begun = begin(&peyk, &who, "payping", 50_000).await;
    let path = format!("admin/payments/{}/settle/", begun.id);
    let paid = json!({"state": "paid", "note": "In the panel."});
    // It is not theirs to decide while the gateway may.
    assert_eq!(staff.post(&peyk, &path, &paid).await.status, 409);
    let review = "UPDATE payments SET state = 'needs_review', reason = 'payping.no_reference'";
    peyk.database.execute(review).await;
    let odd = json!({"state": "refunded", "note": "x"});
    assert_eq!(staff.post(&peyk, &path, &odd).await.status, 400);
    assert_eq!(who.post(&peyk, &path, &paid).await.status, 403);
    let answer = staff.post(&peyk, &path, &paid).await;
    assert_eq!((answer.status, &answer.json["state"]), (200, &"paid".into()), "{answer:?}");
    assert_eq!(staff.post(&peyk, &path, &paid).await.status, 409);
    assert_paid_once(&peyk, &begun, 50_000).await;
    let written = "SELECT count(*) FROM audit_events
        WHERE action = 'payment.settled' AND subject_id = $1
            AND detail = '{\"state\": \"paid\", \"reason\": \"payping.no_reference\"}'";
    let written: i64 =
        sqlx::query_scalar(written).bind(begun.id).fetch_one(&peyk.database.pool).await.unwrap();
    assert_eq!(written, 1, "codes, and no words of anybody's");
    let seen = staff.get(&peyk, &format!("admin/payments/{}/", begun.id)).await;
    assert_eq!(seen.json["settled_note"], "In the panel.", "{seen:?}");
    staff.grow_stale(&peyk).await;
    assert_eq!(staff.post(&peyk, &path, &paid).await.status, 403);
}

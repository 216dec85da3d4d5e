//! Processes killed in the middle of giving money back: it goes back once or not at all, and is never
//! both kept and credited.

use peyk_tests::{
    fake::{Behaviour, FakeZarinPal, Receiver},
    harness::{Peyk, TableLock, wait_within},
};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

use super::return_steps::{
    RIALS, assert_balanced, at, balance, clerk, give_back_under, movements, pay, state,
};
use crate::{
    people::Person,
    webhooks::steps::{SECRET, endpoint},
};

/// A lease, a sweep, and room for a busy machine.
const RECOVERED_WITHIN: Duration = Duration::from_secs(40);

/// Where a worker is killed.
#[derive(Debug, Clone, Copy)]
enum Point {
    BeforeTheClaim,
    WhileTheGatewayAnswers,
    BeforeTheAnswerIsWritten,
    BeforeTheEnd,
    InTheMiddleOfTheEnd,
}

const POINTS: [Point; 5] = [
    Point::BeforeTheClaim,
    Point::WhileTheGatewayAnswers,
    Point::BeforeTheAnswerIsWritten,
    Point::BeforeTheEnd,
    Point::InTheMiddleOfTheEnd,
];

async fn lock(peyk: &Peyk, point: Point) -> Option<TableLock> {
    let database = &peyk.database;
    Some(match point {
        Point::BeforeTheClaim => database.hold_up_returns().await,
        Point::WhileTheGatewayAnswers => return None,
        Point::BeforeTheAnswerIsWritten => database.hold_up_payment_calls().await,
        Point::BeforeTheEnd => database.hold_up_payments().await,
        Point::InTheMiddleOfTheEnd => database.hold_up_webhooks().await,
    })
}

/// Asks while no worker runs, lets one come as far as the point, kills it and lets the next one go on.
async fn die_at(peyk: &mut Peyk, zarinpal: &FakeZarinPal, id: i64, how: &str, point: Point) {
    let clerk = clerk(peyk).await;
    peyk.kill_worker().await;
    let key = format!("{how}-{id}");
    let asked = give_back_under(peyk, &clerk, (id, how), &key, "x").await;
    assert_eq!(asked.status, 202, "{point:?}: {asked:?}");
    let held = lock(peyk, point).await;
    let call = if how == "reverse" { "reverse.json" } else { "graphql" };
    let answer = if held.is_some() {
        None
    } else {
        if how == "refund" {
            zarinpal.behave(call, Behaviour::Ok);
        }
        Some(zarinpal.hold(call))
    };
    peyk.start_worker().await;
    if let Some(mut answer) = answer {
        answer.carried_out().await;
        peyk.kill_worker().await;
    } else if let Some(held) = held {
        held.wait_for_waiters(1).await;
        peyk.kill_worker().await;
        held.end_waiters().await;
        held.release().await;
    }
    peyk.start_worker().await;
    wait_within(RECOVERED_WITHIN, &format!("the end of {how} after {point:?}"), async || {
        let over = "SELECT count(*) FROM payment_returns WHERE payment_id = $1 AND state = 'done'";
        let over: i64 =
            sqlx::query_scalar(over).bind(id).fetch_one(&peyk.database.pool).await.unwrap();
        (over == 1).then_some(())
    })
    .await;
}

async fn killed_everywhere(how: &str, word: &str) {
    let zarinpal = FakeZarinPal::start().await;
    let shop = Receiver::start(SECRET).await;
    let mut peyk = endpoint(at(&zarinpal), "SHOP", &shop.url()).start().await;
    let payer = Person::new(&peyk).await;
    for point in POINTS {
        let paid = pay(&peyk, &zarinpal, &payer, 1).await;
        die_at(&mut peyk, &zarinpal, paid.id, how, point).await;
        assert_eq!(state(&peyk, paid.id).await, word, "{point:?}");
        assert_eq!((zarinpal.captured(), balance(&peyk, &payer).await), (0, 0), "{point:?}");
    }
    let moved = movements(&peyk).await;
    let went_back = moved.iter().filter(|key| key.starts_with("refund ")).count();
    assert_eq!((moved.len(), went_back), (POINTS.len() * 2, POINTS.len()), "{moved:?}");
    let told = "SELECT count(*) FROM webhook_events WHERE kind = 'payment.refunded'";
    assert_eq!(peyk.database.count(told).await, i64::try_from(POINTS.len()).unwrap());
    assert_balanced(&peyk).await;
}

#[tokio::test]
async fn a_worker_that_is_killed_anywhere_reverses_once() {
    killed_everywhere("reverse", "reversed").await;
}

#[tokio::test]
async fn a_worker_that_is_killed_anywhere_refunds_once() {
    killed_everywhere("refund", "refunded").await;
}

#[tokio::test]
async fn money_that_went_back_before_a_kill_is_not_given_again_when_it_is_too_late_to_ask() {
    let zarinpal = FakeZarinPal::start().await;
    let mut peyk = at(&zarinpal).start().await;
    let (payer, clerk) = (Person::new(&peyk).await, clerk(&peyk).await);
    let paid = pay(&peyk, &zarinpal, &payer, 1).await;
    let mut answer = zarinpal.hold("reverse.json");
    let asked = give_back_under(&peyk, &clerk, (paid.id, "reverse"), "k", "x").await;
    assert_eq!(asked.status, 202, "{asked:?}");
    answer.carried_out().await;
    peyk.kill_worker().await;
    drop(answer);
    // Nothing could be reversed any more that had not been.
    let late = "UPDATE payments SET paid_at = paid_at - interval '2 hours'";
    peyk.database.execute(late).await;
    peyk.start_worker().await;
    wait_within(RECOVERED_WITHIN, "the end", async || {
        let over = "SELECT count(*) FROM payment_returns WHERE state <> 'asked'";
        (peyk.database.count(over).await == 1).then_some(())
    })
    .await;
    assert_eq!((state(&peyk, paid.id).await, balance(&peyk, &payer).await), ("reversed".into(), 0));
    assert_eq!(zarinpal.captured(), 0);
    assert_balanced(&peyk).await;
}

#[tokio::test]
async fn a_worker_that_is_killed_while_it_undoes_a_refused_one_undoes_it_once() {
    let zarinpal = FakeZarinPal::start().await;
    let mut peyk = at(&zarinpal).start().await;
    let (payer, clerk) = (Person::new(&peyk).await, clerk(&peyk).await);
    let paid = pay(&peyk, &zarinpal, &payer, 1).await;
    peyk.kill_worker().await;
    give_back_under(&peyk, &clerk, (paid.id, "reverse"), "k", "x").await;
    let body = r#"{"data":[],"errors":{"code":-60,"message":"No.","validations":[]}}"#;
    for _ in 0..2 {
        let (status, headers, body) = (400, Vec::new(), body.to_owned());
        zarinpal.behave("reverse.json", Behaviour::HttpStatus { status, headers, body });
    }
    let lock = peyk.database.hold_up_ledger().await;
    peyk.start_worker().await;
    lock.wait_for_waiters(1).await;
    peyk.kill_worker().await;
    lock.end_waiters().await;
    lock.release().await;
    assert_eq!(balance(&peyk, &payer).await, 0, "nothing of it is there");
    peyk.start_worker().await;
    wait_within(RECOVERED_WITHIN, "the refusal", async || {
        let over = "SELECT count(*) FROM payment_returns WHERE state = 'refused'";
        (peyk.database.count(over).await == 1).then_some(())
    })
    .await;
    assert_eq!((state(&peyk, paid.id).await, balance(&peyk, &payer).await), ("paid".into(), RIALS));
    assert_eq!(zarinpal.captured(), RIALS);
    let expected = ["payment payment", "refund reversal", "refund-undone reversal"];
    assert_eq!(movements(&peyk).await, expected);
    assert_balanced(&peyk).await;
}

#[tokio::test]
async fn an_api_that_is_killed_while_it_asks_has_asked_for_nothing() {
    let zarinpal = FakeZarinPal::start().await;
    let mut peyk = at(&zarinpal).start().await;
    let (payer, clerk) = (Person::new(&peyk).await, clerk(&peyk).await);
    let paid = pay(&peyk, &zarinpal, &payer, 1).await;
    let lock = peyk.database.hold_up_ledger().await;
    let url = format!("{}/api/payment/{}/reverse/", peyk.urls[0], paid.id);
    let request = peyk.client().post(url).bearer_auth(&clerk.token).body("{}");
    let request = request.header("Content-Type", "application/json");
    let request = tokio::spawn(request.send());
    lock.wait_for_waiters(1).await;
    peyk.apis[0].kill().await;
    lock.end_waiters().await;
    lock.release().await;
    assert!(request.await.unwrap().is_err());
    assert_eq!(peyk.database.count("SELECT count(*) FROM payment_returns").await, 0);
    assert_eq!((balance(&peyk, &payer).await, zarinpal.captured()), (RIALS, RIALS));
    peyk.start_api().await;
    let path = format!("payment/{}/reverse/", paid.id);
    let last = peyk.urls.len() - 1;
    let answer = clerk.ask_at(&peyk, last, Method::POST, &path, Some(&json!({}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_balanced(&peyk).await;
}

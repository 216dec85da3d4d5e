//! Workers killed at random moments of verifications, and too late: every payment that was paid is
//! credited once.

use std::time::Duration;

use peyk_tests::{
    chaos::{Dice, Moment, Tally, size},
    fake::Behaviour,
    harness::{Peyk, wait_within},
};
use tokio::task::JoinSet;

use super::verify_steps::{
    Begun, Outside, assert_paid_once, back, balance, begin, credited, pass_pauses, unwatched,
    wait_for_state, watchful,
};
use crate::people::Person;

/// What becomes more and more while payments are verified: somebody asks, a worker claims, the calls
/// are written down, the money is credited. The gateways know what they took.
const DONE: [&str; 4] = [
    "SELECT coalesce(sum(asks), 0)::bigint FROM payment_sessions",
    "SELECT coalesce(sum(attempt), 0)::bigint FROM payments",
    "SELECT count(*) FROM payment_attempts",
    "SELECT count(*) FROM ledger_transactions",
];
const OPEN: &str = "SELECT count(*) FROM payments WHERE state <> 'paid'";
/// Payments of one round.
const EACH: usize = 4;
/// Longest time until the last payment is settled once nothing breaks any more.
const SETTLED_WITHIN: Duration = Duration::from_mins(3);

#[tokio::test]
async fn workers_killed_at_random_credit_every_paid_payment_once() {
    let rounds = size("ROUNDS", 25, std::convert::identity);
    let mut dice = Dice::new("payments, workers killed");
    let outside = Outside::new().await;
    let mut peyk = watchful(outside.peyk()).set("HTTP__WAIT_MS", "300").start().await;
    let who = Person::new(&peyk).await;
    let mut all = Vec::new();
    for round in 0..rounds {
        let begun = begin_some(&peyk, &who, &outside, round, &mut dice).await;
        let (more, done) = (1 + dice.below(2), DONE.get(dice.below(DONE.len() + 1)));
        let moment = Moment::after(more, async || match done {
            // There is nothing left to meet.
            _ if peyk.database.count(OPEN).await == 0 => i64::MAX,
            Some(done) => peyk.database.count(done).await,
            None => outside.zarinpal.captured() + outside.zibal.captured(),
        });
        let moment = moment.await;
        let mut backs = come_back(&peyk, &begun, &mut dice);
        all.extend(begun);
        moment.comes().await;
        peyk.kill_worker().await;
        peyk.start_worker().await;
        while backs.join_next().await.is_some() {}
    }
    wait_within(SETTLED_WITHIN, "every payment to be credited", || async {
        pass_pauses(&peyk).await;
        (peyk.database.count(OPEN).await == 0).then_some(())
    })
    .await;
    let (mut credits, mut sum) = (0, 0);
    for (begun, rials) in &all {
        credits += credited(&peyk, begun).await.0;
        sum += rials;
    }
    Tally::new("Payments, worker killed at random", &dice)
        .count("kills", rounds)
        .count("paid", all.len())
        .count("credits", credits)
        .count("rials", sum)
        .show();
    for (begun, rials) in &all {
        assert_paid_once(&peyk, begun, *rials).await;
    }
    assert_eq!(balance(&peyk, &who).await, sum);
    assert_eq!(outside.zarinpal.captured() + outside.zibal.captured(), sum);
    let (worked, total) = ledger_sum(&peyk).await;
    assert!(worked && total == 0, "the ledger sums to {total}");
}

/// So many payments that are paid, at gateways that lose one answer in three.
async fn begin_some(
    peyk: &Peyk,
    who: &Person,
    outside: &Outside,
    round: usize,
    dice: &mut Dice,
) -> Vec<(Begun, i64)> {
    let mut begun = Vec::new();
    for at in 0..EACH {
        let rials = 10_000 + i64::try_from(round * EACH + at).unwrap();
        let gateway = if at % 2 == 0 { "zarinpal" } else { "zibal" };
        let one = begin(peyk, who, gateway, rials).await;
        let lost = (dice.below(3) == 0).then_some(Behaviour::ResetAfterRead { effect: true });
        if gateway == "zarinpal" {
            outside.zarinpal.pay(&one.authority);
            if let Some(how) = lost {
                outside.zarinpal.behave("verify", how);
            }
        } else {
            outside.zibal.pay(&one.authority);
            if let Some(how) = lost {
                outside.zibal.behave("verify", how);
            }
        }
        begun.push((one, rials));
    }
    begun
}

/// Most payers come back, some twice: as soon as they are answered, or in two windows at once.
fn come_back(peyk: &Peyk, begun: &[(Begun, i64)], dice: &mut Dice) -> JoinSet<()> {
    let mut backs = JoinSet::new();
    for (at, (one, _)) in begun.iter().enumerate() {
        let authority = &one.authority;
        let query = match at % 2 {
            0 => format!("Authority={authority}&Status=OK"),
            _ => format!("success=1&trackId={authority}&orderId=x&status=2"),
        };
        let url = peyk.url(&format!("/api/payment/verify/?{query}"));
        // Windows, and visits in each.
        let (windows, visits) = [(0, 0), (1, 1), (1, 1), (1, 2), (2, 1)][dice.below(5)];
        for _ in 0..windows {
            backs.spawn(visit(peyk.client().clone(), url.clone(), visits));
        }
    }
    backs
}

/// So many times, one after another.
async fn visit(client: reqwest::Client, url: String, times: usize) {
    for _ in 0..times {
        let answer = client.get(&url).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_look_that_lost_its_lease_settles_nothing_any_more() {
    let outside = Outside::new().await;
    let builder = unwatched(outside.peyk()).set("PAYMENTS__BUDGET_MS", "15000");
    let peyk = builder.set("HTTP__WAIT_MS", "300").start().await;
    let who = Person::new(&peyk).await;
    let begun = begin(&peyk, &who, "zarinpal", 10_000).await;
    outside.zarinpal.pay(&begun.authority);
    let (mut first, mut second) =
        (outside.zarinpal.hold("verify"), outside.zarinpal.hold("verify"));
    back(&peyk, &begun.authority, "OK").await;
    first.carried_out().await;
    peyk.database.execute("UPDATE payments SET lease_until = now()").await;
    second.carried_out().await;
    drop(first);
    peyk.workers[0].log_line("settled too late: somebody else moved it on").await;
    let held = "SELECT count(*) FROM payments WHERE state <> 'paid' AND lease_until IS NOT NULL";
    assert_eq!(peyk.database.count(held).await, 1, "the second look goes on");
    drop(second);
    wait_for_state(&peyk, begun.id, "paid").await;
    assert_paid_once(&peyk, &begun, 10_000).await;
}

/// Whether there is a ledger, and what it sums to.
async fn ledger_sum(peyk: &Peyk) -> (bool, i64) {
    let row = "SELECT count(*) > 0, coalesce(sum(amount_rials), 0)::bigint FROM ledger_entries";
    sqlx::query_as(row).fetch_one(&peyk.database.pool).await.unwrap()
}

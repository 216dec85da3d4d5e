//! Workers killed at random moments of verifications: every payment that was paid is credited once.

use std::time::Duration;

use peyk_tests::{
    chaos::{Dice, Tally, size},
    fake::Behaviour,
    harness::{Peyk, wait_within},
};
use tokio::task::JoinSet;

use super::verify_steps::{
    Begun, Outside, assert_paid_once, balance, begin, credited, pass_pauses, watchful,
};
use crate::people::Person;

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
        let mut backs = come_back(&peyk, &begun, &mut dice);
        all.extend(begun);
        tokio::time::sleep(dice.ms(0, 120)).await;
        peyk.kill_worker().await;
        peyk.start_worker().await;
        while backs.join_next().await.is_some() {}
    }
    wait_within(SETTLED_WITHIN, "every payment to be credited", || async {
        pass_pauses(&peyk).await;
        let open = "SELECT count(*) FROM payments WHERE state <> 'paid'";
        let open: i64 = sqlx::query_scalar(open).fetch_one(&peyk.database.pool).await.unwrap();
        (open == 0).then_some(())
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

/// Most payers come back, some twice, each at another moment.
fn come_back(peyk: &Peyk, begun: &[(Begun, i64)], dice: &mut Dice) -> JoinSet<()> {
    let mut backs = JoinSet::new();
    for (at, (one, _)) in begun.iter().enumerate() {
        for _ in 0..dice.below(3) {
            let authority = &one.authority;
            let query = match at % 2 {
                0 => format!("Authority={authority}&Status=OK"),
                _ => format!("success=1&trackId={authority}&orderId=x&status=2"),
            };
            let url = peyk.url(&format!("/api/payment/verify/?{query}"));
            let (client, pause) = (peyk.client().clone(), dice.ms(0, 60));
            backs.spawn(async move {
                tokio::time::sleep(pause).await;
                let answer = client.get(url).send().await.unwrap();
                assert!(answer.status().is_success(), "{answer:?}");
            });
        }
    }
    backs
}

/// Whether there is a ledger, and what it sums to.
async fn ledger_sum(peyk: &Peyk) -> (bool, i64) {
    let row = "SELECT count(*) > 0, coalesce(sum(amount_rials), 0)::bigint FROM ledger_entries";
    sqlx::query_as(row).fetch_one(&peyk.database.pool).await.unwrap()
}

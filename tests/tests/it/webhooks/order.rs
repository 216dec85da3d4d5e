//! A receiver hears of a subject in the order of its events.

use peyk_tests::{
    fake::{Behaviour, Receiver},
    harness::wait_for,
};

use super::steps::{SECRET, emit, event, numbers, pass_pauses, teller, wait_for_status};

const REFUSED: Behaviour =
    Behaviour::HttpStatus { status: 400, headers: Vec::new(), body: String::new() };

#[tokio::test]
async fn a_later_event_of_a_subject_waits_for_the_earlier_one_and_others_do_not() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).start().await;
    shop.behave(REFUSED);
    emit(&peyk, &[event("a", 1)]).await;
    shop.wait_for_calls(1).await;
    let pending = "SELECT count(*) FROM webhook_deliveries WHERE attempt = 1 AND status = 'queued'";
    wait_for("the end of the attempt", || async {
        (peyk.database.count(pending).await == 1).then_some(())
    })
    .await;
    emit(&peyk, &[event("a", 2), event("b", 1), event("a", 3), event("b", 2)]).await;
    shop.wait_for_told(2).await;
    assert_eq!(numbers(&shop), ["b 1", "b 2"]);
    // What waits is not asked for again and again: it is due when the first one is.
    let put_off = "SELECT count(*) FROM webhook_deliveries d WHERE subject = 'a' AND attempt = 0
        AND next_attempt_at = (SELECT next_attempt_at FROM webhook_deliveries p
            WHERE p.subject = 'a' AND p.attempt = 1)";
    wait_for("the others to be put off", || async {
        (peyk.database.count(put_off).await == 2).then_some(())
    })
    .await;
    pass_pauses(&peyk).await;
    shop.wait_for_told(5).await;
    assert_eq!(numbers(&shop)[2..], ["a 1", "a 2", "a 3"]);
}

#[tokio::test]
async fn many_events_of_few_subjects_keep_their_order_at_two_workers() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).workers(2).start().await;
    for round in 0..5 {
        let events: Vec<_> =
            (0..4).flat_map(|at| ["a", "b", "c"].map(|it| event(it, round * 4 + at))).collect();
        emit(&peyk, &events).await;
    }
    shop.wait_for_told(60).await;
    wait_for_status(&peyk, "sent", 60).await;
    let told = numbers(&shop);
    for subject in ["a", "b", "c"] {
        let of_it: Vec<_> = told
            .iter()
            .filter_map(|line| line.strip_prefix(subject)?.trim().parse::<usize>().ok())
            .collect();
        assert_eq!(of_it, (0..20).collect::<Vec<usize>>(), "{subject}");
    }
}

#[tokio::test]
async fn one_that_is_given_up_holds_up_no_later_one() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).set("WEBHOOKS__MAX_ATTEMPTS", "2").start().await;
    shop.behave(REFUSED);
    shop.behave(REFUSED);
    emit(&peyk, &[event("a", 1)]).await;
    shop.wait_for_calls(1).await;
    wait_for_status(&peyk, "queued", 1).await;
    emit(&peyk, &[event("a", 2)]).await;
    pass_pauses(&peyk).await;
    shop.wait_for_told(1).await;
    assert_eq!(numbers(&shop), ["a 2"]);
    assert_eq!(shop.calls().len(), 3);
    wait_for_status(&peyk, "failed", 1).await;
    // One whose time is over is not tried any more, whoever could take it.
    shop.behave(REFUSED);
    emit(&peyk, &[event("b", 1)]).await;
    shop.wait_for_calls(4).await;
    wait_for_status(&peyk, "queued", 1).await;
    let over = "UPDATE webhook_deliveries SET give_up_at = now() WHERE status = 'queued'";
    peyk.database.execute(over).await;
    wait_for_status(&peyk, "failed", 2).await;
    assert_eq!(numbers(&shop), ["a 2"]);
}

#[tokio::test]
async fn one_that_only_stood_behind_another_is_not_given_up_with_it() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).start().await;
    shop.behave(REFUSED);
    emit(&peyk, &[event("a", 1)]).await;
    shop.wait_for_calls(1).await;
    wait_for_status(&peyk, "queued", 1).await;
    emit(&peyk, &[event("a", 2), event("a", 3)]).await;
    wait_for_status(&peyk, "queued", 3).await;
    // The time of all of them is over, but only the first one had a try.
    let over = "UPDATE webhook_deliveries SET give_up_at = now() WHERE status = 'queued'";
    peyk.database.execute(over).await;
    wait_for_status(&peyk, "sent", 2).await;
    assert_eq!(numbers(&shop), ["a 2", "a 3"]);
    wait_for_status(&peyk, "failed", 1).await;
}

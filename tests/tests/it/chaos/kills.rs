//! Workers and apis killed at random moments of a stream of sends.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use peyk_tests::{
    chaos::{Dice, Load, Moment, Sent, Tally, send_once, size},
    fake::{Behaviour, FakeKavenegar},
    harness::{Peyk, fresh_mobile},
    simulated::slow_answer,
};

use tokio::task::JoinSet;

use super::texts::Texts;

/// Longest time until the last row is settled once nothing breaks any more: leases, retries and
/// look-ups one after the other, on a busy machine.
const SETTLED_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test]
async fn workers_killed_at_random_lose_nothing_and_repeat_within_the_bound() {
    let rounds = size("ROUNDS", 25, std::convert::identity);
    tokio::join!(workers_killed(rounds, true), workers_killed(rounds, false));
}

/// Troubles of one number in five: refusals, pauses, and answers that are lost after the text was
/// carried or not. Nothing that ends a message before its time except a refused recipient. Says
/// whether it takes one of the two calls that a text may have without an answer, for nothing.
fn trouble(fake: &FakeKavenegar, mobile: &str, dice: &mut Dice) -> bool {
    let effect = dice.below(2) == 0;
    let trouble = match dice.below(30) {
        0 => Behaviour::Error(411),
        1 => Behaviour::RateLimited { retry_after_secs: 1 },
        2 => Behaviour::ResetAfterRead { effect },
        3 => Behaviour::HangAfterRead { effect },
        4 => Behaviour::TruncatedBody { effect },
        5 => Behaviour::ResetBeforeRead,
        _ => return false,
    };
    let answered = matches!(trouble, Behaviour::Error(_) | Behaviour::RateLimited { .. });
    let costs_a_call = !answered && (!effect || trouble == Behaviour::ResetBeforeRead);
    fake.behave_to(mobile, trouble);
    costs_a_call
}

/// Most calls take up to 80 ms, one in twenty up to 600: kills meet them at any point.
fn slow_down(fake: &FakeKavenegar, dice: Dice) {
    let dice = Arc::new(Mutex::new(dice));
    fake.on_call(move |_| {
        let mut dice = dice.lock().unwrap();
        let most = if dice.below(20) == 0 { 600 } else { 80 };
        slow_answer(dice.ms(0, most))
    });
}

/// What becomes more and more while texts are sent: they are accepted, claimed, their calls begun and
/// answered, and settled. The provider counts how often it was called.
const DONE: [&str; 5] = [
    "SELECT count(*) FROM sms_messages",
    "SELECT coalesce(sum(attempt), 0)::bigint FROM sms_messages",
    "SELECT count(*) FROM sms_attempts",
    "SELECT count(finished_at) FROM sms_attempts",
    "SELECT count(settled_at) FROM sms_messages",
];

/// With a template Kavenegar cannot be asked what became of a text, without it can.
async fn workers_killed(rounds: usize, template: bool) {
    let kind = if template { "template" } else { "free text" };
    let mut dice = Dice::new(&format!("workers killed, {kind}"));
    let fake = Arc::new(FakeKavenegar::start().await);
    let mut builder =
        Peyk::builder().kavenegar(&fake.url()).hasty(1_000).set("HTTP__WAIT_MS", "2000");
    if template {
        builder = builder.set("OTP__TEMPLATE", "login");
    }
    let mut peyk = builder.start().await;
    slow_down(&fake, dice.fork());
    let cost_a_call = Arc::new(Mutex::new(HashSet::new()));
    let (troubled, noting) = (Arc::clone(&fake), Arc::clone(&cost_a_call));
    let load = Load::start(
        &peyk,
        Duration::from_millis(40),
        dice.fork(),
        move |mobile, dice: &mut Dice| {
            if trouble(&troubled, mobile, dice) {
                noting.lock().unwrap().insert(mobile.to_owned());
            }
        },
    );
    for _ in 0..rounds {
        // Whatever else the worker is doing at that moment.
        let (more, step) = (1 + dice.below(10), DONE.get(dice.below(DONE.len() + 1)));
        let moment = Moment::after(more, async || match step {
            Some(step) => peyk.database.count(step).await,
            None => i64::try_from(fake.call_count()).unwrap(),
        });
        moment.await.comes().await;
        peyk.kill_worker().await;
        peyk.start_worker().await;
    }
    let sent = load.stop().await;
    peyk.database.all_settled(SETTLED_WITHIN).await;
    let texts = Texts::judge(&sent, peyk.database.stories().await, &[&fake]);
    let accepted = sent.iter().filter(|sent| sent.is_accepted()).count();
    let cost_a_call = cost_a_call.lock().unwrap().clone();
    let by_kills =
        texts.given_up.iter().filter(|story| !cost_a_call.contains(&story.mobile)).count();
    Tally::new(format!("Worker killed at random ({kind})"), &dice)
        .count("kills", rounds)
        .count("accepted", accepted)
        .count("texts", texts.arrived)
        .count("lost", texts.lost.len())
        .count("expired", texts.ended_badly.len())
        .count("one text more", texts.repeated.len())
        .count("two more", texts.repeats() - texts.repeated.len())
        .count("never known", texts.given_up.len())
        .count("of these by kills alone", by_kills)
        .show();
    assert!(accepted >= rounds, "{accepted} accepted");
    // A refused recipient is told to who waits; nothing else goes wrong with the api.
    let others = sent.iter().filter(|sent| !sent.is_accepted() && sent.status() != 502);
    assert_eq!(others.map(Sent::status).collect::<Vec<_>>(), Vec::<u16>::new());
    texts.assert_whole();
    if !template {
        assert!(texts.repeated.is_empty() && texts.given_up.is_empty(), "{texts:?}");
    }
    for (story, more) in &texts.repeated {
        // Not more than once, and only where a call had no answer.
        assert!(*more == 1 && story.unanswered_sends() >= 1, "{story:?}");
    }
}

#[tokio::test]
async fn apis_killed_right_after_a_commit_keep_every_promise() {
    apis_killed(size("ROUNDS", 25, std::convert::identity)).await;
}

async fn apis_killed(rounds: usize) {
    let mut dice = Dice::new("apis killed");
    let fake = FakeKavenegar::start().await;
    let mut peyk = Peyk::builder()
        .kavenegar(&fake.url())
        .hasty(1_000)
        .set("HTTP__WAIT_MS", "2000")
        .start()
        .await;
    slow_down(&fake, dice.fork());
    let mut sent = Vec::new();
    for _ in 0..rounds {
        // Some number of commits later, and at once.
        let moment = Moment::after(1 + dice.below(10), async || {
            peyk.database.count("SELECT count(*) FROM sms_messages").await
        });
        let moment = moment.await;
        let url = peyk.urls.pop().unwrap();
        let senders: JoinSet<_> =
            (0..4).map(|_| send_three(peyk.client().clone(), url.clone())).collect();
        moment.comes().await;
        peyk.apis.pop().unwrap().kill().await;
        sent.extend(senders.join_all().await.into_iter().flatten());
        peyk.start_api().await;
    }
    peyk.database.all_settled(SETTLED_WITHIN).await;
    let texts = Texts::judge(&sent, peyk.database.stories().await, &[&fake]);
    let answered = sent.iter().filter(|sent| sent.is_accepted()).count();
    Tally::new("Api killed after a commit", &dice)
        .count("kills", rounds)
        .count("sends", sent.len())
        .count("answered", answered)
        .count("committed without an answer", texts.rows - answered)
        .count("texts", texts.arrived)
        .count("lost", texts.lost.len())
        .count("repeated", texts.repeats())
        .show();
    assert!(sent.iter().all(|sent| sent.is_accepted() || sent.status() == 0), "{sent:?}");
    assert!(texts.rows > answered, "no kill came between a commit and its answer");
    texts.assert_whole();
    // What is committed is delivered, whether anybody heard of it or not.
    assert_eq!((texts.arrived, texts.repeats()), (texts.rows, 0));
}

/// One after another, those first that do not wait for their outcome: of several who do so at the
/// same time, a kill meets each at another point.
async fn send_three(client: reqwest::Client, url: String) -> [Sent; 3] {
    let send = |wait| send_once(client.clone(), url.clone(), fresh_mobile(), wait);
    [send(false).await, send(false).await, send(true).await]
}

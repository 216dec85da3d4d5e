//! A provider that hangs on every call: whoever can be carried by another is, soon, and the rest
//! waits without holding up anybody.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use peyk_tests::{
    chaos::{Dice, Sent, Tally, send_once, size},
    fake::{Behaviour, FakeKavenegar},
    harness::{Peyk, PeykBuilder, fresh_mobile, wait_within},
};
use shared::clock::{Clock, SystemClock};

use super::texts::Texts;

const BUDGET_MS: u64 = 2_000;
/// What a code may wait for a provider that hangs: its budget, the pause and the sweep before the
/// next attempt, a look-up that hangs too. The rest is room for a busy machine.
const THROUGH_THE_OTHER: Duration = Duration::from_millis(2 * BUDGET_MS + 1_000 + 3_000);
/// Codes that waited for the provider that hangs.
const HANDED_TO_A: &str = "SELECT count(DISTINCT message_id) FROM sms_attempts
    WHERE provider = 'a' AND action = 'send'";
/// What answers of the api may take that wait for nobody.
const RESPONSIVE: Duration = Duration::from_secs(1);
/// From the return of the only provider until it has everything: the breaker's longest pause,
/// look-ups and retries.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(50);

fn peyk() -> PeykBuilder {
    Peyk::builder().hasty(BUDGET_MS).set("HTTP__WAIT_MS", "2000")
}

#[tokio::test]
async fn beside_a_hanging_provider_the_other_carries_every_code_within_seconds() {
    one_of_two_hangs(size("ROUNDS", 200, |rounds| rounds * 4)).await;
}

async fn one_of_two_hangs(codes: usize) {
    let dice = Dice::new("one of two hangs");
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    a.behave_always(Behaviour::HangAfterRead { effect: false });
    let builder = peyk().provider("a", &a.url()).provider("b", &b.url());
    let peyk = builder.set("SMS__ORDER", "a,b").start().await;
    let (times, sent) = arrivals(&peyk, &b, codes).await;
    peyk.database.all_settled(Duration::from_mins(1)).await;
    let texts = Texts::judge(&sent, peyk.database.stories().await, &[&a, &b]);
    let delayed = peyk.database.count(HANDED_TO_A).await;
    Tally::new("One of two providers hangs", &dice)
        .count("codes", times.len())
        .count("calls that hung", a.calls().len())
        .count("p50 ms", middle(&times).as_millis())
        .count("handed to it first", delayed)
        .count("longest ms", times.last().unwrap().as_millis())
        .count("lost", texts.lost.len())
        .count("repeated", texts.repeats())
        .show();
    assert!(!a.calls().is_empty(), "the hanging provider was asked first");
    assert!(*times.last().unwrap() < THROUGH_THE_OTHER, "{:?}", times.last());
    // The breaker needs its five failures and the calls begun until then; whoever comes later is
    // not handed to it at all, and waits for nobody.
    assert!(usize::try_from(delayed).unwrap() * 2 <= codes, "{delayed} of {codes} waited for it");
    texts.assert_whole();
    assert!(texts.repeated.is_empty(), "{texts:?}");
}

/// Sends so many codes, fifty a second, and says how long each took to the handset, in order.
async fn arrivals(peyk: &Peyk, fake: &FakeKavenegar, codes: usize) -> (Vec<Duration>, Vec<Sent>) {
    let mut begun: HashMap<String, DateTime<Utc>> = HashMap::new();
    let mut sending = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    for at in 0..codes {
        ticks.tick().await;
        let mobile = fresh_mobile();
        begun.insert(mobile.clone(), SystemClock.now());
        let (client, url) = (peyk.client().clone(), peyk.urls[0].clone());
        sending.push(tokio::spawn(send_once(client, url, mobile, at % 2 == 0)));
    }
    let sent: Vec<_> = join_all(sending).await.into_iter().map(Result::unwrap).collect();
    assert!(sent.iter().all(Sent::is_accepted), "{sent:?}");
    wait_within(THROUGH_THE_OTHER, "all codes", || async {
        let arrived: HashSet<_> = fake.effects().into_iter().map(|it| it.destination).collect();
        begun.keys().all(|mobile| arrived.contains(mobile)).then_some(())
    })
    .await;
    let effects = fake.effects().into_iter();
    let took = effects.filter_map(|it| (it.at - *begun.get(&it.destination)?).to_std().ok());
    let mut times: Vec<_> = took.collect();
    times.sort_unstable();
    (times, sent)
}

fn middle(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

#[tokio::test]
async fn behind_an_only_provider_that_hangs_the_api_answers_and_codes_arrive_once_it_is_back() {
    only_provider_hangs(size("ROUNDS", 60, std::convert::identity)).await;
}

async fn only_provider_hangs(codes: usize) {
    let dice = Dice::new("the only one hangs");
    let fake = FakeKavenegar::start().await;
    // Jobs are few, so that they are all in the provider's hands.
    let builder = peyk().kavenegar(&fake.url()).set("WORKER__OTP_CONCURRENCY", "8");
    let peyk = builder.start().await;
    fake.behave_always(Behaviour::HangAfterRead { effect: false });
    let (mut sent, mut ready) = (Vec::new(), Duration::ZERO);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..codes {
        ticks.tick().await;
        let (client, url) = (peyk.client().clone(), peyk.urls[0].clone());
        sent.push(send_once(client, url, fresh_mobile(), false).await);
        ready = ready.max(is_ready(&peyk).await);
    }
    let slowest = sent.iter().map(|sent| sent.took).max().unwrap_or_default();
    assert_eq!(fake.effects().len(), 0);
    fake.behave_always(Behaviour::Ok);
    let back = Instant::now();
    let first = wait_within(CAUGHT_UP_WITHIN, "the first code", || async {
        (!fake.effects().is_empty()).then(|| back.elapsed())
    })
    .await;
    peyk.database.all_settled(CAUGHT_UP_WITHIN).await;
    let all = back.elapsed();
    let texts = Texts::judge(&sent, peyk.database.stories().await, &[&fake]);
    Tally::new("The only provider hangs", &dice)
        .count("codes", sent.len())
        .count("slowest 202 ms", slowest.as_millis())
        .count("slowest readyz ms", ready.as_millis())
        .count("first code after its return ms", first.as_millis())
        .count("all ms", all.as_millis())
        .count("texts", texts.arrived)
        .count("lost", texts.lost.len())
        .count("repeated", texts.repeats())
        .show();
    assert!(sent.iter().all(|sent| sent.status() == 202), "{sent:?}");
    assert!(slowest < RESPONSIVE && ready < RESPONSIVE, "{slowest:?} {ready:?}");
    texts.assert_whole();
    assert_eq!((texts.arrived, texts.repeats()), (codes, 0));
}

/// How long both processes take to say that they are ready.
async fn is_ready(peyk: &Peyk) -> Duration {
    let begun = Instant::now();
    let worker = format!("{}/readyz", peyk.worker_url().await);
    let (api, worker) = tokio::join!(peyk.get("/readyz"), peyk.send(peyk.client().get(worker)));
    assert_eq!((api.status, worker.status), (200, 200), "{api:?} {worker:?}");
    begun.elapsed()
}

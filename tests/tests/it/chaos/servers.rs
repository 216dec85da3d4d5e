//! Redis and PostgreSQL stalled, cut off, crashed and emptied under a stream of sends: the api
//! tells the truth meanwhile, everything comes back by itself, and nothing accepted is lost.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use peyk_tests::{
    chaos::{Dice, Load, Moment, Sent, Tally, size},
    fake::FakeKavenegar,
    harness::{Peyk, TestPostgres, fresh_mobile, wait_for, wait_within},
};
use serde_json::Value;

use super::texts::Texts;

/// The api's own limit on a request, and room for a busy machine.
const DEADLINE_MS: u64 = 8_000;
const ROOM: Duration = Duration::from_secs(2);
/// From the end of a blow until a send is answered 200 again.
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// Milliseconds since a worker's last pop that say that one is overdue: each blocks for two seconds.
const OVERDUE_MS: u64 = 2_500;

/// What is done to the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    StallRedis,
    CutRedis,
    RestartRedis,
    EmptyRedis,
    CutPostgres,
    CrashPostgres,
    Both,
}

pub(crate) const BLOWS: [Blow; 7] = [
    Blow::StallRedis,
    Blow::CutRedis,
    Blow::RestartRedis,
    Blow::EmptyRedis,
    Blow::CutPostgres,
    Blow::CrashPostgres,
    Blow::Both,
];

impl Blow {
    pub(crate) async fn strike(self, peyk: &mut Peyk, postgres: &TestPostgres) {
        match self {
            Self::StallRedis => {
                peyk.redis.signal("STOP").await;
                join(redis_is_missed(peyk), pops_are_overdue(peyk)).await;
                peyk.redis.signal("CONT").await;
            }
            Self::CutRedis => cut_redis(peyk).await,
            Self::RestartRedis => peyk.redis.restart().await,
            Self::EmptyRedis => {
                let mut connection = peyk.redis.connection().await;
                redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
            }
            Self::CutPostgres => {
                // Those that are at work first: their statements end with an error of the server.
                let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
                peyk.database.count(end).await;
                shut_a_while(peyk).await;
            }
            Self::CrashPostgres => postgres.restart().await,
            Self::Both => {
                peyk.redis.kill();
                postgres.restart().await;
                shut_a_while(peyk).await;
                redis_is_missed(peyk).await;
                peyk.redis.restart().await;
            }
        }
    }
}

async fn cut_redis(peyk: &Peyk) {
    for kind in ["normal", "pubsub"] {
        let mut command = redis::cmd("CLIENT");
        command.arg("KILL").arg("TYPE").arg(kind).arg("SKIPME").arg("yes");
        command.exec_async(&mut peyk.redis.connection().await).await.unwrap();
    }
}

/// Shuts the door to PostgreSQL until every process has found out.
async fn shut_a_while(peyk: &mut Peyk) {
    peyk.gate.as_mut().unwrap().shut().await;
    let worker = peyk.worker_url().await;
    let processes = peyk.urls.iter().chain([&worker]);
    join_all(processes.map(|url| until(peyk, url, |it| it["database"] == false))).await;
    peyk.gate.as_mut().unwrap().open().await;
}

/// Waits until every api has found out that Redis is away.
async fn redis_is_missed(peyk: &Peyk) {
    join_all(peyk.urls.iter().map(|url| until(peyk, url, |it| it["redis"] == false))).await;
}

/// Waits until Redis keeps the worker waiting for longer than it may.
async fn pops_are_overdue(peyk: &Peyk) {
    let overdue = |age: &Value| age.as_u64().is_some_and(|age| age > OVERDUE_MS);
    let all = |it: &Value| it["last_fetch_ms"].as_object().unwrap().values().all(overdue);
    until(peyk, &peyk.worker_url().await, all).await;
}

/// Waits until a process says so of itself.
async fn until(peyk: &Peyk, url: &str, says: impl Fn(&Value) -> bool) {
    wait_for(&format!("{url} to notice"), || async {
        let answer = peyk.send(peyk.client().get(format!("{url}/readyz"))).await;
        says(&answer.json).then_some(())
    })
    .await;
}

#[tokio::test]
async fn servers_that_break_under_load_cost_time_and_nothing_else() {
    servers_break(size("ROUNDS", 1, |rounds| rounds.div_ceil(20))).await;
}

async fn servers_break(rounds: usize) {
    let mut dice = Dice::new("servers break");
    let (fake, postgres) = tokio::join!(FakeKavenegar::start(), TestPostgres::start());
    let mut peyk = Peyk::builder()
        .kavenegar(&fake.url())
        .hasty(1_000)
        .set("HTTP__WAIT_MS", "2000")
        .set("HTTP__REQUEST_TIMEOUT_MS", DEADLINE_MS.to_string())
        .database_server(postgres.url())
        .gated()
        .apis(2)
        .start()
        .await;
    let load = Load::start(&peyk, Duration::from_millis(50), dice.fork(), |_, _| {});
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds {
        for blow in dice.shuffled(BLOWS) {
            // A blow comes at any moment, also while the last one is still felt.
            Moment::after(dice.below(11), async || load.answers()).await.comes().await;
            blow.strike(&mut peyk, &postgres).await;
            slowest = slowest.max(comes_back(&peyk, blow).await);
        }
    }
    let sent = load.stop().await;
    peyk.database.all_settled(Duration::from_mins(1)).await;
    let stories = peyk.database.stories().await;
    let put_off = |mobile: &str| sent.iter().any(|it| it.mobile == mobile && it.status() == 503);
    let in_vain = stories.iter().filter(|story| put_off(&story.mobile)).count();
    let texts = Texts::judge(&sent, stories, &[&fake]);
    let with =
        |statuses: &[u16]| sent.iter().filter(|sent| statuses.contains(&sent.status())).count();
    let longest = sent.iter().map(|sent| sent.took).max().unwrap_or_default();
    Tally::new("Redis and PostgreSQL break", &dice)
        .count("blows", rounds * BLOWS.len())
        .count("sends", sent.len())
        .count("answered 200", with(&[200]))
        .count("202", with(&[202]))
        .count("503", with(&[503]))
        .count("committed all the same", in_vain)
        .count("anything else", sent.len() - with(&[200, 202, 503]))
        .count("longest answer ms", longest.as_millis())
        .count("slowest recovery ms", slowest.as_millis())
        .count("texts", texts.arrived)
        .count("lost", texts.lost.len())
        .count("repeated", texts.repeats())
        .show();
    for sent in &sent {
        assert_truthful(sent);
    }
    assert!(with(&[503]) > 0 && with(&[202]) > 0, "the blows were felt");
    texts.assert_whole();
    assert!(texts.repeated.is_empty(), "{:?}", texts.repeated);
}

/// Waits until an api answers 200 again, which takes both servers and the worker.
async fn comes_back(peyk: &Peyk, blow: Blow) -> Duration {
    let begun = Instant::now();
    wait_within(BACK_WITHIN, &format!("200 after {blow:?}"), || async {
        let answer = peyk.send_otp(&fresh_mobile()).await;
        (answer.status == 200).then_some(())
    })
    .await;
    begun.elapsed()
}

/// 200, 202, or a 503 that says when to come again; in time.
fn assert_truthful(sent: &Sent) {
    assert!(sent.took < Duration::from_millis(DEADLINE_MS) + ROOM, "{sent:?}");
    let answer = sent.answer.as_ref().unwrap_or_else(|| panic!("no answer: {sent:?}"));
    match answer.status {
        200 | 202 => assert!(sent.request_id().is_some(), "{sent:?}"),
        503 => {
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{sent:?}");
            assert!(answer.json["code"].is_string(), "{sent:?}");
            assert_eq!(answer.json["status"], 503, "{sent:?}");
        }
        _ => panic!("neither accepted nor put off: {sent:?}"),
    }
}

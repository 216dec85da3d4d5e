//! Providers that refuse our account: all workers agree on who is out, over restarts, and one text
//! per pause finds out whether it still is.

use peyk_tests::{
    fake::{Behaviour, FakeKavenegar},
    harness::{Peyk, Process, fresh_mobile, wait_for},
};
use serde_json::Value;

use super::provider_choice::{send_codes, two};

const OUT: &str = "SELECT count(*) FROM sms_provider_states WHERE out_since IS NOT NULL";
const PAUSE: &str = "SELECT coalesce(max(out_pause_seconds), 0)::bigint FROM sms_provider_states";
const END_PAUSE: &str = "UPDATE sms_provider_states SET out_until = now()";
const MAY_PROBE: &str =
    "SELECT count(*) FROM sms_provider_states WHERE out_until <= now() AND probe_until > now()";

/// What one worker shows of a series.
pub(crate) async fn metric(peyk: &Peyk, worker: &Process, series: &str) -> Option<String> {
    let line = worker.log_line("worker started").await;
    let url = format!("http://{}/metrics", line["operations"].as_str().unwrap());
    let text = peyk.client().get(url).send().await.unwrap().text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).map(str::to_owned)
}

/// Waits until every worker knows whether `a` is out.
async fn all_know(peyk: &Peyk, out: &str) {
    for worker in &peyk.workers {
        wait_for("all workers to know", || async {
            let seen = metric(peyk, worker, r#"peyk_provider_out{provider="a"}"#).await;
            (seen.as_deref() == Some(out)).then_some(())
        })
        .await;
    }
}

/// How often the processes that run logged this at this level.
fn logged(peyk: &Peyk, level: &str, message: &str) -> usize {
    let output = peyk.output();
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == message && line["level"] == level).count()
}

const REFUSES: &str = "provider refuses our account";
const BACK: &str = "provider takes our account again";

#[tokio::test]
async fn two_workers_agree_on_who_is_out_and_a_restart_keeps_it() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let mut peyk = two(&a.url(), &b.url()).workers(2).start().await;
    a.behave_always(Behaviour::Error(418));
    send_codes(&peyk, 1).await;
    all_know(&peyk, "1").await;
    let asked = a.calls().len();
    assert_eq!(asked, 1);
    send_codes(&peyk, 20).await;
    assert_eq!(a.calls().len(), asked, "who is out is not asked");
    assert_eq!(b.effects().len(), 21);
    assert_eq!(logged(&peyk, "ERROR", REFUSES), 1, "operators are told once");
    assert_eq!(peyk.database.count(PAUSE).await, 300);
    for _ in 0..2 {
        peyk.kill_worker().await;
    }
    // Nobody is asked before it is known who is out.
    let mut unread = peyk.database.pool.begin().await.unwrap();
    let lock = "LOCK TABLE sms_provider_states IN ACCESS EXCLUSIVE MODE";
    sqlx::query(lock).execute(&mut *unread).await.unwrap();
    peyk.start_worker().await;
    let sending = send_codes(&peyk, 5);
    let released = async {
        wait_for("jobs that wait", || async {
            let running = peyk.worker_metric(r#"peyk_jobs_running{queue="otp"}"#).await;
            (running.as_deref() == Some("5")).then_some(())
        })
        .await;
        unread.rollback().await.unwrap();
    };
    tokio::join!(sending, released);
    assert_eq!((a.calls().len(), b.effects().len()), (asked, 26), "a restart forgets nothing");
    assert_eq!(logged(&peyk, "ERROR", REFUSES), 0);
}

#[tokio::test]
async fn one_text_per_pause_finds_out_and_brings_a_provider_back() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let peyk = two(&a.url(), &b.url()).workers(2).start().await;
    a.behave_always(Behaviour::Error(403));
    send_codes(&peyk, 1).await;
    all_know(&peyk, "1").await;
    for (pause, at_a) in [(600, 2), (1_200, 3), (2_400, 4), (3_600, 5), (3_600, 6)] {
        peyk.database.execute(END_PAUSE).await;
        probe(&peyk).await;
        send_codes(&peyk, 3).await;
        assert_eq!((a.calls().len(), peyk.database.count(PAUSE).await), (at_a, pause));
    }
    a.behave_always(Behaviour::Ok);
    peyk.database.execute(END_PAUSE).await;
    probe(&peyk).await;
    assert_eq!((a.calls().len(), a.effects().len()), (7, 1));
    all_know(&peyk, "0").await;
    let through_b = b.effects().len();
    send_codes(&peyk, 5).await;
    assert_eq!((a.effects().len(), b.effects().len()), (6, through_b), "the first choice again");
    assert_eq!((logged(&peyk, "ERROR", REFUSES), logged(&peyk, "INFO", BACK)), (1, 1));
}

/// Sends codes until one was what finds out, and that has been taken down.
async fn probe(peyk: &Peyk) {
    wait_for("the right to a probe", || async {
        (peyk.database.count(MAY_PROBE).await == 1).then_some(())
    })
    .await;
    wait_for("a probe", || async {
        send_codes(peyk, 1).await;
        (peyk.database.count(MAY_PROBE).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_probe_that_hangs_decides_nothing_and_the_next_is_soon() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let peyk = two(&a.url(), &b.url()).start().await;
    a.behave_always(Behaviour::Error(403));
    send_codes(&peyk, 1).await;
    all_know(&peyk, "1").await;
    a.behave_always(Behaviour::HangAfterRead { effect: false });
    peyk.database.execute("UPDATE sms_provider_states SET out_pause_seconds = 3600").await;
    peyk.database.execute(END_PAUSE).await;
    probe(&peyk).await;
    let next = "SELECT count(*) FROM sms_provider_states WHERE out_since IS NOT NULL
        AND out_until BETWEEN now() + interval '4 minutes' AND now() + interval '5 minutes'";
    assert_eq!(peyk.database.count(next).await, 1);
    assert_eq!(peyk.database.count(PAUSE).await, 3_600);
}

#[tokio::test]
async fn an_operator_need_not_wait_for_the_pause_to_end() {
    let (a, b) = tokio::join!(FakeKavenegar::start(), FakeKavenegar::start());
    let peyk = two(&a.url(), &b.url()).start().await;
    let (ok, output) = peyk.run("worker", &["providers", "--probe", "a"]).await;
    assert!(!ok && output.contains("no provider called \"a\" is out"), "{output}");
    a.behave(Behaviour::Error(418));
    send_codes(&peyk, 1).await;
    all_know(&peyk, "1").await;
    let (_, output) = peyk.run("worker", &["providers"]).await;
    assert!(output.contains("refuses our account (kavenegar.418); next try after 20"), "{output}");
    let (ok, output) = peyk.run("worker", &["providers", "--probe", "a"]).await;
    assert!(ok, "{output}");
    probe(&peyk).await;
    assert_eq!((a.effects().len(), b.effects().len(), peyk.database.count(OUT).await), (1, 1, 0));
}

#[tokio::test]
async fn an_only_provider_is_asked_on_and_its_callers_hear_the_refusal() {
    let fake = FakeKavenegar::start().await;
    let peyk = Peyk::builder().kavenegar(&fake.url()).hasty(2_000).start().await;
    fake.behave_always(Behaviour::Error(418));
    for _ in 0..3 {
        assert_eq!(peyk.send_otp(&fresh_mobile()).await.status, 502);
    }
    let out = async |expected| {
        wait_for("what all workers know", || async {
            (peyk.database.count(OUT).await == expected).then_some(())
        })
        .await;
    };
    out(1).await;
    assert_eq!((fake.calls().len(), logged(&peyk, "ERROR", REFUSES)), (3, 1));
    fake.behave_always(Behaviour::Ok);
    assert_eq!(peyk.send_otp(&fresh_mobile()).await.status, 200);
    out(0).await;
}

//! What is left on the accounts: asked by the clock, told once when it becomes little.

use peyk_tests::{
    fake::{Behaviour, FakeKavenegar, FakeProvider, http::closed_port_url, melipayamak},
    harness::{Peyk, PeykBuilder, wait_for},
};
use serde_json::{Value, json};

use super::cron::cron;

const EVERY_SECOND: (&str, &str) = ("CRON__POLL_PROVIDER_BALANCES__SCHEDULE", "* * * * * *");

/// A Kavenegar account `a` and a Melipayamak account `m`.
fn two(a: &str, m: &str) -> PeykBuilder {
    let builder = Peyk::builder().apis(0).workers(0).provider("a", a).hasty(2_000);
    builder
        .set("SMS__PROVIDERS__M__KIND", "melipayamak")
        .set("SMS__PROVIDERS__M__BASE_URL", m)
        .set("SMS__PROVIDERS__M__USERNAME", melipayamak::USERNAME)
        .set("SMS__PROVIDERS__M__PASSWORD", melipayamak::PASSWORD)
}

async fn balances(peyk: &Peyk) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', provider, balance, balance_unit,
             CASE WHEN low_since IS NOT NULL THEN 'low' END)
         FROM sms_provider_states WHERE balance_at > now() - interval '1 minute' ORDER BY 1",
    )
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn every_provider_is_asked_what_is_left_and_one_that_is_away_holds_up_no_other() {
    let a = FakeKavenegar::start().await;
    let m = FakeProvider::start(melipayamak::melipayamak).await;
    let peyk = two(&a.url(), &m.url()).set("SMS__LOW_BALANCE__M", "1235").start().await;
    let poll = ["run", "poll-provider-balances"];
    cron(&peyk, &poll).await;
    assert_eq!(balances(&peyk).await, ["a 1500032 IRR", "m 1234 texts low"]);
    let (_, output) = peyk.run("worker", &["providers", "--json"]).await;
    let shown: Value = serde_json::from_str(&output).unwrap();
    let balance = |at: usize| shown["providers"][at]["balance"].clone();
    assert_eq!((&balance(0)["amount"], &balance(0)["unit"]), (&json!(1_500_032), &json!("IRR")));
    assert!(balance(0)["low_since"].is_null() && balance(1)["low_since"].is_string(), "{output}");

    let a = closed_port_url().await;
    let peyk = two(&a, &m.url()).start().await;
    assert_eq!(cron(&peyk, &poll).await.trim(), "poll-provider-balances: deleted 1 rows");
    assert_eq!(balances(&peyk).await, ["m 1234 texts"]);
}

/// Every question of the fake is answered with this credit.
fn has(fake: &FakeKavenegar, rials: i64) {
    let entries = json!({"remaincredit": rials, "expiredate": 13_548_889, "type": "Master"});
    let body = json!({"return": {"status": 200, "message": "ok"}, "entries": entries}).to_string();
    fake.behave_always(Behaviour::HttpStatus { status: 200, headers: vec![], body });
}

#[tokio::test]
async fn operators_are_told_once_that_the_credit_is_low_and_again_after_it_was_not() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = Peyk::builder()
        .apis(0)
        .workers(0)
        .provider("a", &fake.url())
        .set("SMS__LOW_BALANCE__A", "1000")
        .set(EVERY_SECOND.0, EVERY_SECOND.1)
        .start()
        .await;
    has(&fake, 1_000);
    peyk.start_worker().await;
    for (rials, warnings) in [(1_000, 0), (999, 1), (500, 1), (1_001, 1), (7, 2)] {
        has(&fake, rials);
        // The questions that follow are all answered so.
        let asked = fake.calls().len() + 3;
        wait_for("two more polls", || async { (fake.calls().len() >= asked).then_some(()) }).await;
        let low = format!("{}", u8::from(rials < 1_000));
        for (series, value) in [
            (r#"peyk_provider_balance{provider="a",unit="IRR"}"#, rials.to_string()),
            (r#"peyk_provider_low_credit{provider="a"}"#, low),
        ] {
            wait_for(series, || async {
                (peyk.worker_metric(series).await == Some(value.clone())).then_some(())
            })
            .await;
        }
        let output = peyk.output();
        let told = output.matches("provider has little credit left").count();
        assert_eq!(told, warnings, "at {rials} rials");
    }
}

/// `a` refused the account for lack of credit and had this much left.
const OUT: &str = "INSERT INTO sms_provider_states
        (provider, out_since, out_until, out_pause_seconds, out_code, balance, balance_unit,
         balance_at)
    VALUES ('a', now(), now() + interval '1 hour', 3600, 'kavenegar.418', 50, 'IRR', now())";

#[tokio::test]
async fn a_provider_that_is_out_is_tried_as_soon_as_its_account_was_filled() {
    let a = FakeKavenegar::start().await;
    let m = FakeProvider::start(melipayamak::melipayamak).await;
    let peyk = two(&a.url(), &m.url()).start().await;
    peyk.database.execute(OUT).await;
    let due = "SELECT count(*) FROM sms_provider_states WHERE out_until <= now()";
    for (rials, expected) in [(50, 0), (20, 0), (21, 1)] {
        has(&a, rials);
        cron(&peyk, &["run", "poll-provider-balances"]).await;
        assert_eq!(peyk.database.count(due).await, expected, "{rials} rials");
    }
    let out = "SELECT count(*) FROM sms_provider_states WHERE out_since IS NOT NULL";
    assert_eq!(peyk.database.count(out).await, 1, "only a text finds out");
}

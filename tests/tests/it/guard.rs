//! The guard against pumping: codes nobody verifies are recorded, then refused; people who verify
//! theirs never are.

use futures_util::future::join_all;
use peyk_tests::harness::{Answer, Peyk, PeykBuilder, fresh_mobile, wait_for};
use serde_json::Value;

use crate::{
    limit_steps::{ask, lose_redis, two_apis, with_status},
    login_steps::{count, header, log_in, patient, text},
};

const DECISIONS: &str = "SELECT count(*) FROM guard_decisions";
const REFUSED: &str = "SELECT count(*) FROM guard_decisions WHERE action = 'refused'";
const MESSAGES: &str = "SELECT count(*) FROM sms_messages";

/// One rule alone, so that a test is about it whatever the clock says; hours end, days too.
pub(crate) fn only(rule: &str, threshold: &str) -> PeykBuilder {
    let rules = ["COUNTRY_PER_HOUR", "COUNTRY_PER_DAY", "PREFIX_PER_HOUR", "PREFIX_PER_DAY"];
    let rules = rules.into_iter().chain(["IP_PER_HOUR", "IP_PER_DAY", "COUNTRIES_PER_IP"]);
    rules.fold(two_apis().set("GUARD__MODE", "enforce"), |builder, one| {
        let value = if one == rule { threshold } else { "0" };
        builder.set(&format!("GUARD__{one}"), value)
    })
}

/// Behind a proxy that says who asks.
fn proxied(builder: PeykBuilder) -> PeykBuilder {
    builder.set("HTTP__TRUSTED_PROXIES", "127.0.0.1")
}

/// Sends to new numbers, by turns through all processes at once.
async fn volley(peyk: &Peyk, count: usize, ip: Option<&str>) -> Vec<Answer> {
    let sends = (0..count)
        .map(|at| async move { ask(peyk, at % peyk.urls.len(), &fresh_mobile(), ip).await });
    join_all(sends).await
}

fn assert_guarded(answers: &[Answer], accepted: usize) {
    assert_eq!(with_status(answers, 202), accepted, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 202) {
        assert_eq!((answer.status, text(answer, "code")), (429, "send_refused".to_owned()));
        // Nothing says which rule it was, or when it ends.
        assert_eq!(header(answer, "retry-after"), None);
        assert_eq!(answer.json.get("retry_after"), None);
    }
}

/// Waits until so many decisions are written.
async fn wait_for_decisions(peyk: &Peyk, query: &'static str, wanted: i64) {
    wait_for("the decisions", async || (count(peyk, query).await == wanted).then_some(())).await;
}

/// `rule measured limit` of every reason of the latest decision.
async fn latest_reasons(peyk: &Peyk) -> Vec<String> {
    let latest = "SELECT reasons FROM guard_decisions ORDER BY id DESC LIMIT 1";
    let reasons: Value = sqlx::query_scalar(latest).fetch_one(&peyk.database.pool).await.unwrap();
    let reason = |reason: &Value| {
        format!("{} {} {}", reason["rule"].as_str().unwrap(), reason["measured"], reason["limit"])
    };
    reasons.as_array().unwrap().iter().map(reason).collect()
}

/// Whether a new UTC day or hour began during a test, which then proves nothing.
async fn hour(peyk: &Peyk) -> i64 {
    count(peyk, "SELECT floor(extract(epoch FROM now()) / 3600)::bigint").await
}

#[tokio::test]
async fn by_default_an_attack_is_recorded_with_its_reasons_and_nothing_is_refused() {
    let peyk = proxied(two_apis()).start().await;
    let began = hour(&peyk).await;
    assert_guarded(&volley(&peyk, 25, Some("203.0.113.7")).await, 25);
    if hour(&peyk).await != began {
        return;
    }
    // The country's and the prefix's fourth within the hour is the first.
    wait_for_decisions(&peyk, DECISIONS, 22).await;
    let expected = [
        "country_hour 25 3",
        "country_day 25 20",
        "prefix_hour 25 3",
        "prefix_day 25 20",
        "ip_hour 25 5",
        "ip_day 25 10",
    ];
    let most = "SELECT count(*) FROM guard_decisions WHERE mode = 'record' AND action = 'passed'
        AND country = 'IR' AND prefix = '+98911' AND host(ip) = '203.0.113.7'
        AND length(number_end) = 2 AND length(request_id) > 0";
    assert_eq!(count(&peyk, most).await, 22);
    let reasons: Vec<Value> = sqlx::query_scalar(
        "SELECT jsonb_agg(concat_ws(' ', r->>'rule', r->>'measured', r->>'limit'))
         FROM guard_decisions, jsonb_array_elements(reasons) r
         WHERE (r->>'measured')::int = 25",
    )
    .fetch_all(&peyk.database.pool)
    .await
    .unwrap();
    for reason in expected {
        assert!(reasons[0].as_array().unwrap().contains(&reason.into()), "{reason} {reasons:?}");
    }
    // For people: the list, and the metrics.
    let (worked, list) = peyk.run("api", &["guard", "list", "--since", "1h"]).await;
    assert!(worked, "{list}");
    assert_eq!(list.lines().count(), 22, "{list}");
    assert!(list.contains("record passed  IR +98911…"), "{list}");
    assert!(list.contains("country_hour 25 of 3, country_day 25 of 20"), "{list}");
    let none = peyk.run("api", &["guard", "list", "--since", "2999-01-01T00:00:00Z"]).await;
    assert_eq!(none, (true, String::new()));
    let metrics = peyk.client().get(peyk.url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let series = r#"peyk_guard_decisions_total{action="passed",mode="record",reason="ip_day"}"#;
    assert!(metrics.contains(series), "{metrics}");
}

#[tokio::test]
async fn in_force_parallel_sends_of_all_processes_get_no_more_than_each_threshold() {
    for (rule, reason) in [
        ("COUNTRY_PER_HOUR", "country_hour 6 5"),
        ("PREFIX_PER_DAY", "prefix_day 6 5"),
        ("IP_PER_HOUR", "ip_hour 6 5"),
        ("IP_PER_DAY", "ip_day 6 5"),
    ] {
        let peyk = only(rule, "5").start().await;
        let began = hour(&peyk).await;
        let answers = volley(&peyk, 30, None).await;
        if hour(&peyk).await != began {
            continue;
        }
        assert_guarded(&answers, 5);
        assert_eq!(count(&peyk, MESSAGES).await, 5);
        wait_for_decisions(&peyk, REFUSED, 25).await;
        assert_eq!(count(&peyk, DECISIONS).await, 25);
        assert_eq!(latest_reasons(&peyk).await, [reason]);
        // What was refused took nothing.
        let counted = "SELECT max(used) FROM send_counters WHERE scope LIKE 'guard:%'";
        assert_eq!(count(&peyk, counted).await, 500);
    }
}

#[tokio::test]
async fn losing_redis_and_restarting_the_api_raise_nothing() {
    let mut peyk = only("IP_PER_DAY", "5").start().await;
    let began = hour(&peyk).await;
    let mut answers = volley(&peyk, 3, None).await;
    peyk.redis.flush().await;
    for api in &mut peyk.apis {
        api.kill().await;
    }
    peyk.urls.clear();
    peyk.start_api().await;
    answers.extend(volley(&peyk, 10, None).await);
    lose_redis(&mut peyk).await;
    answers.extend(volley(&peyk, 10, None).await);
    if hour(&peyk).await == began {
        assert_guarded(&answers, 5);
    }
}

#[tokio::test]
async fn another_address_goes_on_when_one_is_refused() {
    let peyk = proxied(only("IP_PER_DAY", "2")).start().await;
    for ip in ["203.0.113.7", "203.0.113.8", "2001:db8::1"] {
        let began = hour(&peyk).await;
        let answers = volley(&peyk, 6, Some(ip)).await;
        assert!(hour(&peyk).await != began || with_status(&answers, 202) == 2, "{answers:?}");
    }
    // The rest of a household's network is the household.
    let again = volley(&peyk, 1, Some("2001:db8::2:1")).await;
    assert_guarded(&again, 0);
}

#[tokio::test]
async fn many_people_behind_one_address_who_verify_are_never_refused() {
    let peyk = patient().set("GUARD__MODE", "enforce").apis(2).start().await;
    for round in 0..12 {
        // Three at once: no threshold may be reached by those whose text is still under way.
        let logins = (0..3).map(|_| async { log_in(&peyk, &fresh_mobile()).await });
        join_all(logins).await;
        let verified = "SELECT coalesce(sum(used), 0)::bigint FROM send_counters
            WHERE scope = 'verified:IR'";
        let wanted = (round + 1) * 3;
        wait_for("the codes to be counted back", async || {
            (count(&peyk, verified).await == wanted).then_some(())
        })
        .await;
    }
    assert_eq!(count(&peyk, DECISIONS).await, 0);
    // Thirty-six verified: in a day ten and a bit more may stay open from here.
    let balance = "SELECT min(used) FROM send_counters WHERE scope = 'guard:i:127.0.0.1'";
    assert!(count(&peyk, balance).await < 0);
}

#[tokio::test]
async fn what_is_usual_of_a_country_may_stay_unverified() {
    let peyk = only("COUNTRY_PER_DAY", "5").start().await;
    // On its best day a hundred were verified: thirty may stay open.
    peyk.database
        .execute(
            "INSERT INTO send_counters (day, scope, used) VALUES
                 ((now() AT TIME ZONE 'UTC')::date - 13, 'verified:IR', 100),
                 ((now() AT TIME ZONE 'UTC')::date - 1, 'verified:IR', 7),
                 ((now() AT TIME ZONE 'UTC')::date - 17, 'verified:IR', 100000)",
        )
        .await;
    let began = hour(&peyk).await;
    let answers = volley(&peyk, 40, None).await;
    if hour(&peyk).await == began {
        assert_guarded(&answers, 30);
        wait_for_decisions(&peyk, REFUSED, 10).await;
        assert_eq!(latest_reasons(&peyk).await, ["country_day 31 30"]);
    }
}

#[tokio::test]
async fn an_address_asks_for_codes_of_so_many_countries() {
    let builder = only("COUNTRIES_PER_IP", "2").set("PHONE__COUNTRIES", "IR,DE,GB,FR");
    let peyk = builder.start().await;
    let began = hour(&peyk).await;
    let numbers = ["+4915112345678", "+447400123456", "+33612345678", "+4915112345679"];
    let mut statuses = Vec::new();
    for (at, number) in numbers.iter().enumerate() {
        statuses.push(ask(&peyk, at % 2, number, None).await.status);
    }
    if hour(&peyk).await != began {
        return;
    }
    assert_eq!(statuses, [202, 202, 429, 202], "only the third country is too many");
    wait_for_decisions(&peyk, REFUSED, 1).await;
    assert_eq!(latest_reasons(&peyk).await, ["ip_countries 3 2"]);
}

#[tokio::test]
async fn what_is_allowed_is_never_judged_and_off_counts_nothing() {
    for (setting, value) in [
        ("GUARD__ALLOW_COUNTRIES", "IR"),
        ("GUARD__ALLOW_PREFIXES", "+9891"),
        ("GUARD__ALLOW_IPS", "127.0.0.0/8"),
        ("GUARD__MODE", "off"),
    ] {
        let peyk = only("IP_PER_DAY", "1").set(setting, value).start().await;
        assert_guarded(&volley(&peyk, 5, None).await, 5);
        let counted = "SELECT count(*) FROM send_counters WHERE scope LIKE 'guard:%'";
        assert_eq!(count(&peyk, counted).await, 0, "{setting}");
        assert_eq!(count(&peyk, DECISIONS).await, 0, "{setting}");
    }
}

#[tokio::test]
async fn a_country_that_is_not_served_and_a_cool_down_come_before_the_guard() {
    let peyk = only("IP_PER_DAY", "1").set("OTP__RESEND_AFTER_SECONDS", "60").start().await;
    let began = hour(&peyk).await;
    let abroad = ask(&peyk, 0, "+4915112345678", None).await;
    assert_eq!((abroad.status, text(&abroad, "code")), (400, "validation".to_owned()));
    let mobile = fresh_mobile();
    assert_eq!(ask(&peyk, 0, &mobile, None).await.status, 202);
    let waiting = ask(&peyk, 1, &mobile, None).await;
    assert_eq!((waiting.status, text(&waiting, "code")), (409, "otp_cooldown".to_owned()));
    let refused = ask(&peyk, 1, &fresh_mobile(), None).await;
    if hour(&peyk).await == began {
        assert_guarded(&[refused], 0);
        wait_for_decisions(&peyk, DECISIONS, 1).await;
    }
}

#[tokio::test]
async fn a_text_nobody_got_is_not_held_against_anybody() {
    let peyk = only("IP_PER_DAY", "3").workers(1).start().await;
    let began = hour(&peyk).await;
    // The sandbox refuses the numbers that end so.
    for at in 0..4 {
        let refused = ask(&peyk, 0, &format!("0912{at}200001"), None).await;
        assert_eq!(refused.status, 202, "{refused:?}");
        let given_back = "SELECT coalesce(max(used), 0) FROM send_counters
            WHERE scope = 'guard:i:127.0.0.1'";
        wait_for("the send to be given back", async || {
            (count(&peyk, given_back).await == 0).then_some(())
        })
        .await;
    }
    // Nor is one that outlived its use while no provider was there.
    let busy = "09122200002";
    assert_eq!(ask(&peyk, 0, busy, None).await.status, 202);
    peyk_tests::aging::pass_seconds(&peyk.database.pool, busy, 900).await;
    wait_for("the text to expire", async || {
        let row = peyk.database.message_to(busy).await?;
        (row.status == "expired").then_some(())
    })
    .await;
    // The request moved, too; whatever its day is, what it took of it is back.
    let taken = "SELECT sum(used)::bigint FROM send_counters WHERE scope = 'guard:i:127.0.0.1'";
    wait_for("it to be given back", async || (count(&peyk, taken).await == 0).then_some(())).await;
    let answers = volley(&peyk, 5, None).await;
    if hour(&peyk).await == began {
        assert_guarded(&answers, 3);
    }
}

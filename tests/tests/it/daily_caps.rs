//! Daily caps are counted where a send is accepted: no number of processes, no parallel sends and no
//! loss of Redis raises them.

use peyk_tests::{
    aging::pass_seconds,
    harness::{Answer, Peyk, PeykBuilder, fresh_mobile},
};
use serde_json::json;

use crate::{
    limit_steps::{ask, lose_redis, two_apis, with_status},
    login_steps::{count, header, patient, text},
};

const COUNTED: &str =
    "SELECT coalesce(sum(used), 0)::bigint FROM send_counters WHERE scope = 'all'";
const MESSAGES: &str = "SELECT count(*) FROM sms_messages";

/// Seconds until the next UTC day, by the database's clock.
async fn seconds_left(peyk: &Peyk) -> i64 {
    let left = "SELECT 86400 - floor(extract(epoch FROM now() AT TIME ZONE 'UTC'))::bigint % 86400";
    count(peyk, left).await
}

/// Runs an attack that is not cut in two by midnight: one that is, is run once more on a new Peyk.
async fn within_a_day(
    builder: fn() -> PeykBuilder,
    attack: impl AsyncFn(&mut Peyk) -> Vec<Answer>,
) {
    for _ in 0..2 {
        let mut peyk = builder().start().await;
        let before = seconds_left(&peyk).await;
        let answers = attack(&mut peyk).await;
        let after = seconds_left(&peyk).await;
        if after <= before {
            return judge(&peyk, &answers, (after, before)).await;
        }
    }
    panic!("midnight came twice");
}

/// Five were accepted, all others told to come back after midnight, and nothing else was counted.
async fn judge(peyk: &Peyk, answers: &[Answer], (soonest, latest): (i64, i64)) {
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!((with_status(answers, 202), refused.len()), (5, answers.len() - 5), "{answers:?}");
    for answer in refused {
        let wait: i64 = header(answer, "retry-after").unwrap().parse().unwrap();
        assert!((soonest - 1..=latest + 1).contains(&wait), "{wait} of {soonest} to {latest}");
        assert_eq!(answer.json["retry_after"], wait);
    }
    assert_eq!((count(peyk, MESSAGES).await, count(peyk, COUNTED).await), (5, 5));
}

/// Parallel sends to new numbers through both processes: with Redis, emptied meanwhile, and gone.
async fn attack(peyk: &mut Peyk) -> Vec<Answer> {
    let mut answers = volley(peyk, 3).await;
    let (more, ()) = tokio::join!(volley(peyk, 10), peyk.redis.flush());
    answers.extend(more);
    lose_redis(peyk).await;
    answers.extend(volley(peyk, 10).await);
    answers
}

async fn volley(peyk: &Peyk, count: usize) -> Vec<Answer> {
    let sends = (0..count)
        .map(|at| async move { ask(peyk, at % peyk.urls.len(), &fresh_mobile(), None).await });
    futures_util::future::join_all(sends).await
}

fn assert_codes(answers: &[Answer], code: &str) {
    for answer in answers.iter().filter(|answer| answer.status == 429) {
        assert_eq!(text(answer, "code"), code);
    }
}

#[tokio::test]
async fn all_numbers_together_get_so_many_texts_a_day() {
    within_a_day(
        || two_apis().set("LIMITS__DAILY_SENDS", "5"),
        async |peyk| {
            let answers = attack(peyk).await;
            assert_codes(&answers, "daily_limit");
            answers
        },
    )
    .await;
}

#[tokio::test]
async fn texts_of_a_day_cost_so_many_rials() {
    within_a_day(
        || two_apis().set("LIMITS__DAILY_SPEND_RIALS", "5999").set("SMS__PRICE_RIALS", "1000"),
        async |peyk| {
            let answers = attack(peyk).await;
            assert_codes(&answers, "daily_limit");
            answers
        },
    )
    .await;
}

#[tokio::test]
async fn the_numbers_of_a_country_get_so_many_texts_a_day() {
    within_a_day(
        || two_apis().set("LIMITS__DAILY_SENDS_PER_COUNTRY__IR", "5"),
        async |peyk| {
            let answers = attack(peyk).await;
            assert_codes(&answers, "daily_country_limit");
            answers
        },
    )
    .await;
}

#[tokio::test]
async fn one_number_gets_so_many_texts_a_day_however_they_are_asked_for() {
    within_a_day(
        || {
            let limits = two_apis().set("OTP__DAILY_SENDS_PER_TARGET", "5");
            limits.set("LIMITS__OTP_SEND_PER_TARGET", "100/1s")
        },
        async |peyk| {
            let mobile = fresh_mobile();
            let volley = async |peyk: &Peyk| {
                let sends = (0..10).map(|at| ask(peyk, at % 2, &mobile, None));
                futures_util::future::join_all(sends).await
            };
            // A send whose clock is a moment behind the one before it is told to wait.
            let mut answers = volley(peyk).await;
            peyk.redis.flush().await;
            lose_redis(peyk).await;
            while with_status(&answers, 202) < 5 {
                answers.extend(volley(peyk).await);
            }
            answers.extend(volley(peyk).await);
            answers.retain(|answer| answer.status != 409);
            assert_codes(&answers, "daily_number_limit");
            answers
        },
    )
    .await;
}

#[tokio::test]
async fn a_country_without_a_cap_goes_on_when_another_has_reached_its_own() {
    let peyk = two_apis()
        .set("PHONE__COUNTRIES", "IR,DE")
        .set("LIMITS__DAILY_SENDS_PER_COUNTRY__IR", "1")
        .start()
        .await;
    let before = seconds_left(&peyk).await;
    let iran = [fresh_mobile(), fresh_mobile()];
    let statuses = [ask(&peyk, 0, &iran[0], None).await, ask(&peyk, 1, &iran[1], None).await];
    let abroad = ask(&peyk, 0, "+4915112345678", None).await;
    assert_eq!(abroad.status, 202, "{abroad:?}");
    if seconds_left(&peyk).await <= before {
        assert_eq!(statuses.map(|answer| answer.status), [202, 429]);
    }
}

#[tokio::test]
async fn a_new_day_begins_at_midnight_utc() {
    let peyk = two_apis().set("LIMITS__DAILY_SENDS", "1").start().await;
    let first = ask(&peyk, 0, &fresh_mobile(), None).await;
    assert_eq!(first.status, 202, "{first:?}");
    peyk.database.execute("UPDATE send_counters SET day = day - 1").await;
    let next = ask(&peyk, 1, &fresh_mobile(), None).await;
    assert_eq!(next.status, 202, "{next:?}");
    let today = "SELECT count(*) FROM send_counters
        WHERE scope = 'all' AND used = 1 AND day >= (now() AT TIME ZONE 'UTC')::date - 1";
    assert_eq!(count(&peyk, today).await, 2, "each day has its own row");
}

#[tokio::test]
async fn refused_sends_are_not_counted() {
    let peyk = patient()
        .set("LIMITS__DAILY_SENDS", "3")
        .set("LIMITS__DAILY_SENDS_PER_COUNTRY__IR", "2")
        .workers(0)
        .start()
        .await;
    let mobile = fresh_mobile();
    assert_eq!(ask(&peyk, 0, &mobile, None).await.status, 202);
    for _ in 0..5 {
        assert_eq!(ask(&peyk, 0, &mobile, None).await.status, 409);
    }
    assert_eq!(ask(&peyk, 0, &fresh_mobile(), None).await.status, 202);
    // Over the cap of the country, unless midnight passed: it takes no room of the others.
    let over = volley(&peyk, 5).await;
    assert!(with_status(&over, 429) >= 3, "{over:?}");
    assert_eq!(count(&peyk, COUNTED).await, count(&peyk, MESSAGES).await);
    let of_country = "SELECT sum(used)::bigint FROM send_counters WHERE scope = 'country:IR'";
    assert_eq!(count(&peyk, of_country).await, count(&peyk, MESSAGES).await);
}

#[tokio::test]
async fn who_took_the_last_of_a_cap_is_told_of_the_cool_down() {
    let peyk = patient().set("LIMITS__DAILY_SENDS", "1").apis(2).workers(0).start().await;
    let mobile = fresh_mobile();
    let sends = (0..30).map(|at| ask(&peyk, at % 2, &mobile, None));
    let answers = futures_util::future::join_all(sends).await;
    assert_eq!((with_status(&answers, 202), with_status(&answers, 409)), (1, 29), "{answers:?}");
    pass_seconds(&peyk.database.pool, &mobile, 60).await;
    let over = ask(&peyk, 0, &mobile, None).await;
    // Or it is a new day by now.
    assert!([429, 202].contains(&over.status), "{over:?}");
}

#[tokio::test]
async fn the_answer_names_the_kind_of_cap_in_both_languages_and_no_number() {
    for (setting, code, english, persian) in [
        ("OTP__DAILY_SENDS_PER_TARGET", "daily_number_limit", "This number", "این شماره"),
        ("LIMITS__DAILY_SENDS_PER_COUNTRY__IR", "daily_country_limit", "this country", "این کشور"),
        ("LIMITS__DAILY_SENDS", "daily_limit", "No more codes are sent today", "امروز کد دیگری"),
    ] {
        let peyk = two_apis().apis(1).set(setting, "1").start().await;
        let mobile = fresh_mobile();
        let ask_in = |language: &'static str| {
            let request = peyk.client().post(peyk.url("/api/otp/send/"));
            let request = request.header("Prefer", "respond-async");
            let request = request.header("Accept-Language", language);
            peyk.send(request.json(&json!({"mobile_number": mobile})))
        };
        let (mut english_answer, mut persian_answer) = (ask_in("en").await, ask_in("fa").await);
        while persian_answer.status == 202 || english_answer.status == 202 {
            // The first one was accepted, and perhaps midnight passed since.
            (english_answer, persian_answer) = (ask_in("en").await, ask_in("fa").await);
        }
        for answer in [&english_answer, &persian_answer] {
            assert_eq!((answer.status, text(answer, "code")), (429, code.to_owned()));
            assert_eq!(text(answer, "details"), text(answer, "message"));
            assert!(text(answer, "details").contains(english), "{answer:?}");
            let wait = text(answer, "detail").matches(|c: char| c.is_ascii_digit()).count();
            assert_eq!(wait, header(answer, "retry-after").unwrap().len(), "only the wait");
        }
        assert!(text(&persian_answer, "detail").contains(persian), "{persian_answer:?}");
    }
}

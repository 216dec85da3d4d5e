//! What each answer of a provider does to a message: its state, its retries, and how often the
//! handset rings.

use std::time::Duration;

use futures_util::future::join_all;
use peyk_tests::{
    fake::{Behaviour, FakeKavenegar},
    harness::{Gate, MessageRow, Peyk, PeykBuilder, fresh_mobile, wait_for, wait_within},
};

/// Milliseconds a call may take: enough for every answer that comes at all.
const BUDGET_MS: u64 = 900;
/// How long a code lives.
const LIFE: Duration = Duration::from_mins(4);

fn peyk(fake: &FakeKavenegar) -> PeykBuilder {
    Peyk::builder().kavenegar(&fake.url()).hasty(BUDGET_MS).set("HTTP__WAIT_MS", "4000")
}

/// What the provider does to the first calls about one number, and what must come of it.
struct Case {
    behaviours: Vec<Behaviour>,
    /// The answer of `otp/send/`; with 0, whichever of 200 and 202 is in time.
    http: u16,
    /// Where the message ends, and why.
    end: (&'static str, Option<&'static str>),
    /// The attempts, without the provider's name.
    history: Vec<String>,
    /// How many texts the handset got.
    texts: usize,
}

/// Sends to a fresh number while the provider behaves so, and checks everything.
async fn check(peyk: &Peyk, fake: &FakeKavenegar, case: Case) {
    let mobile = fresh_mobile();
    for behaviour in &case.behaviours {
        fake.behave_to(&mobile, behaviour.clone());
    }
    let shown = format!("{:?}", case.behaviours);
    let answer = peyk.send_otp(&mobile).await;
    match case.http {
        0 => assert!([200, 202].contains(&answer.status), "{shown}: {answer:?}"),
        http => assert_eq!(answer.status, http, "{shown}: {answer:?}"),
    }
    let row = settled(peyk, &mobile).await;
    let history: Vec<_> =
        case.history.iter().map(|attempt| format!("kavenegar {attempt}")).collect();
    assert_eq!(peyk.database.history(row.id).await, history, "{shown}");
    assert_eq!((row.status.as_str(), row.reason.as_deref()), case.end, "{shown}");
    assert_eq!(row.due_in, None, "{shown}: nothing more is to be done");
    let texts = fake.effects_to(&mobile);
    assert_eq!(texts.len(), case.texts, "{shown}");
    assert!(texts.windows(2).all(|two| two[0].content == two[1].content), "{shown}: two codes");
    assert_provider_id_is_kept(&row, case.end.0, &shown);
    if let Some(request_id) = answer.json["request_id"].as_str().filter(|_| answer.status < 300) {
        let status = peyk.get(&format!("/api/otp/{request_id}/")).await;
        assert_eq!(status.json["status"], case.end.0, "{shown}: {status:?}");
    }
}

/// The message when nobody will work on it any more. All cases share a provider, whose breaker lets
/// one call through after ever longer pauses; at the end of the code's life it is over in any case.
async fn settled(peyk: &Peyk, mobile: &str) -> MessageRow {
    wait_within(LIFE, "the end of a message", || async {
        peyk.database.message_to(mobile).await.filter(|row| row.settled)
    })
    .await
}

fn assert_provider_id_is_kept(row: &MessageRow, end: &str, shown: &str) {
    let sent = end == "sent";
    assert_eq!(row.provider.as_deref() == Some("kavenegar"), sent, "{shown}");
    assert_eq!(row.provider_message_id.is_some(), sent, "{shown}");
}

/// Waits until an attempt has left a reason on the message.
async fn first_attempt_to(peyk: &Peyk, mobile: &str) -> MessageRow {
    wait_for("the first attempt", || async {
        peyk.database.message_to(mobile).await.filter(|row| row.reason.is_some())
    })
    .await
}

fn attempts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&attempt| attempt.to_owned()).collect()
}

/// Everything that leaves open whether the text went out, and its code in our rows.
fn unknown_outcomes(effect: bool) -> Vec<(Behaviour, &'static str)> {
    vec![
        (Behaviour::HangAfterRead { effect }, "http.timeout"),
        (Behaviour::SlowDrip { effect }, "http.timeout"),
        (Behaviour::ResetAfterRead { effect }, "http.reset"),
        (Behaviour::TruncatedBody { effect }, "http.body"),
        (Behaviour::InvalidJson { effect }, "http.body"),
    ]
}

fn internal_error() -> Behaviour {
    Behaviour::HttpStatus { status: 500, headers: vec![], body: "<h1>Oops</h1>".to_owned() }
}

#[tokio::test]
async fn clear_answers_end_a_message_and_busy_ones_put_it_off() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).start().await;
    let clear = |behaviour, http, end, attempt: &str, texts| Case {
        behaviours: vec![behaviour],
        http,
        end,
        history: attempts(&[attempt]),
        texts,
    };
    let refused = |code: u16, class: &str, reason: &'static str| {
        let attempt = format!("send {class} {reason}");
        clear(Behaviour::Error(code), 502, ("failed", Some(reason)), &attempt, 0)
    };
    let cases = [
        clear(Behaviour::Ok, 200, ("sent", None), "send accepted", 1),
        refused(411, "rejected_recipient", "kavenegar.411"),
        refused(413, "rejected_request", "kavenegar.413"),
        refused(418, "rejected_account", "kavenegar.418"),
        refused(403, "rejected_account", "kavenegar.403"),
        // Longer than the code lives.
        clear(
            Behaviour::RateLimited { retry_after_secs: 600 },
            502,
            ("expired", Some("kavenegar.429")),
            "send retry_later kavenegar.429",
            0,
        ),
        Case {
            behaviours: vec![Behaviour::Error(409)],
            http: 0,
            end: ("sent", None),
            history: attempts(&["send retry_later kavenegar.409", "send accepted"]),
            texts: 1,
        },
    ];
    join_all(cases.into_iter().map(|case| check(&peyk, &fake, case))).await;
}

#[tokio::test]
async fn a_busy_provider_is_left_alone_as_long_as_it_asks() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).set("HTTP__WAIT_MS", "500").start().await;
    let mobile = fresh_mobile();
    fake.behave_to(&mobile, Behaviour::RateLimited { retry_after_secs: 3 });
    let answer = peyk.send_otp(&mobile).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json["details"], "The OTP code is on its way.");
    let row = first_attempt_to(&peyk, &mobile).await;
    assert_eq!((row.status.as_str(), row.reason.as_deref()), ("queued", Some("kavenegar.429")));
    assert!(row.due_in.is_some_and(|seconds| seconds <= 3.0), "{row:?}");
    let request_id = answer.json["request_id"].as_str().unwrap();
    peyk.wait_for_status(request_id, &["sent"]).await;
    let calls = fake.calls();
    assert_eq!(calls.len(), 2);
    let pause = calls[1].at - calls[0].at;
    // The pause begins when the answer is settled, and ends when a sweep sees it.
    assert!(pause.num_milliseconds() >= 3_000, "{pause}");
    assert_eq!(fake.effects_to(&mobile).len(), 1);
}

#[tokio::test]
async fn a_text_whose_answer_was_lost_is_looked_up_and_only_sent_again_if_it_is_not_there() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).start().await;
    let found = unknown_outcomes(true).into_iter().map(|(behaviour, code)| Case {
        behaviours: vec![behaviour],
        http: 0,
        end: ("sent", None),
        history: attempts(&[&format!("send unknown {code}"), "lookup found"]),
        texts: 1,
    });
    let lost = unknown_outcomes(false).into_iter().chain([(internal_error(), "http.500")]);
    let not_found = lost.map(|(behaviour, code)| Case {
        behaviours: vec![behaviour],
        http: 0,
        end: ("sent", None),
        history: attempts(&[&format!("send unknown {code}"), "lookup not_found", "send accepted"]),
        texts: 1,
    });
    join_all(found.chain(not_found).map(|case| check(&peyk, &fake, case))).await;
    assert_eq!(fake.duplicates(), []);
}

#[tokio::test]
async fn a_template_whose_answer_was_lost_is_sent_once_more_with_the_same_code_and_never_again() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake).set("OTP__TEMPLATE", "login").start().await;
    let lost =
        |effect| unknown_outcomes(effect).into_iter().chain([(internal_error(), "http.500")]);
    let carried = |behaviour: &Behaviour| usize::from(*behaviour != internal_error());
    let once = lost(true).map(|(behaviour, code)| Case {
        texts: carried(&behaviour) + 1,
        behaviours: vec![behaviour],
        http: 0,
        end: ("sent", None),
        history: attempts(&[&format!("send unknown {code}"), "send accepted"]),
    });
    // `Ok` would be the answer to a third call.
    let twice = lost(true).map(|(behaviour, code)| Case {
        texts: 2 * carried(&behaviour),
        behaviours: vec![behaviour.clone(), behaviour],
        http: 0,
        end: ("unknown", Some("sms.unresolvable")),
        history: vec![format!("send unknown {code}"); 2],
    });
    join_all(once.chain(twice).map(|case| check(&peyk, &fake, case))).await;
    assert!(fake.calls().iter().all(|call| call.method == "verify/lookup"));
}

#[tokio::test]
async fn a_text_waits_for_a_provider_that_is_down_and_goes_out_once_when_it_is_back() {
    let fake = FakeKavenegar::start().await;
    let mut door = Gate::to(fake.url().strip_prefix("http://").unwrap()).await;
    door.shut().await;
    let peyk = Peyk::builder()
        .kavenegar(&format!("http://{}", door.address()))
        .hasty(BUDGET_MS)
        .set("HTTP__WAIT_MS", "300")
        .start()
        .await;
    let mobile = fresh_mobile();
    let answer = peyk.send_otp(&mobile).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let row = first_attempt_to(&peyk, &mobile).await;
    assert_eq!(row.reason.as_deref(), Some("http.connect"));
    door.open().await;
    let row = peyk.database.settled_message_to(&mobile).await;
    assert_eq!(row.status, "sent");
    let history = peyk.database.history(row.id).await;
    let (last, earlier) = history.split_last().unwrap();
    assert_eq!(last, "kavenegar send accepted");
    assert!(earlier.iter().all(|it| it == "kavenegar send retry_later http.connect"));
    assert_eq!(fake.effects_to(&mobile).len(), 1);
}

#[tokio::test]
async fn a_code_past_its_life_is_never_sent() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake).workers(0).start().await;
    let [dead, swept, used] = [(); 3].map(|()| fresh_mobile());
    for mobile in [&dead, &swept, &used] {
        assert_eq!(peyk.send_otp_async(mobile).await.status, 202);
    }
    let age = |sql: &'static str, mobile: &str| {
        sqlx::query(sql).bind(format!("+98{}", &mobile[1..])).execute(&peyk.database.pool)
    };
    let past = "UPDATE sms_messages SET expires_at = now() - interval '1 second' WHERE phone = $1";
    // The worker hears of this one from the queue, of the next one from nobody.
    age(past, &dead).await.unwrap();
    age(past, &swept).await.unwrap();
    age("UPDATE sms_messages SET pushed_until = NULL WHERE phone = $1", &swept).await.unwrap();
    age("UPDATE otp_codes SET consumed_at = now() WHERE phone = $1", &used).await.unwrap();
    peyk.start_worker().await;
    for (mobile, reason) in [(&dead, "expired"), (&swept, "expired"), (&used, "otp.superseded")] {
        let row = peyk.database.settled_message_to(mobile).await;
        assert_eq!((row.status.as_str(), row.reason.as_deref()), ("expired", Some(reason)));
    }
    assert_eq!(fake.calls().len(), 0);
}

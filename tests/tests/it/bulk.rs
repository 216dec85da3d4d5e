//! Texts to many: those that are ready together share a call, and each keeps what is its own.

use std::time::{Duration, Instant};

use peyk_tests::{
    fake::{Behaviour, FakeKavenegar},
    harness::{Peyk, fresh_mobile, wait_for},
    simulated::slow_answer,
};
use serde_json::json;
use shared::clock::{Clock, SystemClock};

use crate::bulk_steps::{all_once, all_popped, hold, key, peyk, post, send_bulk, shared_calls};

#[tokio::test]
async fn texts_that_are_ready_together_share_calls_and_each_gets_its_own_id() {
    let fake = FakeKavenegar::start().await;
    let may_answer = hold(&fake);
    let peyk = peyk(&fake, 15_000).start().await;
    let key = key(&peyk).await;
    let (_, mobiles) = send_bulk(&peyk, &key, 200).await;
    // The first ones are in the middle of their calls, all others ready.
    all_popped(&peyk).await;
    may_answer.send_replace(true);
    let histories = all_once(&peyk, &fake, &mobiles).await;
    assert!(histories.iter().all(|history| history == &["send accepted"]), "{histories:?}");
    let shared = shared_calls(&fake);
    let (calls, longest) = (fake.calls().len(), shared.iter().map(Vec::len).max().unwrap());
    assert!(calls <= 8 && longest >= 50, "{calls} calls, at most {longest} texts in one");
}

#[tokio::test]
async fn codes_and_single_texts_share_no_call() {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake, 5_000).workers(0).set("HTTP__WAIT_MS", "1").start().await;
    let key = key(&peyk).await;
    for _ in 0..10 {
        let body = json!({"mobile_number": fresh_mobile(), "message_text": "ready"});
        post(&peyk, &key, "/api/message/send/", &body).await;
        peyk.send_otp_async(&fresh_mobile()).await;
    }
    let mut peyk = peyk;
    peyk.start_worker().await;
    fake.wait_for_effects(20).await;
    assert!(shared_calls(&fake).is_empty());
    assert_eq!(fake.calls().len(), 20);
}

/// Two calls are held while a second bulk gathers; the calls that carry it end as `behaviour`
/// says.
async fn second_bulk_meets(behaviour: Behaviour) -> (Peyk, FakeKavenegar, Vec<String>) {
    let fake = FakeKavenegar::start().await;
    let peyk = peyk(&fake, 1_500).start().await;
    let key = key(&peyk).await;
    let may_answer = hold(&fake);
    for behaviour in [Behaviour::Ok, Behaviour::Ok, behaviour] {
        fake.behave(behaviour);
    }
    send_bulk(&peyk, &key, 2).await;
    // Both places are taken, be it by one text each or by two and one that follows.
    wait_for("calls under way", || async {
        let texts = fake.calls().len();
        (texts >= 1).then_some(())
    })
    .await;
    if fake.calls().len() == 1 {
        send_bulk(&peyk, &key, 1).await;
    }
    fake.wait_for_calls(2).await;
    let (_, mobiles) = send_bulk(&peyk, &key, 30).await;
    all_popped(&peyk).await;
    may_answer.send_replace(true);
    (peyk, fake, mobiles)
}

#[tokio::test]
async fn a_shared_call_without_an_answer_is_asked_about_text_by_text_and_none_goes_out_twice() {
    let hang = Behaviour::HangAfterRead { effect: true };
    let (peyk, fake, mobiles) = second_bulk_meets(hang).await;
    let histories = all_once(&peyk, &fake, &mobiles).await;
    let asked = ["send unknown http.timeout", "lookup found"];
    let unknown = histories.iter().filter(|history| *history == &asked).count();
    assert!(unknown >= 10, "{histories:?}");
    // Nobody else was touched by it.
    let fine = histories.iter().filter(|history| *history == &["send accepted"]).count();
    assert_eq!(unknown + fine, mobiles.len(), "{histories:?}");
}

#[tokio::test]
async fn a_shared_call_that_was_put_off_is_made_again_for_each_of_its_texts() {
    let busy = Behaviour::RateLimited { retry_after_secs: 1 };
    let (peyk, fake, mobiles) = second_bulk_meets(busy).await;
    let histories = all_once(&peyk, &fake, &mobiles).await;
    let again = ["send retry_later kavenegar.429", "send accepted"];
    assert!(histories.iter().filter(|history| *history == &again).count() >= 10, "{histories:?}");
}

#[tokio::test]
async fn a_shared_call_refused_for_one_recipient_fails_that_one_and_nobody_else() {
    let (peyk, fake, mut mobiles) = second_bulk_meets(Behaviour::Error(411)).await;
    let refused = wait_for("the refused call", || async {
        shared_calls(&fake).into_iter().find(|call| call.len() >= 10)
    })
    .await;
    // Each of them is tried alone after about a second, and this one is to blame.
    let bad = refused.last().unwrap();
    fake.behave_to(bad, Behaviour::Error(411));
    mobiles.retain(|mobile| mobile != bad);
    let histories = all_once(&peyk, &fake, &mobiles).await;
    let again = ["send retry_later kavenegar.411", "send accepted"];
    let tried_again = histories.iter().filter(|history| *history == &again).count();
    let blameless = mobiles.iter().filter(|mobile| refused.contains(mobile)).count();
    assert_eq!(tried_again, blameless, "{histories:?}");
    let row = peyk.database.settled_message_to(bad).await;
    assert_eq!((row.status.as_str(), row.reason.as_deref()), ("failed", Some("kavenegar.411")));
    assert!(fake.effects_to(bad).is_empty());
}

#[tokio::test]
async fn a_shared_call_that_refuses_the_account_fails_its_texts_as_it_would_one() {
    let (peyk, fake, mobiles) = second_bulk_meets(Behaviour::Error(418)).await;
    let mut failed = 0;
    for mobile in &mobiles {
        let row = peyk.database.settled_message_to(mobile).await;
        let refused = row.status == "failed";
        assert_eq!(fake.effects_to(mobile).len(), usize::from(!refused));
        assert!(refused || row.status == "sent", "{row:?}");
        assert_eq!(row.reason.as_deref(), refused.then_some("kavenegar.418"));
        failed += usize::from(refused);
    }
    assert!(failed >= 10, "{failed}");
}

#[tokio::test]
async fn killed_after_shared_calls_were_written_no_text_goes_out_twice_and_none_is_lost() {
    for effect in [true, false] {
        let hang = Behaviour::HangAfterRead { effect };
        let (mut peyk, fake, mobiles) = second_bulk_meets(hang).await;
        wait_for("a shared call that hangs", || async {
            shared_calls(&fake).iter().any(|call| call.len() >= 10).then_some(())
        })
        .await;
        peyk.kill_worker().await;
        peyk.start_worker().await;
        let histories = all_once(&peyk, &fake, &mobiles).await;
        let cut_off = histories.iter().filter(|history| history[0].starts_with("send -"));
        let expected = if effect {
            vec!["send -", "lookup found"]
        } else {
            vec!["send -", "lookup not_found", "send accepted"]
        };
        let mut count = 0;
        for history in cut_off {
            assert_eq!(history, &expected);
            count += 1;
        }
        assert!(count >= 10, "{histories:?}");
    }
}

#[tokio::test]
async fn a_bulk_is_taken_back_as_a_whole_by_whoever_sent_it() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = peyk(&fake, 5_000).workers(0).start().await;
    let (mine, strangers) = (key(&peyk).await, key(&peyk).await);
    let (answer, _) = send_bulk(&peyk, &mine, 5).await;
    let (_, others) = send_bulk(&peyk, &mine, 2).await;
    let bulk = answer.json["bulk_id"].as_str().unwrap();
    let path = format!("/api/message/bulk/{bulk}/cancel/");
    let nothing = json!({});
    assert_eq!(post(&peyk, &strangers, &path, &nothing).await.status, 404);
    assert_eq!(peyk.post(&path, &nothing).await.status, 401);
    for expected in [5, 0] {
        let cancelled = post(&peyk, &mine, &path, &nothing).await;
        assert_eq!(cancelled.status, 200, "{cancelled:?}");
        assert_eq!(cancelled.json, json!({"bulk_id": bulk, "cancelled": expected}));
    }
    let unknown = format!("/api/message/bulk/{}/cancel/", "0".repeat(32));
    assert_eq!(post(&peyk, &mine, &unknown, &nothing).await.status, 404);
    peyk.start_worker().await;
    all_once(&peyk, &fake, &others).await;
    assert_eq!(fake.effects().len(), 2, "nothing of what was taken back");
}

#[tokio::test]
async fn codes_keep_their_time_beside_two_thousand_texts_to_many() {
    let fake = FakeKavenegar::start().await;
    // A provider that takes its time, with codes as with texts to many: that is what they share.
    fake.on_call(|_| slow_answer(Duration::from_millis(150)));
    let peyk = peyk(&fake, 5_000).start().await;
    let key = key(&peyk).await;
    let alone = code_times(&peyk, &fake).await;
    let begun = Instant::now();
    tokio::join!(send_bulk(&peyk, &key, 1_000), send_bulk(&peyk, &key, 1_000));
    let beside = code_times(&peyk, &fake).await;
    let unsent = "SELECT count(*) FROM sms_messages WHERE kind = 'bulk' AND status = 'queued'";
    let waiting = peyk.database.count(unsent).await;
    let middle = |times: &[Duration]| times[times.len() / 2];
    let (alone, beside) = (middle(&alone), middle(&beside));
    assert!(beside < alone * 3 + Duration::from_millis(150), "{beside:?} beside, {alone:?} alone");
    peyk.database.all_settled(Duration::from_mins(1)).await;
    assert_eq!(fake.duplicates().len(), 0);
    assert!(waiting > 0 || begun.elapsed() < Duration::from_secs(10), "nothing to be beside of");
}

/// From the request to the handset, of twenty codes in two seconds, in order of length.
async fn code_times(peyk: &Peyk, fake: &FakeKavenegar) -> Vec<Duration> {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let mut begun = Vec::new();
    for _ in 0..20 {
        ticks.tick().await;
        let mobile = fresh_mobile();
        begun.push((mobile.clone(), SystemClock.now()));
        assert_eq!(peyk.send_otp_async(&mobile).await.status, 202);
    }
    let mut times = Vec::new();
    for (mobile, begun) in begun {
        let at = wait_for("a code", || async { Some(fake.effects_to(&mobile).first()?.at) }).await;
        times.push((at - begun).to_std().unwrap());
    }
    times.sort_unstable();
    times
}

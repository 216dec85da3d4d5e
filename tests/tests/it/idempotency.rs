//! `Idempotency-Key`: the same request again is carried out once, and told how it stands.

use futures_util::future::join_all;
use peyk_tests::{
    aging::{pass_a_day_of_keys, pass_seconds},
    fake::{Behaviour, FakeKavenegar},
    harness::{Answer, Peyk, PeykBuilder, fresh_mobile},
};
use serde_json::{Value, json};

use crate::login_steps::text;

pub(crate) const SEND: &str = "/api/message/send/";
pub(crate) const BULK: &str = "/api/message/bulk/";
const OTP: &str = "/api/otp/send/";
const MESSAGES: &str = "SELECT count(*) FROM sms_messages";
const KEYS: &str = "SELECT count(*) FROM idempotency_keys";

/// An API key that may send.
pub(crate) async fn api_key(peyk: &Peyk) -> String {
    let (worked, output) =
        peyk.run("api", &["keys", "create", "shop", "--scope", "sms:send"]).await;
    assert!(worked, "{output}");
    output.lines().next().unwrap().to_owned()
}

/// A request as one caller makes it.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) api_key: Option<&'a str>,
    pub(crate) key: &'a str,
}

pub(crate) async fn post(
    peyk: &Peyk,
    api: usize,
    caller: Caller<'_>,
    path: &str,
    body: &Value,
) -> Answer {
    let request = peyk.client().post(format!("{}{path}", peyk.urls[api])).json(body);
    let request = request.header("Idempotency-Key", caller.key).header("Prefer", "respond-async");
    let request = match caller.api_key {
        Some(key) => request.header("X-API-Key", key),
        None => request,
    };
    peyk.send(request).await
}

fn code_for(mobile: &str) -> Value {
    json!({"mobile_number": mobile})
}

pub(crate) fn hello(mobile: &str) -> Value {
    json!({"mobile_number": mobile, "message_text": "hello"})
}

fn anonymous(key: &str) -> Caller<'_> {
    Caller { api_key: None, key }
}

fn two_apis(fake: &FakeKavenegar) -> PeykBuilder {
    // All tests share one server: fifty requests at once need no connection each.
    let builder = Peyk::builder().kavenegar(&fake.url()).hasty(2_000).apis(2);
    builder.set("DATABASE__MAX_CONNECTIONS", "6")
}

/// The one value all answers have for this member.
fn the_same<'a>(answers: &'a [Answer], member: &str) -> &'a Value {
    for answer in answers {
        assert!([200, 202].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.json[member], answers[0].json[member]);
    }
    assert!(!answers[0].json[member].is_null(), "{:?}", answers[0]);
    &answers[0].json[member]
}

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, text(answer, "code")), (status, code.to_owned()), "{answer:?}");
}

#[tokio::test]
async fn fifty_parallel_requests_with_one_key_are_one_code_without_any_cool_down() {
    let fake = FakeKavenegar::start().await;
    // Without a cool-down a send spends of the number's share before it is known to be a repeat.
    let builder = two_apis(&fake).set("LIMITS__OTP_SEND_PER_TARGET", "1000/1s");
    let peyk = builder.set("OTP__RESEND_AFTER_SECONDS", "0").start().await;
    let (mobile, other) = (fresh_mobile(), fresh_mobile());
    let body = code_for(&mobile);
    let posts = (0..50).map(|at| post(&peyk, at % 2, anonymous("one"), OTP, &body));
    let answers = join_all(posts).await;
    let request_id = the_same(&answers, "request_id").as_str().unwrap().to_owned();
    peyk.wait_for_status(&request_id, &["sent"]).await;
    assert_eq!(fake.effects_to(&mobile).len(), 1);
    assert_eq!(peyk.database.count(MESSAGES).await, 1);
    let counted = "SELECT used FROM send_counters WHERE scope = 'all'";
    assert_eq!(peyk.database.count(counted).await, 1);
    // The row's current state, not what was answered then; written another way it is the same.
    let again = json!({"mobile_number": format!("+98{}", &mobile[1..])});
    let now = post(&peyk, 1, anonymous("one"), OTP, &again).await;
    assert_eq!((now.status, text(&now, "request_id")), (200, request_id), "{now:?}");
    assert_eq!(now.json["status"], "sent");
    // Without the key it is another request; with it, another number is refused.
    assert_eq!(peyk.send_otp(&mobile).await.status, 200);
    assert_eq!(fake.effects_to(&mobile).len(), 2);
    let mismatch = post(&peyk, 0, anonymous("one"), OTP, &code_for(&other)).await;
    assert_refused(&mismatch, 422, "idempotency_mismatch");
    assert!(fake.effects_to(&other).is_empty());
}

#[tokio::test]
async fn an_address_over_its_limit_is_refused_without_a_look_at_its_keys() {
    let fake = FakeKavenegar::start().await;
    let builder = two_apis(&fake).set("LIMITS__OTP_SEND_PER_IP", "2/1h");
    let peyk = builder.start().await;
    let mobile = fresh_mobile();
    let first = post(&peyk, 0, anonymous("a"), OTP, &code_for(&mobile)).await;
    // A repeat is of its share, too.
    let repeat = post(&peyk, 1, anonymous("a"), OTP, &code_for(&mobile)).await;
    the_same(&[first, repeat], "request_id");
    let keys = peyk.database.hold_up_keys().await;
    for (api, key) in ["b", "c", "a"].into_iter().enumerate() {
        let over = post(&peyk, api % 2, anonymous(key), OTP, &code_for(&mobile)).await;
        assert_refused(&over, 429, "rate_limited");
    }
    keys.release().await;
}

#[tokio::test]
async fn a_repeat_within_the_cool_down_is_told_of_its_code_and_a_new_request_is_not() {
    let fake = FakeKavenegar::start().await;
    let peyk = two_apis(&fake).start().await;
    let mobile = fresh_mobile();
    let first = post(&peyk, 0, anonymous("a"), OTP, &code_for(&mobile)).await;
    let repeat = post(&peyk, 1, anonymous("a"), OTP, &code_for(&mobile)).await;
    the_same(&[first, repeat], "request_id");
    let new = post(&peyk, 1, anonymous("b"), OTP, &code_for(&mobile)).await;
    assert_refused(&new, 409, "otp_cooldown");
    // The refused request left no key.
    assert_eq!(peyk.database.count(KEYS).await, 1);
    pass_seconds(&peyk.database.pool, &mobile, 61).await;
    assert_eq!(post(&peyk, 0, anonymous("b"), OTP, &code_for(&mobile)).await.status, 202);
}

#[tokio::test]
async fn fifty_parallel_requests_with_one_key_are_one_text_of_their_caller_alone() {
    let fake = FakeKavenegar::start().await;
    let peyk = two_apis(&fake).start().await;
    let (shop, other) = (api_key(&peyk).await, api_key(&peyk).await);
    let (mobile, elsewhere) = (fresh_mobile(), fresh_mobile());
    let caller = |key| Caller { api_key: Some(key), key: "order-7" };
    let body = hello(&mobile);
    let posts = (0..50).map(|at| post(&peyk, at % 2, caller(&shop), SEND, &body));
    let answers = join_all(posts).await;
    let id = the_same(&answers, "id").clone();
    peyk.database.settled_message_to(&mobile).await;
    assert_eq!(fake.effects_to(&mobile).len(), 1);
    let now = post(&peyk, 0, caller(&shop), SEND, &body).await;
    assert_eq!((now.status, &now.json["status"], &now.json["id"]), (200, &json!("sent"), &id));
    assert_eq!(now.json["message"], "hello");
    for changed in [hello(&elsewhere), json!({"mobile_number": mobile, "message_text": "bye"})] {
        let refused = post(&peyk, 0, caller(&shop), SEND, &changed).await;
        assert_refused(&refused, 422, "idempotency_mismatch");
    }
    let bulk = json!({"mobile_numbers": [mobile], "message_text": "hello"});
    let refused = post(&peyk, 0, caller(&shop), BULK, &bulk).await;
    assert_refused(&refused, 422, "idempotency_mismatch");
    // Another caller's key of the same name is another key.
    let own = [post(&peyk, 0, caller(&other), SEND, &hello(&elsewhere)).await];
    assert_ne!(the_same(&own, "id"), &id);
    assert_eq!(peyk.database.count(MESSAGES).await, 2);
    let counted = "SELECT used FROM send_counters WHERE scope = 'messages'";
    assert_eq!(peyk.database.count(counted).await, 2);
}

#[tokio::test]
async fn a_text_nobody_took_may_be_sent_again_under_its_key_and_a_day_ends_it() {
    let fake = FakeKavenegar::start().await;
    let peyk = two_apis(&fake).start().await;
    let shop = api_key(&peyk).await;
    let caller = Caller { api_key: Some(&shop), key: "k" };
    let mobile = fresh_mobile();
    fake.behave_to(&mobile, Behaviour::Error(411));
    // It may be over before the answer is written.
    let refused = post(&peyk, 0, caller, SEND, &hello(&mobile)).await;
    assert!([202, 502].contains(&refused.status), "{refused:?}");
    let failed = peyk.database.settled_message_to(&mobile).await;
    assert_eq!(failed.status, "failed");
    let body = hello(&mobile);
    let posts = (0..20).map(|at| post(&peyk, at % 2, caller, SEND, &body));
    let answers = join_all(posts).await;
    assert_ne!(the_same(&answers, "id"), &json!(failed.id));
    peyk.database.settled_message_to(&mobile).await;
    assert_eq!(fake.effects_to(&mobile).len(), 1);
    // Tomorrow it is a new request, purged or not.
    pass_a_day_of_keys(&peyk.database.pool).await;
    let posts = (0..20).map(|at| post(&peyk, at % 2, caller, SEND, &body));
    the_same(&join_all(posts).await, "id");
    peyk.database.settled_message_to(&mobile).await;
    assert_eq!(fake.effects_to(&mobile).len(), 2);
    assert_eq!(peyk.database.count(KEYS).await, 1);
}

#[tokio::test]
async fn a_code_that_expired_unsent_may_be_asked_for_again_under_its_key() {
    let fake = FakeKavenegar::start().await;
    let mut peyk = two_apis(&fake).workers(0).start().await;
    let mobile = fresh_mobile();
    let ask = || async { [post(&peyk, 0, anonymous("k"), OTP, &code_for(&mobile)).await] };
    let first = the_same(&ask().await, "request_id").clone();
    pass_seconds(&peyk.database.pool, &mobile, 300).await;
    peyk.start_worker().await;
    assert_eq!(peyk.database.settled_message_to(&mobile).await.status, "expired");
    let ask = || async { [post(&peyk, 1, anonymous("k"), OTP, &code_for(&mobile)).await] };
    let second = the_same(&ask().await, "request_id").clone();
    assert_ne!(first, second);
    peyk.wait_for_status(second.as_str().unwrap(), &["sent"]).await;
    // From here on the key stands for this one.
    assert_eq!(the_same(&ask().await, "request_id"), &second);
    assert_eq!((fake.effects_to(&mobile).len(), peyk.database.count(KEYS).await), (1, 1));
}

#[tokio::test]
async fn a_refused_request_leaves_no_key_and_a_key_that_cannot_be_read_is_refused() {
    let fake = FakeKavenegar::start().await;
    let peyk = two_apis(&fake).set("LIMITS__DAILY_MESSAGES", "1").start().await;
    let shop = api_key(&peyk).await;
    let caller = |key| Caller { api_key: Some(&shop), key };
    let (first, second) = (fresh_mobile(), fresh_mobile());
    the_same(&[post(&peyk, 0, caller("a"), SEND, &hello(&first)).await], "id");
    let over = post(&peyk, 0, caller("b"), SEND, &hello(&second)).await;
    assert_refused(&over, 429, "daily_message_limit");
    // Its repeat is judged anew, and may be another request.
    peyk.database.execute("DELETE FROM send_counters").await;
    the_same(&[post(&peyk, 0, caller("b"), SEND, &hello(&first)).await], "id");
    assert_eq!(peyk.database.count(KEYS).await, 2);
    let too_long = "k".repeat(256);
    for key in ["", "a b", &too_long] {
        let refused = post(&peyk, 0, caller(key), SEND, &hello(&second)).await;
        assert_refused(&refused, 400, "validation");
        assert!(refused.json["fields"]["Idempotency-Key"].is_array(), "{refused:?}");
    }
    // Neither the key nor what it was about can be read from the table or a log.
    let secret = "very-secret-key";
    assert_eq!(post(&peyk, 0, caller(secret), OTP, &code_for(&second)).await.status, 202);
    let rows: Vec<String> = sqlx::query_scalar("SELECT k::text FROM idempotency_keys k")
        .fetch_all(&peyk.database.pool)
        .await
        .unwrap();
    let everything = format!("{rows:?}{}", peyk.output());
    assert!(!everything.contains(secret) && !everything.contains(&second[1..]), "{everything}");
}

#[tokio::test]
async fn a_bulk_with_a_key_is_sent_once_and_a_repeat_is_told_the_same() {
    let fake = FakeKavenegar::start().await;
    let peyk = two_apis(&fake).start().await;
    let shop = api_key(&peyk).await;
    let caller = Caller { api_key: Some(&shop), key: "campaign" };
    let mobiles: Vec<_> = (0..100).map(|_| fresh_mobile()).collect();
    let mut numbers = mobiles.clone();
    numbers.extend(["nonsense".to_owned(), mobiles[0].clone()]);
    let body = json!({"mobile_numbers": numbers, "message_text": "hi"});
    let posts = (0..10).map(|at| post(&peyk, at % 2, caller, BULK, &body));
    let answers = join_all(posts).await;
    let (told, waiting): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 202);
    for answer in &waiting {
        assert_refused(answer, 409, "idempotency_in_flight");
        assert!(answer.json["retry_after"].as_i64().unwrap() >= 1, "{answer:?}");
    }
    assert!(!told.is_empty());
    let repeat = post(&peyk, 1, caller, BULK, &body).await;
    assert_eq!((repeat.status, &repeat.json), (202, &told[0].json));
    assert_eq!(repeat.json["accepted"], 100);
    for answer in &told {
        assert_eq!(answer.json, repeat.json);
    }
    fake.wait_for_effects(100).await;
    peyk.database.all_settled(peyk_tests::harness::PATIENCE).await;
    assert!(mobiles.iter().all(|mobile| fake.effects_to(mobile).len() == 1));
    let fewer = json!({"mobile_numbers": mobiles, "message_text": "hi"});
    let refused = post(&peyk, 0, caller, BULK, &fewer).await;
    assert_refused(&refused, 422, "idempotency_mismatch");
    // A bulk that was refused leaves no key.
    let other = Caller { key: "other", ..caller };
    let late = json!({"mobile_numbers": mobiles, "message_text": "hi",
        "send_at": "2999-01-01T00:00:00Z"});
    assert_eq!(post(&peyk, 0, other, BULK, &late).await.status, 400);
    assert_eq!(peyk.database.count(KEYS).await, 1);
}

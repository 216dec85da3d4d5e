//! Steps that tests of texts to many have in common.

use peyk_tests::{
    fake::FakeKavenegar,
    harness::{Answer, Peyk, PeykBuilder, fresh_mobile, wait_for},
};
use serde_json::{Value, json};
use tokio::sync::watch;

/// A line of the account, so that texts to many can share calls.
pub(crate) const LINE: &str = "10004346";

/// Production mode with one Kavenegar account that has a line.
pub(crate) fn peyk(fake: &FakeKavenegar, budget_ms: u64) -> PeykBuilder {
    let builder = Peyk::builder().kavenegar(&fake.url()).hasty(budget_ms);
    builder.set("SMS__PROVIDERS__KAVENEGAR__SENDER", LINE).set("SMS__BULK_OPT_OUT", "")
}

/// A key that may send and read.
pub(crate) async fn key(peyk: &Peyk) -> String {
    let arguments = ["keys", "create", "shop", "--scope", "sms:send", "--scope", "sms:read"];
    let (worked, output) = peyk.run("api", &arguments).await;
    assert!(worked, "{output}");
    output.lines().next().unwrap().to_owned()
}

/// `POST` with a key.
pub(crate) async fn post(peyk: &Peyk, key: &str, path: &str, body: &Value) -> Answer {
    let request = peyk.client().post(peyk.url(path)).header("X-API-Key", key).json(body);
    peyk.send(request).await
}

/// One bulk to so many fresh numbers; the answer and the numbers.
pub(crate) async fn send_bulk(peyk: &Peyk, key: &str, count: usize) -> (Answer, Vec<String>) {
    let mobiles: Vec<_> = (0..count).map(|_| fresh_mobile()).collect();
    let body = json!({"mobile_numbers": mobiles, "message_text": "sale"});
    let answer = post(peyk, key, "/api/message/bulk/", &body).await;
    assert_eq!((answer.status, &answer.json["accepted"]), (202, &json!(count)), "{answer:?}");
    (answer, mobiles)
}

/// Lets the fake answer nobody until the sender says `true`.
pub(crate) fn hold(fake: &FakeKavenegar) -> watch::Sender<bool> {
    let (answer, may_answer) = watch::channel(false);
    fake.on_call(move |_| {
        let mut may_answer = may_answer.clone();
        async move { drop(may_answer.wait_for(|may| *may).await) }
    });
    answer
}

/// The recipients of each shared call so far.
pub(crate) fn shared_calls(fake: &FakeKavenegar) -> Vec<Vec<String>> {
    let calls = fake.calls().into_iter().filter(|call| call.method == "sms/sendarray");
    calls.map(|call| serde_json::from_str(call.field("receptor").unwrap()).unwrap()).collect()
}

/// Waits until every number has exactly one text and its row says `sent`; gives the history of
/// each, without the provider's name.
pub(crate) async fn all_once(
    peyk: &Peyk,
    fake: &FakeKavenegar,
    mobiles: &[String],
) -> Vec<Vec<String>> {
    let mut histories = Vec::new();
    for mobile in mobiles {
        let row = peyk.database.settled_message_to(mobile).await;
        assert_eq!(row.status, "sent", "{row:?}");
        let texts = fake.effects_to(mobile);
        assert_eq!(texts.len(), 1, "texts to {mobile}");
        let id = texts[0].message_id.to_string();
        assert_eq!(row.provider_message_id.as_deref(), Some(&*id), "whose id is it?");
        let history = peyk.database.history(row.id).await;
        let without_name = |line: String| line.split_once(' ').unwrap().1.to_owned();
        histories.push(history.into_iter().map(without_name).collect());
    }
    histories
}

/// Waits until no id of a text to many is in Redis any more: all are with the workers.
pub(crate) async fn all_popped(peyk: &Peyk) {
    let config = shared::config::Redis::default();
    let key = shared::queue::QueueServer::new(&config).key(shared::jobs::Queue::Bulk);
    let connection = peyk.redis.connection().await;
    wait_for("an empty list of ids", || {
        let (mut connection, key) = (connection.clone(), key.clone());
        async move {
            let length = redis::cmd("LLEN").arg(&key).query_async::<u64>(&mut connection).await;
            (length.unwrap() == 0).then_some(())
        }
    })
    .await;
}

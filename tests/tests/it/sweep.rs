//! The sweep of one queue and the troubles of another.

use peyk_tests::{
    fake::Receiver,
    harness::{Peyk, fresh_mobile, wait_for},
};
use serde_json::json;
use shared::jobs::Queue;

use crate::webhooks::steps::{SECRET, emit, event, teller};

/// No text can expire any more, as if its row were broken, and one wants to.
const STUCK: &str = "
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'a broken row'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON sms_messages FOR EACH ROW
        WHEN (NEW.status = 'expired') EXECUTE FUNCTION refuse();
    INSERT INTO sms_messages (kind, phone, local_id, body, created_at, expires_at, next_attempt_at)
    VALUES ('text', '+989120000009', 1, 'hello', now() - interval '2 hours',
            now() - interval '1 hour', now())";

async fn swept_with_errors(peyk: &Peyk) {
    wait_for("a sweep that fails", || async {
        peyk.output().contains("rows not tidied").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_fails_for_the_rows_of_one_queue_keeps_nobody_from_those_of_the_others() {
    let shop = Receiver::start(SECRET).await;
    let peyk = teller(&shop).apis(1).start().await;
    peyk.database.execute(STUCK).await;
    swept_with_errors(&peyk).await;
    // Nobody rings for this one: only a sweep can find it.
    emit(&peyk, &[event("a", 1)]).await;
    shop.wait_for_told(1).await;
    // Nor for this one, which is of the queue in trouble itself: its id is lost on the way.
    let queue = peyk.redis.queue_of(Queue::Otp).await;
    queue.wait_for_poppers(Queue::ALL.len()).await;
    peyk.workers[0].signal("STOP").await;
    let mobile = fresh_mobile();
    let body = json!({ "mobile_number": mobile });
    let request = peyk.client().post(peyk.url("/api/otp/send/")).json(&body);
    let sent = peyk.send(request.header("Prefer", "respond-async")).await;
    assert_eq!(sent.status, 202, "{sent:?}");
    peyk.redis.flush().await;
    peyk.workers[0].signal("CONT").await;
    assert_eq!(peyk.database.settled_message_to(&mobile).await.status, "sent");
    let stuck = "SELECT count(*) FROM sms_messages WHERE status = 'queued'";
    assert_eq!(peyk.database.count(stuck).await, 1);
}

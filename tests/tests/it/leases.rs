//! What becomes of a claim whose worker is slow or dead.

use std::{sync::Arc, time::Duration};

use peyk_tests::harness::TestDatabase;
use shared::{
    clock::{Clock, SystemClock},
    config::{Sms, Webhooks},
    jobs::RowId,
    sms::deliveries::{self, Action, AttemptResult, Claim, Deliveries, Next, Settlement},
    webhooks::Outbox,
};

/// A database with one text that is due, and what a worker does to it.
struct Bench {
    database: TestDatabase,
    deliveries: Deliveries,
    outbox: Outbox,
}

const TEXT: &str = "INSERT INTO sms_messages
    (kind, phone, local_id, body, created_at, expires_at, next_attempt_at)
    VALUES ('text', '+989120000009', 1, 'hello', now(), now() + interval '1 hour', now())";

/// Milliseconds that a claim is still good for.
const LEFT: &str =
    "SELECT (extract(epoch FROM lease_until - now()) * 1000)::bigint FROM sms_messages";

impl Bench {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        database.execute(TEXT).await;
        let outbox = Outbox::new(&Webhooks::default(), Arc::new(SystemClock));
        let lease = Sms::default().lease();
        let deliveries =
            Deliveries::new(&database.pool, Arc::new(SystemClock), lease, outbox.clone(), None);
        Self { database, deliveries, outbox }
    }

    async fn claim(&self) -> Claim {
        self.deliveries.claim(RowId(1)).await.unwrap().expect("the row is due")
    }

    async fn start(&self, claim: &Claim) -> bool {
        self.deliveries.start_call(claim, "kavenegar", Action::Send).await.unwrap()
    }

    /// The worker dies; a sweep comes by after its lease. What the row says then.
    async fn state_after_the_lease(&self) -> String {
        let over = "UPDATE sms_messages SET lease_until = now() - interval '1 second'";
        self.database.execute(over).await;
        let (pool, now) = (&self.database.pool, SystemClock.now());
        let tidied = deliveries::tidy(pool, &self.outbox, now, None, |_| {}).await.unwrap();
        assert_eq!(tidied.reclaimed, 1);
        let state = "SELECT status FROM sms_messages WHERE next_attempt_at <= now()";
        sqlx::query_scalar(state).fetch_one(pool).await.unwrap()
    }
}

fn no_answer() -> Settlement {
    Settlement {
        result: AttemptResult::Unknown,
        provider_message_id: None,
        code: Some("http.timeout".to_owned()),
        next: Next::Resolve(Some(Duration::ZERO)),
        reports: false,
    }
}

#[tokio::test]
async fn a_claim_lost_before_any_call_is_queued_and_one_lost_in_a_call_is_in_doubt() {
    let bench = Bench::new().await;
    bench.claim().await;
    assert_eq!(bench.state_after_the_lease().await, "queued");
    let claim = bench.claim().await;
    assert!(bench.start(&claim).await);
    assert_eq!(bench.state_after_the_lease().await, "unknown");
}

#[tokio::test]
async fn a_text_in_doubt_stays_in_doubt_when_whoever_asks_about_it_dies() {
    let bench = Bench::new().await;
    let first = bench.claim().await;
    assert!(bench.start(&first).await);
    assert!(bench.deliveries.settle(&first, &no_answer()).await.unwrap());
    // Asking is written down only afterwards: of this claim there is nothing but the claim.
    let asking = bench.claim().await;
    assert_eq!(asking.history.len(), 1);
    assert_eq!(bench.state_after_the_lease().await, "unknown");
}

#[tokio::test]
async fn a_call_that_begins_late_has_a_lease_that_covers_it() {
    let bench = Bench::new().await;
    let claim = bench.claim().await;
    // Ten calls of its group went before it.
    let late = "UPDATE sms_messages SET lease_until = now() + interval '1 second'";
    bench.database.execute(late).await;
    assert!(bench.start(&claim).await);
    let left = bench.database.count(LEFT).await;
    let budget = i64::try_from(Sms::default().budget().as_millis()).unwrap();
    assert!(left >= budget, "{left} ms for a call of {budget}");
}

#[tokio::test]
async fn a_call_that_begins_after_its_lease_is_not_made() {
    let bench = Bench::new().await;
    let claim = bench.claim().await;
    bench.database.execute("UPDATE sms_messages SET lease_until = now()").await;
    assert!(!bench.start(&claim).await);
    assert_eq!(bench.database.count("SELECT count(*) FROM sms_attempts").await, 0);
}

//! Who is out is out in every process within a second, whatever breaks.

use std::time::{Duration, Instant};

use peyk_tests::harness::{Answer, PATIENCE, Peyk, wait_for, wait_within};
use shared::{
    clock::{Clock, SystemClock},
    sessions::{self, EndReason, Ending, Lifetimes, Which},
};
use sqlx::PgConnection;

use crate::session_steps::{BOUND, access, account, assert_out, end_at, forgeable, get_from};

/// What every token opens.
const DOOR: &str = "/api/me/";

async fn two_apis() -> Peyk {
    forgeable().apis(2).workers(0).start().await
}

/// Waits until a token opens nothing at one of the processes, and gives how long that took.
async fn until_out(peyk: &Peyk, api: usize, token: &str) -> Duration {
    let begun = Instant::now();
    let answer = wait_for("the session to be out", || async {
        let answer = get_from(peyk, api, DOOR, token).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_out(&answer);
    begun.elapsed()
}

fn ending() -> Ending {
    let lifetimes = Lifetimes::new(&shared::config::Auth::default());
    Ending::new(EndReason::Staff, &lifetimes, SystemClock.now())
}

/// Ends sessions as a process would whose announcements nobody hears.
async fn end_unheard(connection: &mut PgConnection, user: i64, which: Which) -> usize {
    sessions::revoke(connection, user, which, &ending()).await.unwrap().len()
}

#[expect(clippy::print_stderr, reason = "the figure is what the test is for")]
fn print(figure: &str) {
    eprintln!("{figure}");
}

#[tokio::test]
async fn a_session_ended_in_one_process_is_out_in_the_other_within_a_second() {
    let peyk = two_apis().await;
    let (user, sessions) = account(&peyk, 51).await;
    let mut times = Vec::new();
    for session in &sessions[1..] {
        let token = access(user, *session);
        assert_eq!(get_from(&peyk, 1, DOOR, &token).await.status, 200);
        assert_eq!(end_at(&peyk, 0, &token, *session).await.status, 200);
        assert_out(&get_from(&peyk, 0, DOOR, &token).await);
        times.push(until_out(&peyk, 1, &token).await);
    }
    times.sort_unstable();
    let [p50, p99] = [times[25], times[49]];
    print(&format!("revocation over {} sessions: p50 {p50:?}, p99 {p99:?}", times.len()));
    assert!(p99 <= BOUND, "{p99:?}");
    assert_eq!(get_from(&peyk, 1, DOOR, &access(user, sessions[0])).await.status, 200);
}

#[tokio::test]
async fn it_holds_without_redis() {
    let mut peyk = two_apis().await;
    let (user, sessions) = account(&peyk, 10).await;
    peyk.redis.kill();
    let mut worst = Duration::ZERO;
    for session in sessions {
        let token = access(user, session);
        assert_eq!(end_at(&peyk, 0, &token, session).await.status, 200);
        worst = worst.max(until_out(&peyk, 1, &token).await);
    }
    print(&format!("revocation without Redis: {worst:?} at most"));
    assert!(worst <= BOUND, "{worst:?}");
}

#[tokio::test]
async fn it_holds_if_the_announcement_is_lost() {
    let peyk = two_apis().await;
    let (user, sessions) = account(&peyk, 2).await;
    let tokens: Vec<_> = sessions.iter().map(|session| access(user, *session)).collect();
    let mut connection = peyk.database.pool.acquire().await.unwrap();
    assert_eq!(end_unheard(&mut connection, user, Which::One(sessions[0])).await, 1);
    for api in [0, 1] {
        let took = until_out(&peyk, api, &tokens[0]).await;
        assert!(took <= BOUND, "{took:?}");
        assert_eq!(get_from(&peyk, api, DOOR, &tokens[1]).await.status, 200);
    }
}

#[tokio::test]
async fn a_process_that_was_killed_knows_who_is_out_before_it_lets_anybody_in() {
    let mut peyk = forgeable().apis(2).workers(0).gated().start().await;
    let (user, sessions) = account(&peyk, 2).await;
    let (out, in_) = (access(user, sessions[0]), access(user, sessions[1]));
    assert_eq!(end_at(&peyk, 0, &out, sessions[0]).await.status, 200);
    // It is seen by nobody but through the table: Redis forgets, and so did the process.
    peyk.apis.pop().unwrap().kill().await;
    peyk.urls.pop();
    peyk.redis.flush().await;
    peyk.gate.as_mut().unwrap().shut().await;
    peyk.start_api().await;
    for token in [&out, &in_] {
        let answer = get_from(&peyk, 1, DOOR, token).await;
        assert_eq!((answer.status, &answer.json["code"]), (503, &"unavailable".into()));
    }
    let ready = get_from(&peyk, 1, "/readyz", "").await;
    assert_eq!((ready.status, &ready.json["revocations"]), (503, &false.into()));
    peyk.gate.as_mut().unwrap().open().await;
    // From the first answer on that is not 503 it knows; and it is not ready before.
    let first = wait_for("an answer", || async {
        let ready = get_from(&peyk, 1, "/readyz", "").await.status == 200;
        let answer = get_from(&peyk, 1, DOOR, &out).await;
        assert!(answer.status == 503 || answer.status == 401, "let in: {answer:?}");
        assert!(!ready || answer.status == 401, "ready and not loaded: {answer:?}");
        (answer.status == 401).then_some(answer)
    })
    .await;
    assert_out(&first);
    wait_for("the other session", || async {
        (get_from(&peyk, 1, DOOR, &in_).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_long_transaction_commits_late_is_seen_although_later_ones_were_seen_before() {
    let peyk = two_apis().await;
    let (user, sessions) = account(&peyk, 4).await;
    let tokens: Vec<_> = sessions.iter().map(|session| access(user, *session)).collect();
    let mut late = peyk.database.pool.begin().await.unwrap();
    assert_eq!(end_unheard(&mut late, user, Which::One(sessions[0])).await, 1);
    // Looks that cannot see it, and read what began and committed after it.
    for at in [1, 2] {
        let mut connection = peyk.database.pool.acquire().await.unwrap();
        assert_eq!(end_unheard(&mut connection, user, Which::One(sessions[at])).await, 1);
        until_out(&peyk, 1, &tokens[at]).await;
    }
    assert_eq!(get_from(&peyk, 1, DOOR, &tokens[0]).await.status, 200, "it is not committed");
    late.commit().await.unwrap();
    for api in [0, 1] {
        let took = until_out(&peyk, api, &tokens[0]).await;
        assert!(took <= BOUND, "{took:?}");
    }
    assert_eq!(get_from(&peyk, 1, DOOR, &tokens[3]).await.status, 200);
}

#[tokio::test]
async fn what_is_rolled_back_puts_nobody_out() {
    let peyk = two_apis().await;
    let (user, sessions) = account(&peyk, 2).await;
    let mut undone = peyk.database.pool.begin().await.unwrap();
    assert_eq!(end_unheard(&mut undone, user, Which::One(sessions[0])).await, 1);
    undone.rollback().await.unwrap();
    // A look after it: it saw the next one.
    let mut connection = peyk.database.pool.acquire().await.unwrap();
    end_unheard(&mut connection, user, Which::One(sessions[1])).await;
    until_out(&peyk, 1, &access(user, sessions[1])).await;
    assert_eq!(get_from(&peyk, 1, DOOR, &access(user, sessions[0])).await.status, 200);
}

#[tokio::test]
async fn ten_thousand_at_once_are_out_within_a_second() {
    let peyk = two_apis().await;
    let (user, sessions) = account(&peyk, 10_001).await;
    let kept = access(user, sessions[10_000]);
    let sample: Vec<_> =
        sessions[..10_000].iter().step_by(499).map(|session| access(user, *session)).collect();
    let request = peyk.client().post(peyk.url("/api/sessions/revoke_others/"));
    let answer = peyk.send(request.bearer_auth(&kept)).await;
    assert_eq!(answer.json, serde_json::json!({"ended": 10_000}), "{answer:?}");
    let begun = Instant::now();
    for token in &sample {
        until_out(&peyk, 1, token).await;
    }
    let took = begun.elapsed();
    print(&format!("10,000 revocations at once: {took:?} after the answer"));
    assert!(took <= BOUND, "{took:?}");
    assert_eq!(get_from(&peyk, 1, DOOR, &kept).await.status, 200);
}

#[tokio::test]
async fn it_goes_on_after_postgresql_was_away() {
    let mut peyk = forgeable().apis(2).workers(0).gated().start().await;
    let (user, sessions) = account(&peyk, 3).await;
    let tokens: Vec<_> = sessions.iter().map(|session| access(user, *session)).collect();
    assert_eq!(end_at(&peyk, 0, &tokens[0], sessions[0]).await.status, 200);
    until_out(&peyk, 1, &tokens[0]).await;
    peyk.gate.as_mut().unwrap().shut().await;
    let refused: Answer = get_from(&peyk, 1, DOOR, &tokens[0]).await;
    assert_out(&refused);
    assert_eq!(get_from(&peyk, 1, DOOR, &tokens[2]).await.status, 503);
    // Somebody who still reaches it ends a session meanwhile.
    let mut connection = peyk.database.pool.acquire().await.unwrap();
    assert_eq!(end_unheard(&mut connection, user, Which::One(sessions[1])).await, 1);
    peyk.gate.as_mut().unwrap().open().await;
    let out = wait_within(PATIENCE, "the revocation of meanwhile", || async {
        let answer = get_from(&peyk, 1, DOOR, &tokens[1]).await;
        (answer.status == 401).then_some(answer)
    })
    .await;
    assert_out(&out);
    assert_eq!(get_from(&peyk, 1, DOOR, &tokens[2]).await.status, 200);
}

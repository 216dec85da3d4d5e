//! Two workers, one of them frozen past its leases and thawed in mid-stream, by turns.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use peyk_tests::{
    chaos::{Dice, Load, Sent, Tally, size},
    fake::FakeKavenegar,
    harness::{Peyk, wait_for, wait_within},
    simulated::slow_answer,
};
use sqlx::AssertSqlSafe;

use super::{drain::backlog, texts::Texts};

/// A lease is this and two seconds.
const BUDGET_MS: u64 = 1_000;

/// Writes down who touches a message that was settled before, and every settling.
const WATCH: &str = "
    CREATE TABLE settlings (message_id bigint, attempt int, status text, again boolean);
    CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        -- What providers say afterwards of a text that is settled settles nothing.
        IF (OLD.status, OLD.attempt, OLD.settled_at) = (NEW.status, NEW.attempt, NEW.settled_at) THEN
            RETURN NEW;
        END IF;
        IF OLD.settled_at IS NOT NULL OR NEW.settled_at IS NOT NULL THEN
            INSERT INTO settlings
            VALUES (NEW.id, NEW.attempt, NEW.status, OLD.settled_at IS NOT NULL);
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER watch BEFORE UPDATE ON sms_messages FOR EACH ROW EXECUTE FUNCTION watch()";

/// Sent messages without exactly one attempt that says so, or whose settling attempt is another.
const MISMATCHED: &str = "SELECT count(*) FROM sms_messages m WHERE status = 'sent' AND (
    SELECT count(*) FILTER (WHERE a.attempt = m.attempt) FROM sms_attempts a
    WHERE a.message_id = m.id AND a.outcome IN ('accepted', 'found')) <> 1";

#[tokio::test]
async fn a_worker_frozen_in_mid_stream_settles_nothing_that_is_settled() {
    workers_frozen(size("ROUNDS", 3, |rounds| rounds.div_ceil(10))).await;
}

async fn workers_frozen(rounds: usize) {
    let mut dice = Dice::new("workers frozen");
    let fake = Arc::new(FakeKavenegar::start().await);
    // With a template: an answer that is late makes for a second text, the harder case.
    let peyk = Peyk::builder()
        .kavenegar(&fake.url())
        .hasty(BUDGET_MS)
        .set("HTTP__WAIT_MS", "2000")
        .set("OTP__TEMPLATE", "login")
        .workers(2)
        .start()
        .await;
    peyk.database.execute(WATCH).await;
    // A provider slow enough that calls are always under way.
    let mut pauses = dice.fork();
    let pauses = Mutex::new(std::iter::from_fn(move || Some(pauses.ms(50, 500))));
    fake.on_call(move |_| slow_answer(pauses.lock().unwrap().next().unwrap_or_default()));
    let load = Load::start(&peyk, Duration::from_millis(40), dice.fork(), |_, _| {});
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let worker = &peyk.workers[round % 2];
        fake.wait_for_calls(fake.calls().len() + 8 + dice.below(12)).await;
        worker.signal("STOP").await;
        let claimed = claims(&peyk).await;
        slowest = slowest.max(the_sweep_goes_on(&peyk, &fake, round).await);
        all_passed_on(&peyk, &claimed).await;
        worker.signal("CONT").await;
    }
    let sent = load.stop().await;
    peyk.database.all_settled(Duration::from_mins(1)).await;
    let unanswered = "SELECT count(*) FROM sms_attempts WHERE finished_at IS NULL";
    // The thawed worker writes its late answers after the rows are settled by the other.
    wait_within(Duration::from_secs(10), "late answers", || async {
        (peyk.database.count(unanswered).await == 0).then_some(())
    })
    .await;
    let late: usize =
        peyk.workers.iter().map(|worker| worker.output().matches("settled too late").count()).sum();
    let texts = Texts::judge(&sent, peyk.database.stories().await, &[&fake]);
    let [settled, twice, mismatched] = counts(&peyk).await;
    Tally::new("One of two workers frozen past its leases", &dice)
        .count("freezes", rounds)
        .count("accepted", sent.iter().filter(|sent| sent.is_accepted()).count())
        .count("rows", texts.rows)
        .count("settlings", settled)
        .count("settled twice", twice)
        .count("late answers", late)
        .count("lost", texts.lost.len())
        .count("one text more", texts.repeats())
        .count("slowest sweep ms", slowest.as_millis())
        .show();
    assert!(sent.iter().all(Sent::is_accepted), "{sent:?}");
    assert!(late > 0, "no freeze met a call");
    assert_eq!((twice, mismatched), (0, 0));
    assert_eq!(usize::try_from(settled).unwrap(), texts.rows);
    texts.assert_whole();
    for (story, more) in &texts.repeated {
        assert!(*more == 1 && story.attempts.len() > 1, "{story:?}");
    }
}

/// Every claim there is now, as message and attempt; some of them are the frozen worker's.
async fn claims(peyk: &Peyk) -> Vec<(i64, i32)> {
    let claims = "SELECT id, attempt FROM sms_messages WHERE status = 'sending'";
    sqlx::query_as(claims).fetch_all(&peyk.database.pool).await.unwrap()
}

/// Waits until each of these claims has ended or is lost to a later one.
async fn all_passed_on(peyk: &Peyk, claims: &[(i64, i32)]) {
    let (ids, attempts): (Vec<_>, Vec<_>) = claims.iter().copied().unzip();
    let held = "SELECT count(*) FROM sms_messages m
        JOIN unnest($1::bigint[], $2::int[]) AS held(id, attempt) USING (id, attempt)
        WHERE m.settled_at IS NULL";
    wait_for("the leases to be taken back", || async {
        let held = sqlx::query_scalar(held).bind(&ids).bind(&attempts);
        let held: i64 = held.fetch_one(&peyk.database.pool).await.unwrap();
        (held == 0).then_some(())
    })
    .await;
}

/// Settlings in all, of rows that were settled already, and settlings by another attempt than
/// the one that was answered.
async fn counts(peyk: &Peyk) -> [i64; 3] {
    let all = peyk.database.count("SELECT count(*) FROM settlings").await;
    let again = peyk.database.count("SELECT count(*) FROM settlings WHERE again").await;
    [all, again, peyk.database.count(MISMATCHED).await]
}

/// A row that is in no queue is found by the sweep of the worker that is left, whoever led
/// before. Says how long that took.
async fn the_sweep_goes_on(peyk: &Peyk, fake: &FakeKavenegar, round: usize) -> Duration {
    let begun = Instant::now();
    let row = sqlx::raw_sql(AssertSqlSafe(backlog(round + 1, round + 1)));
    row.execute(&peyk.database.pool).await.unwrap();
    let mobile = format!("0912{}", 1_000_019 + 10 * round);
    wait_within(Duration::from_secs(15), "a text while one worker is frozen", || async {
        (!fake.effects_to(&mobile).is_empty()).then_some(())
    })
    .await;
    begun.elapsed()
}

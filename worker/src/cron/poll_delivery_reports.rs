//! Asks providers what became of the messages they took, where they can be asked: all of them side
//! by side, each about its oldest messages first and several at a time.

use std::time::{Duration, Instant};

use futures_util::{FutureExt, future::join_all};
use shared::sms::reports;

use super::{CronJob, End, Run};
use crate::{Environment, guard::Guard};

/// How long one run asks: the next one is a minute later, and does what is left.
const RUN_FOR: Duration = Duration::from_secs(45);
/// Messages of one provider that are asked about side by side, where one question is about few.
const ASIDE: usize = 10;
/// Pause after a round in which some questions had no answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Every minute.
pub const JOB: CronJob = CronJob {
    name: "poll-delivery-reports",
    alias: None,
    schedule: "20 * * * * *",
    about: "Asks providers what became of messages: 1, 3, 10, 30 minutes and 6 hours after the last",
    work: |env, run| poll(env, run).boxed(),
    count: |env| reports::count_due(&env.pool).boxed(),
};

async fn poll(env: &Environment, run: &Run) -> Result<End, sqlx::Error> {
    let until = Instant::now() + RUN_FOR;
    let asked = env.providers.iter().filter(|provider| provider.statuses_at_once() > 0);
    let ends = join_all(asked.map(|provider| poll_one(env, run, provider, until))).await;
    ends.into_iter().find(|end| !matches!(end, Ok(End::Done))).unwrap_or(Ok(End::Done))
}

async fn poll_one(
    env: &Environment,
    run: &Run,
    provider: &Guard,
    until: Instant,
) -> Result<End, sqlx::Error> {
    let mut pace = Pace::new(provider.statuses_at_once(), until);
    while !pace.is_over(Instant::now()) {
        if !run.still_mine().await? {
            return Ok(End::Stopped);
        }
        let (asked, failed) = ask(env, run, provider, pace.questions).await?;
        if asked == 0 {
            break;
        }
        if failed > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        pace.after(asked, failed);
    }
    Ok(End::Done)
}

/// One round of questions; how many there were, and how many had no answer. Their messages come up
/// again by themselves.
async fn ask(
    env: &Environment,
    run: &Run,
    provider: &Guard,
    questions: usize,
) -> Result<(usize, usize), sqlx::Error> {
    let (name, each) = (provider.name(), provider.statuses_at_once());
    let ids = reports::take_due(&env.pool, name, questions.saturating_mul(each)).await?;
    let answers = join_all(ids.chunks(each).map(|ids| provider.statuses(ids))).await;
    let (mut said, mut failed) = (Vec::new(), 0);
    for answer in &answers {
        match answer {
            Ok(reports) => said.extend_from_slice(reports),
            Err(error) => {
                failed += 1;
                tracing::warn!(provider = name, ?error, "no delivery reports");
            }
        }
    }
    let recorded = reports::record(&env.pool, &env.outbox, name, &said).await?;
    run.count(i64::try_from(recorded.changed.len()).unwrap_or(i64::MAX));
    Ok((answers.len(), failed))
}

/// How many questions one provider is asked side by side, and until when.
#[derive(Debug)]
struct Pace {
    most: usize,
    /// Those of the next round; none: it answers nothing.
    questions: usize,
    until: Instant,
}

impl Pace {
    /// For a provider whose questions are about `each` messages.
    fn new(each: usize, until: Instant) -> Self {
        let most = (ASIDE / each.max(1)).max(1);
        Self { most, questions: most, until }
    }

    /// Whether there is to be no other round in this run.
    fn is_over(&self, now: Instant) -> bool {
        self.questions == 0 || now >= self.until
    }

    /// Slower when some questions had no answer, and then step by step as before. Whoever answers
    /// none is left alone until the next run.
    fn after(&mut self, asked: usize, failed: usize) {
        self.questions = match failed {
            0 => (self.questions + 1).min(self.most),
            _ if failed >= asked => 0,
            _ => (self.questions / 2).max(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_messages_per_question_are_asked_about_side_by_side() {
        let until = Instant::now();
        for (each, questions) in [(1, 10), (3, 3), (10, 1), (500, 1)] {
            assert_eq!(Pace::new(each, until).questions, questions, "{each}");
        }
    }

    #[test]
    fn a_run_ends_in_time_and_with_a_provider_that_answers_nothing() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut pace = Pace::new(1, now + second);
        assert!(!pace.is_over(now) && pace.is_over(now + second));
        pace.after(10, 10);
        assert!(pace.is_over(now));
    }

    #[test]
    fn a_provider_that_leaves_some_unanswered_is_asked_less() {
        let mut pace = Pace::new(1, Instant::now());
        let mut after = |asked, failed| {
            pace.after(asked, failed);
            pace.questions
        };
        assert_eq!([after(10, 1), after(5, 4), after(2, 1), after(1, 0)], [5, 2, 1, 2]);
        assert_eq!((0..20).map(|_| after(1, 0)).last(), Some(10));
    }
}

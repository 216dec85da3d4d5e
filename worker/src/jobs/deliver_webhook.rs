//! Tells an endpoint of an event: claim, call, settle. At least once, in the order of each
//! subject's events.

use std::time::Duration;

use futures_util::FutureExt;
use rand::Rng;
use shared::{
    batch::WriteError,
    config::Webhooks,
    jobs::{Backlog, Queue, RowId, webhook_pause_after},
    telemetry::{WEBHOOK_DELIVERIES, WEBHOOK_OLDEST_MS},
    webhooks::{
        deliveries::{self, Claim, Next, Settlement},
        sender::Answer,
    },
};

use super::Job;
use crate::Environment;

/// Pause for a delivery that found every place of its endpoint taken after all.
const FULL_PAUSE: Duration = Duration::from_secs(1);

/// Events to tell.
pub const JOB: Job = Job {
    queue: Queue::Webhooks,
    limit: |config| config.webhooks.lease() * 2,
    run: |id, env| deliver_webhook(id, env).boxed(),
    tidy: |env| deliveries::tidy(&env.pool).boxed(),
    take_due: |env, room| take_due(env, room).boxed(),
    backlog: |env| backlog(env).boxed(),
};

/// Each endpoint's share of the room, and of one with a backlog no more than two rounds of its
/// calls: the end of a call fetches more.
async fn take_due(env: &Environment, room: i64) -> Result<Vec<RowId>, sqlx::Error> {
    let names = env.endpoints.names();
    let count = i64::try_from(names.len()).unwrap_or(i64::MAX).max(1);
    let rounds = i64::try_from(env.endpoints.share() * 2).unwrap_or(i64::MAX);
    let mut due = Vec::new();
    for name in names {
        let share = (room / count).clamp(1, rounds);
        due.extend(deliveries::take_due(&env.pool, name, share).await?);
    }
    Ok(due)
}

async fn backlog(env: &Environment) -> Result<Backlog, sqlx::Error> {
    let mut all = Backlog::default();
    for name in env.endpoints.names() {
        let one = deliveries::backlog(&env.pool, name).await?;
        let oldest = i64::try_from(one.oldest.as_millis()).unwrap_or(i64::MAX);
        WEBHOOK_OLDEST_MS.with_label_values(&[name]).set(oldest);
        all = Backlog { due: all.due + one.due, oldest: all.oldest.max(one.oldest) };
    }
    Ok(all)
}

/// Works on one row. Whatever is not claimed stays due; see [`Standing`].
///
/// [`Standing`]: deliveries::Standing
async fn deliver_webhook(id: RowId, env: &Environment) -> Result<(), WriteError> {
    let standing = env.endpoints.standing();
    let Some(claim) = env.webhooks.claim(id, standing).await? else { return Ok(()) };
    let Some(pass) = env.endpoints.enter(&claim.endpoint) else {
        return deliveries::postpone(&env.pool, &claim, FULL_PAUSE).await.map_err(WriteError::from);
    };
    let answer = pass.send(&claim, env.clock.now()).await;
    let settlement = after(&answer, &claim, &env.config.webhooks, &mut rand::rng());
    tell(&claim, &settlement);
    // If this fails, the lease runs out and the endpoint is told again.
    if !env.webhooks.settle(&claim, settlement).await? {
        tracing::warn!(job.id = claim.id, "settled too late: the lease was lost");
    }
    fetch_more(env, &claim.endpoint).await?;
    Ok(())
}

/// Fills the places that calls have left, so that a backlog goes as fast as its endpoint does.
async fn fetch_more(env: &Environment, endpoint: &str) -> Result<(), sqlx::Error> {
    let Some(room) = env.endpoints.helping(endpoint) else { return Ok(()) };
    let room = i64::try_from(room).unwrap_or(i64::MAX);
    for id in deliveries::take_due(&env.pool, endpoint, room).await? {
        env.pusher.push(Queue::Webhooks, id);
    }
    Ok(())
}

/// How a delivery goes on after an answer.
fn after(answer: &Answer, claim: &Claim, config: &Webhooks, rng: &mut impl Rng) -> Settlement {
    let tries = u32::try_from(claim.tries).unwrap_or(u32::MAX);
    let mut retry = |at_least: Option<Duration>| {
        if tries >= config.max_attempts {
            return Next::GiveUp;
        }
        Next::Retry(webhook_pause_after(tries, rng).max(at_least.unwrap_or_default()))
    };
    let (reason, next) = match answer {
        Answer::Taken { .. } => (None, Next::Sent),
        Answer::Gone => (Some("http.410".to_owned()), Next::GiveUp),
        Answer::Refused { status, retry_after } => {
            (Some(format!("http.{status}")), retry(*retry_after))
        }
        Answer::Nothing { code } => (Some(code.clone()), retry(None)),
    };
    Settlement { response_status: answer.status(), reason, next }
}

fn tell(claim: &Claim, settlement: &Settlement) {
    let result = match settlement.next {
        Next::Sent => "sent",
        Next::Retry(_) => "retry",
        Next::GiveUp => "gave_up",
    };
    let endpoint = claim.endpoint.as_str();
    WEBHOOK_DELIVERIES.with_label_values(&[endpoint, result]).inc();
    let (id, tries) = (&claim.event_id, claim.tries);
    match &settlement.reason {
        None => tracing::info!(endpoint, webhook.id = id, tries, result, "webhook"),
        Some(code) => tracing::warn!(endpoint, webhook.id = id, tries, result, code, "webhook"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn settled(answer: &Answer, tries: i32) -> Settlement {
        let claim = Claim {
            id: 1,
            attempt: tries + 3,
            tries,
            endpoint: "a".to_owned(),
            event_id: "0".repeat(32),
            kind: "sms.sent".to_owned(),
            created_at: DateTime::UNIX_EPOCH,
            data: serde_json::Value::Null,
        };
        after(answer, &claim, &Webhooks::default(), &mut rand::rng())
    }

    fn pause(settlement: &Settlement) -> Option<Duration> {
        match settlement.next {
            Next::Retry(pause) => Some(pause),
            Next::Sent | Next::GiveUp => None,
        }
    }

    #[test]
    fn an_endpoint_is_told_again_unless_it_took_the_event_or_is_gone() {
        assert_eq!(settled(&Answer::Taken { status: 204 }, 1).next, Next::Sent);
        assert_eq!(settled(&Answer::Gone, 1).next, Next::GiveUp);
        let lost = settled(&Answer::Nothing { code: "http.timeout".to_owned() }, 1);
        assert_eq!((lost.response_status, lost.reason.as_deref()), (None, Some("http.timeout")));
        assert!(pause(&lost).is_some_and(|pause| pause < Duration::from_secs(7)));
        for status in [302, 400, 404, 500] {
            let refused = settled(&Answer::Refused { status, retry_after: None }, 1);
            assert_eq!(refused.response_status, Some(status));
            assert!(pause(&refused).is_some());
        }
    }

    #[test]
    fn who_asks_for_patience_gets_it_and_not_less_than_anybody() {
        let busy = |seconds, tries| {
            let retry_after = Some(Duration::from_secs(seconds));
            pause(&settled(&Answer::Refused { status: 503, retry_after }, tries)).unwrap()
        };
        assert_eq!(busy(600, 1), Duration::from_mins(10));
        assert!(busy(1, 9) > Duration::from_hours(6));
    }

    #[test]
    fn tries_end_and_those_before_a_replay_do_not_count() {
        let silence = Answer::Nothing { code: "http.reset".to_owned() };
        let last = i32::try_from(Webhooks::default().max_attempts).unwrap();
        assert!(pause(&settled(&silence, last - 1)).is_some());
        assert_eq!(settled(&silence, last).next, Next::GiveUp);
    }
}

//! Delivers texts to many: those that are ready at the same time share a call of the provider, where
//! it has such a call. Each keeps its row, its attempt and its outcome.

use std::time::Duration;

use futures_util::{
    FutureExt, StreamExt,
    future::{join, join_all},
    stream,
};
use shared::{
    batch::WriteError,
    jobs::{Queue, RowId},
    sms::providers::{Content, Outcome, Rejection},
};

use tokio::time::Instant;

use super::deliver_sms::{
    Delivery, LINE_PATIENCE, call, call_for_many, deliver, pause_for, wait_for_provider,
};
use crate::{Environment, gather::Joined, guard::Guard, line::Turn};

/// Messages of a group that are worked on singly, at once.
const AT_ONCE: usize = 8;
/// Messages of a group that are asked about at once: after a call for many was lost, all of them.
const QUESTIONS_AT_ONCE: usize = 64;
/// What work on one message takes at most besides the call.
const WORK_OF_ONE: Duration = Duration::from_millis(20);

/// Works on one row: with others if the provider can carry several, else alone.
pub(super) async fn deliver_row(id: RowId, env: &Environment) -> Result<(), WriteError> {
    if !wait_for_provider(env).await {
        return Ok(());
    }
    let Some(provider) = env.likely_provider(Queue::Bulk) else { return Ok(()) };
    let at_once = provider.send_at_once(&Content::Text(String::new()));
    if at_once > 1 {
        return join_others(id, env, provider, at_once).await;
    }
    let Some(_place) = env.gather.alone(LINE_PATIENCE).await else { return Ok(()) };
    let Some(turn) = provider.turn(Queue::Bulk, LINE_PATIENCE).await else { return Ok(()) };
    let begun = Instant::now();
    let delivered = deliver(id, Queue::Bulk, env, turn).await;
    // How much of it was the provider's time is not known.
    env.courtesy.give_way(begun.elapsed().min(WORK_OF_ONE)).await;
    delivered
}

async fn join_others(
    id: RowId,
    env: &Environment,
    provider: &Guard,
    at_once: usize,
) -> Result<(), WriteError> {
    let Joined::Lead(lead) = env.gather.join(id).await else { return Ok(()) };
    let Some(turn) = provider.turn(Queue::Bulk, LINE_PATIENCE).await else { return Ok(()) };
    if let Some(group) = lead.group(at_once.min(turn.room)) {
        let begun = Instant::now();
        let called = deliver_group(&group.ids, env, turn).await;
        drop(group);
        env.courtesy.give_way(begun.elapsed().saturating_sub(called)).await;
    } else {
        drop(turn);
        lead.carried().await;
    }
    Ok(())
}

/// How long the provider was called.
async fn deliver_group(ids: &[RowId], env: &Environment, turn: Turn<'_>) -> Duration {
    if env.pauses.rests(Queue::Bulk) {
        return Duration::ZERO;
    }
    let claims = join_all(ids.iter().map(|id| env.bulk_deliveries.claim(*id))).await;
    let mut shared: Vec<(&Guard, Vec<Delivery<'_>>)> = Vec::new();
    let mut alone = Vec::new();
    for claim in claims {
        let delivery = match claim {
            Ok(Some(claim)) => Delivery::of(env, &env.bulk_deliveries, claim).await,
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        let Some(delivery) = leave_to_sweep(delivery).flatten() else { continue };
        let Some(provider) = delivery.provider_to_share() else {
            alone.push(delivery);
            continue;
        };
        match shared.iter_mut().find(|(other, _)| other.name() == provider.name()) {
            Some((_, group)) => group.push(delivery),
            None => shared.push((provider, vec![delivery])),
        }
    }
    // Side by side: a provider that hangs keeps none of the others' leases waiting.
    let mut turn = Some(turn);
    let shared: Vec<_> = shared
        .into_iter()
        .map(|(provider, group)| send_together(env, provider, group, turn.take()).boxed())
        .collect();
    drop(turn);
    let shared = join_all(shared);
    let (in_doubt, alone): (Vec<_>, Vec<_>) = alone.into_iter().partition(Delivery::is_in_doubt);
    let together = join(one_by_one(in_doubt, QUESTIONS_AT_ONCE), one_by_one(alone, AT_ONCE));
    let (called, _) = join(shared, together).await;
    called.into_iter().max().unwrap_or_default()
}

async fn one_by_one(deliveries: Vec<Delivery<'_>>, at_once: usize) {
    let each: Vec<_> = deliveries.into_iter().map(|delivery| go_alone(delivery).boxed()).collect();
    stream::iter(each).buffer_unordered(at_once).collect::<()>().await;
}

/// One call for all of them. Who finds no room on the line is given back. How long it took.
async fn send_together(
    env: &Environment,
    provider: &Guard,
    mut group: Vec<Delivery<'_>>,
    turn: Option<Turn<'_>>,
) -> Duration {
    let room = provider.take_room(Queue::Bulk, group.len()).await;
    drop(turn);
    let late = group.split_off(room.texts.min(group.len()));
    give_back(&late, room.more_after).await;
    if group.is_empty() {
        return Duration::ZERO;
    }
    let Some(pass) = provider.enter(Queue::Bulk) else {
        give_back(&group, pause_for(provider, Queue::Bulk)).await;
        return Duration::ZERO;
    };
    let started = join_all(group.iter().map(|delivery| delivery.start_call(provider))).await;
    let mut called = Vec::new();
    for (delivery, started) in group.iter().zip(started) {
        match (started, delivery.sms_for(provider.name())) {
            (Ok(true), Some(sms)) => called.push((delivery, sms)),
            (started, _) => drop(leave_to_sweep(started)),
        }
    }
    if called.is_empty() {
        return Duration::ZERO;
    }
    let (called, messages): (Vec<_>, Vec<_>) = called.into_iter().unzip();
    let begun = Instant::now();
    let outcomes = if let [sms] = &messages[..] {
        vec![call(env, pass, sms).await]
    } else {
        alone_again(call_for_many(env, pass, &messages).await)
    };
    let took = begun.elapsed();
    let settling = called.iter().zip(&outcomes);
    let settling = settling.map(|(delivery, outcome)| delivery.settle_send(provider, outcome));
    for settled in join_all(settling).await {
        leave_to_sweep(settled);
    }
    took
}

/// A call that was refused for its content was refused for the sake of perhaps one of its
/// messages, and sent none: each is tried alone, which says which one it was.
fn alone_again(outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let Some(Outcome::Rejected { reason: Rejection::Recipient | Rejection::Request, code }) =
        outcomes.first()
    else {
        return outcomes;
    };
    if outcomes.iter().any(|outcome| Some(outcome) != outcomes.first()) {
        return outcomes;
    }
    let again = Outcome::RetryLater { after: None, code: code.clone() };
    vec![again; outcomes.len()]
}

async fn go_alone(delivery: Delivery<'_>) {
    leave_to_sweep(delivery.go_on(Turn::free()).await);
}

async fn give_back(group: &[Delivery<'_>], pause: Duration) {
    let each = group.iter().map(|delivery| delivery.postpone(pause).boxed());
    let each: Vec<_> = each.collect();
    let mut given_back = stream::iter(each).buffer_unordered(AT_ONCE);
    while let Some(result) = given_back.next().await {
        leave_to_sweep(result);
    }
}

/// What could not be written is found by the sweep when its lease is over.
fn leave_to_sweep<T>(result: Result<T, WriteError>) -> Option<T> {
    result.inspect_err(|error| tracing::warn!(%error, "text to many left to the sweep")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(reason: Rejection) -> Outcome {
        Outcome::Rejected { reason, code: "x.411".to_owned() }
    }

    fn accepted() -> Outcome {
        Outcome::Accepted { provider_message_id: None }
    }

    #[test]
    fn messages_of_a_call_that_was_refused_for_one_of_them_are_tried_alone() {
        let again = Outcome::RetryLater { after: None, code: "x.411".to_owned() };
        for reason in [Rejection::Recipient, Rejection::Request] {
            assert_eq!(alone_again(vec![rejected(reason); 3]), vec![again.clone(); 3]);
        }
    }

    #[test]
    fn every_other_outcome_stays_what_it_is() {
        let unknown = || Outcome::Unknown { code: "http.timeout".to_owned() };
        for outcomes in [
            vec![accepted(), rejected(Rejection::Recipient)],
            vec![rejected(Rejection::Recipient), accepted()],
            vec![rejected(Rejection::Account); 2],
            vec![unknown(), unknown()],
        ] {
            assert_eq!(alone_again(outcomes.clone()), outcomes);
        }
    }
}

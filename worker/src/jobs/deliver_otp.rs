//! Delivers the text of a one-time code: claim, call, settle.

use std::time::Duration;

use futures_util::FutureExt;
use shared::{
    batch::WriteError,
    events::{MessageSettled, ReplyTo, reply_channel},
    jobs::{Queue, RowId},
    sms::{
        MessageStatus,
        deliveries::{self, Action, Claim, Next, Settlement},
        providers::{Lookup, Outcome, OutgoingSms},
    },
    telemetry::{DELIVERY_SECONDS, PROVIDER_CALLS, PROVIDER_SECONDS},
};

use super::Job;
use crate::{
    Environment,
    guard::{Guard, Pass},
    outcome::{Plan, Situation},
};

/// Fewest tries to write down what a provider answered.
const SETTLE_TRIES: u32 = 3;
/// How long a job waits for a provider that takes calls.
const PROVIDER_PATIENCE: Duration = Duration::from_secs(5);
/// Longest pause before a job looks again whether a provider takes calls.
const NOBODY_PAUSE: Duration = Duration::from_millis(500);

/// Texts with one-time codes.
pub const JOB: Job = Job {
    queue: Queue::Otp,
    concurrency: |config| config.worker.otp_concurrency,
    limit: |config| config.sms.lease() * 2,
    run: |id, env| deliver_otp(id, env).boxed(),
    tidy: |env| deliveries::tidy(&env.pool, env.clock.now()).boxed(),
    take_due: |env, room| deliveries::take_due_otps(&env.pool, room, env.clock.now()).boxed(),
    backlog: |env| deliveries::backlog_of_otps(&env.pool).boxed(),
};

/// Works on one row, if it is due and nobody else does. When the database is away, the row's
/// lease or push mark runs out and the sweep brings it back.
async fn deliver_otp(id: RowId, env: &Environment) -> Result<(), WriteError> {
    if !wait_for_provider(env).await {
        return Ok(());
    }
    let Some(claim) = env.deliveries.claim(id).await? else {
        return Ok(());
    };
    let Some(content) = env.otp.content(claim.local_id).await? else {
        return abandon(env, &claim, MessageStatus::Expired, "otp.superseded").await;
    };
    let sms = OutgoingSms {
        to: claim.phone.clone(),
        content,
        local_id: claim.local_id,
        accepted_at: claim.created_at,
        expires_at: claim.expires_at,
    };
    let (order, available) = (env.provider_names(), env.available_providers());
    let situation = Situation {
        order: &order,
        available: &available,
        history: &claim.history,
        max_attempts: env.config.sms.max_attempts as usize,
        time_left: (claim.expires_at - env.clock.now()).to_std().unwrap_or(Duration::ZERO),
    };
    match situation.plan() {
        Plan::GiveUp => abandon(env, &claim, MessageStatus::Failed, "sms.no_provider").await,
        Plan::Send(provider) => send(env, &claim, &situation, provider, &sms).await,
        Plan::Ask { provider, or_send } => {
            ask(env, &claim, &situation, (provider, or_send), &sms).await
        }
    }
}

/// Waits, a bounded time, until some provider takes calls: a row that nobody can carry need not
/// be claimed, and those behind it wait in Redis or in their rows. `false`: still none; the sweep
/// brings the row back.
async fn wait_for_provider(env: &Environment) -> bool {
    let deadline = tokio::time::Instant::now() + PROVIDER_PATIENCE;
    loop {
        let wait = env.providers.iter().map(Guard::wait).min().unwrap_or_default();
        if wait.is_zero() {
            return true;
        }
        if tokio::time::Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(wait.min(NOBODY_PAUSE)).await;
    }
}

async fn send<'a>(
    env: &Environment,
    claim: &Claim,
    situation: &Situation<'a>,
    name: &'a str,
    sms: &OutgoingSms,
) -> Result<(), WriteError> {
    let Some(provider) = env.provider(name) else {
        return abandon(env, claim, MessageStatus::Failed, "sms.no_provider").await;
    };
    let Some(pass) = provider.enter() else {
        let pause = provider.wait().clamp(Duration::from_millis(100), NOBODY_PAUSE);
        return deliveries::postpone(&env.pool, claim, pause).await.map_err(WriteError::from);
    };
    if !env.deliveries.start_call(claim, name, Action::Send).await? {
        return Ok(());
    }
    let outcome = call(env, pass, sms).await;
    let settlement = situation.after_send(name, &outcome, &mut rand::rng());
    settle(env, claim, &settlement).await
}

/// A provider keeps the budget itself and knows best what its end means; this is for one that
/// does not.
fn patience(env: &Environment) -> Duration {
    env.config.sms.budget() + Duration::from_millis(500)
}

/// The call, within the budget whatever the provider does.
async fn call(env: &Environment, pass: Pass<'_>, sms: &OutgoingSms) -> Outcome {
    let provider = pass.provider().to_owned();
    let timer = PROVIDER_SECONDS.with_label_values(&[&provider]).start_timer();
    let outcome = tokio::time::timeout(patience(env), pass.send(sms))
        .await
        .unwrap_or_else(|_| Outcome::Unknown { code: "budget".to_owned() });
    timer.observe_duration();
    let (class, code) = describe(&outcome);
    PROVIDER_CALLS.with_label_values(&[provider.as_str(), class]).inc();
    if matches!(outcome, Outcome::Accepted { .. }) {
        tracing::info!(provider, class, "sms call");
    } else {
        tracing::warn!(provider, class, code, "sms call");
    }
    outcome
}

fn describe(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Accepted { .. } => ("accepted", ""),
        Outcome::Rejected { code, .. } => ("rejected", code),
        Outcome::RetryLater { code, .. } => ("retry_later", code),
        Outcome::Unknown { code } => ("unknown", code),
    }
}

async fn ask<'a>(
    env: &Environment,
    claim: &Claim,
    situation: &Situation<'a>,
    (name, or_send): (&'a str, Option<&'a str>),
    sms: &OutgoingSms,
) -> Result<(), WriteError> {
    let answer = match or_send {
        Some(other) if other != name && is_out(env, name) => {
            Lookup::Unavailable { code: "breaker.open".to_owned() }
        }
        _ => look_up(env, name, sms).await,
    };
    match (answer, or_send) {
        (Lookup::Unsupported, Some(other)) => send(env, claim, situation, other, sms).await,
        // Whoever cannot even say what became of it is in trouble: the same code once more
        // through another provider does less harm than a login that waits.
        (Lookup::Unavailable { .. }, Some(other)) if other != name => {
            send(env, claim, situation, other, sms).await
        }
        (Lookup::Unsupported, None) => {
            abandon(env, claim, MessageStatus::Unknown, "sms.unresolvable").await
        }
        (answer, _) => {
            // Asking has no effect to protect, so its row is written afterwards.
            if !env.deliveries.start_call(claim, name, Action::Lookup).await? {
                return Ok(());
            }
            let settlement = situation.after_lookup(&answer, &mut rand::rng());
            settle(env, claim, &settlement).await
        }
    }
}

fn is_out(env: &Environment, name: &str) -> bool {
    env.provider(name).is_some_and(|provider| !provider.wait().is_zero())
}

async fn look_up(env: &Environment, name: &str, sms: &OutgoingSms) -> Lookup {
    let Some(provider) = env.provider(name) else { return Lookup::Unsupported };
    tokio::time::timeout(patience(env), provider.lookup(sms))
        .await
        .unwrap_or_else(|_| Lookup::Unavailable { code: "budget".to_owned() })
}

async fn settle(
    env: &Environment,
    claim: &Claim,
    settlement: &Settlement,
) -> Result<(), WriteError> {
    let mine = settle_persistently(env, claim, settlement).await?;
    if !mine {
        tracing::warn!(job.id = claim.id, "settled too late: the lease was lost");
        return Ok(());
    }
    match settlement.next {
        Next::Done(status) => announce(env, claim, status).await,
        Next::Retry(Duration::ZERO) | Next::Resolve(Some(Duration::ZERO)) => {
            env.pusher.push(Queue::Otp, RowId(claim.id));
        }
        Next::Resolve(None) => announce(env, claim, MessageStatus::Unknown).await,
        Next::Retry(_) | Next::Resolve(Some(_)) => {}
    }
    Ok(())
}

/// What the provider answered is worth more than one try: without it the text may go out again.
async fn settle_persistently(
    env: &Environment,
    claim: &Claim,
    settlement: &Settlement,
) -> Result<bool, WriteError> {
    let deadline = tokio::time::Instant::now() + env.config.sms.lease();
    let mut tries = 0;
    loop {
        tries += 1;
        // A process that was frozen meanwhile finds its time used up and has tried nothing yet.
        let again = tries < SETTLE_TRIES || tokio::time::Instant::now() < deadline;
        match env.deliveries.settle(claim, settlement).await {
            Err(error) if error.is_passing() && again => {
                tracing::warn!(%error, "settling again");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            result => return result,
        }
    }
}

async fn abandon(
    env: &Environment,
    claim: &Claim,
    status: MessageStatus,
    reason: &str,
) -> Result<(), WriteError> {
    tracing::info!(job.id = claim.id, reason, "sms given up");
    if deliveries::abandon(&env.pool, claim, status, reason).await? {
        announce(env, claim, status).await;
    }
    Ok(())
}

/// Wakes the api process that waits, if one does; it reads the row anyway when its time is up.
async fn announce(env: &Environment, claim: &Claim, status: MessageStatus) {
    let age = (env.clock.now() - claim.created_at).to_std().unwrap_or(Duration::ZERO);
    DELIVERY_SECONDS.with_label_values(&[status.as_str()]).observe(age.as_secs_f64());
    let Some(reply_to) = claim.reply_to.as_deref().and_then(ReplyTo::parse) else { return };
    let event = MessageSettled { waiter: reply_to.waiter, status };
    let Ok(payload) = serde_json::to_string(&event) else { return };
    let channel = reply_channel(env.redis.prefix(), &reply_to.process);
    if let Err(error) = env.redis.publish(&channel, &payload).await {
        tracing::debug!(%error, "nobody told");
    }
}

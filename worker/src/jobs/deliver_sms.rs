//! Delivers texts: claim, call, settle. Codes, single texts and bulk have a queue each, so that
//! none waits behind another.

use std::time::Duration;

use futures_util::FutureExt;
use shared::{
    batch::WriteError,
    events::{MessageSettled, ReplyTo, reply_channel},
    jobs::{Queue, RowId, Tidied},
    sms::{
        MessageKind, MessageStatus,
        deliveries::{self, Action, Claim, Next, Settlement},
        providers::{Lookup, Outcome, OutgoingSms},
        templates::Wording,
    },
    telemetry::{DELIVERY_SECONDS, PROVIDER_CALLS, PROVIDER_SECONDS},
};

use super::{Job, Work};
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
pub const OTP: Job = Job {
    queue: Queue::Otp,
    tidy: |env| {
        let unsent = |local_id| env.otp.unsent(local_id);
        deliveries::tidy(&env.pool, env.clock.now(), unsent).boxed()
    },
    take_due: |env, room| take_due(env, MessageKind::Otp, room),
    backlog: |env| deliveries::backlog(&env.pool, MessageKind::Otp).boxed(),
    ..SMS
};

/// Texts to one recipient.
pub const SMS: Job = Job {
    queue: Queue::Sms,
    limit: |config| config.sms.lease() * 2,
    run: |id, env| deliver_sms(id, env).boxed(),
    // One look serves the rows of all three.
    tidy: |_| std::future::ready(Ok(Tidied::default())).boxed(),
    take_due: |env, room| take_due(env, MessageKind::Text, room),
    backlog: |env| deliveries::backlog(&env.pool, MessageKind::Text).boxed(),
};

/// Texts to many.
pub const BULK: Job = Job {
    queue: Queue::Bulk,
    take_due: |env, room| take_due(env, MessageKind::Bulk, room),
    backlog: |env| deliveries::backlog(&env.pool, MessageKind::Bulk).boxed(),
    ..SMS
};

fn take_due(env: &Environment, kind: MessageKind, room: i64) -> Work<'_, Vec<RowId>, sqlx::Error> {
    deliveries::take_due(&env.pool, kind, room, env.clock.now()).boxed()
}

/// Works on one row, if it is due and nobody else does. When the database is away, the row's
/// lease or push mark runs out and the sweep brings it back.
async fn deliver_sms(id: RowId, env: &Environment) -> Result<(), WriteError> {
    if !wait_for_provider(env).await {
        return Ok(());
    }
    let Some(claim) = env.deliveries.claim(id).await? else {
        return Ok(());
    };
    let Some(wording) = wording(env, &claim).await? else {
        return abandon(env, &claim, MessageStatus::Expired, "otp.superseded").await;
    };
    let able = |name: &&str| env.templates.content_for(name, &wording).is_some();
    let order: Vec<_> = env.provider_names().into_iter().filter(able).collect();
    let queue = claim.kind.queue();
    let available: Vec<_> = env.available_providers(queue).into_iter().filter(able).collect();
    let delivery = Delivery {
        env,
        claim: &claim,
        wording: &wording,
        situation: Situation {
            order: &order,
            available: &available,
            history: &claim.history,
            may_repeat: claim.kind == MessageKind::Otp,
            max_attempts: env.config.sms.max_attempts as usize,
            time_left: (claim.expires_at - env.clock.now()).to_std().unwrap_or(Duration::ZERO),
        },
    };
    delivery.go_on().await
}

async fn wording(env: &Environment, claim: &Claim) -> Result<Option<Wording>, sqlx::Error> {
    match claim.kind {
        MessageKind::Otp => env.otp.wording(claim.local_id).await,
        MessageKind::Text | MessageKind::Bulk => Ok(Some(claim.wording.clone())),
    }
}

/// Waits, a bounded time, until some provider takes calls: a row that nobody can carry need not
/// be claimed, and those behind it wait in Redis or in their rows. `false`: still none; the sweep
/// brings the row back.
async fn wait_for_provider(env: &Environment) -> bool {
    let deadline = tokio::time::Instant::now() + PROVIDER_PATIENCE;
    loop {
        let wait = env.providers.iter().map(Guard::breaker_wait).min().unwrap_or_default();
        if wait.is_zero() {
            return true;
        }
        if tokio::time::Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(wait.min(NOBODY_PAUSE)).await;
    }
}

/// A claimed message and what stands before its next attempt.
struct Delivery<'a> {
    env: &'a Environment,
    claim: &'a Claim,
    wording: &'a Wording,
    situation: Situation<'a>,
}

impl<'a> Delivery<'a> {
    async fn go_on(&self) -> Result<(), WriteError> {
        match self.situation.plan() {
            Plan::GiveUp => self.give_up(MessageStatus::Failed, "sms.no_provider").await,
            Plan::Send(provider) => self.send(provider).await,
            Plan::Ask { provider, or_send } => self.ask(provider, or_send).await,
        }
    }

    /// What this provider is handed; `None` if it cannot say it.
    fn sms_for(&self, provider: &str) -> Option<OutgoingSms> {
        let content = self.env.templates.content_for(provider, self.wording)?;
        Some(OutgoingSms {
            to: self.claim.phone.clone(),
            content,
            local_id: self.claim.local_id,
            accepted_at: self.claim.created_at,
            expires_at: self.claim.expires_at,
        })
    }

    async fn send(&self, name: &'a str) -> Result<(), WriteError> {
        let (env, claim) = (self.env, self.claim);
        let (Some(provider), Some(sms)) = (env.provider(name), self.sms_for(name)) else {
            return self.give_up(MessageStatus::Failed, "sms.no_provider").await;
        };
        let queue = claim.kind.queue();
        let Some(pass) = provider.enter(queue) else {
            let pause = provider.wait(queue).clamp(Duration::from_millis(100), NOBODY_PAUSE);
            return deliveries::postpone(&env.pool, claim, pause).await.map_err(WriteError::from);
        };
        if !env.deliveries.start_call(claim, name, Action::Send).await? {
            return Ok(());
        }
        let outcome = call(env, pass, &sms).await;
        let settlement = Settlement {
            reports: provider.statuses_at_once() > 0,
            ..self.situation.after_send(name, &outcome, &mut rand::rng())
        };
        settle(env, claim, &settlement).await
    }

    async fn ask(&self, name: &'a str, or_send: Option<&'a str>) -> Result<(), WriteError> {
        let answer = match or_send {
            Some(other) if other != name && self.is_out(name) => {
                Lookup::Unavailable { code: "breaker.open".to_owned() }
            }
            _ => self.look_up(name).await,
        };
        match (answer, or_send) {
            (Lookup::Unsupported, Some(other)) => self.send(other).await,
            // Whoever cannot even say what became of it is in trouble: the same code once more
            // through another provider does less harm than a login that waits.
            (Lookup::Unavailable { .. }, Some(other)) if other != name => self.send(other).await,
            (Lookup::Unsupported, None) => {
                self.give_up(MessageStatus::Unknown, "sms.unresolvable").await
            }
            (answer, _) => {
                // Asking has no effect to protect, so its row is written afterwards.
                if !self.env.deliveries.start_call(self.claim, name, Action::Lookup).await? {
                    return Ok(());
                }
                let settlement = self.situation.after_lookup(&answer, &mut rand::rng());
                settle(self.env, self.claim, &settlement).await
            }
        }
    }

    fn is_out(&self, name: &str) -> bool {
        let queue = self.claim.kind.queue();
        self.env.provider(name).is_some_and(|provider| !provider.wait(queue).is_zero())
    }

    async fn look_up(&self, name: &str) -> Lookup {
        let (Some(provider), Some(sms)) = (self.env.provider(name), self.sms_for(name)) else {
            return Lookup::Unsupported;
        };
        tokio::time::timeout(patience(self.env), provider.lookup(&sms))
            .await
            .unwrap_or_else(|_| Lookup::Unavailable { code: "budget".to_owned() })
    }

    async fn give_up(&self, status: MessageStatus, reason: &str) -> Result<(), WriteError> {
        abandon(self.env, self.claim, status, reason).await
    }
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
            env.pusher.push(claim.kind.queue(), RowId(claim.id));
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

/// Wakes the api process that waits, if one does; it reads the row anyway when its time is up. A
/// code nobody got is not held against anybody.
async fn announce(env: &Environment, claim: &Claim, status: MessageStatus) {
    let age = (env.clock.now() - claim.created_at).to_std().unwrap_or(Duration::ZERO);
    DELIVERY_SECONDS.with_label_values(&[status.as_str()]).observe(age.as_secs_f64());
    let is_unsent = matches!(status, MessageStatus::Failed | MessageStatus::Expired);
    if is_unsent && claim.kind == MessageKind::Otp {
        env.otp.unsent(claim.local_id);
    }
    let Some(reply_to) = claim.reply_to.as_deref().and_then(ReplyTo::parse) else { return };
    let event = MessageSettled { waiter: reply_to.waiter, status };
    let Ok(payload) = serde_json::to_string(&event) else { return };
    let channel = reply_channel(env.redis.prefix(), &reply_to.process);
    if let Err(error) = env.redis.publish(&channel, &payload).await {
        tracing::debug!(%error, "nobody told");
    }
}

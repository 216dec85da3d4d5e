//! Delivers texts: claim, call, settle. Codes, single texts and bulk have a queue each, so that
//! none waits behind another.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use shared::{
    batch::WriteError,
    config::{Quiet, QuietHours},
    events::Outcome as Ended,
    jobs::{Queue, RowId, Tidied},
    sms::{
        MessageKind, MessageStatus,
        deliveries::{self, Action, Claim, Deliveries, Next, Settlement},
        providers::{Lookup, Outcome, OutgoingSms},
        quiet, routing,
        templates::Wording,
    },
    telemetry::{DELIVERY_SECONDS, PROVIDER_CALLS, PROVIDER_SECONDS, SWEPT_ROWS},
};

use super::{Job, Work, deliver_bulk, reply};
use crate::{
    Environment,
    guard::{Guard, Pass},
    line::Turn,
    outcome::{Plan, Situation},
};

/// Fewest tries to write down what a provider answered.
const SETTLE_TRIES: u32 = 3;
/// How long a job waits for a provider that takes calls.
const PROVIDER_PATIENCE: Duration = Duration::from_secs(5);
/// Longest pause before a job looks again whether a provider takes calls.
const NOBODY_PAUSE: Duration = Duration::from_millis(500);
/// Pause of a text whose only providers refuse our account, or rest: that lasts.
const ACCOUNT_PAUSE: Duration = Duration::from_secs(10);
/// How long a job waits for room on a provider's line, or for its turn.
pub(super) const LINE_PATIENCE: Duration = Duration::from_secs(5);

/// Texts with one-time codes.
pub const OTP: Job = Job {
    queue: Queue::Otp,
    run: |id, env| deliver_code(id, env).boxed(),
    tidy: |env| tidy(env).boxed(),
    take_due: |env, room| take_due(env, MessageKind::Otp, room),
    backlog: |env| deliveries::backlog(&env.pool, MessageKind::Otp).boxed(),
    ..SMS
};

/// Texts to one recipient.
pub const SMS: Job = Job {
    queue: Queue::Sms,
    limit: |config| config.sms.lease() * 2,
    run: |id, env| deliver_text(id, env).boxed(),
    // One look serves the rows of all three.
    tidy: |_| std::future::ready(Ok(Tidied::default())).boxed(),
    take_due: |env, room| take_due(env, MessageKind::Text, room),
    backlog: |env| deliveries::backlog(&env.pool, MessageKind::Text).boxed(),
};

/// Texts to many.
pub const BULK: Job = Job {
    queue: Queue::Bulk,
    run: |id, env| deliver_bulk::deliver_row(id, env).boxed(),
    take_due: take_due_bulk,
    backlog: |env| deliveries::backlog(&env.pool, MessageKind::Bulk).boxed(),
    ..SMS
};

fn take_due(env: &Environment, kind: MessageKind, room: i64) -> Work<'_, Vec<RowId>, sqlx::Error> {
    deliveries::take_due(&env.pool, kind, room, env.clock.now()).boxed()
}

/// In quiet hours nothing that is to be sent: neither handed out nor, by an id that is in Redis
/// already, claimed. It is not touched until the sweep has put it off, many at a time.
fn take_due_bulk(env: &Environment, room: i64) -> Work<'_, Vec<RowId>, sqlx::Error> {
    let now = env.clock.now();
    if quiet_now(env, now).is_none() {
        return take_due(env, MessageKind::Bulk, room);
    }
    deliveries::take_unknown(&env.pool, MessageKind::Bulk, room, now).boxed()
}

/// The quiet hours that are under way.
fn quiet_now(env: &Environment, now: DateTime<Utc>) -> Option<(QuietHours, Quiet)> {
    let hours = env.config.sms.quiet_hours?;
    Some((hours, hours.at(now)?))
}

/// Also puts off what is due in quiet hours: before anything expires in them.
async fn tidy(env: &Environment) -> Result<Tidied, sqlx::Error> {
    let (now, sms) = (env.clock.now(), &env.config.sms);
    let quiet = quiet_now(env, now);
    if let Some((hours, quiet)) = quiet {
        let life = TimeDelta::seconds(i64::from(sms.message_ttl_seconds));
        let spread = quiet::spread(&hours);
        let put_off = deliveries::put_off_bulk(&env.pool, quiet, spread, life).await?;
        SWEPT_ROWS.with_label_values(&["quiet_hours"]).inc_by(put_off);
    }
    let unsent = |local_id| env.otp.unsent(local_id);
    deliveries::tidy(&env.pool, &env.outbox, now, quiet.map(|(_, quiet)| quiet), unsent).await
}

/// Works on one row, if it is due and nobody else does. When the database is away, the row's
/// lease or push mark runs out and the sweep brings it back.
async fn deliver_code(id: RowId, env: &Environment) -> Result<(), WriteError> {
    env.courtesy.note_code();
    if !wait_for_provider(env).await {
        return Ok(());
    }
    deliver(id, Queue::Otp, env, Turn::free()).await
}

/// The same, when the provider's line has room.
async fn deliver_text(id: RowId, env: &Environment) -> Result<(), WriteError> {
    if !wait_for_provider(env).await {
        return Ok(());
    }
    let Some(provider) = env.likely_provider(Queue::Sms) else { return Ok(()) };
    let Some(turn) = provider.turn(Queue::Sms, LINE_PATIENCE).await else { return Ok(()) };
    deliver(id, Queue::Sms, env, turn).await
}

/// Claims one row and works on it, unless the queue was told to rest while it waited for its turn.
pub(super) async fn deliver(
    id: RowId,
    queue: Queue,
    env: &Environment,
    turn: Turn<'_>,
) -> Result<(), WriteError> {
    if env.pauses.rests(queue) {
        return Ok(());
    }
    let bulk = queue == Queue::Bulk;
    let deliveries = if bulk { &env.bulk_deliveries } else { &env.deliveries };
    let Some(claim) = deliveries.claim(id).await? else {
        return Ok(());
    };
    match Delivery::of(env, deliveries, claim).await? {
        Some(delivery) => delivery.go_on(turn).await,
        None => Ok(()),
    }
}

async fn wording(env: &Environment, claim: &Claim) -> Result<Option<Wording>, WriteError> {
    match claim.kind {
        MessageKind::Otp => env.otp.wording(claim.local_id).await,
        MessageKind::Text | MessageKind::Bulk => Ok(Some(claim.wording.clone())),
    }
}

/// Waits, a bounded time, until some provider takes calls: a row that nobody can carry need not
/// be claimed, and those behind it wait in Redis or in their rows. `false`: still none; the sweep
/// brings the row back.
pub(super) async fn wait_for_provider(env: &Environment) -> bool {
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
pub(super) struct Delivery<'a> {
    env: &'a Environment,
    deliveries: &'a Deliveries,
    claim: Claim,
    wording: Wording,
    /// Providers that can say it, and those of them that take calls now.
    order: Vec<&'a str>,
    available: Vec<&'a str>,
}

impl<'a> Delivery<'a> {
    /// `None`: there is nothing to send: its code is over, or its number gets no texts.
    pub(super) async fn of(
        env: &'a Environment,
        deliveries: &'a Deliveries,
        claim: Claim,
    ) -> Result<Option<Self>, WriteError> {
        let Some(wording) = wording(env, &claim).await? else {
            abandon(env, &claim, MessageStatus::Expired, "otp.superseded").await?;
            return Ok(None);
        };
        if claim.kind == MessageKind::Otp && env.otp.is_test_number(&claim.phone) {
            abandon(env, &claim, MessageStatus::Sent, "otp.test_number").await?;
            return Ok(None);
        }
        let able = |name: &&str| env.templates.content_for(name, &wording).is_some();
        let order: Vec<_> = env.provider_names().into_iter().filter(able).collect();
        let order = routing::spread(&order, &env.config.sms.weights, claim.local_id);
        let queue = claim.kind.queue();
        let is_free =
            |name: &&str| env.provider(name).is_some_and(|guard| guard.wait(queue).is_zero());
        let available = order.iter().copied().filter(is_free).collect();
        Ok(Some(Self { env, deliveries, claim, wording, order, available }))
    }

    fn situation(&self) -> Situation<'_> {
        let time_left = self.claim.expires_at - self.env.clock.now();
        Situation {
            order: &self.order,
            available: &self.available,
            history: &self.claim.history,
            may_repeat: self.claim.kind == MessageKind::Otp,
            max_attempts: self.env.config.sms.max_attempts as usize,
            time_left: time_left.to_std().unwrap_or(Duration::ZERO),
        }
    }

    pub(super) async fn go_on(&self, turn: Turn<'_>) -> Result<(), WriteError> {
        match self.situation().plan() {
            Plan::GiveUp => self.give_up(MessageStatus::Failed, "sms.no_provider").await,
            Plan::Send(provider) => self.send(provider, turn).await,
            Plan::Ask { provider, or_send } => {
                // Asking takes no room, and others wait for the turn; codes need none.
                drop(turn);
                self.ask(provider, or_send).await
            }
        }
    }

    /// The provider that may carry it together with others, if one may: it is a free text, one of
    /// many, and this is its first attempt. What went wrong once goes alone.
    pub(super) fn provider_to_share(&self) -> Option<&'a Guard> {
        let first = self.claim.kind == MessageKind::Bulk && self.claim.history.is_empty();
        let first = first && !self.claim.blocked;
        let Plan::Send(name) = self.situation().plan() else { return None };
        let provider = self.env.provider(name).filter(|_| first)?;
        let content = self.env.templates.content_for(name, &self.wording)?;
        (provider.send_at_once(&content) > 1).then_some(provider)
    }

    /// Whether it is to be asked about, before anything is sent.
    pub(super) fn is_in_doubt(&self) -> bool {
        matches!(self.situation().plan(), Plan::Ask { .. })
    }

    /// What this provider is handed; `None` if it cannot say it.
    pub(super) fn sms_for(&self, provider: &str) -> Option<OutgoingSms> {
        let content = self.env.templates.content_for(provider, &self.wording)?;
        Some(OutgoingSms {
            to: self.claim.phone.clone(),
            content,
            local_id: self.claim.local_id,
            accepted_at: self.claim.created_at,
            expires_at: self.claim.expires_at,
        })
    }

    /// Gives it back unattempted.
    pub(super) async fn postpone(&self, pause: Duration) -> Result<(), WriteError> {
        deliveries::postpone(&self.env.pool, &self.claim, pause).await.map_err(WriteError::from)
    }

    /// Writes that the provider is about to be called; see [`Deliveries::start_call`].
    pub(super) async fn start_call(&self, provider: &Guard) -> Result<bool, WriteError> {
        self.deliveries.start_call(&self.claim, provider.name(), Action::Send).await
    }

    /// Writes what the provider made of it.
    pub(super) async fn settle_send(
        &self,
        provider: &Guard,
        outcome: &Outcome,
    ) -> Result<(), WriteError> {
        let name = provider.name();
        let settlement = Settlement {
            reports: provider.statuses_at_once() > 0,
            ..self.situation().after_send(name, outcome, &mut rand::rng())
        };
        self.settle(&settlement).await
    }

    async fn send(&self, name: &str, turn: Turn<'_>) -> Result<(), WriteError> {
        let (env, queue) = (self.env, self.claim.kind.queue());
        if self.claim.blocked {
            return self.give_up(MessageStatus::Failed, "sms.blocked").await;
        }
        let (Some(provider), Some(sms)) = (env.provider(name), self.sms_for(name)) else {
            return self.give_up(MessageStatus::Failed, "sms.no_provider").await;
        };
        if turn.taken != Some(name) {
            let room = provider.take_room(queue, 1).await;
            if room.texts == 0 {
                return self.postpone(room.more_after).await;
            }
        }
        drop(turn);
        let Some(pass) = provider.enter(queue) else {
            return self.postpone(pause_for(provider, queue)).await;
        };
        if !self.start_call(provider).await? {
            return Ok(());
        }
        let outcome = call(env, pass, &sms).await;
        self.settle_send(provider, &outcome).await
    }

    async fn ask(&self, name: &str, or_send: Option<&str>) -> Result<(), WriteError> {
        let answer = match or_send {
            Some(other) if other != name && self.is_out(name) => {
                Lookup::Unavailable { code: "breaker.open".to_owned() }
            }
            _ => self.look_up(name).await,
        };
        match (answer, or_send) {
            (Lookup::Unsupported, Some(other)) => self.send(other, Turn::free()).await,
            // Whoever cannot even say what became of it is in trouble: the same code once more
            // through another provider does less harm than a login that waits.
            (Lookup::Unavailable { .. }, Some(other)) if other != name => {
                self.send(other, Turn::free()).await
            }
            (Lookup::Unsupported, None) => {
                self.give_up(MessageStatus::Unknown, "sms.unresolvable").await
            }
            (answer, _) => {
                // Asking has no effect to protect, so its row is written afterwards.
                if !self.deliveries.start_call(&self.claim, name, Action::Lookup).await? {
                    return Ok(());
                }
                let provider = self.env.provider(name);
                let settlement = Settlement {
                    reports: provider.is_some_and(|provider| provider.statuses_at_once() > 0),
                    ..self.situation().after_lookup(&answer, &mut rand::rng())
                };
                self.settle(&settlement).await
            }
        }
    }

    /// One that staff let rest can be asked all the same.
    fn is_out(&self, name: &str) -> bool {
        let queue = self.claim.kind.queue();
        let is_out = |provider: &Guard| !provider.is_paused() && !provider.wait(queue).is_zero();
        self.env.provider(name).is_some_and(is_out)
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
        abandon(self.env, &self.claim, status, reason).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), WriteError> {
        let (env, claim) = (self.env, &self.claim);
        if !self.settle_persistently(settlement).await? {
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
    async fn settle_persistently(&self, settlement: &Settlement) -> Result<bool, WriteError> {
        let deadline = tokio::time::Instant::now() + self.env.config.sms.lease();
        let mut tries = 0;
        loop {
            tries += 1;
            // A process that was frozen meanwhile finds its time used up and has tried nothing yet.
            let again = tries < SETTLE_TRIES || tokio::time::Instant::now() < deadline;
            match self.deliveries.settle(&self.claim, settlement).await {
                Err(error) if error.is_passing() && again => {
                    tracing::warn!(%error, "settling again");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                result => return result,
            }
        }
    }
}

/// Pause of a message whose provider takes no call now.
pub(super) fn pause_for(provider: &Guard, queue: Queue) -> Duration {
    match provider.wait(queue) {
        Duration::MAX => ACCOUNT_PAUSE,
        wait => wait.clamp(Duration::from_millis(100), NOBODY_PAUSE),
    }
}

/// A provider keeps the budget itself and knows best what its end means; this is for one that
/// does not.
fn patience(env: &Environment) -> Duration {
    env.config.sms.budget() + Duration::from_millis(500)
}

/// The call, within the budget whatever the provider does.
pub(super) async fn call(env: &Environment, pass: Pass<'_>, sms: &OutgoingSms) -> Outcome {
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

/// The same for several messages in one call. It counts as one, under what became of the first.
pub(super) async fn call_for_many(
    env: &Environment,
    pass: Pass<'_>,
    messages: &[OutgoingSms],
) -> Vec<Outcome> {
    let (provider, texts) = (pass.provider().to_owned(), messages.len());
    let timer = PROVIDER_SECONDS.with_label_values(&[&provider]).start_timer();
    let unknown = || vec![Outcome::Unknown { code: "budget".to_owned() }; texts];
    let outcomes = tokio::time::timeout(patience(env), pass.send_many(messages)).await;
    timer.observe_duration();
    let outcomes = outcomes.unwrap_or_else(|_| unknown());
    let accepted =
        outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Accepted { .. })).count();
    let (class, code) = outcomes.first().map_or(("unknown", ""), describe);
    PROVIDER_CALLS.with_label_values(&[provider.as_str(), class]).inc();
    tracing::info!(provider, class, code, texts, accepted, "sms call for many");
    outcomes
}

fn describe(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Accepted { .. } => ("accepted", ""),
        Outcome::Rejected { code, .. } => ("rejected", code),
        Outcome::RetryLater { code, .. } => ("retry_later", code),
        Outcome::Unknown { code } => ("unknown", code),
    }
}

/// Ends it. What a provider may have taken all the same ends as unknown.
async fn abandon(
    env: &Environment,
    claim: &Claim,
    status: MessageStatus,
    reason: &str,
) -> Result<(), WriteError> {
    let status = if claim.is_in_doubt() { MessageStatus::Unknown } else { status };
    tracing::info!(job.id = claim.id, reason, "sms given up");
    if deliveries::abandon(&env.pool, &env.outbox, claim, status, reason).await? {
        announce(env, claim, status).await;
    }
    Ok(())
}

/// Wakes the api process that waits, if one does; it reads the row anyway when its time is up. A
/// code that surely nobody got is not held against anybody.
async fn announce(env: &Environment, claim: &Claim, status: MessageStatus) {
    let age = (env.clock.now() - claim.created_at).to_std().unwrap_or(Duration::ZERO);
    DELIVERY_SECONDS.with_label_values(&[status.as_str()]).observe(age.as_secs_f64());
    let is_unsent = matches!(status, MessageStatus::Failed | MessageStatus::Expired);
    if is_unsent && claim.kind == MessageKind::Otp {
        env.otp.unsent(claim.local_id);
    }
    if let Some(reply_to) = &claim.reply_to {
        reply(env, reply_to, Ended::Message(status)).await;
    }
}

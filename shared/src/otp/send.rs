//! Accepting a send: the code's row, the request and the message, committed together with the
//! sends of other callers.

use std::{collections::HashMap, net::IpAddr};

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use sqlx::PgConnection;

use super::{
    LONGEST_LIFE, Otp, Purpose,
    caps::{Caps, DailyCap},
    code::Nonce,
    form::Form,
    guard::{Action, Guard, Reason},
    seconds_until, store,
};
use crate::{
    batch::{BatchWrite, WriteError},
    blocks::Blocks,
    clock::{SharedClock, seconds_to_tomorrow},
    config::{Config, Cooldown, Otp as OtpConfig},
    idempotency::{self, Keyed},
    ids,
    jobs::RowId,
    login_events::{Kind, NewEvent, Trace},
    phone::PhoneNumber,
    sms::{
        self, MessageStatus, NewOtpMessage,
        budget::{Budget, Demand},
    },
    telemetry::OTP_ACCEPT_SECONDS,
};

/// A send to be accepted.
#[derive(Debug, Clone)]
pub struct NewSend {
    /// The recipient.
    pub phone: PhoneNumber,
    /// What the code will be good for.
    pub purpose: Purpose,
    /// Who asks.
    pub ip: Option<IpAddr>,
    /// Who waits for the outcome, if somebody does.
    pub reply_to: Option<String>,
    /// The request's idempotency key, if it has one; the reference of the send is its
    /// [`AcceptedSend::request_id`].
    pub keyed: Option<Keyed>,
    /// What the request is called in logs, if it comes of one.
    pub trace: Option<String>,
    /// Which of `rest_sms_auth` it comes from, whose codes may be of another form; `None`: `[otp]`.
    pub mount: Option<String>,
}

/// An accepted send.
#[derive(Debug, Clone)]
pub struct AcceptedSend {
    /// The caller's handle.
    pub request_id: String,
    /// The message row that carries the code.
    pub message: RowId,
    /// Whole seconds the code will live from now.
    pub expires_in: i64,
    /// Whole seconds until another send is accepted.
    pub resend_after: i64,
}

/// Why a send is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SendCodeError {
    /// A code is under way or was just sent.
    #[error("cool-down")]
    CoolDown {
        /// Whole seconds to wait.
        retry_after: i64,
    },
    /// A cap of the day is reached.
    #[error("daily cap")]
    OverCap {
        /// Which one.
        cap: DailyCap,
        /// Whole seconds until the next day (UTC) begins.
        retry_after: i64,
    },
    /// The guard against pumping takes it for abuse, or staff have refused the number or address.
    #[error("guarded")]
    Guarded,
    /// Somebody else has the idempotency key.
    #[error("idempotency key in use")]
    Repeated,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The shared commit failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl SendCodeError {
    /// The code of the answer that says so, for what is written down.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::CoolDown { .. } => "otp_cooldown",
            Self::OverCap { cap: DailyCap::Number, .. } => "daily_number_limit",
            Self::OverCap { cap: DailyCap::Country, .. } => "daily_country_limit",
            Self::OverCap { cap: DailyCap::All, .. } => "daily_limit",
            Self::Guarded => "send_refused",
            Self::Repeated => "idempotency_in_flight",
            Self::Database(_) | Self::Write(_) => "unavailable",
        }
    }
}

impl Otp {
    /// Writes down that a send is refused, and the code of the answer; see [`crate::login_events`].
    pub fn note_refused(
        &self,
        phone: &PhoneNumber,
        purpose: Purpose,
        trace: Trace,
        reason: &'static str,
    ) {
        // Whoever asks is not told that it is a block; staff are.
        let refused =
            |blocks: &Blocks| blocks.number(phone) || trace.ip.is_some_and(|ip| blocks.address(ip));
        let is_block = reason == "send_refused" && self.blocks.as_ref().is_some_and(refused);
        let reason = if is_block { "blocked" } else { reason };
        let event = NewEvent::of_number(Kind::SendRefused, phone.clone(), purpose, trace);
        self.events.note(NewEvent { reason: Some(reason), ..event });
    }

    /// Accepts one send and returns the id to push.
    ///
    /// # Errors
    /// [`SendCodeError`]; nothing is written then, unless the database went away meanwhile.
    pub async fn accept_send(
        &self,
        new: &NewSend,
        rng: &mut (impl Rng + Send),
    ) -> Result<AcceptedSend, SendCodeError> {
        let _timer = OTP_ACCEPT_SECONDS.start_timer();
        self.refuse_blocked(new)?;
        match self.try_accept(new, None, rng).await {
            // A send that failed starts no cool-down: let it pass if that is what stands there.
            Err(SendCodeError::CoolDown { .. })
                if let Some(failed) = self.failed_send(new).await? =>
            {
                self.try_accept(new, Some(failed), rng).await
            }
            other => other,
        }
    }

    /// Nobody is sent a code before it is known who is not to get one.
    fn refuse_blocked(&self, new: &NewSend) -> Result<(), SendCodeError> {
        let Some(blocks) = &self.blocks else { return Ok(()) };
        if !blocks.is_loaded() {
            return Err(WriteError::Away.into());
        }
        if blocks.number(&new.phone) || new.ip.is_some_and(|ip| blocks.address(ip)) {
            return Err(SendCodeError::Guarded);
        }
        Ok(())
    }

    /// The idempotency key of the last message of this code, if that message failed for good.
    async fn failed_send(&self, new: &NewSend) -> Result<Option<i64>, sqlx::Error> {
        let Some(state) = store::find(&self.pool, &new.phone, new.purpose).await? else {
            return Ok(None);
        };
        let failed = self.has_failed(state.last_local_id).await?;
        Ok(failed.then_some(state.last_local_id))
    }

    async fn has_failed(&self, local_id: i64) -> Result<bool, sqlx::Error> {
        let message = sms::find_by_local_id(&self.pool, local_id).await?;
        Ok(message.is_some_and(|message| {
            matches!(message.status, MessageStatus::Failed | MessageStatus::Expired)
        }))
    }

    async fn try_accept(
        &self,
        new: &NewSend,
        instead_of: Option<i64>,
        rng: &mut impl Rng,
    ) -> Result<AcceptedSend, SendCodeError> {
        let mut nonce = Nonce::default();
        rng.fill_bytes(&mut nonce);
        let request_id = ids::random_handle(rng);
        let send = PendingSend {
            request_id: request_id.clone(),
            local_id: ids::random_local_id(rng),
            nonce,
            instead_of,
            new: new.clone(),
        };
        let accepted = match self.sends.write(send).await? {
            Answer::Accepted(accepted) => accepted,
            Answer::Repeated => return Err(SendCodeError::Repeated),
            Answer::Guarded(reasons) => {
                return Err(self.why_guarded(new, instead_of, reasons).await?);
            }
            Answer::NotYet => return Err(self.why_refused(new, instead_of, None).await?),
            Answer::OverCap(cap) => {
                return Err(self.why_refused(new, instead_of, Some(cap)).await?);
            }
        };
        let now = accepted.at;
        self.decisions.note(now, new, Action::Passed, accepted.reasons);
        let resend_at = cooldown(&self.config).map_or(accepted.expires_at, |pause| now + pause);
        Ok(AcceptedSend {
            request_id,
            message: accepted.message,
            expires_in: seconds_until(accepted.expires_at, now),
            resend_after: seconds_until(resend_at, now),
        })
    }

    /// Whole seconds until another send to this number is accepted, if a code is under way or was
    /// just sent; a send that failed starts no cool-down.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn cooling_down(
        &self,
        phone: &PhoneNumber,
        purpose: Purpose,
    ) -> Result<Option<i64>, sqlx::Error> {
        let Some(state) = store::find(&self.pool, phone, purpose).await? else { return Ok(None) };
        match self.cooldown_left(&state) {
            Some(_) if self.has_failed(state.last_local_id).await? => Ok(None),
            left => Ok(left),
        }
    }

    /// Whoever has a code on its way is told that, and nothing was decided.
    async fn why_guarded(
        &self,
        new: &NewSend,
        instead_of: Option<i64>,
        reasons: Vec<Reason>,
    ) -> Result<SendCodeError, sqlx::Error> {
        let state = store::find(&self.pool, &new.phone, new.purpose).await?;
        let cooling = state.as_ref().filter(|state| instead_of != Some(state.last_local_id));
        if let Some(retry_after) = cooling.and_then(|state| self.cooldown_left(state)) {
            return Ok(SendCodeError::CoolDown { retry_after });
        }
        self.decisions.note(self.clock.now(), new, Action::Refused, reasons);
        Ok(SendCodeError::Guarded)
    }

    /// The cool-down comes first: whoever asks twice at once has a code on its way, also when that
    /// one took the last of a cap.
    async fn why_refused(
        &self,
        new: &NewSend,
        instead_of: Option<i64>,
        cap: Option<DailyCap>,
    ) -> Result<SendCodeError, sqlx::Error> {
        let state = store::find(&self.pool, &new.phone, new.purpose).await?;
        let cooling = state.as_ref().filter(|state| instead_of != Some(state.last_local_id));
        if let Some(retry_after) = cooling.and_then(|state| self.cooldown_left(state)) {
            return Ok(SendCodeError::CoolDown { retry_after });
        }
        let now = self.clock.now();
        let daily_sends = i32::try_from(self.config.daily_sends_per_target).unwrap_or(i32::MAX);
        let of_number = |state: &store::SendState| {
            state.day >= now.date_naive() && state.sends_today >= daily_sends
        };
        let of_number = state.is_some_and(|state| of_number(&state)).then_some(DailyCap::Number);
        Ok(match cap.or(of_number) {
            Some(cap) => SendCodeError::OverCap { cap, retry_after: seconds_to_tomorrow(now) },
            // Over, purged or another process's between the two statements: the next try will do.
            None => SendCodeError::CoolDown { retry_after: 1 },
        })
    }

    /// Whole seconds of the cool-down that are left, if any are.
    fn cooldown_left(&self, state: &store::SendState) -> Option<i64> {
        let until = self.resend_at(state.last_sent_at, state.expires_at);
        let left = seconds_until(until, self.clock.now());
        // Another process's send may be later than our `now`: no cool-down is longer than one.
        let longest = cooldown(&self.config).map_or(i64::MAX, |pause| pause.num_seconds());
        (state.consumed_at.is_none() && left > 0 && longest > 0).then_some(left.min(longest))
    }
}

/// The shared write of sends.
pub(super) struct AcceptSends {
    rules: store::SendRules,
    caps: Caps,
    guard: Guard,
    clock: SharedClock,
}

/// One caller's part of it.
pub(super) struct PendingSend {
    pub(super) request_id: String,
    pub(super) local_id: i64,
    pub(super) nonce: Nonce,
    pub(super) instead_of: Option<i64>,
    pub(super) new: NewSend,
}

/// What one caller is told.
pub(super) enum Answer {
    /// The send is committed.
    Accepted(Accepted),
    /// The number is in its cool-down, or had its share of today.
    NotYet,
    /// A cap of the day is reached.
    OverCap(DailyCap),
    /// Somebody else has the idempotency key.
    Repeated,
    /// The guard refused it, for these reasons.
    Guarded(Vec<Reason>),
}

/// A committed send.
pub(super) struct Accepted {
    message: RowId,
    expires_at: DateTime<Utc>,
    at: DateTime<Utc>,
    /// What the guard found and let pass.
    reasons: Vec<Reason>,
}

impl AcceptSends {
    pub(super) fn new(config: &Config, key_id: &str, clock: SharedClock, guard: Guard) -> Self {
        let caps = Caps::new(config);
        let (config, mounts) = (&config.otp, &config.rest_sms_auth);
        let rules = store::SendRules {
            key_id: key_id.to_owned(),
            form: Form::new(config),
            forms: Form::of_mounts(config, mounts),
            longest_life: LONGEST_LIFE,
            cooldown: cooldown(config),
            daily_sends: i32::try_from(config.daily_sends_per_target).unwrap_or(i32::MAX),
        };
        Self { rules, caps, guard, clock }
    }

    fn demands(&self, at: DateTime<Utc>, send: &PendingSend) -> Vec<Demand> {
        let mut demands = self.caps.demands(&send.new.phone);
        demands.extend(self.guard.demands(at, &send.new.phone, send.new.ip));
        demands
    }
}

/// `None`: no other send while a code lives.
pub(super) fn cooldown(config: &OtpConfig) -> Option<TimeDelta> {
    match config.cooldown {
        Cooldown::Fixed => Some(TimeDelta::seconds(i64::from(config.resend_after_seconds))),
        Cooldown::UntilExpiry => None,
    }
}

impl BatchWrite for AcceptSends {
    const NAME: &'static str = "accept_sends";

    type Item = PendingSend;
    type Answer = Answer;
    type Key = (PhoneNumber, &'static str);

    fn key(&self, send: &PendingSend) -> Self::Key {
        (send.new.phone.clone(), send.new.purpose.as_str())
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        sends: &[PendingSend],
    ) -> Result<Vec<Answer>, sqlx::Error> {
        let at = self.clock.now();
        let keyed = sends.iter().filter_map(|send| Some((send.new.keyed.as_ref()?, send)));
        let claims = keyed.clone().map(|(keyed, send)| (keyed, send.request_id.clone()));
        let repeated = idempotency::claim(connection, at, claims).await?;
        let is_new = |send: &&PendingSend| !repeated.contains(&send.request_id);
        let demands: HashMap<_, _> = sends
            .iter()
            .filter(is_new)
            .map(|send| (send.local_id, self.demands(at, send)))
            .collect();
        // Before the counters: nobody else is to wait for a number that somebody holds.
        store::lock(connection, sends).await?;
        let mut room = Budget::take(connection, at, demands.values().flatten().cloned()).await?;
        let asked = sends.iter().filter(is_new).map(|send| (&send.new.phone, send.new.ip));
        let watch = self.guard.watch(connection, at, asked).await?;
        let mut judged = HashMap::new();
        let mut over_cap = HashMap::new();
        let (admitted, _): (Vec<_>, Vec<_>) = sends.iter().filter(is_new).partition(|send| {
            let reasons = watch.judge(&send.new.phone, send.new.ip, &room);
            let guarded = self.guard.refuses(&reasons);
            judged.insert(send.local_id, reasons);
            if guarded {
                return false;
            }
            let refused = room.admit(&demands[&send.local_id]).err().map(DailyCap::of_scope);
            over_cap.extend(refused.map(|cap| (send.local_id, cap)));
            refused.is_none()
        });
        let issued = store::issue(connection, &self.rules, at, &admitted).await?;
        let (accepted, refused): (Vec<_>, Vec<_>) =
            admitted.into_iter().partition(|send| issued.contains_key(&send.local_id));
        for send in refused {
            room.give_back(&demands[&send.local_id]);
        }
        room.settle(connection).await?;
        let messages: Vec<_> = accepted
            .iter()
            .map(|send| NewOtpMessage {
                phone: &send.new.phone,
                local_id: send.local_id,
                expires_at: issued[&send.local_id],
                reply_to: send.new.reply_to.as_deref(),
            })
            .collect();
        let ids = sms::accept_otps(connection, at, &messages).await?;
        let unused = keyed.filter(|(_, send)| is_new(send) && !ids.contains_key(&send.local_id));
        let unused: Vec<_> = unused.map(|(keyed, _)| keyed).collect();
        idempotency::release(connection, &unused).await?;
        let mut answer = |send: &PendingSend| {
            if !is_new(&send) {
                return Answer::Repeated;
            }
            let reasons = judged.remove(&send.local_id).unwrap_or_default();
            if self.guard.refuses(&reasons) {
                return Answer::Guarded(reasons);
            }
            if let Some(cap) = over_cap.get(&send.local_id) {
                return Answer::OverCap(*cap);
            }
            match (issued.get(&send.local_id), ids.get(&send.local_id)) {
                (Some(&expires_at), Some(id)) => {
                    let message = RowId(*id);
                    Answer::Accepted(Accepted { message, expires_at, at, reasons })
                }
                _ => Answer::NotYet,
            }
        };
        Ok(sends.iter().map(&mut answer).collect())
    }
}

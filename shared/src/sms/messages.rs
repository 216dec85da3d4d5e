//! Messages that are asked for: accept, look, take back.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};

use super::{
    MessageKind, MessageStatus,
    budget::{Budget, Demand},
    providers::DeliveryStatus,
    quiet, segments, store,
    templates::Wording,
};
use crate::{
    auth::api_keys::ApiKey,
    batch::{BatchWrite, Batcher, WriteError},
    clock::SharedClock,
    config::{Config, QuietHours},
    idempotency::{self, Keyed},
    ids,
    jobs::RowId,
    phone::PhoneNumber,
};

/// Longest time ahead for which a message can be asked for.
pub const LONGEST_AHEAD: TimeDelta = TimeDelta::days(30);

/// A message to be accepted.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The recipient.
    pub phone: PhoneNumber,
    /// What it says.
    pub wording: Wording,
    /// Alone or one of many.
    pub kind: MessageKind,
    /// When it is to go out; `None`: at once.
    pub send_at: Option<DateTime<Utc>>,
    /// Who asked for it; `None`: somebody without credentials.
    pub sender: Option<Sender>,
    /// See [`AcceptedMessage::bulk_id`].
    pub bulk_id: Option<String>,
    /// Who waits for the outcome, if somebody does.
    pub reply_to: Option<String>,
    /// Whether it may have been accepted before.
    pub repeat: Repeat,
}

/// How a message that is asked for again is known.
#[derive(Debug, Clone, Default)]
pub enum Repeat {
    /// It is not.
    #[default]
    Unknown,
    /// By the request's idempotency key, whose reference is the `local_id` of the message.
    Keyed(Keyed),
    /// By its bulk and recipient: accepting it again gives the message there is.
    OfBulk,
}

/// Who asks for a text, and their caps.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Whose the text is.
    pub owner: Owner,
    /// Texts per UTC day.
    pub daily_sends: Option<i64>,
    /// Rials per UTC day.
    pub daily_spend_rials: Option<i64>,
}

impl From<&ApiKey> for Sender {
    fn from(key: &ApiKey) -> Self {
        Self {
            owner: Owner::ApiKey(key.id),
            daily_sends: key.settings.daily_sends,
            daily_spend_rials: key.settings.daily_spend_rials,
        }
    }
}

/// An accepted message.
#[derive(Debug, Clone)]
pub struct AcceptedMessage {
    /// The row.
    pub id: RowId,
    /// In how many parts it goes out, if its text is known.
    pub segments: Option<i16>,
    /// What it will cost by the configured price, if there is one.
    pub price_rials: Option<i64>,
    /// What the messages of one request have in common.
    pub bulk_id: Option<String>,
    /// When it goes out; `None`: at once.
    pub send_at: Option<DateTime<Utc>>,
}

/// Why a message is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageRefused {
    /// The number wants no such texts.
    #[error("the number is blocked")]
    Blocked,
    /// The key had its share of today.
    #[error("daily cap of the key")]
    KeyCap,
    /// The account had its share of today.
    #[error("daily cap of the account")]
    UserCap,
    /// The installation had its share of today.
    #[error("daily cap of the installation")]
    Cap,
    /// Somebody else has the idempotency key.
    #[error("idempotency key in use")]
    Repeated,
}

/// A message as whoever asked for it sees it.
#[derive(Debug, Clone)]
pub struct MessageDetails {
    /// The row.
    pub id: i64,
    /// The recipient.
    pub phone: PhoneNumber,
    /// Alone or one of many.
    pub kind: MessageKind,
    /// What it says.
    pub text: Option<String>,
    /// The template it was asked for with.
    pub template: Option<String>,
    /// How far we are with it.
    pub status: MessageStatus,
    /// How far the provider is, once it has it.
    pub delivery: Option<DeliveryStatus>,
    /// Why it ended or waits, or what the provider said last: a bounded word.
    pub reason: Option<String>,
    /// Who carries it.
    pub provider: Option<String>,
    /// The provider's id.
    pub provider_message_id: Option<String>,
    /// See [`AcceptedMessage::segments`].
    pub segments: Option<i16>,
    /// See [`AcceptedMessage::price_rials`].
    pub price_rials: Option<i64>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it was asked to go out.
    pub send_at: Option<DateTime<Utc>>,
    /// When it ended here.
    pub settled_at: Option<DateTime<Utc>>,
    /// See [`AcceptedMessage::bulk_id`].
    pub bulk_id: Option<String>,
}

/// Whose messages they are. Nobody sees or takes back those of another owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Those asked for with this key.
    ApiKey(i64),
    /// Those asked for with access tokens of this account.
    User(i64),
    /// Those asked for without credentials, and our own.
    Nobody,
}

impl Owner {
    /// The key, if it is one.
    pub const fn api_key(self) -> Option<i64> {
        match self {
            Self::ApiKey(id) => Some(id),
            Self::User(_) | Self::Nobody => None,
        }
    }

    /// The account, if it is one.
    pub const fn user(self) -> Option<i64> {
        match self {
            Self::User(id) => Some(id),
            Self::ApiKey(_) | Self::Nobody => None,
        }
    }

    /// What its share of a day is counted as.
    fn scope(self) -> Option<String> {
        match self {
            Self::ApiKey(id) => Some(format!("key:{id}")),
            Self::User(id) => Some(format!("user:{id}")),
            Self::Nobody => None,
        }
    }
}

impl NewMessage {
    /// Whose it is.
    pub fn owner(&self) -> Owner {
        self.sender.as_ref().map_or(Owner::Nobody, |sender| sender.owner)
    }
}

/// Messages over one database.
#[derive(Clone)]
pub struct Messages {
    pool: PgPool,
    clock: SharedClock,
    accepts: Batcher<Accepts>,
    /// The same rules, for those who accept in a transaction of their own.
    rules: Accepts,
    price_rials: Option<i64>,
    quiet_hours: Option<QuietHours>,
}

impl Messages {
    /// The feature over one database.
    pub fn new(pool: PgPool, clock: SharedClock, config: &Config) -> Self {
        let price = Some(config.sms.price_rials).filter(|price| *price > 0);
        let accepts = Accepts {
            clock: clock.clone(),
            life: TimeDelta::seconds(i64::from(config.sms.message_ttl_seconds)),
            daily_messages: i64::from(config.limits.daily_messages),
            daily_spend: Some(config.limits.daily_spend_rials)
                .filter(|spend| *spend > 0)
                .map(|spend| i64::try_from(spend).unwrap_or(i64::MAX)),
        };
        Self {
            accepts: Batcher::start(accepts.clone(), &pool, 1),
            rules: accepts,
            quiet_hours: config.sms.quiet_hours,
            price_rials: price.map(|price| i64::try_from(price).unwrap_or(i64::MAX)),
            pool,
            clock,
        }
    }

    /// Accepts one message; the caller pushes its id.
    ///
    /// # Errors
    /// When the database refuses or is away; the message may have been accepted then.
    pub async fn accept(
        &self,
        new: NewMessage,
        rng: &mut (impl Rng + Send),
    ) -> Result<Result<AcceptedMessage, MessageRefused>, WriteError> {
        let pending = self.pending(new, rng);
        let accepted = pending.accepted();
        Ok(self.accepts.write(pending).await?.map(accepted))
    }

    /// Accepts one message inside the caller's transaction, which ends soon: from here on everybody
    /// else who accepts waits for it. The caller pushes its id after the commit.
    ///
    /// # Errors
    /// When the database refuses or is away.
    pub async fn accept_within(
        &self,
        connection: &mut PgConnection,
        new: NewMessage,
        rng: &mut (impl Rng + Send),
    ) -> Result<Result<AcceptedMessage, MessageRefused>, sqlx::Error> {
        let pending = self.pending(new, rng);
        let accepted = pending.accepted();
        let answers = self.rules.write(connection, &[pending]).await?;
        let answer = answers.into_iter().next().ok_or(sqlx::Error::RowNotFound)?;
        Ok(answer.map(accepted))
    }

    fn pending(&self, new: NewMessage, rng: &mut impl Rng) -> PendingMessage {
        let segments = new.wording.text.as_deref().map(|text| segments::segments(text).count);
        let price_rials =
            self.price_rials.map(|price| price.saturating_mul(i64::from(segments.unwrap_or(1))));
        let local_id = match (&new.repeat, &new.bulk_id) {
            (Repeat::OfBulk, Some(bulk)) => local_id_of(bulk, &new.phone),
            _ => ids::random_local_id(rng),
        };
        PendingMessage { new, local_id, segments, price_rials }
    }

    /// The message with this id, if it is the owner's.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find(&self, owner: Owner, id: i64) -> Result<Option<MessageDetails>, sqlx::Error> {
        store::find_message(&self.pool, owner, id).await
    }

    /// The message an idempotency key refers to, if it is the owner's.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn referred(
        &self,
        owner: Owner,
        reference: &str,
    ) -> Result<Option<MessageDetails>, sqlx::Error> {
        let Ok(local_id) = reference.parse() else { return Ok(None) };
        match store::find_by_local_id(&self.pool, local_id).await? {
            Some(message) => self.find(owner, message.id).await,
            None => Ok(None),
        }
    }

    /// The messages of a bulk by their recipients.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn of_bulk(
        &self,
        bulk_id: &str,
    ) -> Result<HashMap<PhoneNumber, AcceptedMessage>, sqlx::Error> {
        store::messages_of_bulk(&self.pool, bulk_id).await
    }

    /// Those of the numbers that want no texts but codes.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn blocked(
        &self,
        phones: impl Iterator<Item = &PhoneNumber>,
    ) -> Result<HashSet<PhoneNumber>, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        store::blocked(&mut connection, phones).await
    }

    /// The owner's messages, newest first, those before `before` if given; of one bulk if given.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn list(
        &self,
        owner: Owner,
        bulk_id: Option<&str>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<MessageDetails>, sqlx::Error> {
        store::list_messages(&self.pool, owner, bulk_id, before, limit).await
    }

    /// Takes a message back that no provider has been asked to carry yet or that all have refused
    /// so far. `false`: it is not the owner's, or it is too late.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn cancel(&self, owner: Owner, id: i64) -> Result<bool, sqlx::Error> {
        store::cancel_message(&self.pool, owner, id).await
    }

    /// Takes back those messages of a bulk that [`Messages::cancel`] would take back, in one go.
    /// `None`: there is no such bulk of the owner's; else how many they were.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn cancel_bulk(&self, owner: Owner, bulk: &str) -> Result<Option<u64>, sqlx::Error> {
        let cancelled = store::cancel_bulk(&self.pool, owner, bulk).await?;
        let known = cancelled > 0 || store::has_bulk(&self.pool, owner, bulk).await?;
        Ok(known.then_some(cancelled))
    }

    /// When a text to many goes out that is asked for at this time (`None`: at once): not in quiet
    /// hours.
    pub fn time_of_bulk(
        &self,
        asked: Option<DateTime<Utc>>,
        rng: &mut impl Rng,
    ) -> Option<DateTime<Utc>> {
        let at = asked.unwrap_or_else(|| self.now());
        quiet::put_off(self.quiet_hours.as_ref(), at, rng).or(asked)
    }

    /// How long after its time a message may still go out.
    pub(crate) fn life(&self) -> TimeDelta {
        self.rules.life
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// The shared write that accepts messages.
#[derive(Clone)]
struct Accepts {
    clock: SharedClock,
    /// How long after its time a message may still go out.
    life: TimeDelta,
    daily_messages: i64,
    daily_spend: Option<i64>,
}

/// One caller's part of it.
pub(super) struct PendingMessage {
    pub(super) new: NewMessage,
    pub(super) local_id: i64,
    pub(super) segments: Option<i16>,
    pub(super) price_rials: Option<i64>,
}

impl PendingMessage {
    /// What its caller is told once it has a row.
    fn accepted(&self) -> impl FnOnce(RowId) -> AcceptedMessage + use<> {
        let (segments, price_rials) = (self.segments, self.price_rials);
        let (bulk_id, send_at) = (self.new.bulk_id.clone(), self.new.send_at);
        move |id| AcceptedMessage { id, segments, price_rials, bulk_id, send_at }
    }

    /// What its idempotency key refers to.
    fn reference(&self) -> String {
        self.local_id.to_string()
    }

    fn claim(&self) -> Option<(&Keyed, String)> {
        match &self.new.repeat {
            Repeat::Keyed(keyed) => Some((keyed, self.reference())),
            Repeat::Unknown | Repeat::OfBulk => None,
        }
    }
}

impl Accepts {
    /// The rows of those that were accepted before. Whoever inserts one at this very moment makes
    /// this transaction fail: its messages are then written one by one, and find it.
    async fn known(
        &self,
        connection: &mut PgConnection,
        messages: &[PendingMessage],
    ) -> Result<HashMap<i64, i64>, sqlx::Error> {
        let of_bulk = |message: &&PendingMessage| matches!(message.new.repeat, Repeat::OfBulk);
        let ids: Vec<_> = messages.iter().filter(of_bulk).map(|message| message.local_id).collect();
        if ids.is_empty() { Ok(HashMap::new()) } else { store::accepted(connection, &ids).await }
    }

    /// What one message takes of the caps of the day, the widest first.
    fn demands(&self, message: &PendingMessage) -> Vec<Demand> {
        let price = message.price_rials;
        let count = |scope: String, cap: i64| Demand { scope, amount: 1, cap };
        let spend = |scope: String, cap: Option<i64>| {
            price.zip(cap).map(|(amount, cap)| Demand { scope, amount, cap })
        };
        let mut demands = vec![count("messages".to_owned(), self.daily_messages)];
        demands.extend(spend("rials:all".to_owned(), self.daily_spend));
        if let Some(sender) = &message.new.sender
            && let Some(scope) = sender.owner.scope()
        {
            demands.extend(sender.daily_sends.map(|cap| count(scope.clone(), cap)));
            demands.extend(spend(format!("rials:{scope}"), sender.daily_spend_rials));
        }
        demands
    }
}

/// The `local_id` of a recipient's message in a bulk that may be taken up again: as random as the
/// bulk's own id.
fn local_id_of(bulk_id: &str, phone: &PhoneNumber) -> i64 {
    let digest = Sha256::digest(format!("{bulk_id}\0{}", phone.as_e164()));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::try_from(u64::from_be_bytes(first) >> 1).map_or(1, |id| id.max(1))
}

fn refusal(scope: &str) -> MessageRefused {
    match scope.strip_prefix("rials:").unwrap_or(scope) {
        of if of.starts_with("key:") => MessageRefused::KeyCap,
        of if of.starts_with("user:") => MessageRefused::UserCap,
        _ => MessageRefused::Cap,
    }
}

impl BatchWrite for Accepts {
    const NAME: &'static str = "accept_messages";

    type Item = PendingMessage;
    type Answer = Result<RowId, MessageRefused>;
    type Key = i64;

    fn key(&self, message: &PendingMessage) -> i64 {
        message.local_id
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        messages: &[PendingMessage],
    ) -> Result<Vec<Self::Answer>, sqlx::Error> {
        let now = self.clock.now();
        let claims = messages.iter().filter_map(PendingMessage::claim);
        let repeated = idempotency::claim(connection, now, claims.clone()).await?;
        let known = self.known(connection, messages).await?;
        let is_new = |message: &&PendingMessage| {
            !repeated.contains(&message.reference()) && !known.contains_key(&message.local_id)
        };
        let phones = messages.iter().map(|message| &message.new.phone);
        let blocked: HashSet<_> = store::blocked(connection, phones).await?;
        let allowed: Vec<_> = messages
            .iter()
            .filter(is_new)
            .filter(|message| !blocked.contains(&message.new.phone))
            .map(|message| (message, self.demands(message)))
            .collect();
        let all = allowed.iter().flat_map(|(_, demands)| demands).cloned();
        store::allow_waiting(connection).await?;
        let mut room = Budget::take(connection, now, all).await?;
        let mut refused: HashMap<i64, MessageRefused> = HashMap::new();
        let mut admitted = Vec::new();
        for (message, demands) in &allowed {
            match room.admit(demands) {
                Ok(()) => admitted.push(*message),
                Err(scope) => drop(refused.insert(message.local_id, refusal(scope))),
            }
        }
        room.settle(connection).await?;
        let ids = store::insert_messages(connection, now, self.life, &admitted).await?;
        let unused: Vec<_> = messages
            .iter()
            .filter(|message| is_new(message) && !ids.contains_key(&message.local_id))
            .filter_map(|message| Some(message.claim()?.0))
            .collect();
        idempotency::release(connection, &unused).await?;
        let answer = |message: &PendingMessage| match ids
            .get(&message.local_id)
            .or_else(|| known.get(&message.local_id))
        {
            Some(id) => Ok(RowId(*id)),
            None if !is_new(&message) => Err(MessageRefused::Repeated),
            None => Err(refused.get(&message.local_id).copied().unwrap_or(MessageRefused::Blocked)),
        };
        Ok(messages.iter().map(answer).collect())
    }
}

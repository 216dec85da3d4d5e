//! Texts people send to our lines: kept for whoever has a key to read them, and listened to where
//! they say "stop".

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};

use super::{providers::InboundSms, store};
use crate::{
    clock::SharedClock,
    config::Config,
    fold::keyword,
    phone::{PhoneNumber, PhoneRules, PhoneRulesError},
    purge::{Purged, Slice},
    telemetry::INBOUND_TEXTS,
    webhooks::{
        Outbox,
        events::{Kind, NewEvent},
    },
};

/// Characters kept of a text, a line and a sender.
const BODY_CHARS: usize = 4_000;
const NAME_CHARS: usize = 64;
/// Characters a provider's id may have; a longer one is none.
const ID_CHARS: usize = 128;
/// A text without an id is the same as an equal one of the ten minutes before, and of up to ten
/// more: providers tell a text again for some minutes, people seldom repeat themselves as fast.
const SAME_SECONDS: i64 = 600;

/// A text that came in, as it is stored.
#[derive(Clone)]
pub struct InboundText {
    /// The row.
    pub id: i64,
    /// The provider whose line it came to.
    pub provider: String,
    /// The provider's id, if it has one.
    pub provider_message_id: Option<String>,
    /// Who sent it: E.164, or what the provider wrote where that is no number.
    pub phone: String,
    /// Our line.
    pub line: String,
    /// What it says.
    pub body: String,
    /// When it came.
    pub received_at: DateTime<Utc>,
}

/// Never prints the number or the text.
impl std::fmt::Debug for InboundText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundText").field("id", &self.id).finish_non_exhaustive()
    }
}

impl InboundText {
    /// The sender as clients know numbers: `09123456789` for Iran, E.164 elsewhere, else as the
    /// provider wrote it.
    pub fn sender(&self) -> String {
        PhoneNumber::from_e164(&self.phone)
            .map_or_else(|_| self.phone.clone(), |phone| phone.to_national())
    }

    /// As it is passed on.
    fn event(&self) -> NewEvent {
        let data = json!({
            "id": self.id,
            "sender": self.phone,
            "line": self.line,
            "message": self.body,
            "provider": self.provider,
            "provider_message_id": self.provider_message_id,
            "received_at": self.received_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        });
        NewEvent { kind: Kind::SmsInbound, subject: format!("inbound:{}", self.id), data }
    }
}

/// A text about to be stored.
pub(super) struct NewInbound {
    pub(super) provider_message_id: Option<String>,
    pub(super) phone: String,
    pub(super) line: String,
    pub(super) body: String,
    /// What makes it this text and no other …
    pub(super) fingerprint: Vec<u8>,
    /// … and what it would have been if it was told a little earlier.
    pub(super) earlier: Vec<u8>,
}

/// What a text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Stop,
    Start,
}

/// Inbound texts over one database.
pub struct Inbound {
    pool: PgPool,
    outbox: Outbox,
    clock: SharedClock,
    phones: PhoneRules,
    stop: HashSet<String>,
    start: HashSet<String>,
}

impl Inbound {
    /// The feature over one database.
    ///
    /// # Errors
    /// When the configured countries are impossible.
    pub fn new(
        pool: PgPool,
        clock: SharedClock,
        outbox: Outbox,
        config: &Config,
    ) -> Result<Self, PhoneRulesError> {
        let words = |words: &[String]| words.iter().map(|word| keyword(word)).collect();
        Ok(Self {
            pool,
            outbox,
            clock,
            phones: PhoneRules::new(&config.phone.countries, &config.phone.default_country)?,
            stop: words(&config.sms.stop_words),
            start: words(&config.sms.start_words),
        })
    }

    /// Takes down texts a provider told of, and does what stop and start words ask for, in one
    /// transaction. Those that were told before are not among the answer and change nothing, but
    /// that a "stop" without an id is obeyed again.
    ///
    /// # Errors
    /// When the database is away; the provider tells them again.
    pub async fn receive(
        &self,
        provider: &str,
        texts: &[InboundSms],
    ) -> Result<Vec<InboundText>, sqlx::Error> {
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await?;
        let mut stored = Vec::new();
        let mut results = Vec::new();
        for text in texts {
            let phone = self.phone(&text.from);
            let new = NewInbound::read(provider, phone.as_ref(), text, now);
            let Some(text) = store::insert_inbound(&mut transaction, provider, &new, now).await?
            else {
                // Without an id nobody can say whether it was told again or sent again.
                let unsure = new.provider_message_id.is_none();
                if unsure && self.wish(&new.body) == Some(Wish::Stop) {
                    self.obey(&mut transaction, phone.as_ref(), &new.body, now).await?;
                }
                results.push("repeated");
                continue;
            };
            results.push(self.obey(&mut transaction, phone.as_ref(), &text.body, now).await?);
            stored.push(text);
        }
        let events: Vec<_> = stored.iter().map(InboundText::event).collect();
        self.outbox.emit(&mut transaction, &events).await?;
        transaction.commit().await?;
        for result in results {
            INBOUND_TEXTS.with_label_values(&[provider, result]).inc();
        }
        Ok(stored)
    }

    /// The latest texts, newest first, those before `before` if given.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn list(
        &self,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<InboundText>, sqlx::Error> {
        store::list_inbound(&self.pool, before, limit).await
    }

    /// The sender as a number: of a country we text to, or any in E.164.
    fn phone(&self, from: &str) -> Option<PhoneNumber> {
        self.phones.parse(from).or_else(|_| PhoneNumber::from_e164(from.trim())).ok()
    }

    /// Does what the text asks for; what it was, for the metric.
    async fn obey(
        &self,
        connection: &mut PgConnection,
        phone: Option<&PhoneNumber>,
        body: &str,
        now: DateTime<Utc>,
    ) -> Result<&'static str, sqlx::Error> {
        match (self.wish(body), phone) {
            (Some(Wish::Stop), Some(phone)) => {
                store::block_as_owner(connection, phone, now).await?;
                Ok("stop")
            }
            (Some(Wish::Start), Some(phone)) => {
                store::unblock_as_owner(connection, phone).await?;
                Ok("start")
            }
            _ => Ok("stored"),
        }
    }

    fn wish(&self, body: &str) -> Option<Wish> {
        // No word is longer; folding a long text would be for nothing.
        let word = (body.len() <= 200).then(|| keyword(body)).filter(|word| !word.is_empty())?;
        let is_stop = self.stop.contains(&word).then_some(Wish::Stop);
        is_stop.or_else(|| self.start.contains(&word).then_some(Wish::Start))
    }
}

/// How many rows [`purge`] would delete in all.
///
/// # Errors
/// When the database is away.
pub async fn count_purgeable(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_old_inbound(pool, before).await
}

/// Deletes texts that came before, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge_inbound(pool, slice).await
}

/// Until when texts are deleted.
pub fn kept_since(now: DateTime<Utc>, config: &Config) -> DateTime<Utc> {
    now - TimeDelta::days(config.sms.inbound_retention_days.into())
}

impl NewInbound {
    fn read(
        provider: &str,
        phone: Option<&PhoneNumber>,
        text: &InboundSms,
        now: DateTime<Utc>,
    ) -> Self {
        let from = phone.map_or_else(|| cut(&text.from, NAME_CHARS), |p| p.as_e164().to_owned());
        let (line, body) = (cut(&text.to, NAME_CHARS), cut(&text.text, BODY_CHARS));
        let id = text.provider_message_id.as_deref().map(str::trim);
        let id = id.filter(|id| !id.is_empty() && id.chars().count() <= ID_CHARS);
        let provider_message_id = id.map(|id| cut(id, ID_CHARS));
        let period = now.timestamp().div_euclid(SAME_SECONDS);
        let identity = |period| {
            let text = [provider, &from, &line, &body];
            fingerprint(provider_message_id.as_deref(), text, period)
        };
        let (fingerprint, earlier) = (identity(period), identity(period - 1));
        Self { provider_message_id, phone: from, line, body, fingerprint, earlier }
    }
}

/// What makes a text this one and no other: the id at the provider, which comes first in `text`, or
/// all of it and the time.
fn fingerprint(id: Option<&str>, text: [&str; 4], period: i64) -> Vec<u8> {
    let [provider, from, line, body] = text.map(str::as_bytes);
    if let Some(id) = id {
        return hash(&[b"id", provider, id.as_bytes()]);
    }
    hash(&[b"text", provider, from, line, body, &period.to_be_bytes()])
}

/// The beginning of a text, without what PostgreSQL's `text` cannot hold.
fn cut(text: &str, chars: usize) -> String {
    text.trim().chars().filter(|c| *c != '\0').take(chars).collect()
}

/// SHA-256 of the parts, each behind its length.
fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: Option<&str>, body: &str) -> InboundSms {
        InboundSms {
            provider_message_id: id.map(str::to_owned),
            from: "0912".to_owned(),
            to: "3000".to_owned(),
            text: body.to_owned(),
        }
    }

    fn new(id: Option<&str>, body: &str, seconds: i64) -> NewInbound {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        NewInbound::read("a", None, &text(id, body), now)
    }

    #[test]
    fn a_text_with_an_id_is_the_same_for_ever_whatever_it_says() {
        let first = new(Some("7"), "hello", 0);
        assert_eq!(new(Some(" 7 "), "other", 1_000_000).fingerprint, first.fingerprint);
        assert_ne!(new(Some("8"), "hello", 0).fingerprint, first.fingerprint);
    }

    #[test]
    fn a_text_without_one_is_the_same_for_ten_minutes_at_least() {
        let first = new(None, "hello", 599);
        let is_same = |later: NewInbound| {
            later.fingerprint == first.fingerprint || later.earlier == first.fingerprint
        };
        assert!(is_same(new(None, "hello", 600)) && is_same(new(None, "hello", 1_199)));
        assert!(!is_same(new(None, "hello", 1_200)) && !is_same(new(None, "other", 599)));
        assert!(!is_same(new(Some("hello"), "hello", 599)));
    }

    #[test]
    fn what_cannot_be_stored_is_left_out() {
        let stored = new(Some(&"7".repeat(200)), &format!("a\0b{}", "c".repeat(5_000)), 0);
        assert_eq!(stored.provider_message_id, None);
        assert!(stored.body.starts_with("abc"));
        assert_eq!(stored.body.len(), BODY_CHARS);
    }
}

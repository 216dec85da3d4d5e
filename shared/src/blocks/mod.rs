//! Whom staff have refused: numbers and beginnings of numbers that get no codes and no texts and that
//! nobody logs in with by a code, and networks from which nobody logs in and asks for codes.
//!
//! A block is a row. Every api process keeps a copy of all of them in memory, which it has read before
//! it is ready and renews twice a second; one that has not read them refuses codes. Texts ask the table
//! itself, when they are accepted and again when they are claimed. Beside this there is the list of
//! numbers that get no texts but codes ([`crate::sms::blocklist`]): their owners wanted that.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use ipnetwork::IpNetwork;
use sqlx::PgPool;

use crate::{
    admin::Acting,
    audit::{self, Entry, Source, Subject},
    clock::SharedClock,
    phone::PhoneNumber,
    purge::{Purged, Slice},
};

mod held;
mod store;

use self::held::Known;

/// Blocks there may be.
pub const MOST: i64 = 10_000;
/// Longest reason.
pub const LONGEST_REASON: usize = 500;
/// Shortest masks of a network: whoever blocks half of the world has made a mistake.
const SHORTEST_MASKS: (u8, u8) = (8, 16);
/// Digits of the beginning of a number, as few and as many as there may be.
const PREFIX_DIGITS: std::ops::RangeInclusive<usize> = 3..=14;

/// What is blocked.
#[derive(Clone, PartialEq, Eq)]
pub enum Blocked {
    /// A number.
    Number(PhoneNumber),
    /// Every number that begins so, in E.164: `+98935`.
    Prefix(String),
    /// A network.
    Network(IpNetwork),
}

/// Why something cannot be blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBlock {
    /// Not the beginning of a number in E.164.
    #[error("a prefix is + and 3 to 14 digits, such as +98935")]
    Prefix,
    /// Not an address or a network.
    #[error("this is no address and no network, such as 203.0.113.0/24")]
    Network,
    /// So many addresses that it must be a mistake.
    #[error("the network is too large: at most a /8, of IPv6 a /16")]
    TooLarge,
}

impl Blocked {
    /// Reads the beginning of a number.
    ///
    /// # Errors
    /// [`BadBlock::Prefix`].
    pub fn prefix(text: &str) -> Result<Self, BadBlock> {
        let digits = text.trim().strip_prefix('+').ok_or(BadBlock::Prefix)?;
        let fine = PREFIX_DIGITS.contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if fine { Ok(Self::Prefix(format!("+{digits}"))) } else { Err(BadBlock::Prefix) }
    }

    /// Reads an address or a network.
    ///
    /// # Errors
    /// [`BadBlock`].
    pub fn network(text: &str) -> Result<Self, BadBlock> {
        let network: IpNetwork = text.trim().parse().map_err(|_| BadBlock::Network)?;
        let (v4, v6) = SHORTEST_MASKS;
        let shortest = if network.is_ipv4() { v4 } else { v6 };
        if network.prefix() < shortest {
            return Err(BadBlock::TooLarge);
        }
        let whole = IpNetwork::new(network.network(), network.prefix());
        whole.map(Self::Network).map_err(|_| BadBlock::Network)
    }

    /// The word for what it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::Prefix(_) => "prefix",
            Self::Network(_) => "ip",
        }
    }

    /// As it is written.
    pub fn value(&self) -> String {
        match self {
            Self::Number(phone) => phone.as_e164().to_owned(),
            Self::Prefix(prefix) => prefix.clone(),
            Self::Network(network) => network.to_string(),
        }
    }

    pub(crate) fn parse(kind: &str, value: &str) -> Option<Self> {
        match kind {
            "number" => PhoneNumber::from_e164(value).ok().map(Self::Number),
            "prefix" => Some(Self::Prefix(value.to_owned())),
            _ => value.parse().ok().map(Self::Network),
        }
    }
}

/// Never prints a number.
impl std::fmt::Debug for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocked").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// A block.
#[derive(Debug, Clone)]
pub struct Block {
    /// The row.
    pub id: i64,
    /// What is blocked.
    pub what: Blocked,
    /// Why.
    pub reason: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Who said so; `None`: a command on the server.
    pub created_by: Option<i64>,
    /// Until when; `None`: until somebody takes it off.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A block to be made.
#[derive(Debug, Clone)]
pub struct NewBlock {
    /// What is blocked.
    pub what: Blocked,
    /// Why, at most [`LONGEST_REASON`] characters; not empty.
    pub reason: String,
    /// Until when; `None`: until somebody takes it off.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why there is no new block.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// There are [`MOST`].
    #[error("there are too many blocks")]
    TooMany,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What one process knows of blocks.
#[derive(Clone)]
pub struct Blocks {
    pool: PgPool,
    clock: SharedClock,
    known: Arc<Known>,
}

impl Blocks {
    /// Reads the table now and for as long as the process lives.
    pub fn follow(pool: PgPool, clock: SharedClock) -> Self {
        let blocks = Self { pool, clock, known: Arc::default() };
        tokio::spawn(held::follow(blocks.pool.clone(), Arc::downgrade(&blocks.known)));
        blocks
    }

    /// Waits until the table was read once, for so long at most: whoever is asked before that has to refuse.
    pub async fn load(&self, within: Duration) {
        let looked = tokio::time::timeout(within, held::look(&self.pool, &self.known)).await;
        if !matches!(looked, Ok(Ok(()))) {
            tracing::warn!("blocks are not read yet");
        }
    }

    /// For a process that looks at nothing itself: a command on the server.
    pub fn only_written(pool: PgPool, clock: SharedClock) -> Self {
        Self { pool, clock, known: Arc::default() }
    }

    /// Whether the table was read at all.
    pub fn is_loaded(&self) -> bool {
        self.known.is_loaded()
    }

    /// Whether a number is blocked, by itself or by its beginning.
    pub fn number(&self, phone: &PhoneNumber) -> bool {
        self.known.number(phone.as_e164(), self.clock.now())
    }

    /// Whether an address is.
    pub fn address(&self, ip: IpAddr) -> bool {
        self.known.address(ip, self.clock.now())
    }

    /// Makes a block, which holds in every process within a second. One that there is already gets the
    /// new reason and end.
    ///
    /// # Errors
    /// [`BlockError`].
    pub async fn add(&self, acting: &Acting, new: &NewBlock) -> Result<Block, BlockError> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        store::lock(&mut tx).await?;
        store::remove_same(&mut tx, &new.what).await?;
        if store::count(&mut tx, now).await? >= MOST {
            return Err(BlockError::TooMany);
        }
        let id = store::insert(&mut tx, new, acting.account(), now).await?;
        let entry = Entry::new(&acting.source, "block.added", subject(id))
            .with("kind", new.what.kind())
            .with("reason", new.reason.as_str());
        audit::record(&mut tx, &entry, now).await?;
        tx.commit().await?;
        held::look(&self.pool, &self.known).await?;
        Ok(Block {
            id,
            what: new.what.clone(),
            reason: new.reason.clone(),
            created_at: now,
            created_by: acting.account(),
            expires_at: new.expires_at,
        })
    }

    /// Takes a block off, in every process within a second. `false`: there is none.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn remove(&self, acting: &Acting, id: i64) -> Result<bool, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let Some(kind) = store::remove(&mut tx, id).await? else { return Ok(false) };
        let entry =
            Entry::new(&acting.source, "block.removed", subject(id)).with("kind", kind.as_str());
        audit::record(&mut tx, &entry, self.clock.now()).await?;
        tx.commit().await?;
        held::look(&self.pool, &self.known).await?;
        Ok(true)
    }

    /// The blocks that hold, newest first, those before `before` if given, and writes down who looked.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn list(
        &self,
        source: &Source,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Block>, sqlx::Error> {
        let now = self.clock.now();
        let found = store::list(&self.pool, before.unwrap_or(i64::MAX), limit, now).await?;
        let subject = Subject { kind: "block", id: None };
        let looked = Entry::new(source, "block.listed", subject).with("rows", found.len());
        audit::record(&mut *self.pool.acquire().await?, &looked, now).await?;
        Ok(found)
    }
}

const fn subject(id: i64) -> Subject {
    Subject { kind: "block", id: Some(id) }
}

/// Deletes blocks that are over, one slice.
///
/// # Errors
/// When the database is away.
pub async fn purge(pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
    store::purge(pool, slice).await
}

/// How many rows [`purge`] would delete in all.
///
/// # Errors
/// When the database is away.
pub async fn count_purgeable(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    store::count_purgeable(pool, before).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_blocked_is_refused_and_networks_are_whole() {
        for wrong in ["", "+", "+98", "98935", "+0935", "+98 935", "+98935x", "+989351234567890"] {
            assert_eq!(Blocked::prefix(wrong), Err(BadBlock::Prefix), "{wrong}");
        }
        assert_eq!(Blocked::prefix(" +98935 ").unwrap().value(), "+98935");
        for (text, whole) in [
            ("203.0.113.7", "203.0.113.7/32"),
            ("203.0.113.7/24", "203.0.113.0/24"),
            ("2001:db8::1/64", "2001:db8::/64"),
        ] {
            assert_eq!(Blocked::network(text).unwrap().value(), whole);
        }
        assert_eq!(Blocked::network("0.0.0.0/0"), Err(BadBlock::TooLarge));
        assert_eq!(Blocked::network("::/12"), Err(BadBlock::TooLarge));
        assert_eq!(Blocked::network("example.com"), Err(BadBlock::Network));
    }

    #[test]
    fn every_kind_is_read_back_and_no_number_is_printed() {
        let phone = PhoneNumber::from_e164("+989351234567").unwrap();
        for what in [
            Blocked::Number(phone),
            Blocked::prefix("+98935").unwrap(),
            Blocked::network("10.0.0.0/8").unwrap(),
        ] {
            assert_eq!(Blocked::parse(what.kind(), &what.value()), Some(what.clone()));
            assert!(!format!("{what:?}").contains("935"), "{what:?}");
        }
    }
}

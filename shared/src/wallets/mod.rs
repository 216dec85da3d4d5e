//! Wallets over a double-entry ledger. Every movement is a transaction whose entries sum to zero,
//! under a key that makes it happen once; the sum of everything is zero.
//!
//! [`post`] is the one way to move money.

use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::{batch::Batcher, clock::SharedClock, config, money::Rials, webhooks::Outbox};

pub mod adjust;
pub mod holds;
mod moves;
mod post;
pub mod read;
pub mod rules;
pub mod spend;
mod store;
#[cfg(test)]
mod tests;
pub mod transfer;
pub mod verify;

use self::moves::Moves;
pub use self::{
    moves::MoveError,
    post::{open, post},
};

/// Wallets over one database.
#[derive(Clone)]
pub struct Wallets {
    pool: PgPool,
    clock: SharedClock,
    outbox: Outbox,
    most: Rials,
    hold_for: TimeDelta,
    moves: Batcher<Moves>,
}

impl Wallets {
    /// The feature over one database; starts a batcher.
    pub fn new(pool: PgPool, clock: SharedClock, outbox: Outbox, config: &config::Wallets) -> Self {
        let most = Rials::new(config.most_rials);
        let moves = Moves { clock: clock.clone(), outbox: outbox.clone(), most };
        Self {
            moves: Batcher::start(moves, &pool, 1),
            hold_for: TimeDelta::seconds(config.hold_seconds.into()),
            most,
            pool,
            clock,
            outbox,
        }
    }
}

/// Whose side of a movement an entry is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What a user may spend. Never negative.
    Wallet(i64),
    /// What a gateway owes us for payments: the configured name. Its balance is negative, for what it
    /// gave is elsewhere.
    Gateway(String),
    /// What the shop has earned.
    Sales,
    /// What users have set aside.
    Holds,
    /// What staff gave and took.
    Adjustments,
}

impl Account {
    /// Its name in the ledger.
    pub fn name(&self) -> String {
        match self {
            Self::Wallet(user_id) => format!("wallet:{user_id}"),
            Self::Gateway(name) => format!("gateway:{name}"),
            Self::Sales => "sales".to_owned(),
            Self::Holds => "holds".to_owned(),
            Self::Adjustments => "adjustments".to_owned(),
        }
    }

    /// The user whose wallet it is.
    pub const fn user_id(&self) -> Option<i64> {
        match self {
            Self::Wallet(user_id) => Some(*user_id),
            _ => None,
        }
    }
}

/// What a movement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Kind {
    /// A payment came in.
    Payment,
    /// A payment was paid out again.
    Refund,
    /// A payment was taken back.
    Reversal,
    /// A user spent from the wallet.
    Spend,
    /// A user set something aside.
    Hold,
    /// What was set aside was spent.
    Capture,
    /// What was set aside went back.
    Release,
    /// From one user to another.
    Transfer,
    /// By staff, with a reason.
    Adjustment,
    /// What a wallet held in the system it came from.
    Import,
}

impl Kind {
    /// The word in the database, in events and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Reversal => "reversal",
            Self::Spend => "spend",
            Self::Hold => "hold",
            Self::Capture => "capture",
            Self::Release => "release",
            Self::Transfer => "transfer",
            Self::Adjustment => "adjustment",
            Self::Import => "import",
        }
    }
}

/// A movement: what each account gets (or gives, negative), together zero.
#[derive(Debug, Clone)]
pub struct Posting {
    /// What makes it happen once, at most 96 characters: `payment:41`.
    pub key: String,
    /// What it is.
    pub kind: Kind,
    /// The shop's own name for what it is about, at most 64 characters; may be empty.
    pub reference: String,
    /// Why, at most 500 characters; may be empty.
    pub note: String,
    /// One leg for each account, none zero, two at least.
    pub legs: Vec<(Account, Rials)>,
}

impl Posting {
    /// What tells another posting under the same key from the same one again: what moves from where to
    /// where, and what the shop calls it. Not the note, which is words for people.
    fn fingerprint(&self) -> [u8; 32] {
        let mut legs: Vec<_> = self.legs.iter().collect();
        legs.sort();
        let mut hash = Sha256::new();
        for text in [self.kind.as_str(), &self.reference] {
            hash.update(text.as_bytes());
            hash.update(b"\0");
        }
        for (account, amount) in legs {
            hash.update(account.name().as_bytes());
            hash.update(b"\0");
            hash.update(amount.get().to_be_bytes());
        }
        hash.finalize().into()
    }
}

/// What became of a posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// It is in the ledger now, under this id.
    Done(i64),
    /// It was there already, the very same.
    Repeated(i64),
    /// Something else was posted under its key.
    Mismatch,
    /// A wallet does not hold that much.
    Insufficient,
    /// A wallet would hold more than `wallets.most_rials`; never said of what a payment brings.
    TooMuch,
}

//! Wallets over a double-entry ledger. Every movement is a transaction whose entries sum to zero,
//! under a key that makes it happen once; the sum of everything is zero.

use crate::money::Rials;

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

//! What wallets hold and what went through them.

use chrono::{DateTime, Utc};

use super::{Kind, MoveError, Wallets, store};
use crate::{
    audit::{self, Entry as AuditEntry, Source, Subject},
    money::Rials,
};

/// What somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Who.
    pub user_id: i64,
    /// What may be spent.
    pub balance: Rials,
    /// What is set aside beside it.
    pub held: Rials,
}

/// Something that went through a wallet.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The row.
    pub id: i64,
    /// The movement it is a side of.
    pub transaction_id: i64,
    /// What that was.
    pub kind: Kind,
    /// What the wallet got; negative: gave.
    pub amount: Rials,
    /// What it held then.
    pub balance: Rials,
    /// The shop's own name for what it was about; may be empty.
    pub reference: String,
    /// Words; those of an adjustment are the staff's alone.
    pub note: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A movement, as the wallet it is about saw it.
#[derive(Debug, Clone)]
pub struct Movement {
    /// The transaction.
    pub id: i64,
    /// What it was.
    pub kind: Kind,
    /// What the wallet got; negative: gave.
    pub amount: Rials,
    /// What it held then.
    pub balance: Rials,
    /// The shop's own name for what it was about; may be empty.
    pub reference: String,
    /// Words.
    pub note: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl Wallets {
    /// What somebody has; `None`: there is no such account.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn balance(&self, user_id: i64) -> Result<Option<Balance>, sqlx::Error> {
        store::balance(&self.pool, user_id).await
    }

    /// What went through somebody's wallet, newest first, before the entry `before` if given.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn entries(
        &self,
        user_id: i64,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Entry>, sqlx::Error> {
        store::entries(&self.pool, user_id, before.unwrap_or(i64::MAX), limit).await
    }

    /// Writes down that somebody on the staff looks at a wallet. Comes before it is shown.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn looked_at(&self, source: &Source, user_id: i64) -> Result<(), sqlx::Error> {
        let entry = AuditEntry::new(source, "wallet.viewed", Subject::user(user_id));
        audit::record(&mut *self.pool.acquire().await?, &entry, self.clock.now()).await
    }

    /// What is answered of a movement that was carried out now or before.
    pub(super) async fn movement(&self, key: &str) -> Result<Movement, MoveError> {
        let movement = store::movement(&self.pool, key).await?;
        movement.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }
}

//! What staff give and take, with a reason.

use super::{
    Account, Kind, MoveError, Posted, Wallets, moves::between, post, read::Movement, store,
};
use crate::{
    audit::{self, Entry, Source, Subject},
    idempotency::{self, Keyed},
    ids,
    money::Rials,
};

/// What somebody on the staff wants changed.
#[derive(Debug, Clone)]
pub struct Adjustment {
    /// Whose wallet.
    pub user_id: i64,
    /// What it gets; negative: gives. Not zero.
    pub amount: Rials,
    /// The shop's own name for what it is about, at most 64 characters; may be empty.
    pub reference: String,
    /// Why, at most 500 characters; not empty. Its owner does not see it.
    pub reason: String,
}

impl Wallets {
    /// Changes what is in a wallet, and writes down who did. Who may has been asked.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn adjust(
        &self,
        source: &Source,
        keyed: Keyed,
        asked: Adjustment,
    ) -> Result<Movement, MoveError> {
        let now = self.clock.now();
        let key = format!("adjustment:{}", ids::random_handle(&mut rand::rng()));
        let mut tx = self.pool.begin().await?;
        let claims = [(&keyed, key.clone())].into_iter();
        if !idempotency::claim(&mut tx, now, claims).await?.is_empty() {
            tx.rollback().await?;
            return self.movement(&self.earlier(&keyed).await?).await;
        }
        // Of an erased account too: what is left on it has to be settled by somebody.
        if !store::exists(&mut tx, asked.user_id).await? {
            return Err(MoveError::NoSuchUser);
        }
        let accounts = (Account::Adjustments, Account::Wallet(asked.user_id));
        let words = (asked.reference, asked.reason);
        let posting = between(accounts, asked.amount, (key.clone(), Kind::Adjustment), words);
        let posted = post(&mut tx, &self.outbox, now, self.most, &[posting]).await?;
        let transaction = match posted.first() {
            Some(Posted::Done(id) | Posted::Repeated(id)) => *id,
            Some(Posted::TooMuch) => return Err(MoveError::TooMuch),
            Some(Posted::Insufficient) => return Err(MoveError::Insufficient),
            Some(Posted::Mismatch) | None => return Err(MoveError::Mismatch),
        };
        let entry = Entry::new(source, "wallet.adjusted", Subject::user(asked.user_id))
            .with("transaction", transaction)
            .with("rials", asked.amount.get());
        audit::record(&mut tx, &entry, now).await?;
        tx.commit().await?;
        self.movement(&key).await
    }
}

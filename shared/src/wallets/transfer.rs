//! From one user's wallet to another's.

use super::{
    Account, Kind, MoveError, Wallets,
    moves::{What, between},
    read::Movement,
};
use crate::{idempotency::Keyed, ids, money::Rials};

/// What a shop wants moved.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// Who gives.
    pub from_user_id: i64,
    /// Who gets; somebody else.
    pub to_user_id: i64,
    /// How much; positive.
    pub amount: Rials,
    /// The shop's own name for what it is for, at most 64 characters; may be empty.
    pub reference: String,
    /// Words for people, at most 500 characters; may be empty.
    pub note: String,
}

impl Wallets {
    /// Moves money between wallets. What is answered is the giver's side of it.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn transfer(&self, keyed: Keyed, asked: Transfer) -> Result<Movement, MoveError> {
        let key = format!("transfer:{}", ids::random_handle(&mut rand::rng()));
        let accounts = (Account::Wallet(asked.from_user_id), Account::Wallet(asked.to_user_id));
        let words = (asked.reference, asked.note);
        let posting = between(accounts, asked.amount, (key, Kind::Transfer), words);
        let key = self.carry_out(keyed, What::Post(posting)).await?;
        self.movement(&key).await
    }
}

//! A user pays the shop from the wallet.

use super::{
    Account, Kind, MoveError, Wallets,
    moves::{What, between},
    read::Movement,
};
use crate::{idempotency::Keyed, ids, money::Rials};

/// What a shop wants taken from a wallet.
#[derive(Debug, Clone)]
pub struct Spend {
    /// Whose.
    pub user_id: i64,
    /// How much; positive.
    pub amount: Rials,
    /// The shop's own name for what it is for, at most 64 characters; may be empty.
    pub reference: String,
    /// Words for people, at most 500 characters; may be empty.
    pub note: String,
}

impl Wallets {
    /// Takes money from a wallet for the shop.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn spend(&self, keyed: Keyed, asked: Spend) -> Result<Movement, MoveError> {
        let key = format!("spend:{}", ids::random_handle(&mut rand::rng()));
        let accounts = (Account::Wallet(asked.user_id), Account::Sales);
        let words = (asked.reference, asked.note);
        let posting = between(accounts, asked.amount, (key, Kind::Spend), words);
        let key = self.carry_out(keyed, What::Post(posting)).await?;
        self.movement(&key).await
    }
}

//! `wallet/…`: what users have with the shop.

mod asked;
mod server;
mod staff;
mod types;

use poem::web::Data;
use poem_openapi::{OpenApi, param::Query, payload::Json};
use shared::wallets::MoveError;

use self::types::{Viewer, Wallet, WalletEntry, WalletEntryPage};
pub(crate) use self::{server::WalletServerApi, staff::WalletStaffApi};
use super::{
    Tag,
    paging::{Link, Paging, example_before, example_limit},
};
use crate::{
    caller::SignedIn,
    error::{Code, Problem, problems},
    state::{SharedState, State},
};

problems!(
    /// What can go wrong with a look at one's own wallet.
    pub(crate) OwnWalletProblem: 400, 401, 408, 413, 500, 503
);

/// The operations of a wallet's owner.
pub(crate) struct WalletApi;

#[OpenApi(tag = "Tag::Wallets")]
impl WalletApi {
    /// What I have
    #[oai(path = "/wallet", method = "get", operation_id = "getMyWallet")]
    async fn get_my_wallet(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
    ) -> Result<Json<Wallet>, OwnWalletProblem> {
        Ok(Json(wallet(state.0, caller.user_id).await?))
    }

    /// What went through my wallet
    ///
    /// Newest first, each with what the wallet held then.
    #[oai(path = "/wallet/entries", method = "get", operation_id = "listMyWalletEntries")]
    async fn list_my_entries(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// Only entries before this id.
        #[oai(example = "example_before")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<WalletEntryPage>, OwnWalletProblem> {
        let paging = Paging::new(before.0, limit.0);
        let list =
            List { user_id: caller.user_id, path: "wallet/entries/", viewer: Viewer::Outside };
        Ok(Json(list.page(state.0, paging).await?))
    }
}

/// What somebody has.
///
/// # Errors
/// 404 where there is no such account.
async fn wallet(state: &State, user_id: i64) -> Result<Wallet, Problem> {
    let found = state.wallets.balance(user_id).await?;
    let found = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Wallet::new(found, state.config.payments.currency))
}

/// A list of what went through a wallet.
struct List<'a> {
    user_id: i64,
    path: &'a str,
    viewer: Viewer,
}

impl List<'_> {
    async fn page(&self, state: &State, paging: Paging) -> Result<WalletEntryPage, Problem> {
        let mut found = state.wallets.entries(self.user_id, paging.before, paging.rows()).await?;
        let link = Link { state, path: self.path, query: &[] };
        let next = paging.cut(&mut found, |entry| entry.id, &link);
        let currency = state.config.payments.currency;
        let shown = |entry| WalletEntry::new(entry, currency, self.viewer);
        let results = found.into_iter().map(shown).collect();
        Ok(WalletEntryPage { next, previous: None, results })
    }
}

fn example_user() -> i64 {
    17
}

impl From<MoveError> for Problem {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Insufficient => Self::new(Code::InsufficientBalance),
            MoveError::TooMuch => Self::new(Code::WalletFull),
            MoveError::NoSuchUser | MoveError::NoSuchHold => Self::new(Code::NotFound),
            MoveError::HoldEnded => Self::new(Code::HoldEnded),
            MoveError::MoreThanHeld => Self::new(Code::Validation).with_field(
                "amount",
                "max_value",
                "This is more than is held.",
            ),
            MoveError::Mismatch => Self::new(Code::IdempotencyMismatch),
            MoveError::Write(error) => error.into(),
        }
    }
}

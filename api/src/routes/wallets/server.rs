//! What a shop's own server does with wallets: with an API key, never a user's token.

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::wallets::{holds::SetAside, spend::Spend, transfer::Transfer};

use super::{
    List,
    asked::{
        CaptureAsked, CaptureHold, HoldAsked, HoldInWallet, ReleaseAsked, ReleaseHold, SpendAsked,
        SpendFromWallet, TransferAsked, TransferBetweenWallets, chosen,
    },
    example_user,
    types::{Viewer, Wallet, WalletEntryPage, WalletHold, WalletMovement},
    wallet,
};
use crate::{
    caller::{Program, scope},
    error::{Problem, problems},
    idempotency::IdempotencyKey,
    input::Input,
    routes::{
        Tag,
        paging::{Paging, example_before, example_limit},
    },
    state::SharedState,
};

problems!(
    /// What can go wrong with a movement.
    pub(crate) MoveMoneyProblem: 400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503
);
problems!(
    /// What can go wrong with a look.
    pub(crate) LookAtWalletProblem: 400, 401, 403, 404, 408, 413, 500, 503
);

/// A program that may move money.
type Writer = Program<scope::WalletWrite>;

/// The operations of programs.
pub(crate) struct WalletServerApi;

#[OpenApi(tag = "Tag::Wallets")]
impl WalletServerApi {
    /// Spend from a wallet
    ///
    /// The shop is paid from what a user has. Needs an API key with the scope `wallet:write`.
    #[oai(path = "/wallet/spend", method = "post", operation_id = "spendFromWallet")]
    async fn spend(
        &self,
        state: Data<&SharedState>,
        program: Writer,
        key: IdempotencyKey,
        input: Input<SpendAsked, SpendFromWallet>,
    ) -> Result<Json<WalletMovement>, MoveMoneyProblem> {
        let SpendAsked { user_id, movement } = input.0;
        let (amount, words) = movement.resolve(&state.config.payments)?;
        let rials = amount.rials();
        let request = (user_id, rials.get(), &words);
        let keyed = key.demanded(program.caller(), "spendFromWallet", &request)?;
        let (reference, note) = (words.order_id, words.description);
        let asked = Spend { user_id, amount: rials, reference, note };
        let done = state.wallets.spend(keyed, asked).await.map_err(Problem::from)?;
        let shown = (rials, amount.currency());
        Ok(Json(WalletMovement::new((user_id, None), shown, done)))
    }

    /// Set money aside
    ///
    /// It cannot be spent until it is captured, released or its time is over. Needs an API key with the
    /// scope `wallet:write`.
    #[oai(path = "/wallet/hold", method = "post", operation_id = "holdInWallet")]
    async fn hold(
        &self,
        state: Data<&SharedState>,
        program: Writer,
        key: IdempotencyKey,
        input: Input<HoldAsked, HoldInWallet>,
    ) -> Result<Json<WalletHold>, MoveMoneyProblem> {
        let HoldAsked { spend: SpendAsked { user_id, movement }, lasts } = input.0;
        let (amount, words) = movement.resolve(&state.config.payments)?;
        let rials = amount.rials();
        let request = (user_id, rials.get(), &words, lasts.map(|lasts| lasts.num_seconds()));
        let keyed = key.demanded(program.caller(), "holdInWallet", &request)?;
        let (reference, note) = (words.order_id, words.description);
        let asked = SetAside { user_id, amount: rials, reference, note, lasts };
        let hold = state.wallets.hold(keyed, asked).await.map_err(Problem::from)?;
        Ok(Json(WalletHold::new(hold, amount.currency())))
    }

    /// Spend what was set aside
    ///
    /// All of it or a part; the rest goes back. Needs an API key with the scope `wallet:write`.
    #[oai(path = "/wallet/hold/:id/capture", method = "post", operation_id = "captureHold")]
    async fn capture(
        &self,
        state: Data<&SharedState>,
        program: Writer,
        /// The hold.
        #[oai(example = "example_hold")]
        id: Path<i64>,
        key: IdempotencyKey,
        input: Input<CaptureAsked, CaptureHold>,
    ) -> Result<Json<WalletHold>, MoveMoneyProblem> {
        let currency = chosen(input.0.currency, &state.config.payments)?;
        let amount = input.0.resolve(&state.config.payments)?.map(shared::money::Amount::rials);
        let request = (id.0, amount.map(shared::money::Rials::get));
        let keyed = key.demanded(program.caller(), "captureHold", &request)?;
        let hold = state.wallets.capture(keyed, id.0, amount).await.map_err(Problem::from)?;
        Ok(Json(WalletHold::new(hold, currency)))
    }

    /// Give back what was set aside
    ///
    /// Needs an API key with the scope `wallet:write`.
    #[oai(path = "/wallet/hold/:id/release", method = "post", operation_id = "releaseHold")]
    async fn release(
        &self,
        state: Data<&SharedState>,
        program: Writer,
        /// The hold.
        #[oai(example = "example_hold")]
        id: Path<i64>,
        key: IdempotencyKey,
        input: Input<ReleaseAsked, ReleaseHold>,
    ) -> Result<Json<WalletHold>, MoveMoneyProblem> {
        let currency = chosen(input.0.currency, &state.config.payments)?;
        let keyed = key.demanded(program.caller(), "releaseHold", &id.0)?;
        let hold = state.wallets.release(keyed, id.0).await.map_err(Problem::from)?;
        Ok(Json(WalletHold::new(hold, currency)))
    }

    /// Move money between wallets
    ///
    /// From one user to another. Needs an API key with the scope `wallet:write`.
    #[oai(path = "/wallet/transfer", method = "post", operation_id = "transferBetweenWallets")]
    async fn transfer(
        &self,
        state: Data<&SharedState>,
        program: Writer,
        key: IdempotencyKey,
        input: Input<TransferAsked, TransferBetweenWallets>,
    ) -> Result<Json<WalletMovement>, MoveMoneyProblem> {
        let TransferAsked { from_user_id, to_user_id, movement } = input.0;
        let (amount, words) = movement.resolve(&state.config.payments)?;
        let rials = amount.rials();
        let request = (from_user_id, to_user_id, rials.get(), &words);
        let keyed = key.demanded(program.caller(), "transferBetweenWallets", &request)?;
        let (reference, note) = (words.order_id, words.description);
        let asked = Transfer { from_user_id, to_user_id, amount: rials, reference, note };
        let done = state.wallets.transfer(keyed, asked).await.map_err(Problem::from)?;
        let (sides, shown) = ((from_user_id, Some(to_user_id)), (rials, amount.currency()));
        Ok(Json(WalletMovement::new(sides, shown, done)))
    }

    /// What a user has
    ///
    /// Needs an API key with the scope `wallet:read`.
    #[oai(path = "/wallet/users/:user_id", method = "get", operation_id = "getWallet")]
    async fn get_wallet(
        &self,
        state: Data<&SharedState>,
        _program: Program<scope::WalletRead>,
        /// Whose.
        #[oai(example = "example_user")]
        user_id: Path<i64>,
    ) -> Result<Json<Wallet>, LookAtWalletProblem> {
        Ok(Json(wallet(state.0, user_id.0).await?))
    }

    /// What went through a user's wallet
    ///
    /// Newest first, each with what the wallet held then. Needs an API key with the scope
    /// `wallet:read`.
    #[oai(
        path = "/wallet/users/:user_id/entries",
        method = "get",
        operation_id = "listWalletEntries"
    )]
    async fn list_entries(
        &self,
        state: Data<&SharedState>,
        _program: Program<scope::WalletRead>,
        /// Whose.
        #[oai(example = "example_user")]
        user_id: Path<i64>,
        /// Only entries before this id.
        #[oai(example = "example_before")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<WalletEntryPage>, LookAtWalletProblem> {
        let user_id = user_id.0;
        wallet(state.0, user_id).await?;
        let path = format!("wallet/users/{user_id}/entries/");
        let list = List { user_id, path: &path, viewer: Viewer::Outside };
        Ok(Json(list.page(state.0, Paging::new(before.0, limit.0)).await?))
    }
}

fn example_hold() -> i64 {
    41
}

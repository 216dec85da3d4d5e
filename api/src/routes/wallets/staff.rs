//! What staff do with wallets.

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::{idempotency::Caller, wallets::adjust::Adjustment};

use super::{
    List,
    asked::{AdjustAsked, AdjustWallet},
    example_user,
    server::{LookAtWalletProblem, MoveMoneyProblem},
    types::{Viewer, Wallet, WalletEntryPage, WalletMovement},
    wallet,
};
use crate::{
    caller::{Staff, task},
    error::Problem,
    idempotency::IdempotencyKey,
    input::Input,
    routes::{
        Tag,
        paging::{Paging, example_before, example_limit},
    },
    state::SharedState,
};

/// The operations of staff.
pub(crate) struct WalletStaffApi;

#[OpenApi(tag = "Tag::Staff")]
impl WalletStaffApi {
    /// Look at somebody's wallet
    ///
    /// Written down in the audit log.
    #[oai(path = "/admin/wallets/:user_id", method = "get", operation_id = "getUserWallet")]
    async fn get_user_wallet(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtPayments>,
        /// Whose.
        #[oai(example = "example_user")]
        user_id: Path<i64>,
    ) -> Result<Json<Wallet>, LookAtWalletProblem> {
        let found = wallet(state.0, user_id.0).await?;
        let looked = state.wallets.looked_at(&staff.caller.source(), user_id.0).await;
        looked.map_err(Problem::from)?;
        Ok(Json(found))
    }

    /// Look at what went through somebody's wallet
    ///
    /// Newest first, with the reasons of adjustments. Written down in the audit log.
    #[oai(
        path = "/admin/wallets/:user_id/entries",
        method = "get",
        operation_id = "listUserWalletEntries"
    )]
    async fn list_user_entries(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtPayments>,
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
        let looked = state.wallets.looked_at(&staff.caller.source(), user_id).await;
        looked.map_err(Problem::from)?;
        let path = format!("admin/wallets/{user_id}/entries/");
        let list = List { user_id, path: &path, viewer: Viewer::Staff };
        Ok(Json(list.page(state.0, Paging::new(before.0, limit.0)).await?))
    }

    /// Adjust a wallet
    ///
    /// Gives or takes money, with a reason. For finance and admins, after a recent login; written down
    /// in the audit log.
    #[oai(path = "/admin/wallets/:user_id/adjust", method = "post", operation_id = "adjustWallet")]
    async fn adjust(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::AdjustWallets>,
        /// Whose.
        #[oai(example = "example_user")]
        user_id: Path<i64>,
        key: IdempotencyKey,
        input: Input<AdjustAsked, AdjustWallet>,
    ) -> Result<Json<WalletMovement>, MoveMoneyProblem> {
        let user_id = user_id.0;
        let shown = input.0.resolve(&state.config.payments)?;
        let AdjustAsked { reason, order_id: reference, .. } = input.0;
        let caller = Caller::User(staff.caller.user_id);
        let request = (user_id, shown.0.get(), &reason, &reference);
        let keyed = key.demanded(caller, "adjustWallet", &request)?;
        let asked = Adjustment { user_id, amount: shown.0, reference, reason };
        let done = state.wallets.adjust(&staff.caller.source(), keyed, asked).await;
        let done = done.map_err(Problem::from)?;
        Ok(Json(WalletMovement::new((user_id, None), shown, done)))
    }
}

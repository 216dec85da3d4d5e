//! What staff do with wallets.

use poem::web::Data;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use shared::{
    admin::lists::{Value, wallet_entries as entries, wallets as by},
    audit::Subject,
    idempotency::Caller,
    money::{self, Rials},
    wallets::{
        adjust::Adjustment,
        read::{Balance, Entry},
    },
};

use super::{
    asked::{AdjustAsked, AdjustWallet},
    example_user,
    server::{LookAtWalletProblem, MoveMoneyProblem},
    types::{EntryKind, Viewer, Wallet, WalletEntry, WalletMovement, example_moment},
    wallet,
};
use crate::{
    caller::{Staff, task},
    error::Problem,
    idempotency::IdempotencyKey,
    input::Input,
    routes::{
        Tag,
        admin::{
            StaffListProblem,
            listing::{
                self, Asked, ByAge, example_cursor, example_search, phone_value, staff_page,
            },
        },
        paging::example_limit,
    },
    state::SharedState,
    timestamp::Timestamp,
};

/// The order of wallets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum WalletOrder {
    /// The latest first.
    Newest,
    /// The first one first.
    Oldest,
    /// The fullest first.
    Balance,
}

/// Somebody's wallet, in a list.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffWallet {
    /// The wallet.
    #[oai(flatten)]
    wallet: Wallet,
    /// Its owner's mobile number; absent if they have none.
    #[oai(skip_serializing_if_is_none)]
    mobile_number: Option<String>,
    /// When something went through it last.
    updated_at: Timestamp,
}

impl StaffWallet {
    fn new(found: by::StaffWallet, currency: money::Currency) -> Self {
        let (balance, held) = (Rials::new(found.balance_rials), Rials::new(found.held_rials));
        Self {
            wallet: Wallet::new(Balance { user_id: found.user_id, balance, held }, currency),
            mobile_number: found.mobile_number.map(|number| number.0),
            updated_at: Timestamp(found.updated_at),
        }
    }
}

impl Example for StaffWallet {
    fn example() -> Self {
        Self {
            wallet: Wallet::example(),
            mobile_number: Some("09123456789".to_owned()),
            updated_at: Timestamp(example_moment()),
        }
    }
}

staff_page!(
    /// A page of wallets.
    StaffWalletPage of StaffWallet, "admin/wallets/"
);

staff_page!(
    /// A page of what went through somebody's wallet.
    StaffWalletEntryPage of WalletEntry, "admin/wallets/17/entries/"
);

/// The operations of staff.
pub(crate) struct WalletStaffApi;

#[OpenApi(tag = "Tag::Staff")]
impl WalletStaffApi {
    /// Find wallets
    ///
    /// Whoever never had money has none. Viewers and finance see numbers masked. Written down in the
    /// audit log.
    #[oai(path = "/admin/wallets", method = "get", operation_id = "listStaffWallets")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtPayments>,
        /// A mobile number in any usual form, or the number of an account.
        #[oai(example = "example_search", validator(max_length = 150))]
        search: Query<Option<String>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<WalletOrder>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffWalletPage>, StaffListProblem> {
        let read = |text: &str| match state.phones.parse(text) {
            Ok(phone) => Some((&by::PHONE, phone_value(&phone))),
            Err(_) => Some((&by::USER_ID, Value::Integer(text.parse().ok()?))),
        };
        let asked = Asked::new(state.0, "admin/wallets/", (sort.0, cursor.0, limit.0))
            .search(search.0, read);
        let currency = state.config.payments.currency;
        let answer = |found| StaffWallet::new(found, currency);
        Ok(Json(asked.page_of::<by::StaffWallet, StaffWalletPage>(&staff, answer).await?))
    }

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
    /// With the reasons of adjustments. Written down in the audit log.
    #[oai(
        path = "/admin/wallets/:user_id/entries",
        method = "get",
        operation_id = "listUserWalletEntries"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list_user_entries(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtPayments>,
        /// Whose.
        #[oai(example = "example_user")]
        user_id: Path<i64>,
        /// Only what was moved so.
        #[oai(example = "example_kind")]
        kind: Query<Option<EntryKind>>,
        /// In which order; `newest` unless given.
        #[oai(example = "listing::example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffWalletEntryPage>, LookAtWalletProblem> {
        let user_id = user_id.0;
        wallet(state.0, user_id).await?;
        let path = format!("admin/wallets/{user_id}/entries/");
        let asked = Asked::new(state.0, path, (sort.0, cursor.0, limit.0))
            .about(Subject::user(user_id), &entries::USER_ID, user_id)
            .with(&entries::KIND, kind.0);
        let currency = state.config.payments.currency;
        let answer = |entry| WalletEntry::new(entry, currency, Viewer::Staff);
        Ok(Json(asked.page_of::<Entry, StaffWalletEntryPage>(&staff, answer).await?))
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

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_sort() -> Option<WalletOrder> {
    Some(WalletOrder::Newest)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_kind() -> Option<EntryKind> {
    Some(EntryKind::Adjustment)
}

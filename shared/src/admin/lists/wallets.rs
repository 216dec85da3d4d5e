//! Wallets, for staff.

use chrono::{DateTime, Utc};

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW, values::Mobile};

/// Somebody's wallet. Has no `Debug`: it names somebody.
#[derive(Clone, sqlx::FromRow)]
pub struct StaffWallet {
    /// Whose it is.
    pub user_id: i64,
    /// Their number.
    pub mobile_number: Option<Mobile>,
    /// What may be spent.
    pub balance_rials: i64,
    /// What is set aside beside it.
    pub held_rials: i64,
    /// When something went through it last.
    pub updated_at: DateTime<Utc>,
}

/// Of this account.
pub const USER_ID: Filter = Filter::indexed("user_id", Kind::Integer, "w.user_id = ?");

/// Of the accounts with this number.
pub const PHONE: Filter = Filter::indexed(
    "phone",
    Kind::Text,
    "w.user_id = ANY(ARRAY(SELECT id FROM users WHERE phone = ?))",
);

/// In the order in which they were opened.
const NEWEST: Sort = Sort::by("newest", Key { sql: "w.account_id", kind: Kind::Integer }, true);
const OLDEST: Sort = Sort::by("oldest", Key { sql: "w.account_id", kind: Kind::Integer }, false);
/// The fullest first.
const BALANCE: Sort =
    Sort::by("balance", Key { sql: "w.balance_rials", kind: Kind::Integer }, true);

/// The wallets.
pub const LISTING: Listing = Listing {
    subject: "wallet",
    listed: "wallet.listed",
    searched: "wallet.searched",
    columns:
        "w.user_id, u.phone AS mobile_number, w.balance_rials,
        coalesce((SELECT sum(h.amount_rials)::bigint FROM wallet_holds h
                  WHERE h.user_id = w.user_id AND h.state = 'held'), 0) AS held_rials, w.updated_at",
    from: "wallets w",
    joins: "JOIN users u ON u.id = w.user_id",
    id: Key::id("w.user_id"),
    names_rows: true,
    at: "w.updated_at",
    window: WINDOW,
    filters: &[&USER_ID, &PHONE],
    sorts: &[NEWEST, OLDEST, BALANCE],
};

impl Listed for StaffWallet {
    const LISTING: &'static Listing = &LISTING;

    fn masked(self) -> Self {
        Self { mobile_number: self.mobile_number.map(Mobile::masked), ..self }
    }
}

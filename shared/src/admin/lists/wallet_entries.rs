//! What went through somebody's wallet, for staff.

use sqlx::{FromRow, Row as _, postgres::PgRow};

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW};
use crate::{money::Rials, wallets::read::Entry};

/// Of this account.
pub const USER_ID: Filter = Filter::indexed(
    "user_id",
    Kind::Integer,
    "e.account_id = (SELECT account_id FROM wallets WHERE user_id = ?)",
);

/// Of movements of this kind.
pub const KIND: Filter = Filter::scanned("kind", Kind::Text, "t.kind = ?");

/// The entries: a look at them is one at the wallet.
pub const LISTING: Listing = Listing {
    subject: "user",
    listed: "wallet.entries_listed",
    searched: "wallet.entries_listed",
    columns: "e.id, e.transaction_id, t.kind, e.amount_rials, e.balance_rials, t.reference, t.note,
        e.created_at",
    // There is always a transaction; so written, it is looked up only where it is asked about.
    from: "ledger_entries e LEFT JOIN ledger_transactions t ON t.id = e.transaction_id",
    joins: "",
    id: Key::id("e.id"),
    names_rows: true,
    at: "e.created_at",
    window: WINDOW / 2,
    filters: &[&USER_ID, &KIND],
    sorts: &[Sort::NEWEST, Sort::OLDEST],
};

impl FromRow<'_, PgRow> for Entry {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            transaction_id: row.try_get("transaction_id")?,
            kind: row.try_get("kind")?,
            amount: Rials::new(row.try_get("amount_rials")?),
            balance: Rials::new(row.try_get("balance_rials")?),
            reference: row.try_get("reference")?,
            note: row.try_get("note")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

impl Listed for Entry {
    const LISTING: &'static Listing = &LISTING;

    /// It names nobody.
    fn masked(self) -> Self {
        self
    }
}

//! Blocks, for staff.

use sqlx::{FromRow, Row as _, postgres::PgRow};

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW};
use crate::blocks::{Block, Blocked};

/// Of this very number, beginning or network.
pub const VALUE: Filter = Filter::indexed("value", Kind::Text, "b.value = ?");

/// Of this kind.
pub const KIND: Filter = Filter::scanned("kind", Kind::Text, "b.kind = ?");

/// The blocks that hold.
pub const LISTING: Listing = Listing {
    subject: "block",
    listed: "block.listed",
    searched: "block.searched",
    columns: "b.id, b.kind, b.value, b.reason, b.created_at, b.created_by, b.expires_at",
    from: "(SELECT * FROM blocks WHERE expires_at IS NULL OR expires_at > now()) b",
    joins: "",
    id: Key::id("b.id"),
    names_rows: true,
    at: "b.created_at",
    window: WINDOW,
    filters: &[&VALUE, &KIND],
    sorts: &[Sort::NEWEST, Sort::OLDEST],
};

impl<'r> FromRow<'r, PgRow> for Block {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let (kind, value): (String, String) = (row.try_get("kind")?, row.try_get("value")?);
        let unread = || sqlx::Error::Decode("a block that Peyk did not write".into());
        Ok(Self {
            id: row.try_get("id")?,
            what: Blocked::parse(&kind, &value).ok_or_else(unread)?,
            reason: row.try_get("reason")?,
            created_at: row.try_get("created_at")?,
            created_by: row.try_get("created_by")?,
            expires_at: row.try_get("expires_at")?,
        })
    }
}

impl Listed for Block {
    const LISTING: &'static Listing = &LISTING;

    /// Numbers are masked where they are shown, in the national form.
    fn masked(self) -> Self {
        self
    }
}

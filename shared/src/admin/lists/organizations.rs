//! Organizations, for staff.

use chrono::{DateTime, Utc};

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW};

/// An organization.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StaffOrganization {
    /// The row.
    pub id: i64,
    /// For people.
    pub name: String,
    /// Unique, whatever its case.
    pub uname: String,
    /// Whose it is.
    pub owner_id: i64,
    /// Everybody in it.
    pub members: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Whether a column begins so: a range of an index in byte order, so that no character is a pattern.
macro_rules! begins {
    ($column:literal) => {
        concat!(
            "lower(",
            $column,
            ") COLLATE \"C\" >= lower(?) AND lower(",
            $column,
            ") COLLATE \"C\" < lower(?) || chr(1114111)"
        )
    };
}
pub(super) use begins;

/// This one: how a single organization is read, by the same columns.
pub const ID: Filter = Filter::indexed("id", Kind::Integer, "o.id = ?");

/// With a name or a uname that begins so, in any case. Each half is cut where it finds more than few.
pub const NAME_PREFIX: Filter = Filter::few(
    "name_prefix",
    Kind::Text,
    concat!("(", begins!("o.name"), ") OR (", begins!("o.uname"), ")"),
    concat!(
        "(SELECT id FROM organizations WHERE ",
        begins!("name"),
        " LIMIT 2001) UNION (SELECT id FROM organizations WHERE ",
        begins!("uname"),
        " LIMIT 2001)"
    ),
);

/// Owned by this account.
pub const OWNER_ID: Filter = Filter::indexed("owner_id", Kind::Integer, "o.owner_id = ?");

/// To which this account belongs.
pub const USER_ID: Filter = Filter::indexed(
    "user_id",
    Kind::Integer,
    "o.id = ANY(ARRAY(SELECT organization_id FROM organization_members WHERE user_id = ?))",
);

/// The organizations.
pub const LISTING: Listing = Listing {
    subject: "organization",
    listed: "organization.listed",
    searched: "organization.searched",
    columns: "o.id, o.name, o.uname, o.owner_id, o.created_at,
        (SELECT count(*) FROM organization_members m WHERE m.organization_id = o.id) AS members",
    from: "organizations o",
    joins: "",
    id: Key::id("o.id"),
    names_rows: true,
    at: "o.created_at",
    window: WINDOW,
    filters: &[&ID, &OWNER_ID, &USER_ID, &NAME_PREFIX],
    sorts: &[Sort::NEWEST, Sort::OLDEST],
};

impl Listed for StaffOrganization {
    const LISTING: &'static Listing = &LISTING;

    /// It names nobody.
    fn masked(self) -> Self {
        self
    }
}

//! API keys, for staff.

use chrono::{DateTime, Utc};

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW};

/// A key, without what opens anything.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StaffApiKey {
    /// The row.
    pub id: i64,
    /// What people call it.
    pub name: String,
    /// Its beginning.
    pub prefix: String,
    /// What it is for: words of [`crate::auth::api_keys::Scope`].
    pub scopes: Vec<String>,
    /// Where it may be used from; empty: anywhere.
    pub allowed_ips: Vec<String>,
    /// Texts per UTC day.
    pub daily_sends: Option<i64>,
    /// Rials per UTC day.
    pub daily_spend_rials: Option<i64>,
    /// Whether it opens anything now.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was used last, to within a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Whether a key opens anything.
macro_rules! active {
    () => {
        "(k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()))"
    };
}

/// This one: how a single key is read, by the same columns.
pub const ID: Filter = Filter::indexed("id", Kind::Integer, "k.id = ?");

/// With this in its name, or with this beginning.
pub const SEARCH: Filter = Filter::scanned(
    "search",
    Kind::Text,
    "strpos(lower(k.name), lower(?)) > 0 OR starts_with(k.prefix, ?)",
);

/// For this use.
pub const SCOPE: Filter = Filter::scanned("scope", Kind::Text, "? = ANY(k.scopes)");

/// Whether they open anything.
pub const IS_ACTIVE: Filter = Filter::scanned("is_active", Kind::Flag, concat!(active!(), " = ?"));

/// The keys.
pub const LISTING: Listing = Listing {
    subject: "api_key",
    listed: "api_key.listed",
    searched: "api_key.searched",
    columns: concat!(
        "k.id, k.name, k.prefix, k.scopes, k.allowed_ips::text[] AS allowed_ips, k.daily_sends,
        k.daily_spend_rials, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, ",
        active!(),
        " AS is_active"
    ),
    from: "api_keys k",
    joins: "",
    id: Key::id("k.id"),
    names_rows: true,
    at: "k.created_at",
    window: WINDOW,
    filters: &[&ID, &SEARCH, &SCOPE, &IS_ACTIVE],
    sorts: &[Sort::NEWEST, Sort::OLDEST],
};

impl Listed for StaffApiKey {
    const LISTING: &'static Listing = &LISTING;

    /// It names nobody.
    fn masked(self) -> Self {
        self
    }
}

//! Accounts, for staff.

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW};
use crate::admin::Person;

/// With this number, in any group.
pub const PHONE: Filter = Filter::indexed("phone", Kind::Text, "u.phone = ?");

/// With this user name.
pub const USERNAME: Filter = Filter::indexed("username", Kind::Text, "u.username = ?");

/// With a user name that begins so: a range of the index in byte order, so that no character of it
/// is a pattern.
pub const USERNAME_PREFIX: Filter = Filter::few(
    "username_prefix",
    Kind::Text,
    r#"u.username COLLATE "C" >= ? AND u.username COLLATE "C" < ? || chr(1114111)"#,
    r#"SELECT id FROM users
       WHERE username COLLATE "C" >= ? AND username COLLATE "C" < ? || chr(1114111)"#,
);

/// Of staff with this role.
pub const ROLE: Filter = Filter::indexed("role", Kind::Text, "u.role = ?");

/// Whether their owners may log in.
pub const IS_ACTIVE: Filter = Filter::scanned("is_active", Kind::Flag, "u.is_active = ?");

/// Of this group.
pub const GROUP: Filter = Filter::scanned("group", Kind::Integer, r#"u."group" = ?"#);

/// The accounts.
pub const LISTING: Listing = Listing {
    subject: "user",
    listed: "user.listed",
    searched: "user.searched",
    columns: r#"u.id, u.username, u.phone, u."group", u.email, u.first_name, u.last_name,
        u.is_active, u.role, u.password IS NOT NULL AS has_password, u.created_at, u.erased_at"#,
    from: "users u",
    joins: "",
    id: Key::id("u.id"),
    names_rows: true,
    at: "u.created_at",
    window: WINDOW,
    filters: &[&PHONE, &USERNAME, &ROLE, &USERNAME_PREFIX, &IS_ACTIVE, &GROUP],
    sorts: &[Sort::NEWEST, Sort::OLDEST],
};

impl Listed for Person {
    const LISTING: &'static Listing = &LISTING;

    fn masked(self) -> Self {
        Self::masked(self)
    }
}

//! Sessions, for staff.

use chrono::{DateTime, Utc};

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW, values::Address};

/// A session, also one that has ended.
#[derive(Clone, sqlx::FromRow)]
pub struct StaffSession {
    /// The row.
    pub id: i64,
    /// Whose it is.
    pub user_id: i64,
    /// How the login was proven: a word of [`crate::sessions::Method`].
    pub method: String,
    /// Where it was last seen.
    pub ip: Option<Address>,
    /// What the client called itself at the login; nothing where personal data is masked.
    pub user_agent: Option<String>,
    /// The kind of device.
    pub device: Option<String>,
    /// The browser.
    pub browser: Option<String>,
    /// The operating system.
    pub os: Option<String>,
    /// Whether it goes on.
    pub is_active: bool,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to about a minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends unless its tokens are refreshed.
    pub expires_at: DateTime<Utc>,
    /// When it was ended before its time.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Why.
    pub revoked_reason: Option<String>,
}

/// Of this account.
pub const USER_ID: Filter = Filter::indexed("user_id", Kind::Integer, "s.user_id = ?");

/// Last seen at this address.
pub const IP: Filter = Filter::scanned("ip", Kind::Ip, "s.ip = ?");

/// Whether they go on.
pub const IS_ACTIVE: Filter = Filter::scanned(
    "is_active",
    Kind::Flag,
    "(s.revoked_at IS NULL AND s.refresh_expires_at > now()) = ?",
);

/// The last used first: of one account, as an index would be written whenever a session is seen.
const LAST_SEEN: Sort =
    Sort::by("last_seen", Key { sql: "s.last_seen_at", kind: Kind::Time }, true)
        .within(&[&USER_ID]);

/// The sessions.
pub const LISTING: Listing = Listing {
    subject: "session",
    listed: "session.listed",
    searched: "session.searched",
    columns: "s.id, s.user_id, s.method, s.ip, s.user_agent, s.device, s.browser, s.os,
        s.created_at, s.last_seen_at, s.refresh_expires_at AS expires_at, s.revoked_at,
        s.revoked_reason, s.revoked_at IS NULL AND s.refresh_expires_at > now() AS is_active",
    from: "sessions s",
    joins: "",
    id: Key::id("s.id"),
    names_rows: true,
    at: "s.created_at",
    window: WINDOW,
    filters: &[&USER_ID, &IP, &IS_ACTIVE],
    sorts: &[Sort::NEWEST, Sort::OLDEST, LAST_SEEN],
};

impl Listed for StaffSession {
    const LISTING: &'static Listing = &LISTING;

    fn masked(self) -> Self {
        Self { ip: self.ip.map(Address::masked), user_agent: None, ..self }
    }
}

//! Chat rooms, for staff.

use chrono::{DateTime, Utc};

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW, organizations::begins};

/// A room, also one that was deleted and not yet purged.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StaffRoom {
    /// The row.
    pub id: i64,
    /// What it is called.
    pub name: Option<String>,
    /// What it is about.
    pub descriptions: Option<String>,
    /// A room of two, or of one with themselves.
    pub is_direct: bool,
    /// Only its members can be in the room.
    pub organization_id: Option<i64>,
    /// `open`, `closed` or `held`.
    pub status: String,
    /// Seconds between two messages of a member; 0: as fast as they like.
    pub slow_seconds: i32,
    /// The number of its last event.
    pub last_seq: i64,
    /// When that was.
    pub last_activity_at: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// This one: how a single room is read, by the same columns.
pub const ID: Filter = Filter::indexed("id", Kind::Integer, "r.id = ?");

/// With a name that begins so, in any case.
pub const NAME_PREFIX: Filter = Filter::few(
    "name_prefix",
    Kind::Text,
    begins!("r.name"),
    concat!("SELECT id FROM rooms WHERE name IS NOT NULL AND ", begins!("name")),
);

/// To which this account belongs.
pub const USER_ID: Filter = Filter::indexed(
    "user_id",
    Kind::Integer,
    "r.id = ANY(ARRAY(SELECT room_id FROM room_members WHERE user_id = ?))",
);

/// Of this organization.
pub const ORGANIZATION_ID: Filter =
    Filter::indexed("organization_id", Kind::Integer, "r.organization_id = ?");

/// Of two, or groups.
pub const IS_DIRECT: Filter =
    Filter::scanned("is_direct", Kind::Flag, "(r.direct_low IS NOT NULL) = ?");

/// Whether they take messages, in the words of [`StaffRoom::status`].
pub const STATUS: Filter = Filter::scanned(
    "status",
    Kind::Text,
    "r.status = CASE ? WHEN 'open' THEN 1 WHEN 'closed' THEN 2 WHEN 'held' THEN 3 END",
);

/// Whether they were deleted.
pub const IS_DELETED: Filter =
    Filter::scanned("is_deleted", Kind::Flag, "(r.deleted_at IS NOT NULL) = ?");

/// The latest activity first: of some rooms only, as an index would be written with every message.
const LAST_ACTIVITY: Sort =
    Sort::by("last_activity", Key { sql: "r.head_at", kind: Kind::Time }, true)
        .within(&[&USER_ID, &ORGANIZATION_ID]);

/// The rooms.
pub const LISTING: Listing = Listing {
    subject: "room",
    listed: "room.listed",
    searched: "room.searched",
    columns: "r.id, r.name, r.descriptions, r.direct_low IS NOT NULL AS is_direct, r.organization_id,
        CASE r.status WHEN 1 THEN 'open' WHEN 2 THEN 'closed' ELSE 'held' END AS status,
        r.slow_seconds, r.head AS last_seq, r.head_at AS last_activity_at, r.created_at, r.deleted_at",
    from: "rooms r",
    joins: "",
    id: Key::id("r.id"),
    names_rows: true,
    at: "r.created_at",
    window: WINDOW,
    filters: &[&ID, &USER_ID, &ORGANIZATION_ID, &NAME_PREFIX, &IS_DIRECT, &STATUS, &IS_DELETED],
    sorts: &[Sort::NEWEST, Sort::OLDEST, LAST_ACTIVITY],
};

impl Listed for StaffRoom {
    const LISTING: &'static Listing = &LISTING;

    /// Only those see rooms from whom nothing is hidden; it names nobody.
    fn masked(self) -> Self {
        self
    }
}

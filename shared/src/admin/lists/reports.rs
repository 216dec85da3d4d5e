//! Reports of messages, for staff.

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW};
use crate::chat::moderation::Report;

/// Of messages of this room.
pub const ROOM: Filter = Filter::indexed("room", Kind::Integer, "r.room_id = ?");

/// Yes: only those that wait, of which an index knows; no: all.
pub const OPEN: Filter = Filter::indexed("open", Kind::Flag, "r.settled_at IS NULL OR NOT ?");

/// For this reason.
pub const REASON: Filter = Filter::scanned("reason", Kind::Text, "r.reason = ?");

/// The reports.
pub const LISTING: Listing = Listing {
    subject: "report",
    listed: "report.listed",
    searched: "report.searched",
    columns: "r.id, r.room_id, r.message_id, r.reporter_id, r.reason, r.note, r.created_at,
        r.settled_at, r.settled_by, r.outcome, c.type AS kind, c.text, c.created_at AS written_at,
        coalesce(c.deleted_at IS NOT NULL, true) AS is_deleted, u.id AS sender_id, u.username,
        u.first_name, u.last_name",
    from: "message_reports r",
    joins: "LEFT JOIN chat_messages c ON c.id = r.message_id LEFT JOIN users u ON u.id = c.sender_id",
    id: Key::id("r.id"),
    names_rows: true,
    at: "r.created_at",
    window: WINDOW,
    filters: &[&ROOM, &OPEN, &REASON],
    sorts: &[Sort::NEWEST, Sort::OLDEST],
};

impl Listed for Report {
    const LISTING: &'static Listing = &LISTING;

    /// Only those see reports from whom nothing is hidden; nobody else would see what is said.
    fn masked(self) -> Self {
        Self { message: None, note: None, ..self }
    }
}

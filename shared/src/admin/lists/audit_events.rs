//! The audit log, for staff.

use sqlx::{FromRow, Row as _, postgres::PgRow, types::ipnetwork::IpNetwork};

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW};
use crate::audit::Event;

/// About this one of a kind, `user:17`.
pub const SUBJECT_ROW: Filter = Filter::indexed(
    "subject_row",
    Kind::Text,
    "a.subject = split_part(?, ':', 1) AND a.subject_id = nullif(split_part(?, ':', 2), '')::bigint",
);

/// About this kind of thing.
pub const SUBJECT: Filter = Filter::few(
    "subject",
    Kind::Text,
    "a.subject = ?",
    "SELECT id FROM audit_events WHERE subject = ?",
);

/// Of this person.
pub const ACTOR: Filter = Filter::indexed("actor", Kind::Integer, "a.actor_user_id = ?");

/// Of this action.
pub const ACTION: Filter = Filter::indexed("action", Kind::Text, "a.action = ?");

/// The events.
pub const LISTING: Listing = Listing {
    subject: "audit",
    listed: "audit.listed",
    searched: "audit.searched",
    columns: "a.id, a.at, a.actor, a.actor_user_id, a.action, a.subject, a.subject_id, a.ip,
        a.request_id, a.detail",
    from: "audit_events a",
    joins: "",
    id: Key::id("a.id"),
    // That would be of events about events.
    names_rows: false,
    at: "a.at",
    window: WINDOW,
    filters: &[&SUBJECT_ROW, &ACTION, &ACTOR, &SUBJECT],
    sorts: &[Sort::NEWEST, Sort::OLDEST],
};

impl FromRow<'_, PgRow> for Event {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let ip: Option<IpNetwork> = row.try_get("ip")?;
        Ok(Self {
            id: row.try_get("id")?,
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            actor_user_id: row.try_get("actor_user_id")?,
            action: row.try_get("action")?,
            subject: row.try_get("subject")?,
            subject_id: row.try_get("subject_id")?,
            ip: ip.map(|network| network.ip()),
            request_id: row.try_get("request_id")?,
            detail: row.try_get("detail")?,
        })
    }
}

impl Listed for Event {
    const LISTING: &'static Listing = &LISTING;

    fn masked(self) -> Self {
        Self { ip: None, ..self }
    }
}

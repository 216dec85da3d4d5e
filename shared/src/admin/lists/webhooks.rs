//! Events at their endpoints, for staff.

use chrono::{DateTime, Utc};

use super::{Filter, Key, Kind, Listed, Listing, Sort};

/// An event at one endpoint.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StaffWebhook {
    /// The row.
    pub id: i64,
    /// The event's handle.
    pub event_id: String,
    /// What happened.
    pub kind: String,
    /// What it happened to, such as `user:17`.
    pub subject: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// `queued`, `sending`, `sent` or `failed`.
    pub status: String,
    /// Attempts so far.
    pub attempt: i32,
    /// The HTTP status of the latest one, if it was answered.
    pub response_status: Option<i16>,
    /// Why the latest one failed.
    pub reason: Option<String>,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// When it is tried next.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Until when it is tried.
    pub give_up_at: DateTime<Utc>,
    /// When it ended.
    pub settled_at: Option<DateTime<Utc>>,
}

/// This one: how a single delivery is read, by the same columns.
pub const ID: Filter = Filter::indexed("id", Kind::Integer, "d.id = ?");

/// Of this event.
pub const EVENT_ID: Filter = Filter::indexed("event_id", Kind::Text, "d.event_id = ?");

/// In this state.
pub const STATUS: Filter = Filter::scanned("status", Kind::Text, "d.status = ?");

/// At this endpoint.
pub const ENDPOINT: Filter = Filter::scanned("endpoint", Kind::Text, "d.endpoint = ?");

/// Of this kind of event.
pub const KIND: Filter = Filter::scanned("kind", Kind::Text, "e.kind = ?");

/// The deliveries.
pub const LISTING: Listing = Listing {
    subject: "webhook",
    listed: "webhook.listed",
    searched: "webhook.searched",
    columns: "d.id, d.event_id, e.kind, e.subject, d.endpoint, d.status, d.attempt,
        d.response_status, d.reason, e.created_at, d.next_attempt_at, d.give_up_at, d.settled_at",
    // There is always an event; so written, it is looked up only where it is asked about.
    from: "webhook_deliveries d LEFT JOIN webhook_events e ON e.id = d.event_id",
    joins: "",
    id: Key::id("d.id"),
    names_rows: true,
    at: "e.created_at",
    // A filter by kind looks each event up.
    window: 2_000,
    filters: &[&ID, &EVENT_ID, &STATUS, &ENDPOINT, &KIND],
    sorts: &[Sort::NEWEST, Sort::OLDEST],
};

impl Listed for StaffWebhook {
    const LISTING: &'static Listing = &LISTING;

    /// What an event says of somebody is not in here.
    fn masked(self) -> Self {
        self
    }
}

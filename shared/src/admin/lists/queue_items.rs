//! Rows of queues, for staff: what runs, what waits, what ended badly. Each state is a filter that an
//! index serves, in an order that this index has.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, postgres::PgRow};

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW};

/// A row of a queue.
#[derive(Debug, Clone, FromRow)]
pub struct QueueItem {
    /// The row.
    pub id: i64,
    /// What it is: `otp`, `text`, `bulk`; a kind of event; a gateway; `reverse`, `refund`.
    pub kind: String,
    /// The word of its table for how it stands.
    pub status: String,
    /// Attempts so far.
    pub attempt: i32,
    /// When it is tried next.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Why it ended or waits.
    pub reason: Option<String>,
    /// When it came to be.
    pub created_at: DateTime<Utc>,
    /// The message, delivery or payment it is about.
    pub subject_id: i64,
}

/// A row of a table whose queue is looked at.
pub trait Item: Listed {
    /// The filter of each state: running, due, scheduled, failed, unknown; each takes the kind of
    /// text of the queue, and of other tables nothing.
    const STATES: [&'static Filter; 5];

    /// The row.
    fn item(self) -> QueueItem;
}

const fn state(name: &'static str, sql: &'static str) -> Filter {
    Filter::indexed(name, Kind::Text, sql)
}

const fn time(sql: &'static str) -> Key {
    Key { sql, kind: Kind::Time }
}

const fn listing(
    from: &'static str,
    [columns, id, at]: [&'static str; 3],
    filters: &'static [&'static Filter],
    sorts: &'static [Sort],
) -> Listing {
    Listing {
        subject: "queue",
        listed: "queue.items_listed",
        searched: "queue.items_listed",
        columns,
        from,
        joins: "",
        id: Key::id(id),
        names_rows: false,
        at,
        window: WINDOW,
        filters,
        sorts,
    }
}

macro_rules! item {
    ($(#[$doc:meta])* $row:ident, $module:ident) => {
        $(#[$doc])*
        pub struct $row(QueueItem);

        impl<'r> FromRow<'r, PgRow> for $row {
            fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
                QueueItem::from_row(row).map(Self)
            }
        }

        impl Listed for $row {
            const LISTING: &'static Listing = &$module::LISTING;

            fn masked(self) -> Self {
                self
            }
        }

        impl Item for $row {
            const STATES: [&'static Filter; 5] = $module::STATES;

            fn item(self) -> QueueItem {
                self.0
            }
        }
    };
}

item!(
    /// A text.
    TextItem, texts
);
item!(
    /// A delivery of a webhook.
    DeliveryItem, deliveries
);
item!(
    /// A payment.
    PaymentItem, payments
);
item!(
    /// Money on its way back.
    ReturnItem, returns
);

/// `sms_messages_lease_idx`, `sms_messages_due_idx`, `sms_messages_ended_badly_idx`.
pub(super) mod texts {
    use super::{Filter, Listing, Sort, listing, state, time};

    const RUNNING: Filter = state("running", "m.kind = ? AND m.status = 'sending'");
    const DUE: Filter = state(
        "due",
        "m.kind = ? AND m.status IN ('queued', 'unknown') AND m.next_attempt_at <= now()",
    );
    const LATER: Filter = state(
        "scheduled",
        "m.kind = ? AND m.status IN ('queued', 'unknown') AND m.next_attempt_at > now()",
    );
    const FAILED: Filter =
        state("failed", "m.kind = ? AND m.status = 'failed' AND m.settled_at IS NOT NULL");
    const UNKNOWN: Filter =
        state("unknown", "m.kind = ? AND m.status = 'unknown' AND m.settled_at IS NOT NULL");

    pub(super) const STATES: [&Filter; 5] = [&RUNNING, &DUE, &LATER, &FAILED, &UNKNOWN];

    const SORTS: &[Sort] = &[
        Sort::NEWEST,
        Sort::by("running_first", time("m.lease_until"), false).within(&[&RUNNING]),
        Sort::by("due_first", time("m.next_attempt_at"), false).within(&[&DUE]),
        Sort::by("scheduled_first", time("m.next_attempt_at"), false).within(&[&LATER]),
        Sort::by("failed_last", time("m.settled_at"), true).within(&[&FAILED]),
        Sort::by("unknown_last", time("m.settled_at"), true).within(&[&UNKNOWN]),
    ];

    pub(in crate::admin::lists) const LISTING: Listing = listing(
        "sms_messages m",
        [
            "m.id, m.kind, m.status, m.attempt, m.next_attempt_at, m.reason, m.created_at,
             m.id AS subject_id",
            "m.id",
            "m.created_at",
        ],
        &STATES,
        SORTS,
    );
}

/// `webhook_deliveries_lease_idx`, `webhook_deliveries_due_idx`, `webhook_deliveries_failed_idx`.
pub(super) mod deliveries {
    use super::{Filter, Listing, Sort, listing, state};

    const RUNNING: Filter = state("running", "? = '' AND d.status = 'sending'");
    const DUE: Filter =
        state("due", "? = '' AND d.status = 'queued' AND d.next_attempt_at <= now()");
    const LATER: Filter =
        state("scheduled", "? = '' AND d.status = 'queued' AND d.next_attempt_at > now()");
    const FAILED: Filter = state("failed", "? = '' AND d.status = 'failed'");
    /// Nobody is unsure of a webhook.
    const UNKNOWN: Filter = state("unknown", "? <> '' AND d.status = 'failed'");

    pub(super) const STATES: [&Filter; 5] = [&RUNNING, &DUE, &LATER, &FAILED, &UNKNOWN];

    const SORTS: &[Sort] = &[Sort::NEWEST];

    pub(in crate::admin::lists) const LISTING: Listing = listing(
        "webhook_deliveries d LEFT JOIN webhook_events e ON e.id = d.event_id",
        [
            "d.id, e.kind, d.status, d.attempt, d.next_attempt_at, d.reason, e.created_at,
             d.id AS subject_id",
            "d.id",
            "e.created_at",
        ],
        &STATES,
        SORTS,
    );
}

/// `payments_lease_idx`, `payments_due_idx`, `payments_state_idx`.
pub(super) mod payments {
    use super::{Filter, Listing, Sort, listing, state, time};

    const RUNNING: Filter = state("running", "? = '' AND p.lease_until IS NOT NULL");
    const DUE: Filter =
        state("due", "? = '' AND p.next_attempt_at <= now() AND p.lease_until IS NULL");
    const LATER: Filter =
        state("scheduled", "? = '' AND p.next_attempt_at > now() AND p.lease_until IS NULL");
    const FAILED: Filter = state("failed", "? = '' AND p.state = 'failed'");
    const UNKNOWN: Filter = state("unknown", "? = '' AND p.state = 'needs_review'");

    pub(super) const STATES: [&Filter; 5] = [&RUNNING, &DUE, &LATER, &FAILED, &UNKNOWN];

    const SORTS: &[Sort] = &[
        Sort::NEWEST,
        Sort::by("due_first", time("p.next_attempt_at"), false).within(&[&DUE]),
        Sort::by("scheduled_first", time("p.next_attempt_at"), false).within(&[&LATER]),
    ];

    pub(in crate::admin::lists) const LISTING: Listing = listing(
        "payments p",
        [
            "p.id, p.gateway AS kind, p.state AS status, p.attempt, p.next_attempt_at, p.reason,
             p.created_at, p.id AS subject_id",
            "p.id",
            "p.created_at",
        ],
        &STATES,
        SORTS,
    );
}

/// `payment_returns_lease_idx`, `payment_returns_due_idx`; the table is small.
pub(super) mod returns {
    use super::{Filter, Listing, Sort, listing, state};

    const RUNNING: Filter = state("running", "? = '' AND r.lease_until IS NOT NULL");
    const DUE: Filter =
        state("due", "? = '' AND r.next_attempt_at <= now() AND r.lease_until IS NULL");
    const LATER: Filter =
        state("scheduled", "? = '' AND r.next_attempt_at > now() AND r.lease_until IS NULL");
    const FAILED: Filter = state("failed", "? = '' AND r.state = 'refused'");
    const UNKNOWN: Filter = state("unknown", "? = '' AND r.state = 'unknown'");

    pub(super) const STATES: [&Filter; 5] = [&RUNNING, &DUE, &LATER, &FAILED, &UNKNOWN];

    const SORTS: &[Sort] = &[Sort::NEWEST];

    pub(in crate::admin::lists) const LISTING: Listing = listing(
        "payment_returns r",
        [
            "r.id, r.action AS kind, r.state AS status, r.attempt, r.next_attempt_at,
             r.code AS reason, r.created_at, r.payment_id AS subject_id",
            "r.id",
            "r.created_at",
        ],
        &STATES,
        SORTS,
    );
}

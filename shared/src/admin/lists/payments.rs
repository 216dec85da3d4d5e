//! Payments, for staff.

use super::{Filter, Key, Kind, Listed, Listing, Sort};
use crate::payments::Payment;

/// Rows that gateways and shops call so; those of a shop are cut where they are more than few.
macro_rules! called {
    () => {
        "(SELECT id FROM payments WHERE order_id = ? AND order_id <> '' LIMIT 2001)
         UNION SELECT payment_id FROM payment_sessions WHERE authority = ?
         UNION SELECT id FROM payments
             WHERE ref_id = CASE WHEN ? ~ '^[0-9]{1,18}$' THEN ?::bigint END"
    };
}

/// With this order, page or number of a gateway's.
pub const SEARCH: Filter = Filter::few(
    "search",
    Kind::Text,
    concat!("(p.order_id = ? AND p.order_id <> '') OR p.id IN (", called!(), ")"),
    called!(),
);

/// With this page of a gateway's.
pub const AUTHORITY: Filter = Filter::few(
    "authority",
    Kind::Text,
    "p.id IN (SELECT payment_id FROM payment_sessions WHERE authority = ?)",
    "SELECT payment_id FROM payment_sessions WHERE authority = ?",
);

/// With this number of a gateway's.
pub const REF_ID: Filter = Filter::indexed("ref_id", Kind::Integer, "p.ref_id = ?");

/// For this order.
pub const ORDER_ID: Filter =
    Filter::indexed("order_id", Kind::Text, "p.order_id = ? AND p.order_id <> ''");

/// Of this account.
pub const USER_ID: Filter = Filter::indexed("user_id", Kind::Integer, "p.user_id = ?");

/// In this state.
pub const STATE: Filter = Filter::indexed("state", Kind::Text, "p.state = ?");

/// At this gateway.
pub const GATEWAY: Filter = Filter::scanned("gateway", Kind::Text, "p.gateway = ?");

/// The largest first.
const AMOUNT: Sort = Sort::by("amount", Key { sql: "p.amount_rials", kind: Kind::Integer }, true);

/// The payments.
pub const LISTING: Listing = Listing {
    subject: "payment",
    listed: "payment.listed",
    searched: "payment.searched",
    columns: "p.id, p.handle, p.user_id, p.order_id, p.description, p.mobile, p.email, p.amount,
        p.currency, p.amount_rials, p.purpose, p.gateway, p.state, p.reason, s.authority, p.ref_id,
        p.card_pan, p.created_at, p.updated_at, p.paid_at",
    from: "payments p",
    // The page that was paid, else the latest.
    joins: "LEFT JOIN LATERAL (
        SELECT authority FROM payment_sessions
        WHERE payment_id = p.id AND state = 'open'
        ORDER BY (id = p.paid_session_id) DESC NULLS LAST, id DESC LIMIT 1) s ON true",
    id: Key::id("p.id"),
    names_rows: true,
    at: "p.created_at",
    // In the order of amounts each is somewhere else.
    window: 5_000,
    filters: &[&SEARCH, &AUTHORITY, &REF_ID, &ORDER_ID, &USER_ID, &STATE, &GATEWAY],
    sorts: &[Sort::NEWEST, Sort::OLDEST, AMOUNT],
};

impl Listed for Payment {
    const LISTING: &'static Listing = &LISTING;

    fn masked(self) -> Self {
        Self::masked(self)
    }
}

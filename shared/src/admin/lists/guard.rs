//! What the guard found, for staff.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW, values::Address};
use crate::otp::guard::Reason;

/// A send of a code that broke a rule. Of its number there are only the first and the last digits.
#[derive(Clone, sqlx::FromRow)]
pub struct StaffDecision {
    /// The row.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Of the number: its country.
    pub country: Option<String>,
    /// Its first digits, `+98912`.
    pub prefix: String,
    /// Its last two digits.
    pub number_end: String,
    /// Who asked.
    pub ip: Option<Address>,
    /// `record` or `enforce`.
    pub mode: String,
    /// `passed` or `refused`.
    pub action: String,
    /// The rules it broke.
    pub reasons: Json<Vec<Reason>>,
    /// The request.
    pub request_id: Option<String>,
}

/// With this end.
pub const ACTION: Filter = Filter::scanned("action", Kind::Text, "g.action = ?");

/// That broke this rule.
pub const RULE: Filter = Filter::scanned(
    "rule",
    Kind::Text,
    "g.reasons @> jsonb_build_array(jsonb_build_object('rule', ?::text))",
);

/// To numbers of this country.
pub const COUNTRY: Filter = Filter::scanned("country", Kind::Text, "g.country = ?");

/// Asked for from this address.
pub const IP: Filter = Filter::scanned("ip", Kind::Ip, "g.ip = ?");

/// The decisions.
pub const LISTING: Listing = Listing {
    subject: "guard_decision",
    listed: "guard_decision.listed",
    searched: "guard_decision.searched",
    columns: "g.id, g.at, g.country, g.prefix, g.number_end, g.ip, g.mode, g.action, g.reasons,
        g.request_id",
    from: "guard_decisions g",
    joins: "",
    id: Key::id("g.id"),
    names_rows: true,
    at: "g.at",
    window: WINDOW,
    filters: &[&ACTION, &RULE, &COUNTRY, &IP],
    sorts: &[Sort::NEWEST, Sort::OLDEST],
};

impl Listed for StaffDecision {
    const LISTING: &'static Listing = &LISTING;

    fn masked(self) -> Self {
        Self { ip: self.ip.map(Address::masked), ..self }
    }
}

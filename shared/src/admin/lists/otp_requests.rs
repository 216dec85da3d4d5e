//! One-time codes that were asked for, for staff: never a code, and never the caller's handle.

use chrono::{DateTime, Utc};

use super::{
    Filter, Key, Kind, Listed, Listing, Sort, WINDOW,
    values::{Address, Mobile},
};
use crate::sms::{MessageStatus, providers::DeliveryStatus};

/// What is known of a request by its code alone: no look at its text, which costs more.
macro_rules! state {
    () => {
        "CASE
            WHEN c.generation > r.generation THEN 'replaced'
            WHEN c.generation = r.generation AND c.consumed_at IS NOT NULL THEN 'used'
            WHEN c.generation = r.generation AND c.expires_at > now() THEN 'live'
            ELSE 'expired' END"
    };
}
/// A send of a code, with what became of its text.
#[derive(Clone, sqlx::FromRow)]
pub struct StaffOtpRequest {
    /// Where it was to go.
    #[sqlx(rename = "phone")]
    pub mobile_number: Mobile,
    /// What the code is good for.
    pub purpose: String,
    /// Who asked.
    pub ip: Option<Address>,
    /// `live`, `used`, `replaced` by a newer code, or `expired`.
    pub state: String,
    /// Whether somebody proved with the code that they got it.
    pub is_used: bool,
    /// Checks of the code that named this request.
    pub attempts: i32,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When the code ends, if no newer one has taken its place.
    pub expires_at: Option<DateTime<Utc>>,
    /// The text that brought it; purged texts are gone.
    pub message_id: Option<i64>,
    /// Where that is.
    pub message_status: Option<MessageStatus>,
    /// What its provider says of it.
    pub delivery: Option<DeliveryStatus>,
    /// Why it failed or waits.
    pub reason: Option<String>,
    /// Who carries it.
    pub provider: Option<String>,
}

/// To this number: found by its texts, whose index knows numbers.
pub const PHONE: Filter = Filter::indexed(
    "phone",
    Kind::Text,
    "r.local_id = ANY(ARRAY(
        SELECT p.local_id FROM sms_messages p
        WHERE p.phone = ? AND p.kind = 'otp' ORDER BY p.id DESC LIMIT 1000))",
);

/// Asked for from this address.
pub const IP: Filter = Filter::scanned("ip", Kind::Ip, "r.ip = ?");

/// For this purpose.
pub const PURPOSE: Filter = Filter::scanned("purpose", Kind::Text, "r.purpose = ?");

/// In this state.
pub const STATE: Filter = Filter::scanned("state", Kind::Text, concat!(state!(), " = ?"));

/// In the order in which requests are forgotten, which is that in which they came.
const NEWEST: Sort = Sort::by("newest", Key { sql: "r.expires_at", kind: Kind::Time }, true);
const OLDEST: Sort = Sort::by("oldest", Key { sql: "r.expires_at", kind: Kind::Time }, false);

/// The requests.
pub const LISTING: Listing = Listing {
    subject: "otp_request",
    listed: "otp_request.listed",
    searched: "otp_request.searched",
    columns: concat!(
        "r.phone, r.purpose, r.ip, ",
        state!(),
        " AS state, r.attempts, r.created_at,
        CASE WHEN c.generation = r.generation THEN c.expires_at END AS expires_at,
        m.verified_at IS NOT NULL
            OR coalesce(c.generation = r.generation AND c.consumed_at IS NOT NULL, false) AS is_used,
        m.id AS message_id, m.status AS message_status, m.delivery,
        coalesce(m.delivery_code, m.reason) AS reason, m.provider"
    ),
    from: "otp_requests r LEFT JOIN otp_codes c ON c.phone = r.phone AND c.purpose = r.purpose",
    joins: "LEFT JOIN sms_messages m ON m.local_id = r.local_id",
    id: Key::id("r.local_id"),
    names_rows: false,
    at: "r.created_at",
    window: WINDOW,
    filters: &[&PHONE, &IP, &PURPOSE, &STATE],
    sorts: &[NEWEST, OLDEST],
};

impl Listed for StaffOtpRequest {
    const LISTING: &'static Listing = &LISTING;

    fn masked(self) -> Self {
        let (mobile_number, ip) = (self.mobile_number.masked(), self.ip.map(Address::masked));
        Self { mobile_number, ip, ..self }
    }
}

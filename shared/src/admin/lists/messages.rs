//! Texts, those with codes too, for staff.

use chrono::{DateTime, Utc};

use super::{Filter, Key, Kind, Listed, Listing, Sort, WINDOW, values::Mobile};
use crate::sms::{MessageKind, MessageStatus, providers::DeliveryStatus};

/// A message. Has no `Debug`: it names somebody.
#[derive(Clone, sqlx::FromRow)]
pub struct StaffMessage {
    /// The row.
    pub id: i64,
    /// What it is.
    pub kind: MessageKind,
    /// Where it goes.
    #[sqlx(rename = "phone")]
    pub mobile_number: Mobile,
    /// What it says; nothing for codes, which nobody keeps, and where personal data is masked.
    pub text: Option<String>,
    /// The template it was asked for with.
    pub template: Option<String>,
    /// How far we are with it.
    pub status: MessageStatus,
    /// How far its provider is.
    pub delivery: Option<DeliveryStatus>,
    /// Why it ended or waits, or what the provider said last: a bounded word.
    pub reason: Option<String>,
    /// Who carries it.
    pub provider: Option<String>,
    /// That one's id for it.
    pub provider_message_id: Option<String>,
    /// Attempts so far.
    pub attempt: i32,
    /// In how many parts it goes out, if its text is known.
    pub segments: Option<i16>,
    /// What it costs by the configured price, if there is one.
    pub price_rials: Option<i64>,
    /// The account that asked for it.
    pub user_id: Option<i64>,
    /// The key that asked for it.
    pub api_key_id: Option<i64>,
    /// What the messages of one request have in common.
    pub bulk_id: Option<String>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it was asked to go out.
    pub send_at: Option<DateTime<Utc>>,
    /// When it is tried next.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// After this it is not sent any more.
    pub expires_at: DateTime<Utc>,
    /// When it ended here.
    pub settled_at: Option<DateTime<Utc>>,
    /// When its provider last said how far it is.
    pub delivery_at: Option<DateTime<Utc>>,
}

/// The columns of a [`StaffMessage`], of `sms_messages m`.
const COLUMNS: &str = "m.id, m.kind, m.phone, m.body AS text, m.template, m.status, m.delivery,
    coalesce(m.delivery_code, m.reason) AS reason, m.provider, m.provider_message_id, m.attempt,
    m.segments, m.price_rials, m.user_id, m.api_key_id, m.bulk_id, m.created_at, m.send_at,
    m.next_attempt_at, m.expires_at, m.settled_at, m.delivery_at";

/// This one: how a single message is read, by the same columns.
pub const ID: Filter = Filter::indexed("id", Kind::Integer, "m.id = ?");

/// To this number.
pub const PHONE: Filter = Filter::indexed("phone", Kind::Text, "m.phone = ?");

/// Of this bulk.
pub const BULK_ID: Filter = Filter::indexed("bulk_id", Kind::Text, "m.bulk_id = ?");

/// Asked for by this account.
pub const USER_ID: Filter = Filter::indexed("user_id", Kind::Integer, "m.user_id = ?");

/// Asked for with this key.
pub const API_KEY_ID: Filter = Filter::indexed("api_key_id", Kind::Integer, "m.api_key_id = ?");

/// In this state.
pub const STATUS: Filter = Filter::scanned("status", Kind::Text, "m.status = ?");

/// Of this kind.
pub const KIND: Filter = Filter::scanned("kind", Kind::Text, "m.kind = ?");

/// Carried by this provider.
pub const PROVIDER: Filter = Filter::scanned("provider", Kind::Text, "m.provider = ?");

/// That ended or wait for this reason.
pub const REASON: Filter =
    Filter::scanned("reason", Kind::Text, "coalesce(m.delivery_code, m.reason) = ?");

/// The messages.
pub const LISTING: Listing = Listing {
    subject: "message",
    listed: "message.listed",
    searched: "message.searched",
    columns: COLUMNS,
    from: "sms_messages m",
    joins: "",
    id: Key::id("m.id"),
    names_rows: true,
    at: "m.created_at",
    window: WINDOW,
    filters: &[&ID, &PHONE, &BULK_ID, &USER_ID, &API_KEY_ID, &STATUS, &KIND, &PROVIDER, &REASON],
    sorts: &[Sort::NEWEST, Sort::OLDEST],
};

impl Listed for StaffMessage {
    const LISTING: &'static Listing = &LISTING;

    fn masked(self) -> Self {
        Self { mobile_number: self.mobile_number.masked(), text: None, ..self }
    }
}

//! Text messages: rows, deliveries and the providers that carry them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};

use crate::{jobs::Queue, phone::PhoneNumber};

pub mod blocklist;
pub(crate) mod budget;
pub mod callbacks;
pub mod deliveries;
mod events;
pub mod inbound;
pub mod learning;
pub mod messages;
pub(crate) mod notices;
pub mod providers;
pub mod quiet;
pub mod reports;
pub mod routing;
pub mod segments;
pub mod staff;
pub mod standing;
mod store;
pub mod templates;

/// What a message is: who asked for it decides its queue and its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum MessageKind {
    /// A one-time code. The same code may be sent once more when nobody knows what became of it.
    Otp,
    /// A text to one recipient. Never sent again unless it surely was not.
    Text,
    /// One of many texts asked for together. As `Text`, behind everything else.
    Bulk,
}

impl MessageKind {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Text => "text",
            Self::Bulk => "bulk",
        }
    }

    /// The queue of its ids.
    pub const fn queue(self) -> Queue {
        match self {
            Self::Otp => Queue::Otp,
            Self::Text => Queue::Sms,
            Self::Bulk => Queue::Bulk,
        }
    }
}

/// State of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum MessageStatus {
    /// Waits for its turn or its next attempt.
    Queued,
    /// A worker holds it.
    Sending,
    /// A provider accepted it.
    Sent,
    /// Every provider refused it for good, or attempts ran out.
    Failed,
    /// Its life ended before a provider took it.
    Expired,
    /// A provider may have taken it: there was no readable answer.
    Unknown,
    /// Whoever asked for it took it back in time.
    Cancelled,
}

impl MessageStatus {
    /// The word in the database, in answers and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Cancelled => "cancelled",
        }
    }

    /// The states a row may go to from this one by itself; everything else is refused by the store. A
    /// person may have a message tried again that ended, and give one up: see [`staff`].
    pub fn can_become(self, next: Self) -> bool {
        use MessageStatus::{Cancelled, Expired, Failed, Queued, Sending, Sent, Unknown};
        match self {
            Queued => matches!(next, Sending | Expired | Cancelled),
            Sending => matches!(next, Queued | Sent | Failed | Expired | Unknown),
            Unknown => matches!(next, Sending | Sent),
            Sent | Failed | Expired | Cancelled => false,
        }
    }

    /// Whether nothing will happen to the message any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Sent | Self::Failed | Self::Expired | Self::Cancelled)
    }
}

/// The text of a one-time code, to be accepted.
#[derive(Debug, Clone)]
pub struct NewOtpMessage<'a> {
    /// The recipient.
    pub phone: &'a PhoneNumber,
    /// The provider's idempotency key; see [`crate::ids::random_local_id`].
    pub local_id: i64,
    /// After this it is not sent any more.
    pub expires_at: DateTime<Utc>,
    /// Who waits for the outcome, if somebody does.
    pub reply_to: Option<&'a str>,
}

/// Writes the rows of one-time codes' texts, by their idempotency keys; the caller commits and
/// then pushes the ids.
///
/// # Errors
/// When the database refuses or is away.
pub async fn accept_otps(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    messages: &[NewOtpMessage<'_>],
) -> Result<HashMap<i64, i64>, sqlx::Error> {
    store::insert_otps(connection, now, messages).await
}

/// What callers may know of a message.
#[derive(Debug, Clone)]
pub struct MessageView {
    /// The row.
    pub id: i64,
    /// See [`NewOtpMessage::local_id`].
    pub local_id: i64,
    /// State now.
    pub status: MessageStatus,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// What it says; empty for codes, which are derived, and for templates without a text.
    pub text: Option<String>,
}

/// The message with this idempotency key.
///
/// # Errors
/// When the database is away.
pub async fn find_by_local_id(
    pool: &PgPool,
    local_id: i64,
) -> Result<Option<MessageView>, sqlx::Error> {
    store::find_by_local_id(pool, local_id).await
}

/// The latest messages, newest first, of one number or of all; for the sandbox inbox.
///
/// # Errors
/// When the database is away.
pub async fn latest(
    pool: &PgPool,
    phone: Option<&PhoneNumber>,
    limit: i64,
) -> Result<Vec<(PhoneNumber, MessageView)>, sqlx::Error> {
    store::latest(pool, phone, limit).await
}

#[cfg(test)]
mod tests {
    use super::MessageStatus::{Cancelled, Expired, Failed, Queued, Sending, Sent, Unknown};

    #[test]
    fn final_states_have_no_way_out_and_nothing_is_sent_twice() {
        let all = [Queued, Sending, Sent, Failed, Expired, Unknown, Cancelled];
        for from in all {
            for to in all {
                assert!(!(from.is_final() && from.can_become(to)), "{from:?} -> {to:?}");
            }
        }
        assert!(Queued.can_become(Sending) && !Queued.can_become(Sent));
        assert!(Unknown.can_become(Sending) && !Unknown.can_become(Queued));
        assert!(!Unknown.can_become(Expired) && !Unknown.can_become(Failed), "nobody knows that");
        assert!(Queued.can_become(Cancelled) && !Sending.can_become(Cancelled));
    }
}

//! The pub/sub contract between processes. Events carry handles and states, never contents.

use serde::{Deserialize, Serialize};

use crate::{chat::RoomId, sms::MessageStatus};

/// Who waits for the outcome of a row: a process and the number of the waiter in it. Written to the
/// row before anything is sent, so that no outcome can come before its listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// See [`crate::ids::process_name`].
    pub process: String,
    /// Unique within the process.
    pub waiter: u64,
}

impl std::fmt::Display for ReplyTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.process, self.waiter)
    }
}

impl ReplyTo {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (process, waiter) = text.rsplit_once(':')?;
        Some(Self { process: process.to_owned(), waiter: waiter.parse().ok()? })
    }
}

/// Tells a waiter that what it waits for has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// See [`ReplyTo::waiter`].
    pub waiter: u64,
    /// How.
    pub outcome: Outcome,
}

/// How something ended that somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A message is in this state.
    Message(MessageStatus),
    /// The gateway of a payment has answered: its row says what.
    Payment,
}

/// The one channel on which an api process hears its outcomes.
pub fn reply_channel(prefix: &str, process: &str) -> String {
    format!("{prefix}:reply:{process}")
}

/// The channel on which every api process hears the ids of sessions that were revoked.
pub fn revocations_channel(prefix: &str) -> String {
    format!("{prefix}:revocations")
}

/// The channel of a room: how far its log goes, and what passes there.
pub fn room_channel(prefix: &str, room: RoomId) -> String {
    format!("{prefix}:room:{room}")
}

/// The channel of somebody's sockets: told when the rooms they belong to change.
pub fn person_channel(prefix: &str, user_id: i64) -> String {
    format!("{prefix}:person:{user_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_address_survives_the_row() {
        let address = ReplyTo { process: "api-0f".to_owned(), waiter: 7 };
        assert_eq!(ReplyTo::parse(&address.to_string()), Some(address));
        assert_eq!(ReplyTo::parse("api-0f"), None);
        assert_eq!(ReplyTo::parse("api:x"), None);
    }
}

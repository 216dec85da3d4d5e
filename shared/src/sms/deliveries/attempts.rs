//! Attempts of a message: what was asked of a provider, how that ended, and how it goes on.

use std::time::Duration;

use crate::sms::{
    MessageStatus,
    providers::{Outcome, Rejection},
    routing::Past,
};

/// One earlier attempt of a message.
#[derive(Debug, Clone)]
pub struct PastAttempt {
    /// Who was asked.
    pub provider: String,
    /// What was asked.
    pub action: Action,
    /// How it ended.
    pub result: AttemptResult,
}

impl PastAttempt {
    /// What the choice of the next provider needs to know of it.
    pub fn for_routing(&self) -> Past {
        match self.result {
            AttemptResult::RejectedRecipient => Past::RecipientRefused,
            AttemptResult::RejectedRequest | AttemptResult::RejectedAccount => {
                Past::ProviderRefused
            }
            _ => Past::MayTryAgain,
        }
    }
}

/// What an attempt asks of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Carry the text.
    Send,
    /// Say what became of an earlier send.
    Lookup,
}

impl Action {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Lookup => "lookup",
        }
    }
}

/// How an attempt ended, as it is written to its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptResult {
    /// The provider took the text.
    Accepted,
    /// It refused the recipient.
    RejectedRecipient,
    /// It refused our text, template or parameters.
    RejectedRequest,
    /// It refused our account.
    RejectedAccount,
    /// It asked for another try.
    RetryLater,
    /// Nobody knows; also what an attempt without an end counts as.
    Unknown,
    /// Look-up: the provider has the message.
    Found,
    /// Look-up: it does not.
    NotFound,
    /// Look-up: it cannot say.
    Unsupported,
}

impl AttemptResult {
    /// Every way an attempt can end.
    const ALL: [Self; 9] = [
        Self::Accepted,
        Self::RejectedRecipient,
        Self::RejectedRequest,
        Self::RejectedAccount,
        Self::RetryLater,
        Self::Unknown,
        Self::Found,
        Self::NotFound,
        Self::Unsupported,
    ];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::RejectedRecipient => "rejected_recipient",
            Self::RejectedRequest => "rejected_request",
            Self::RejectedAccount => "rejected_account",
            Self::RetryLater => "retry_later",
            Self::Unknown => "unknown",
            Self::Found => "found",
            Self::NotFound => "not_found",
            Self::Unsupported => "unsupported",
        }
    }

    /// Reads a word of the database; an attempt without an end counts as unknown.
    pub(in crate::sms) fn from_word(word: Option<&str>) -> Self {
        Self::ALL.into_iter().find(|result| Some(result.as_str()) == word).unwrap_or(Self::Unknown)
    }
}

/// How a message goes on after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing more to do.
    Done(MessageStatus),
    /// Not sent; due again after this pause.
    Retry(Duration),
    /// Perhaps sent; to be resolved after this pause, or never when nothing can resolve it.
    Resolve(Option<Duration>),
}

impl Next {
    /// Whether nobody will work on the message any more.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Resolve(None))
    }
}

/// What is written when an attempt ends.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// How the attempt ended.
    pub result: AttemptResult,
    /// The provider's id of the message, when it gave one.
    pub provider_message_id: Option<String>,
    /// Bounded reason, e.g. `kavenegar.418`.
    pub code: Option<String>,
    /// How the message goes on.
    pub next: Next,
    /// Whether the provider can be asked later what became of it.
    pub reports: bool,
}

impl From<&Outcome> for AttemptResult {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted { .. } => Self::Accepted,
            Outcome::Rejected { reason: Rejection::Recipient, .. } => Self::RejectedRecipient,
            Outcome::Rejected { reason: Rejection::Request, .. } => Self::RejectedRequest,
            Outcome::Rejected { reason: Rejection::Account, .. } => Self::RejectedAccount,
            Outcome::RetryLater { .. } => Self::RetryLater,
            Outcome::Unknown { .. } => Self::Unknown,
        }
    }
}

/// Whether some send may have carried the text although nobody knows. Only the provider's own word
/// that it has nothing rules that out, as `not_found` says now.
pub fn in_doubt(history: &[PastAttempt], not_found: Option<&str>) -> bool {
    history.iter().enumerate().any(|(at, past)| {
        let is_open = past.action == Action::Send && past.result == AttemptResult::Unknown;
        let denied = history[at..].iter().any(|later| {
            later.result == AttemptResult::NotFound && later.provider == past.provider
        });
        is_open && !denied && not_found != Some(past.provider.as_str())
    })
}

//! SMS providers: one file each, one trait, one registry.
//!
//! To add a provider: write `<name>.rs` with a `Config` and an implementation of
//! [`SmsProvider`], add its `kind` to [`build`], and run it through the provider suite
//! in the `tests` crate.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::http_client::{Failure, Timeouts};
use crate::phone::PhoneNumber;

mod balance;
pub mod http;
pub mod ippanel;
pub mod kavenegar;
mod kavenegar_array;
mod kavenegar_reports;
pub mod megafon;
pub mod melipayamak;
pub mod parsian_webco;
mod registry;
pub mod sandbox;
pub mod settings;
pub mod sms_aero;
pub mod sms_ir;
pub mod twilio;
pub mod webhook;
mod wire;

pub use crate::settings::Problem;
pub use balance::Balance;
pub use registry::{build, build_all, build_over, has_templates};
pub use webhook::{WebhookAnswer, WebhookEvent, WebhookRefused, WebhookRequest};

/// What a provider is asked to carry, for one recipient.
#[derive(Debug, Clone)]
pub struct OutgoingSms {
    /// The recipient.
    pub to: PhoneNumber,
    /// The text or the template.
    pub content: Content,
    /// Random positive 63-bit number stored when the message was accepted; the provider's
    /// idempotency key where it has one. The same for every attempt of one message.
    pub local_id: i64,
    /// When the message was accepted: a provider that is asked for earlier sends need not look
    /// further back.
    pub accepted_at: DateTime<Utc>,
    /// After this it is of no use.
    pub expires_at: DateTime<Utc>,
}

/// The body of an [`OutgoingSms`].
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Free text.
    Text(String),
    /// A template known to the provider, with the values of its variables in order.
    Template {
        /// The provider's name or id of the template.
        name: String,
        /// `(variable, value)`, e.g. `("token", "123456")`.
        tokens: Vec<(String, String)>,
    },
}

/// Never prints the text or the values: they hold codes.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::Template { name, .. } => write!(f, "Template({name}, …)"),
        }
    }
}

/// How one call to a provider ended. The classes decide what happens next; the retry rules
/// live in the worker alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took the message.
    Accepted {
        /// The provider's own id, for status look-ups and delivery reports.
        provider_message_id: Option<String>,
    },
    /// The provider will never take this message.
    Rejected {
        /// What it objects to.
        reason: Rejection,
        /// Short, bounded, free of secrets and personal data: `kavenegar.411`.
        code: String,
    },
    /// Nothing was sent; the same call may succeed later.
    RetryLater {
        /// The provider's own wish (`Retry-After`), if it gave one.
        after: Option<Duration>,
        /// As in [`Outcome::Rejected`].
        code: String,
    },
    /// The request may have been carried out: no readable answer after it was written.
    Unknown {
        /// As in [`Outcome::Rejected`].
        code: String,
    },
}

/// What a rejection is about; decides whether another provider may do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The recipient: no other provider will do better.
    Recipient,
    /// This text, template or parameter at this provider: another may take it.
    Request,
    /// Our account at this provider (credentials, credit, line, allow-list): another may take it,
    /// and an operator has to look.
    Account,
}

/// What a provider knows of an earlier call with our `local_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It has the message: nothing may be sent again.
    Found {
        /// The provider's id of it.
        provider_message_id: Option<String>,
    },
    /// It has no such message: sending is safe.
    NotFound,
    /// It cannot be asked for this kind of call.
    Unsupported,
    /// It could not be asked now.
    Unavailable {
        /// As in [`Outcome::Rejected`].
        code: String,
    },
}

/// Where a message that a provider took is on its way to the handset, as far as the provider
/// says. Ordered: a message never goes back to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// The provider has it.
    Accepted,
    /// The carrier has it.
    Carried,
    /// It will not arrive: refused, blocked, failed or given up.
    Undelivered,
    /// The handset has it.
    Delivered,
}

impl DeliveryStatus {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Carried => "carried",
            Self::Undelivered => "undelivered",
            Self::Delivered => "delivered",
        }
    }

    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Undelivered | Self::Delivered)
    }
}

/// What a provider says of one message it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// See [`Outcome::Accepted`].
    pub provider_message_id: String,
    /// `None`: the provider does not know the message (any more), or says nothing we can read.
    pub status: Option<DeliveryStatus>,
    /// The provider's own word or number for it, bounded: `kavenegar.10`.
    pub code: String,
}

/// A text somebody sent to one of our lines.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundSms {
    /// The provider's id of it, if it has one: the same text may be told of twice.
    pub provider_message_id: Option<String>,
    /// Who sent it, as the provider wrote it.
    pub from: String,
    /// Our line.
    pub to: String,
    /// What it says.
    pub text: String,
}

/// Never prints the number or the text.
impl std::fmt::Debug for InboundSms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundSms").field("id", &self.provider_message_id).finish_non_exhaustive()
    }
}

/// Why a question to a provider has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// It cannot be asked this.
    Unsupported,
    /// Not now; the code is as in [`Outcome::Rejected`].
    Unavailable(String),
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.code().to_owned())
    }
}

/// One account at one SMS provider.
#[async_trait]
pub trait SmsProvider: Send + Sync {
    /// The configured name (`sms.providers.<name>`); bounded, used as a metrics label.
    fn name(&self) -> &str;

    /// Hands one message to the provider. Never panics, never takes longer than the
    /// configured budget, and never says [`Outcome::RetryLater`] once the request may have
    /// reached the provider and been carried out.
    async fn send(&self, sms: &OutgoingSms) -> Outcome;

    /// How many messages with such a content [`SmsProvider::send_many`] can carry in one call.
    fn send_at_once(&self, _content: &Content) -> usize {
        1
    }

    /// Hands several messages to the provider in one call, at most as many as
    /// [`SmsProvider::send_at_once`] says of each; one outcome each, in their order. What holds for
    /// [`SmsProvider::send`] holds for each of them.
    async fn send_many(&self, messages: &[OutgoingSms]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(messages.len());
        for sms in messages {
            outcomes.push(self.send(sms).await);
        }
        outcomes
    }

    /// Asks what became of an earlier [`SmsProvider::send`] of the same message whose outcome
    /// is unknown.
    async fn lookup(&self, sms: &OutgoingSms) -> Lookup;

    /// How many messages [`SmsProvider::statuses`] can be asked about at once; 0 if it cannot.
    fn statuses_at_once(&self) -> usize {
        0
    }

    /// Asks what became of messages the provider took, by its own ids. May leave out some.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn statuses(&self, _provider_message_ids: &[String]) -> Result<Vec<Report>, Unanswered> {
        Err(Unanswered::Unsupported)
    }

    /// Asks what is left on the account.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn balance(&self) -> Result<Balance, Unanswered> {
        Err(Unanswered::Unsupported)
    }

    /// How webhooks of this provider are answered; `None` if it has none.
    fn webhook_answer(&self) -> Option<WebhookAnswer> {
        None
    }

    /// Reads what came to the account's webhook address. The secret in the path has been checked;
    /// signatures are the provider's own to check.
    ///
    /// # Errors
    /// [`WebhookRefused`].
    fn read_webhook(&self, _request: &WebhookRequest) -> Result<Vec<WebhookEvent>, WebhookRefused> {
        Err(WebhookRefused::Unreadable)
    }
}

/// What every provider is built with besides its own table. Has no `Debug`: the address holds a
/// secret.
#[derive(Clone)]
pub struct Setup {
    /// How long one exchange may take.
    pub timeouts: Timeouts,
    /// Where the provider can report deliveries and inbound texts: holds a secret. `None` when
    /// webhooks are off.
    pub webhook_url: Option<reqwest::Url>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_content_has_no_text() {
        let text = Content::Text("482913".to_owned());
        let tokens = vec![("token".to_owned(), "482913".to_owned())];
        let template = Content::Template { name: "login".to_owned(), tokens };
        assert!(!format!("{text:?}{template:?}").contains("482913"));
    }
}

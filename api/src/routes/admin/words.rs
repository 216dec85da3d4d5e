//! Words of messages and codes, as staff see and filter them.

use poem_openapi::Enum;
use shared::{
    otp::guard::Rule,
    sms::{self, providers},
};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum MessageKind {
    /// A one-time code.
    Otp,
    /// A text to one recipient.
    Text,
    /// One of many texts asked for together.
    Bulk,
}

impl From<sms::MessageKind> for MessageKind {
    fn from(kind: sms::MessageKind) -> Self {
        match kind {
            sms::MessageKind::Otp => Self::Otp,
            sms::MessageKind::Text => Self::Text,
            sms::MessageKind::Bulk => Self::Bulk,
        }
    }
}

/// How far we are with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum MessageStatus {
    /// Waits for its time, its turn or its next attempt.
    Queued,
    /// Is being handed to a provider.
    Sending,
    /// A provider accepted it.
    Sent,
    /// No provider accepts it.
    Failed,
    /// Its time was over before a provider accepted it.
    Expired,
    /// A provider may have accepted it; its answer was lost.
    Unknown,
    /// It was taken back before it was sent.
    Cancelled,
}

impl From<sms::MessageStatus> for MessageStatus {
    fn from(status: sms::MessageStatus) -> Self {
        match status {
            sms::MessageStatus::Queued => Self::Queued,
            sms::MessageStatus::Sending => Self::Sending,
            sms::MessageStatus::Sent => Self::Sent,
            sms::MessageStatus::Failed => Self::Failed,
            sms::MessageStatus::Expired => Self::Expired,
            sms::MessageStatus::Unknown => Self::Unknown,
            sms::MessageStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// How far a provider is with a message it accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum MessageDelivery {
    /// The provider has it.
    Accepted,
    /// The carrier has it.
    Carried,
    /// It will not arrive.
    Undelivered,
    /// The handset has it.
    Delivered,
}

impl From<providers::DeliveryStatus> for MessageDelivery {
    fn from(status: providers::DeliveryStatus) -> Self {
        match status {
            providers::DeliveryStatus::Accepted => Self::Accepted,
            providers::DeliveryStatus::Carried => Self::Carried,
            providers::DeliveryStatus::Undelivered => Self::Undelivered,
            providers::DeliveryStatus::Delivered => Self::Delivered,
        }
    }
}

/// What a code is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum CodePurpose {
    /// Logging in.
    Login,
    /// Changing the number of an account.
    ChangePhone,
    /// Setting a new password.
    ResetPassword,
    /// Proving anew who one is.
    Confirm,
}

/// Where a code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum CodeState {
    /// It can be used.
    Live,
    /// It was used.
    Used,
    /// A newer one took its place, after it was used or its time was over.
    Replaced,
    /// Its time was over before it was used.
    Expired,
}

/// A delivery of an event to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum WebhookStatus {
    /// Waits for its turn or its next attempt.
    Queued,
    /// Is being told.
    Sending,
    /// The endpoint took it.
    Sent,
    /// It was given up.
    Failed,
}

/// What became of a send that broke a rule of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum GuardAction {
    /// It was accepted all the same.
    Passed,
    /// It was refused.
    Refused,
}

/// A rule of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum GuardRule {
    /// Unverified codes of a country in an hour.
    CountryHour,
    /// The same in a day.
    CountryDay,
    /// Unverified codes of a number prefix in an hour.
    PrefixHour,
    /// The same in a day.
    PrefixDay,
    /// Unverified codes asked for from an address in an hour.
    IpHour,
    /// The same in a day.
    IpDay,
    /// Countries an address asked for unverified codes of in a day.
    IpCountries,
}

impl From<Rule> for GuardRule {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::CountryHour => Self::CountryHour,
            Rule::CountryDay => Self::CountryDay,
            Rule::PrefixHour => Self::PrefixHour,
            Rule::PrefixDay => Self::PrefixDay,
            Rule::IpHour => Self::IpHour,
            Rule::IpDay => Self::IpDay,
            Rule::IpCountries => Self::IpCountries,
        }
    }
}

/// Reads a word of the database, which knows no others.
///
/// # Panics
/// When it does: its constraints and the enums of this file say the same.
pub(crate) fn word<E: poem_openapi::types::ParseFromJSON>(text: &str) -> E {
    E::parse_from_json(Some(text.into())).unwrap_or_else(|_| unreachable!("the database checks it"))
}

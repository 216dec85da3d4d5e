//! What can be told, and who wants to hear it. Pure.

use serde_json::Value;

/// What happened: the `type` receivers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A provider took a text.
    SmsSent,
    /// No provider took a text, or not in time.
    SmsFailed,
    /// A provider may have taken a text, and nobody can say.
    SmsUnknown,
    /// A text reached the handset.
    SmsDelivered,
    /// A text will not reach the handset.
    SmsUndelivered,
    /// Somebody sent us a text.
    SmsInbound,
    /// As [`Kind::SmsSent`], of a text with a one-time code.
    OtpSent,
    /// As [`Kind::SmsFailed`], of a text with a one-time code.
    OtpFailed,
    /// As [`Kind::SmsUnknown`], of a text with a one-time code.
    OtpUnknown,
    /// As [`Kind::SmsDelivered`], of a text with a one-time code.
    OtpDelivered,
    /// As [`Kind::SmsUndelivered`], of a text with a one-time code.
    OtpUndelivered,
    /// A provider refuses our account.
    ProviderOut,
    /// A provider takes our account again.
    ProviderBack,
    /// A provider's account has little left on it.
    ProviderLowCredit,
    /// An account was made.
    UserCreated,
    /// Somebody logged in to an account.
    UserLoggedIn,
    /// An account has another password, its first one or none.
    UserPasswordChanged,
    /// An account has another phone number.
    UserPhoneChanged,
    /// An account was disabled.
    UserDisabled,
    /// An account was erased.
    UserErased,
    /// A session ended before its time.
    SessionRevoked,
    /// A payment was paid, and the ledger has it.
    PaymentPaid,
    /// A payment will not be paid: its gateway says so, or nobody paid in time.
    PaymentFailed,
    /// A payment that a person has to look at.
    PaymentNeedsReview,
    /// The money of a payment went back to the payer.
    PaymentRefunded,
    /// A wallet has more.
    WalletCredited,
    /// A wallet has less.
    WalletDebited,
    /// Somebody wrote a message in a room.
    ChatMessage,
    /// Somebody wants a message looked at.
    ChatReported,
    /// A member of a room has not read what was written there a while ago.
    ChatUnread,
    /// Nothing: an operator tries an endpoint out.
    Test,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 31] = [
        Self::SmsSent,
        Self::SmsFailed,
        Self::SmsUnknown,
        Self::SmsDelivered,
        Self::SmsUndelivered,
        Self::SmsInbound,
        Self::OtpSent,
        Self::OtpFailed,
        Self::OtpUnknown,
        Self::OtpDelivered,
        Self::OtpUndelivered,
        Self::ProviderOut,
        Self::ProviderBack,
        Self::ProviderLowCredit,
        Self::UserCreated,
        Self::UserLoggedIn,
        Self::UserPasswordChanged,
        Self::UserPhoneChanged,
        Self::UserDisabled,
        Self::UserErased,
        Self::SessionRevoked,
        Self::PaymentPaid,
        Self::PaymentFailed,
        Self::PaymentNeedsReview,
        Self::PaymentRefunded,
        Self::WalletCredited,
        Self::WalletDebited,
        Self::ChatMessage,
        Self::ChatReported,
        Self::ChatUnread,
        Self::Test,
    ];

    /// Its name: in the envelope, the settings, the database and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SmsSent => "sms.sent",
            Self::SmsFailed => "sms.failed",
            Self::SmsUnknown => "sms.unknown",
            Self::SmsDelivered => "sms.delivered",
            Self::SmsUndelivered => "sms.undelivered",
            Self::SmsInbound => "sms.inbound",
            Self::OtpSent => "otp.sent",
            Self::OtpFailed => "otp.failed",
            Self::OtpUnknown => "otp.unknown",
            Self::OtpDelivered => "otp.delivered",
            Self::OtpUndelivered => "otp.undelivered",
            Self::ProviderOut => "provider.out",
            Self::ProviderBack => "provider.back",
            Self::ProviderLowCredit => "provider.low_credit",
            Self::UserCreated => "user.created",
            Self::UserLoggedIn => "user.logged_in",
            Self::UserPasswordChanged => "user.password_changed",
            Self::UserPhoneChanged => "user.phone_changed",
            Self::UserDisabled => "user.disabled",
            Self::UserErased => "user.erased",
            Self::SessionRevoked => "session.revoked",
            Self::PaymentPaid => "payment.paid",
            Self::PaymentFailed => "payment.failed",
            Self::PaymentNeedsReview => "payment.needs_review",
            Self::PaymentRefunded => "payment.refunded",
            Self::WalletCredited => "wallet.credited",
            Self::WalletDebited => "wallet.debited",
            Self::ChatMessage => "chat.message",
            Self::ChatReported => "chat.reported",
            Self::ChatUnread => "chat.unread",
            Self::Test => "webhook.test",
        }
    }
}

/// Whether a pattern of the settings means this kind: its name, `sms.*`, or `*`.
pub fn matches(pattern: &str, kind: Kind) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => {
            (prefix.is_empty() || prefix.ends_with('.')) && kind.as_str().starts_with(prefix)
        }
        None => kind.as_str() == pattern,
    }
}

/// Something that happened, to be told.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// What happened.
    pub kind: Kind,
    /// What it happened to, such as `sms:41`, 64 characters at most. Events of one subject are
    /// told in their order if each is emitted while the subject's row is locked.
    pub subject: String,
    /// The subject's state at this moment. No secret, no code, no text but one that came in.
    pub data: Value,
}

impl NewEvent {
    /// About an account, under the subject `user:17`; of the account it tells the number alone, so that
    /// nothing of a person stays behind when the account is erased.
    pub fn of_user<const N: usize>(kind: Kind, user_id: i64, more: [(&str, Value); N]) -> Self {
        let more = more.map(|(name, value)| (name.to_owned(), value));
        let id = [("user_id".to_owned(), user_id.into())];
        let data = Value::Object(id.into_iter().chain(more).collect());
        Self { kind, subject: format!("user:{user_id}"), data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_names_groups_or_everything() {
        let meant = |pattern| Kind::ALL.into_iter().filter(|kind| matches(pattern, *kind)).count();
        for (pattern, kinds) in [
            ("*", 31),
            ("sms.*", 6),
            ("otp.*", 5),
            ("provider.*", 3),
            ("user.*", 6),
            ("session.*", 1),
            ("payment.*", 4),
            ("wallet.*", 2),
            ("chat.*", 3),
            ("sms.sent", 1),
            ("sms.se*", 0),
            ("sms", 0),
            ("sms.", 0),
            ("", 0),
            ("SMS.sent", 0),
        ] {
            assert_eq!(meant(pattern), kinds, "{pattern}");
        }
    }

    #[test]
    fn no_two_kinds_share_a_name() {
        let names: std::collections::BTreeSet<_> = Kind::ALL.map(Kind::as_str).into();
        assert_eq!(names.len(), Kind::ALL.len());
    }
}

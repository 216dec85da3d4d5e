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
    /// Nothing: an operator tries an endpoint out.
    Test,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_names_groups_or_everything() {
        let meant = |pattern| Kind::ALL.into_iter().filter(|kind| matches(pattern, *kind)).count();
        for (pattern, kinds) in [
            ("*", 15),
            ("sms.*", 6),
            ("otp.*", 5),
            ("provider.*", 3),
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

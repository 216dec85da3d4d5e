//! What can happen: the bounded words of the timeline, with what each is about and how bad it is. Pure.

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth a look: it happens, and may explain what comes next.
    Note,
    /// Somebody did not get what they wanted.
    Problem,
}

impl Severity {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Problem => "problem",
        }
    }
}

/// What an item is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One-time codes: asked for, refused, typed.
    Code,
    /// Texts, from here to the handset.
    Message,
    /// What the guard against pumping decided.
    Guard,
    /// Accounts.
    Account,
    /// Sessions.
    Session,
    /// Payments and what gateways said of them.
    Payment,
    /// Wallets.
    Wallet,
    /// What endpoints of webhooks were told.
    Webhook,
    /// What staff did.
    Staff,
    /// What is kept no longer.
    Purge,
}

impl Kind {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Message => "message",
            Self::Guard => "guard",
            Self::Account => "account",
            Self::Session => "session",
            Self::Payment => "payment",
            Self::Wallet => "wallet",
            Self::Webhook => "webhook",
            Self::Staff => "staff",
            Self::Purge => "purge",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident $word:literal $kind:ident $severity:ident;)*) => {
        /// What happened. Of things that happened at one moment an earlier code came first.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $code,)*
        }

        impl Code {
            /// All, in their order.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The word in answers.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $word,)*
                }
            }

            /// What it is about.
            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$code => Kind::$kind,)*
                }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$code => Severity::$severity,)*
                }
            }
        }
    };
}

codes! {
    /// What happened earlier is kept no longer.
    Purged "purged" Purge Note;
    /// The account was made.
    AccountMade "account_made" Account Ok;
    /// A code was asked for and accepted.
    CodeAsked "code_asked" Code Ok;
    /// A code was asked for and is not sent.
    SendRefused "send_refused" Code Problem;
    /// The guard found a rule broken and let the send pass.
    GuardPassed "guard_passed" Guard Note;
    /// The guard refused the send.
    GuardRefused "guard_refused" Guard Problem;
    /// A text was asked for and accepted.
    TextAsked "text_asked" Message Ok;
    /// The text waits for its turn or its next attempt.
    MessageWaiting "message_waiting" Message Note;
    /// The text is being handed to a provider.
    MessageSending "message_sending" Message Note;
    /// A provider took the text.
    ProviderAccepted "provider_accepted" Message Ok;
    /// A provider refused the text, the number or our account.
    ProviderRefused "provider_refused" Message Problem;
    /// A provider asked for another try later.
    ProviderPutOff "provider_put_off" Message Note;
    /// A provider did not answer, or not in a way that could be read.
    ProviderSilent "provider_silent" Message Problem;
    /// A provider was asked what became of the text.
    ProviderAsked "provider_asked" Message Note;
    /// No provider took the text, for good.
    MessageFailed "message_failed" Message Problem;
    /// The text's time was over before a provider took it.
    MessageExpired "message_expired" Message Problem;
    /// Whoever asked for the text took it back.
    MessageCancelled "message_cancelled" Message Note;
    /// A provider may have taken the text, and nobody can say.
    MessageUnknown "message_unknown" Message Problem;
    /// The provider says that the text is on its way to the handset.
    ReportCarried "report_carried" Message Note;
    /// The provider says that the text reached the handset.
    ReportDelivered "report_delivered" Message Ok;
    /// The provider says that the text will not reach the handset.
    ReportUndelivered "report_undelivered" Message Problem;
    /// A code was typed that is another one.
    CodeWrong "code_wrong" Code Problem;
    /// A code was typed where none was sent.
    CodeUnknown "code_unknown" Code Problem;
    /// A code was typed that had been used.
    CodeUsed "code_used" Code Note;
    /// A code was typed after its time.
    CodeExpired "code_expired" Code Problem;
    /// A code was typed when no attempt was left.
    AttemptsSpent "attempts_spent" Code Problem;
    /// The right code was typed.
    CodeVerified "code_verified" Code Ok;
    /// A wrong password was typed.
    PasswordWrong "password_wrong" Account Problem;
    /// Somebody proved who they are, and their account is disabled.
    AccountDisabled "account_disabled" Account Problem;
    /// A session began.
    SessionBegun "session_begun" Session Ok;
    /// The account has another number.
    NumberChanged "number_changed" Account Note;
    /// The account has another password.
    PasswordChanged "password_changed" Account Note;
    /// A session was ended before its time.
    SessionEnded "session_ended" Session Note;
    /// A session was not renewed in time.
    SessionExpired "session_expired" Session Note;
    /// A payment was begun.
    PaymentBegun "payment_begun" Payment Ok;
    /// The gateway was asked for a page and gave one.
    PageOpened "page_opened" Payment Ok;
    /// The gateway refused to open a page.
    PageRefused "page_refused" Payment Problem;
    /// The gateway did not say whether it opened a page.
    PageUnknown "page_unknown" Payment Problem;
    /// The gateway was asked about the payment.
    GatewayAsked "gateway_asked" Payment Note;
    /// The payment was paid.
    PaymentPaid "payment_paid" Payment Ok;
    /// The gateway says that it will not be paid, or refused it.
    PaymentFailed "payment_failed" Payment Problem;
    /// The payer turned back.
    PaymentCancelled "payment_cancelled" Payment Note;
    /// Nobody paid in time.
    PaymentExpired "payment_expired" Payment Note;
    /// A person has to look at the payment.
    PaymentNeedsReview "payment_needs_review" Payment Problem;
    /// Staff asked for the money to go back.
    ReturnAsked "return_asked" Payment Note;
    /// The money went back.
    ReturnDone "return_done" Payment Ok;
    /// The money did not go back.
    ReturnRefused "return_refused" Payment Problem;
    /// Whether the money went back nobody knows.
    ReturnUnknown "return_unknown" Payment Problem;
    /// A wallet has more.
    WalletCredited "wallet_credited" Wallet Ok;
    /// A wallet has less.
    WalletDebited "wallet_debited" Wallet Ok;
    /// Staff changed something.
    StaffActed "staff_acted" Staff Note;
    /// An endpoint was told.
    WebhookTold "webhook_told" Webhook Ok;
    /// An endpoint is still to be told.
    WebhookWaiting "webhook_waiting" Webhook Note;
    /// An endpoint was not told, for good.
    WebhookFailed "webhook_failed" Webhook Problem;
    /// The account was erased.
    AccountErased "account_erased" Account Note;
}

impl Code {
    /// Its place among things that happened at one moment.
    pub(super) fn rank(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_word_of_its_own_and_its_place() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for (place, code) in Code::ALL.iter().enumerate() {
            assert_eq!(usize::from(code.rank()), place, "{code:?}");
        }
    }
}

//! What happened, in words: one line each, English and Persian.

use poem_openapi::Enum;
use shared::admin::timeline::codes::Code;

macro_rules! words {
    ($($code:ident $en:literal $fa:literal;)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
        #[oai(rename_all = "snake_case")]
        pub(crate) enum TimelineCode {
            $(#[doc = concat!("See [`Code::", stringify!($code), "`].")] $code,)*
        }

        impl From<Code> for TimelineCode {
            fn from(code: Code) -> Self {
                match code {
                    $(Code::$code => Self::$code,)*
                }
            }
        }

        /// The sentence, by language.
        pub(super) const fn sentences(code: Code) -> [&'static str; 2] {
            match code {
                $(Code::$code => [$en, $fa],)*
            }
        }
    };
}

words! {
    Purged "What happened earlier is kept no longer ({what}, {days} days)."
        "آنچه پیش‌تر رخ داده دیگر نگه‌داری نمی‌شود ({what}، {days} روز).";
    AccountMade "The account was made." "حساب ساخته شد.";
    CodeAsked "A code was asked for[ ({purpose})]." "کد درخواست شد[ ({purpose})].";
    SendRefused "A code was asked for and is not sent[: {reason}]."
        "کد درخواست شد ولی فرستاده نمی‌شود[: {reason}].";
    GuardPassed "The guard against pumping noticed the send and let it pass: {rules}."
        "محافظ سوءاستفاده این ارسال را دید و اجازه داد: {rules}.";
    GuardRefused "The guard against pumping refused the send: {rules}."
        "محافظ سوءاستفاده جلوی این ارسال را گرفت: {rules}.";
    TextAsked "A text was asked for ({kind})." "پیامک درخواست شد ({kind}).";
    MessageWaiting "The text waits for its turn[, last: {reason}]."
        "پیامک در صف است[، آخرین وضعیت: {reason}].";
    MessageSending "The text is being handed to a provider[: {provider}]."
        "پیامک در حال تحویل به ارائه‌دهنده است[: {provider}].";
    ProviderAccepted "{provider} took the text after {took_ms} ms (attempt {attempt})."
        "{provider} پیامک را پس از {took_ms} میلی‌ثانیه پذیرفت (تلاش {attempt}).";
    ProviderRefused "{provider} refused the text[: {code}] (attempt {attempt}, {took_ms} ms)."
        "{provider} پیامک را نپذیرفت[: {code}] (تلاش {attempt}، {took_ms} میلی‌ثانیه).";
    ProviderPutOff "{provider} asked for another try later[: {code}] (attempt {attempt})."
        "{provider} خواست بعداً دوباره تلاش شود[: {code}] (تلاش {attempt}).";
    ProviderSilent "{provider} gave no answer that could be read[: {code}] (attempt {attempt}, {took_ms} ms)."
        "{provider} پاسخ قابل فهمی نداد[: {code}] (تلاش {attempt}، {took_ms} میلی‌ثانیه).";
    ProviderAsked "{provider} was asked what became of the text: {outcome}."
        "از {provider} سرنوشت پیامک پرسیده شد: {outcome}.";
    MessageFailed "No provider took the text[: {reason}]."
        "هیچ ارائه‌دهنده‌ای پیامک را نپذیرفت[: {reason}].";
    MessageExpired "The text's time was over before a provider took it."
        "مهلت پیامک پیش از پذیرش ارائه‌دهنده تمام شد.";
    MessageCancelled "The text was taken back." "ارسال پیامک لغو شد.";
    MessageUnknown "A provider may have taken the text; nobody can say[: {reason}]."
        "شاید ارائه‌دهنده پیامک را گرفته باشد؛ معلوم نیست[: {reason}].";
    ReportCarried "[{provider}: ]the text is on its way to the handset."
        "[{provider}: ]پیامک در راه گوشی است.";
    ReportDelivered "[{provider}: ]the text reached the handset."
        "[{provider}: ]پیامک به گوشی رسید.";
    ReportUndelivered "[{provider}: ]the text will not reach the handset[ ({code})]."
        "[{provider}: ]پیامک به گوشی نمی‌رسد[ ({code})].";
    CodeWrong "A wrong code was typed[ ({purpose})]." "کد نادرست وارد شد[ ({purpose})].";
    CodeUnknown "A code was typed, and none had been sent[ ({purpose})]."
        "کدی وارد شد در حالی که کدی فرستاده نشده بود[ ({purpose})].";
    CodeUsed "A code was typed that had been used[ ({purpose})]."
        "کدی وارد شد که پیش‌تر استفاده شده بود[ ({purpose})].";
    CodeExpired "A code was typed after its time[ ({purpose})]."
        "کد پس از پایان مهلت وارد شد[ ({purpose})].";
    AttemptsSpent "A code was typed when no attempt was left[ ({purpose})]."
        "کد وقتی وارد شد که دیگر تلاشی باقی نمانده بود[ ({purpose})].";
    CodeVerified "The right code was typed, {after_seconds} seconds after it was asked for."
        "کد درست، {after_seconds} ثانیه پس از درخواست، وارد شد.";
    PasswordWrong "A wrong password was typed." "گذرواژهٔ نادرست وارد شد.";
    AccountDisabled "Somebody proved who they are, and the account is disabled."
        "هویت تأیید شد، ولی حساب غیرفعال است.";
    SessionBegun "A session began ({method})[ on {device}]."
        "نشست آغاز شد ({method})[ روی {device}].";
    NumberChanged "The account has another number." "شمارهٔ حساب عوض شد.";
    PasswordChanged "The account has another password." "گذرواژهٔ حساب عوض شد.";
    SessionEnded "Session {session} was ended[: {reason}]." "نشست {session} پایان یافت[: {reason}].";
    SessionExpired "Session {session} was not renewed in time." "مهلت نشست {session} تمام شد.";
    PaymentBegun "A payment of {amount_rials} rials was begun at {gateway}[, order {order_id}]."
        "پرداخت {amount_rials} ریال در {gateway} آغاز شد[، سفارش {order_id}].";
    PageOpened "{gateway} opened a page." "{gateway} صفحهٔ پرداخت را باز کرد.";
    PageRefused "{gateway} refused to open a page[: {reason}]."
        "{gateway} صفحهٔ پرداخت را باز نکرد[: {reason}].";
    PageUnknown "{gateway} did not say whether it opened a page[: {reason}]."
        "{gateway} نگفت صفحهٔ پرداخت را باز کرده یا نه[: {reason}].";
    GatewayAsked "The gateway was asked ({action}): {outcome}[, {code}] ({took_ms} ms)."
        "از درگاه پرسیده شد ({action}): {outcome}[، {code}] ({took_ms} میلی‌ثانیه).";
    PaymentPaid "{amount_rials} rials were paid[, reference {ref_id}]."
        "{amount_rials} ریال پرداخت شد[، کد پیگیری {ref_id}].";
    PaymentFailed "The payment failed[: {reason}]." "پرداخت ناموفق بود[: {reason}].";
    PaymentCancelled "The payer turned back[: {reason}]." "پرداخت‌کننده انصراف داد[: {reason}].";
    PaymentExpired "Nobody paid in time." "در مهلت مقرر پرداختی انجام نشد.";
    PaymentNeedsReview "A person has to look at the payment[: {reason}]."
        "این پرداخت باید بررسی شود[: {reason}].";
    ReturnAsked "Staff asked for the money to go back ({action})."
        "بازگشت وجه درخواست شد ({action}).";
    ReturnDone "The money went back ({action})." "وجه بازگردانده شد ({action}).";
    ReturnRefused "The money did not go back ({action})[: {code}]."
        "وجه بازگردانده نشد ({action})[: {code}].";
    ReturnUnknown "Nobody can say whether the money went back ({action})[: {code}]."
        "معلوم نیست وجه بازگردانده شده یا نه ({action})[: {code}].";
    WalletCredited "The wallet has {amount_rials} rials more ({reason})[, {balance_rials} in all]."
        "{amount_rials} ریال به کیف پول افزوده شد ({reason})[، موجودی {balance_rials}].";
    WalletDebited "The wallet has {amount_rials} rials less ({reason})[, {balance_rials} in all]."
        "{amount_rials} ریال از کیف پول کم شد ({reason})[، موجودی {balance_rials}].";
    StaffActed "Staff: {action}[ ({reason})]." "کارکنان: {action}[ ({reason})].";
    WebhookTold "{endpoint} was told: {event}." "رویداد {event} به {endpoint} اعلام شد.";
    WebhookWaiting "{endpoint} is still to be told: {event}[ ({reason})]."
        "رویداد {event} هنوز به {endpoint} اعلام نشده است[ ({reason})].";
    WebhookFailed "{endpoint} was not told: {event}[ ({reason})]."
        "رویداد {event} به {endpoint} اعلام نشد[ ({reason})].";
    AccountErased "The account was erased." "حساب پاک شد.";
}

#[cfg(test)]
mod tests {
    use super::{super::sentence::required, *};

    #[test]
    fn both_languages_say_the_same_of_everything_that_can_happen() {
        for code in Code::ALL {
            let [english, persian] = sentences(*code);
            let sorted = |sentence| {
                let mut holes = required(sentence);
                holes.sort_unstable();
                holes.iter().map(|hole| (*hole).to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(sorted(english), sorted(persian), "{code:?}");
            assert!(persian.chars().any(|c| ('\u{600}'..='\u{6ff}').contains(&c)), "{code:?}");
        }
    }
}

//! Why no code came, in words: what is so, and what to do about it, in English and Persian.

use poem_openapi::Enum;
use shared::admin::timeline::verdict::Verdict;

/// What is said of a verdict; see [`super::sentence`].
pub(super) struct Said {
    pub(super) text: [&'static str; 2],
    pub(super) advice: [&'static str; 2],
}

macro_rules! verdicts {
    ($($verdict:ident [$en:literal, $fa:literal] [$do_en:literal, $do_fa:literal];)*) => {
        /// Why no code came, or that one did.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
        #[oai(rename_all = "snake_case")]
        pub(crate) enum TimelineVerdict {
            $(#[doc = concat!("See [`Verdict::", stringify!($verdict), "`].")] $verdict,)*
        }

        impl From<Verdict> for TimelineVerdict {
            fn from(verdict: Verdict) -> Self {
                match verdict {
                    $(Verdict::$verdict => Self::$verdict,)*
                }
            }
        }

        /// What is said of it.
        pub(super) const fn said(verdict: Verdict) -> Said {
            match verdict {
                $(Verdict::$verdict => Said {
                    text: [$en, $fa],
                    advice: [$do_en, $do_fa],
                },)*
            }
        }
    };
}

verdicts! {
    NeverAsked
        ["Nobody asked for a code, as far back as this is kept.",
         "تا جایی که نگه‌داری می‌شود، کسی کدی نخواسته است."]
        ["Check the number; have it typed again and look here once more.",
         "شماره را بررسی کنید؛ بخواهید دوباره وارد شود و باز این‌جا را ببینید."];
    Limited
        ["A limit refused it[: {reason}].", "یک محدودیت جلوی ارسال را گرفت[: {reason}]."]
        ["Wait as long as the answer said (Retry-After), or raise the limit in the configuration.",
         "به اندازه‌ای که پاسخ گفته (Retry-After) صبر کنید یا محدودیت را در پیکربندی بیشتر کنید."];
    GuardRefused
        ["The guard against pumping took it for abuse.",
         "محافظ سوءاستفاده آن را سوءاستفاده دانست."]
        ["Look at the decision below; exempt the number, address or country if it is wrong.",
         "تصمیم را در پایین ببینید؛ اگر اشتباه است، شماره، نشانی یا کشور را مستثنا کنید."];
    Blocked
        ["The number or the address is blocked.", "شماره یا نشانی مسدود است."]
        ["Look at the blocks, and take it off if it should not be there.",
         "فهرست مسدودها را ببینید و اگر نباید آن‌جا باشد آن را بردارید."];
    Unavailable
        ["Peyk could not accept it: its database was away or too slow.",
         "پیک نتوانست آن را بپذیرد: پایگاه داده در دسترس نبود یا کند بود."]
        ["Have it tried again; if it goes on, look at the database.",
         "بخواهید دوباره تلاش شود؛ اگر ادامه داشت پایگاه داده را بررسی کنید."];
    QueuePaused
        ["The queue of codes is paused.", "صف کدها متوقف شده است."]
        ["Resume the queue.", "صف را دوباره به کار بیندازید."];
    Queued
        ["The code waits for its turn.", "کد در صف ارسال است."]
        ["Wait a few seconds; if it stays, look whether a worker runs and how long the queue is.",
         "چند ثانیه صبر کنید؛ اگر ماند ببینید worker کار می‌کند و صف چقدر است."];
    ProviderSlow
        ["The provider is slow[: {provider}][, {code}].", "ارائه‌دهنده کند است[: {provider}][، {code}]."]
        ["Pause the provider if it goes on; have the code asked for again.",
         "اگر ادامه داشت ارائه‌دهنده را متوقف کنید؛ بخواهید دوباره کد درخواست شود."];
    ProviderRefused
        ["The provider refused it[: {provider}][, {code}][, {reason}].",
         "ارائه‌دهنده آن را نپذیرفت[: {provider}][، {code}][، {reason}]."]
        ["Look up the code in the provider's documentation: the number, the text or our account is at fault.",
         "کد خطا را در مستندات ارائه‌دهنده ببینید: ایراد از شماره، متن یا حساب ماست."];
    ExpiredUnsent
        ["The code's time was over before a provider took it.",
         "مهلت کد پیش از پذیرش ارائه‌دهنده تمام شد."]
        ["Look at the queue, the workers and the providers of that time.",
         "صف، workerها و ارائه‌دهنده‌ها را در آن زمان بررسی کنید."];
    Cancelled
        ["It was taken back before it was sent.", "پیش از ارسال لغو شد."]
        ["Look below who did that, and have it asked for again.",
         "در پایین ببینید چه کسی این کار را کرده و بخواهید دوباره درخواست شود."];
    Sent
        ["A provider took it a moment ago[: {provider}].",
         "ارائه‌دهنده همین حالا آن را پذیرفت[: {provider}]."]
        ["Wait a minute for it to arrive.", "یک دقیقه برای رسیدن آن صبر کنید."];
    SentNotDelivered
        ["The provider took it and does not say that it arrived[: {provider}][, {code}].",
         "ارائه‌دهنده آن را پذیرفت ولی نمی‌گوید که رسیده است[: {provider}][، {code}]."]
        ["Have the handset checked (switched off, full, advertising texts blocked); send again through another provider.",
         "گوشی را بررسی کنید (خاموش، حافظهٔ پر، بستن پیامک تبلیغاتی)؛ از راه ارائه‌دهندهٔ دیگری دوباره بفرستید."];
    Delivered
        ["It arrived and was not typed yet.", "رسیده و هنوز وارد نشده است."]
        ["Have the newest text looked for, also among the blocked ones.",
         "بخواهید تازه‌ترین پیامک، حتی میان پیامک‌های مسدود، دیده شود."];
    ExpiredBeforeUse
        ["It was over before it was typed.", "پیش از وارد شدن مهلتش تمام شد."]
        ["Have a new one asked for, and typed within its minutes.",
         "بخواهید کد تازه درخواست و در مهلت آن وارد شود."];
    WrongCode
        ["Another code was typed than the one that was sent.",
         "کدی غیر از کد فرستاده‌شده وارد شد."]
        ["Have the code of the newest text typed.", "بخواهید کد تازه‌ترین پیامک وارد شود."];
    AttemptsSpent
        ["Wrong codes were typed until no attempt was left.",
         "آن‌قدر کد نادرست وارد شد که تلاشی باقی نماند."]
        ["Have a new code asked for; if nobody there typed them, somebody guesses.",
         "بخواهید کد تازه درخواست شود؛ اگر خود کاربر وارد نکرده، کسی حدس می‌زند."];
    Verified
        ["The code came and was used[ after {after_seconds} seconds].",
         "کد رسید و[ پس از {after_seconds} ثانیه] استفاده شد."]
        ["Nothing is wrong with the code: look at the session below.",
         "کد مشکلی ندارد: نشست را در پایین ببینید."];
    AccountDisabled
        ["The code came and was used, but the account is disabled.",
         "کد رسید و استفاده شد، ولی حساب غیرفعال است."]
        ["An admin may enable the account.", "مدیر می‌تواند حساب را فعال کند."];
}

#[cfg(test)]
mod tests {
    use super::{super::sentence::required, *};

    #[test]
    fn every_verdict_is_said_in_both_languages_without_a_hole_that_may_stay_empty() {
        for verdict in Verdict::ALL {
            let Said { text, advice } = said(*verdict);
            for sentence in [text, advice].concat() {
                assert!(sentence.ends_with('.') && required(sentence).is_empty(), "{sentence}");
            }
        }
    }
}

//! "Why does no code come?": one answer to it, from what happened. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Item,
    codes::{Code, Severity},
};

/// A provider that has not answered for so long is slow.
const SLOW_CALL: TimeDelta = TimeDelta::seconds(5);
/// A code that a provider took so long after it was asked for came late.
const LATE: TimeDelta = TimeDelta::seconds(30);
/// So long after a provider took a text, a handset that is reachable has it.
const ARRIVES_WITHIN: TimeDelta = TimeDelta::seconds(60);

macro_rules! verdicts {
    ($($(#[$doc:meta])* $verdict:ident $word:literal $severity:ident;)*) => {
        /// Why a code did not come, or that it did.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Verdict {
            $($(#[$doc])* $verdict,)*
        }

        impl Verdict {
            /// All.
            pub const ALL: &[Self] = &[$(Self::$verdict,)*];

            /// The word in answers.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$verdict => $word,)*
                }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$verdict => Severity::$severity,)*
                }
            }
        }
    };
}

verdicts! {
    /// Nobody asked for a code, as far back as things are kept.
    NeverAsked "never_asked" Note;
    /// A limit of the number, the address or the day refused it.
    Limited "limited" Problem;
    /// The guard against pumping refused it.
    GuardRefused "guard_refused" Problem;
    /// Staff blocked the number, its prefix or the address.
    Blocked "blocked" Problem;
    /// Peyk itself could not accept it: its database was away.
    Unavailable "unavailable" Problem;
    /// The queue of codes is paused.
    QueuePaused "queue_paused" Problem;
    /// It waits for its turn.
    Queued "queued" Note;
    /// A provider has not answered, or took it late.
    ProviderSlow "provider_slow" Problem;
    /// Providers refused it.
    ProviderRefused "provider_refused" Problem;
    /// Its time was over before a provider took it.
    ExpiredUnsent "expired_unsent" Problem;
    /// Whoever asked for it took it back.
    Cancelled "cancelled" Note;
    /// A provider took it a moment ago.
    Sent "sent" Ok;
    /// A provider took it, and says that it did not arrive, or says nothing.
    SentNotDelivered "sent_not_delivered" Problem;
    /// It arrived and was not typed yet.
    Delivered "delivered" Ok;
    /// It arrived and was over before it was typed.
    ExpiredBeforeUse "expired_before_use" Problem;
    /// It was typed wrong.
    WrongCode "wrong_code" Problem;
    /// It was typed wrong too often.
    AttemptsSpent "attempts_spent" Problem;
    /// It was used.
    Verified "verified" Ok;
    /// It was used, and the account is disabled.
    AccountDisabled "account_disabled" Problem;
}

/// What holds now, beside what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Nothing of the queue of codes is sent.
    pub queue_paused: bool,
    /// The number is blocked.
    pub blocked: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Why.
    pub verdict: Verdict,
    /// When what it is about happened; `None`: nothing did.
    pub at: Option<DateTime<Utc>>,
    /// The text it is about.
    pub message: Option<i64>,
    /// More, by name: the provider, its code, the reason.
    pub params: BTreeMap<&'static str, String>,
}

impl Answer {
    fn of(verdict: Verdict, item: &Item) -> Self {
        let told = ["provider", "code", "reason", "after_seconds"];
        let params = item.params.iter().filter(|(name, _)| told.contains(name));
        Self {
            verdict,
            at: Some(item.at),
            message: item.link.filter(|link| link.kind.as_str() == "message").map(|link| link.id),
            params: params.map(|(name, value)| (*name, value.clone())).collect(),
        }
    }
}

/// Why no code came, from what happened, the latest first. Of a timeline without codes the answer is
/// about its latest text.
pub fn answer(items: &[Item], conditions: Conditions, now: DateTime<Utc>) -> Answer {
    let latest = |code| items.iter().find(|item| item.code == code);
    let asked = latest(Code::CodeAsked).or_else(|| latest(Code::TextAsked));
    let refused = items.iter().find(|item| is_refusal(item));
    match (asked, refused) {
        (asked, Some(refused)) if asked.is_none_or(|asked| asked.place() < refused.place()) => {
            Answer::of(why_refused(refused), refused)
        }
        (Some(asked), _) => of_text(items, asked, conditions, now),
        (None, _) => {
            let verdict = if conditions.blocked { Verdict::Blocked } else { Verdict::NeverAsked };
            Answer { verdict, at: None, message: None, params: BTreeMap::new() }
        }
    }
}

/// During a cool-down the code from before is on its way: that one is the story.
fn is_refusal(item: &Item) -> bool {
    item.code == Code::SendRefused
        && item.params.get("reason").is_none_or(|reason| reason != "otp_cooldown")
}

fn why_refused(item: &Item) -> Verdict {
    match item.params.get("reason").map_or("", String::as_str) {
        "send_refused" => Verdict::GuardRefused,
        "unavailable" | "internal" | "timeout" => Verdict::Unavailable,
        reason if reason.contains("block") => Verdict::Blocked,
        _ => Verdict::Limited,
    }
}

/// What became of the text that was asked for last, and of the code in it.
fn of_text(items: &[Item], asked: &Item, conditions: Conditions, now: DateTime<Utc>) -> Answer {
    let since: Vec<_> = items.iter().filter(|item| item.place() >= asked.place()).collect();
    let latest = |code| since.iter().copied().find(|item| item.code == code);
    let of_it = |code| {
        let own = asked.link.map(|link| link.id);
        since
            .iter()
            .copied()
            .find(|item| item.code == code && own.is_some_and(|id| item.is_of_message(id)))
    };
    if let Some(item) = latest(Code::AccountDisabled) {
        return Answer::of(Verdict::AccountDisabled, item);
    }
    let ended = [
        (of_it(Code::CodeVerified), Verdict::Verified),
        (of_it(Code::MessageExpired), Verdict::ExpiredUnsent),
        (of_it(Code::MessageCancelled), Verdict::Cancelled),
        (of_it(Code::ReportUndelivered), Verdict::SentNotDelivered),
        (latest(Code::AttemptsSpent), Verdict::AttemptsSpent),
        (latest(Code::CodeExpired), Verdict::ExpiredBeforeUse),
        (latest(Code::CodeWrong), Verdict::WrongCode),
        (of_it(Code::MessageUnknown), Verdict::ProviderSlow),
    ];
    if let Some(failed) = of_it(Code::MessageFailed) {
        let refused = of_it(Code::ProviderRefused).unwrap_or(failed);
        return Answer { at: Some(failed.at), ..Answer::of(Verdict::ProviderRefused, refused) };
    }
    if let Some((item, verdict)) = ended.into_iter().find_map(|(item, why)| Some((item?, why))) {
        return Answer::of(verdict, item);
    }
    if let Some(sending) = of_it(Code::MessageSending) {
        let slow = now - sending.at > SLOW_CALL;
        let verdict = if slow { Verdict::ProviderSlow } else { Verdict::Queued };
        return Answer::of(verdict, sending);
    }
    if let Some(waiting) = of_it(Code::MessageWaiting) {
        return of_waiting(&of_it, waiting, conditions);
    }
    of_sent(&of_it, asked, now)
}

fn of_waiting<'a>(
    of_it: &impl Fn(Code) -> Option<&'a Item>,
    waiting: &Item,
    conditions: Conditions,
) -> Answer {
    if conditions.queue_paused {
        return Answer::of(Verdict::QueuePaused, waiting);
    }
    let tried = [Code::ProviderSilent, Code::ProviderPutOff, Code::ProviderRefused];
    let last = tried.into_iter().filter_map(of_it).max_by_key(|item| item.place());
    match last {
        Some(item) if item.code == Code::ProviderRefused => {
            Answer::of(Verdict::ProviderRefused, item)
        }
        Some(item) => Answer::of(Verdict::ProviderSlow, item),
        None => Answer::of(Verdict::Queued, waiting),
    }
}

fn of_sent<'a>(
    of_it: &impl Fn(Code) -> Option<&'a Item>,
    asked: &Item,
    now: DateTime<Utc>,
) -> Answer {
    let is_over = asked.until.is_some_and(|until| until <= now);
    if let Some(report) = of_it(Code::ReportDelivered) {
        let over = is_over && asked.code == Code::CodeAsked;
        return Answer::of(
            if over { Verdict::ExpiredBeforeUse } else { Verdict::Delivered },
            report,
        );
    }
    // What it was taken by may have been found out by asking.
    let taken = of_it(Code::ProviderAccepted).or_else(|| of_it(Code::ProviderAsked));
    let Some(taken) = taken else { return Answer::of(Verdict::Sent, asked) };
    if taken.at - asked.at > LATE {
        return Answer::of(Verdict::ProviderSlow, taken);
    }
    let silent = is_over || now - taken.at > ARRIVES_WITHIN;
    Answer::of(if silent { Verdict::SentNotDelivered } else { Verdict::Sent }, taken)
}

#[cfg(test)]
mod tests;

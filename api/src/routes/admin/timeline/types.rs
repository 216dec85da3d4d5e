//! What staff are shown of what happened.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use shared::admin::timeline::{
    self, Item, LinkKind,
    codes::{Kind, Severity},
    verdict::Answer,
};

use super::{
    sentence::fill,
    terms::spoken,
    verdicts::{TimelineVerdict, said},
    words::{TimelineCode, sentences},
};
use crate::{language::Language, timestamp::Timestamp};

macro_rules! mirrored {
    ($(#[$doc:meta])* $name:ident of $source:ident { $($(#[$of:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
        #[oai(rename_all = "snake_case")]
        pub(crate) enum $name {
            $($(#[$of])* $variant,)*
        }

        impl From<$source> for $name {
            fn from(source: $source) -> Self {
                match source {
                    $($source::$variant => Self::$variant,)*
                }
            }
        }
    };
}

mirrored!(
    /// What an item is about.
    TimelineKind of Kind {
        /// One-time codes.
        Code,
        /// Texts, from here to the handset.
        Message,
        /// The guard against pumping.
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
);

mirrored!(
    /// How bad something is.
    TimelineSeverity of Severity {
        /// As it should be.
        Ok,
        /// Worth a look.
        Note,
        /// Somebody did not get what they wanted.
        Problem,
    }
);

mirrored!(
    /// A kind of row that a timeline leads to.
    TimelineSubjectKind of LinkKind {
        /// An account.
        User,
        /// A text.
        Message,
        /// A payment.
        Payment,
    }
);

/// Where there is more of it.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct TimelineSubject {
    /// What it is.
    kind: TimelineSubjectKind,
    /// Its number.
    id: i64,
}

impl Example for TimelineSubject {
    fn example() -> Self {
        Self { kind: TimelineSubjectKind::Message, id: 41 }
    }
}

/// One thing that happened.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct TimelineItem {
    /// When.
    at: Timestamp,
    /// What it is about.
    kind: TimelineKind,
    /// What happened.
    code: TimelineCode,
    /// How bad it is.
    severity: TimelineSeverity,
    /// The same as a sentence, in the language of `Accept-Language`.
    text: String,
    /// What the sentence is made of, by name: providers, codes, reasons, rials, milliseconds.
    params: HashMap<String, String>,
    /// Where there is more of it; absent if nowhere.
    #[oai(skip_serializing_if_is_none)]
    subject: Option<TimelineSubject>,
}

impl Example for TimelineItem {
    fn example() -> Self {
        let pairs = [("provider", "kavenegar"), ("took_ms", "212"), ("attempt", "1")];
        Self {
            at: Timestamp(DateTime::<Utc>::UNIX_EPOCH),
            kind: TimelineKind::Message,
            code: TimelineCode::ProviderAccepted,
            severity: TimelineSeverity::Ok,
            text: "kavenegar took the text after 212 ms (attempt 1).".to_owned(),
            params: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            subject: Some(TimelineSubject::example()),
        }
    }
}

/// Why no code came, or that one did.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct TimelineAnswer {
    /// Why.
    verdict: TimelineVerdict,
    /// How bad it is.
    severity: TimelineSeverity,
    /// The same as a sentence, in the language of `Accept-Language`.
    text: String,
    /// What to do about it.
    advice: String,
    /// When what it is about happened; absent if nothing did.
    #[oai(skip_serializing_if_is_none)]
    at: Option<Timestamp>,
    /// The text it is about; absent if there is none.
    #[oai(skip_serializing_if_is_none)]
    message_id: Option<i64>,
    /// What the sentence is made of, by name.
    params: HashMap<String, String>,
}

impl Example for TimelineAnswer {
    fn example() -> Self {
        Self {
            verdict: TimelineVerdict::ProviderRefused,
            severity: TimelineSeverity::Problem,
            text: "The provider refused it: kavenegar, kavenegar.411.".to_owned(),
            advice: "Look up the code in the provider's documentation.".to_owned(),
            at: Some(Timestamp(DateTime::<Utc>::UNIX_EPOCH)),
            message_id: Some(41),
            params: [("code".to_owned(), "kavenegar.411".to_owned())].into(),
        }
    }
}

/// Whom a timeline is about.
#[derive(Debug, Object)]
#[oai(rename = "TimelineSubjects", example)]
pub(crate) struct Subjects {
    /// Numbers, in the national form for Iran; masked for viewers and finance.
    numbers: Vec<String>,
    /// Accounts.
    users: Vec<i64>,
    /// Payments that were searched for.
    payments: Vec<i64>,
    /// Texts that were searched for.
    messages: Vec<i64>,
    /// What was searched for, where it may be the name of a request; absent otherwise.
    #[oai(skip_serializing_if_is_none)]
    request_id: Option<String>,
}

impl From<timeline::Subjects> for Subjects {
    fn from(found: timeline::Subjects) -> Self {
        let timeline::Subjects { numbers, users, payments, messages, request_id } = found;
        Self { numbers, users, payments, messages, request_id }
    }
}

impl Example for Subjects {
    fn example() -> Self {
        Self {
            numbers: vec!["09123456789".to_owned()],
            users: vec![17],
            payments: vec![9],
            messages: vec![41],
            request_id: Some("c1e33e54549f58270c4bb34c85894bd2".to_owned()),
        }
    }
}

/// A part of a timeline, the latest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct TimelinePage {
    /// What was before; null on the last page.
    pub(super) next: Option<String>,
    /// Pages go one way: always null.
    pub(super) previous: Option<String>,
    /// Whom it is about; empty if nobody was found.
    pub(super) subjects: Subjects,
    /// Why no code came; on the first page of numbers, accounts with one, and texts.
    #[oai(skip_serializing_if_is_none)]
    pub(super) answer: Option<TimelineAnswer>,
    /// What happened.
    pub(super) results: Vec<TimelineItem>,
}

impl Example for TimelinePage {
    fn example() -> Self {
        let url = |cursor: &str| {
            let list = "https://peyk.example/api/admin/timeline/";
            Some(format!("{list}?cursor={cursor}&limit=200&search=09123456789"))
        };
        Self {
            next: url("1795289824000000.2.41"),
            previous: url("1795289825000000.2.42"),
            subjects: Subjects::example(),
            answer: Some(TimelineAnswer::example()),
            results: vec![TimelineItem::example()],
        }
    }
}

/// An item in the language of whoever reads it.
pub(super) fn item(item: Item, language: Language) -> TimelineItem {
    let params = owned(item.params);
    let subject = |link: timeline::Link| TimelineSubject { kind: link.kind.into(), id: link.id };
    TimelineItem {
        at: Timestamp(item.at),
        kind: item.code.kind().into(),
        code: item.code.into(),
        severity: item.code.severity().into(),
        text: fill(sentences(item.code)[language as usize], &spoken(&params, language)),
        params,
        subject: item.link.map(subject),
    }
}

/// The answer in the language of whoever reads it.
pub(super) fn answer(answer: Answer, language: Language) -> TimelineAnswer {
    let (said, params) = (said(answer.verdict), owned(answer.params));
    let holes = spoken(&params, language);
    TimelineAnswer {
        verdict: answer.verdict.into(),
        severity: answer.verdict.severity().into(),
        text: fill(said.text[language as usize], &holes),
        advice: fill(said.advice[language as usize], &holes),
        at: answer.at.map(Timestamp),
        message_id: answer.message,
        params,
    }
}

fn owned(params: impl IntoIterator<Item = (&'static str, String)>) -> HashMap<String, String> {
    params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

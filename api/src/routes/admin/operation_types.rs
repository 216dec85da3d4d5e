//! What staff are shown of queues, providers, cron jobs and blocks, and what they ask for.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use serde_json::Value;
use shared::{
    admin::queues::{CHANGED_AT_ONCE, Changed, Chosen, Count, Pause, QueueView, State as RowState},
    jobs::Queue,
};

use crate::{
    input::{Fields, FromFields, Text},
    timestamp::Timestamp,
};

/// Longest reason.
const REASON_CHARS: usize = 500;
/// Longest bounded word a row has for why it is as it is.
const WORD_CHARS: usize = 64;

/// A queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum QueueName {
    /// Texts with one-time codes.
    Otp,
    /// Texts to one recipient.
    Sms,
    /// Texts to many.
    Bulk,
    /// Events to tell.
    Webhooks,
    /// Payments to look at.
    Payments,
    /// Money on its way back.
    Returns,
}

impl QueueName {
    /// The same inside.
    pub(crate) const fn inside(self) -> Queue {
        match self {
            Self::Otp => Queue::Otp,
            Self::Sms => Queue::Sms,
            Self::Bulk => Queue::Bulk,
            Self::Webhooks => Queue::Webhooks,
            Self::Payments => Queue::Payments,
            Self::Returns => Queue::Returns,
        }
    }
}

impl From<Queue> for QueueName {
    fn from(queue: Queue) -> Self {
        match queue {
            Queue::Otp => Self::Otp,
            Queue::Sms => Self::Sms,
            Queue::Bulk => Self::Bulk,
            Queue::Webhooks => Self::Webhooks,
            Queue::Payments => Self::Payments,
            Queue::Returns => Self::Returns,
        }
    }
}

/// A number of rows.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct BoundedCount {
    /// So many, 10,000 at most.
    count: i64,
    /// Whether there are more.
    more: bool,
}

impl From<Count> for BoundedCount {
    fn from(Count { count, more }: Count) -> Self {
        Self { count, more }
    }
}

impl Example for BoundedCount {
    fn example() -> Self {
        Self { count: 10_000, more: true }
    }
}

/// Something that rests because staff said so.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffPause {
    /// Since when.
    paused_at: Timestamp,
    /// Whose account said so; absent if it was a command on the server.
    #[oai(skip_serializing_if_is_none)]
    paused_by: Option<i64>,
    /// Why.
    reason: String,
}

impl StaffPause {
    /// Of its parts.
    pub(super) fn new(at: DateTime<Utc>, by: Option<i64>, reason: String) -> Self {
        Self { paused_at: Timestamp(at), paused_by: by, reason }
    }
}

impl From<Pause> for StaffPause {
    fn from(pause: Pause) -> Self {
        Self::new(pause.at, pause.by, pause.reason)
    }
}

impl Example for StaffPause {
    fn example() -> Self {
        Self::new(DateTime::UNIX_EPOCH, Some(3), "The provider is being moved.".to_owned())
    }
}

/// What is due of one kind.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct QueueKind {
    /// An endpoint of webhooks, a gateway of payments, `reverse` or `refund`.
    kind: String,
    /// Rows that could be worked on now, counted to 10,001.
    due: i64,
}

impl Example for QueueKind {
    fn example() -> Self {
        Self { kind: "shop".to_owned(), due: 12 }
    }
}

/// How a queue stands.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffQueue {
    /// Which one.
    queue: QueueName,
    /// Rows in the hands of a worker.
    running: BoundedCount,
    /// Rows that could be worked on now.
    due: BoundedCount,
    /// Seconds that the oldest of those has been due; absent if none is.
    #[oai(skip_serializing_if_is_none)]
    oldest_due_seconds: Option<i64>,
    /// Rows whose time is yet to come: a later attempt, or a text that was asked for later.
    scheduled: BoundedCount,
    /// Rows that ended badly in the last 24 hours.
    failed: BoundedCount,
    /// Rows of the last 24 hours of which nobody knows how they ended; payments that wait for a person.
    unknown: BoundedCount,
    /// What is due, by what it is; empty where there is one kind alone.
    kinds: Vec<QueueKind>,
    /// Since when and why it rests; absent if it does not.
    #[oai(skip_serializing_if_is_none)]
    paused: Option<StaffPause>,
}

impl From<QueueView> for StaffQueue {
    fn from(view: QueueView) -> Self {
        let kinds = view.kinds.into_iter().map(|(kind, due)| QueueKind { kind, due });
        Self {
            queue: view.queue.into(),
            running: view.running.into(),
            due: view.due.into(),
            oldest_due_seconds: view.oldest_due_seconds,
            scheduled: view.scheduled.into(),
            failed: view.failed.into(),
            unknown: view.unknown.into(),
            kinds: kinds.collect(),
            paused: view.paused.map(StaffPause::from),
        }
    }
}

impl Example for StaffQueue {
    fn example() -> Self {
        let count = |count| BoundedCount { count, more: false };
        Self {
            queue: QueueName::Webhooks,
            running: count(4),
            due: BoundedCount::example(),
            oldest_due_seconds: Some(42),
            scheduled: count(17),
            failed: count(3),
            unknown: count(0),
            kinds: vec![QueueKind::example()],
            paused: Some(StaffPause::example()),
        }
    }
}

/// Every queue.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffQueuePage {
    /// There is one page: always null.
    next: Option<String>,
    /// There is one page: always null.
    previous: Option<String>,
    /// The queues.
    results: Vec<StaffQueue>,
}

impl StaffQueuePage {
    /// Of all.
    pub(super) fn of(views: Vec<QueueView>) -> Self {
        Self {
            next: None,
            previous: None,
            results: views.into_iter().map(StaffQueue::from).collect(),
        }
    }
}

impl Example for StaffQueuePage {
    fn example() -> Self {
        let none = || Some("https://peyk.example/".to_owned());
        Self { next: none(), previous: none(), results: vec![StaffQueue::example()] }
    }
}

/// Why something is to rest.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct PauseReason {
    /// For whoever asks later.
    #[oai(validator(min_length = 1, max_length = 500))]
    reason: String,
}

impl Example for PauseReason {
    fn example() -> Self {
        Self { reason: "The provider is being moved.".to_owned() }
    }
}

/// The same as it is read.
pub(crate) struct WhyPause {
    pub(super) reason: String,
}

impl FromFields for WhyPause {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { reason: fields.text("reason", Text::max(REASON_CHARS))? })
    }
}

/// Whether something rests now.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffPaused {
    /// Whether it rests.
    paused: bool,
    /// In words.
    details: String,
}

impl StaffPaused {
    /// Of its parts.
    pub(super) fn new(paused: bool, details: &str) -> Self {
        Self { paused, details: details.to_owned() }
    }
}

impl Example for StaffPaused {
    fn example() -> Self {
        Self::new(true, "The queue rests.")
    }
}

/// The state of rows that are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum QueueRowState {
    /// They could be worked on now.
    Due,
    /// Their time is yet to come.
    Scheduled,
    /// They ended badly.
    Failed,
    /// Nobody knows how they ended.
    Unknown,
}

impl QueueRowState {
    const ALL: [(&'static str, RowState); 4] = [
        ("due", RowState::Due),
        ("scheduled", RowState::Scheduled),
        ("failed", RowState::Failed),
        ("unknown", RowState::Unknown),
    ];
}

/// Rows of a queue to be changed: `ids`, or a `state`, perhaps with a `reason`.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ChangeRows {
    /// These rows, at most 1,000.
    #[oai(validator(max_items = 1000))]
    ids: Option<Vec<i64>>,
    /// All in this state, up to 1,000.
    state: Option<QueueRowState>,
    /// Of those only the ones with this reason, such as `kavenegar.418`.
    #[oai(validator(max_length = 64))]
    reason: Option<String>,
}

impl Example for ChangeRows {
    fn example() -> Self {
        Self {
            ids: Some(vec![41, 42]),
            state: Some(QueueRowState::Failed),
            reason: Some("kavenegar.418".to_owned()),
        }
    }
}

/// The same as it is read.
pub(crate) struct WhichRows(pub(super) Chosen);

impl FromFields for WhichRows {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let ids = fields.value("ids").filter(|value| !value.is_null());
        let word = fields.optional_text("state", Text::max(16));
        let reason = fields.optional_text("reason", Text::max(WORD_CHARS));
        if let Some(ids) = ids {
            let ids = read_ids(&ids);
            if ids.is_none() {
                fields.error("ids", "invalid", "Between 1 and 1000 whole numbers are required.");
            }
            return Some(Self(Chosen::Ids(ids?)));
        }
        let Some(word) = word else {
            fields.error("ids", "required", "Say which rows: ids, or a state.");
            return None;
        };
        let state = QueueRowState::ALL.into_iter().find(|(name, _)| *name == word);
        let Some((_, state)) = state else {
            fields.error("state", "invalid_choice", format!("\"{word}\" is not a valid choice."));
            return None;
        };
        Some(Self(Chosen::All { state, reason }))
    }
}

fn read_ids(value: &Value) -> Option<Vec<i64>> {
    let list = value.as_array()?;
    let ids: Option<Vec<_>> = list.iter().map(Value::as_i64).collect();
    ids.filter(|ids| (1..=CHANGED_AT_ONCE).contains(&ids.len()))
}

/// What was changed.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct RowsChanged {
    /// How many rows.
    changed: i32,
    /// Whether there may be more: ask again.
    more: bool,
}

impl RowsChanged {
    /// Of what was done.
    pub(super) fn of(changed: &Changed) -> Self {
        let count = i32::try_from(changed.ids.len()).unwrap_or(i32::MAX);
        Self { changed: count, more: changed.more }
    }
}

impl Example for RowsChanged {
    fn example() -> Self {
        Self { changed: 1_000, more: true }
    }
}

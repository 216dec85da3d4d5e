//! `admin/queues/{queue}/items/`: the rows of a queue.

use chrono::DateTime;
use poem::web::Data;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use shared::admin::lists::{
    self, LONGEST_PAGE, Value, Wanted,
    queue_items::{DeliveryItem, Item, PaymentItem, QueueItem, ReturnItem, TextItem},
};

use super::{StaffListProblem, listing::example_cursor, operation_types::QueueName};
use crate::{
    caller::{Staff, task},
    error::Problem,
    routes::{
        Tag,
        paging::{Link, example_limit},
    },
    state::{SharedState, State},
    timestamp::Timestamp,
};

/// How rows of a queue stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum QueueItemState {
    /// In the hands of a worker.
    Running,
    /// They could be worked on now; those first that have been due longest.
    Due,
    /// Their time is yet to come; the soonest first.
    Scheduled,
    /// They ended badly; the latest first.
    Failed,
    /// Nobody knows how they ended; the latest first.
    Unknown,
}

impl QueueItemState {
    const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Due => "due",
            Self::Scheduled => "scheduled",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What a row of a queue is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum QueueSubject {
    /// A text: `admin/messages/{id}/`.
    Message,
    /// A delivery of a webhook: `admin/webhooks/{id}/`.
    Webhook,
    /// A payment: `admin/payments/{id}/`.
    Payment,
}

/// A row of a queue.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffQueueItem {
    /// Its number.
    id: i64,
    /// What it is: `otp`, `text`, `bulk`; the kind of an event; a gateway; `reverse`, `refund`.
    kind: String,
    /// How it stands in words of its own, such as `queued` or `needs_review`.
    status: String,
    /// Attempts so far.
    attempt: i32,
    /// When it is tried next; absent if it is not.
    #[oai(skip_serializing_if_is_none)]
    next_attempt_at: Option<Timestamp>,
    /// Why it ended or waits, such as `kavenegar.418`; absent if nothing is known.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
    /// When it came to be.
    created_at: Timestamp,
    /// What it is about.
    subject: QueueSubject,
    /// The number of that.
    subject_id: i64,
}

impl StaffQueueItem {
    fn new(item: QueueItem, subject: QueueSubject) -> Self {
        Self {
            id: item.id,
            kind: item.kind,
            status: item.status,
            attempt: item.attempt,
            next_attempt_at: item.next_attempt_at.map(Timestamp),
            reason: item.reason,
            created_at: Timestamp(item.created_at),
            subject,
            subject_id: item.subject_id,
        }
    }
}

impl Example for StaffQueueItem {
    fn example() -> Self {
        Self {
            id: 41,
            kind: "text".to_owned(),
            status: "queued".to_owned(),
            attempt: 2,
            next_attempt_at: Some(Timestamp(DateTime::UNIX_EPOCH)),
            reason: Some("kavenegar.418".to_owned()),
            created_at: Timestamp(DateTime::UNIX_EPOCH),
            subject: QueueSubject::Message,
            subject_id: 41,
        }
    }
}

/// A page of the rows of a queue.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffQueueItemPage {
    /// The next page; null on the last.
    next: Option<String>,
    /// Pages go one way: always null.
    previous: Option<String>,
    /// The rows.
    results: Vec<StaffQueueItem>,
}

impl Example for StaffQueueItemPage {
    fn example() -> Self {
        let url = |state: &str| {
            Some(format!("https://peyk.example/api/admin/queues/sms/items/?state={state}"))
        };
        Self {
            next: url("due&cursor=WyJuZXdlc3QiLG51bGwsMTdd"),
            previous: url("due"),
            results: vec![StaffQueueItem::example()],
        }
    }
}

/// The operation.
pub(crate) struct QueueItemApi;

#[OpenApi(tag = "Tag::Staff")]
impl QueueItemApi {
    /// Look at the rows of a queue
    ///
    /// Those in a state. Nothing of anybody is in them: what they are about is looked at by itself.
    /// Written down in the audit log.
    #[oai(path = "/admin/queues/:queue/items", method = "get", operation_id = "listQueueItems")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtOperations>,
        /// Which.
        #[oai(example = "example_queue")]
        queue: Path<QueueName>,
        /// Those that stand so; spelt `state`.
        #[oai(name = "state", example = "example_state")]
        in_state: Query<QueueItemState>,
        /// Where the page before ended: what its `next` says.
        #[oai(example = "example_cursor", validator(max_length = 200))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffQueueItemPage>, StaffListProblem> {
        let limit = limit.0.map(|limit| limit.clamp(1, LONGEST_PAGE));
        let asked = Asked { state: state.0, queue: queue.0, word: in_state.0.word(), limit };
        let page = match queue.0 {
            QueueName::Otp => asked.page::<TextItem, _>(&staff, cursor.0, "otp").await,
            QueueName::Sms => asked.page::<TextItem, _>(&staff, cursor.0, "text").await,
            QueueName::Bulk => asked.page::<TextItem, _>(&staff, cursor.0, "bulk").await,
            QueueName::Webhooks => asked.page::<DeliveryItem, _>(&staff, cursor.0, "").await,
            QueueName::Payments => asked.page::<PaymentItem, _>(&staff, cursor.0, "").await,
            QueueName::Returns => asked.page::<ReturnItem, _>(&staff, cursor.0, "").await,
        };
        Ok(Json(page?))
    }
}

/// What is asked for.
struct Asked<'a> {
    state: &'a State,
    queue: QueueName,
    word: &'static str,
    limit: Option<i64>,
}

impl Asked<'_> {
    /// A page of a table's rows, of this kind where it has several.
    async fn page<T: Item, K>(
        &self,
        staff: &Staff<K>,
        cursor: Option<String>,
        kind: &str,
    ) -> Result<StaffQueueItemPage, Problem> {
        let filter = T::STATES.into_iter().find(|filter| filter.name == self.word);
        let filter = filter.expect("a queue has every state");
        let its = |sort: &&lists::Sort| sort.within.iter().any(|filter| filter.name == self.word);
        let sort = T::LISTING.sorts.iter().find(its).map(|sort| sort.name.to_owned());
        let filters = vec![(filter, Value::Text(kind.to_owned()))];
        let wanted = Wanted { filters, sort, cursor, limit: self.limit, about: None };
        let (source, now) = (staff.caller.source(), self.state.clock.now());
        let shown = staff.shown();
        let page = lists::list::<T>(&self.state.pool, &source, &wanted, shown, now).await?;
        let subject = match self.queue {
            QueueName::Otp | QueueName::Sms | QueueName::Bulk => QueueSubject::Message,
            QueueName::Webhooks => QueueSubject::Webhook,
            QueueName::Payments | QueueName::Returns => QueueSubject::Payment,
        };
        let rows = page.rows.into_iter().map(|row| StaffQueueItem::new(row.item(), subject));
        Ok(StaffQueueItemPage {
            next: page.next.map(|cursor| self.next(&cursor)),
            previous: None,
            results: rows.collect(),
        })
    }

    fn next(&self, cursor: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("cursor", cursor).append_pair("state", self.word);
        if let Some(limit) = self.limit {
            query.append_pair("limit", &limit.to_string());
        }
        let path = format!("admin/queues/{}/items/", self.queue.inside().name());
        let link = Link { state: self.state, path: &path, query: &[] };
        format!("{}?{}", link.url(), query.finish())
    }
}

fn example_queue() -> QueueName {
    QueueName::Sms
}

fn example_state() -> QueueItemState {
    QueueItemState::Due
}

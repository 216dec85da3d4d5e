//! `admin/webhooks/…`: events at their endpoints.

use std::collections::HashMap;

use chrono::DateTime;
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use serde_json::Value;
use shared::{
    admin::{
        lists::webhooks::{self as by, StaffWebhook as Found},
        webhooks::{WebhookChangeError, WebhookStory},
    },
    jobs::{Queue, RowId},
};

use super::{
    StaffChangeProblem, StaffListProblem, StaffLookProblem,
    listing::{Asked, ByAge, example_cursor, example_sort, staff_page},
    words::{WebhookStatus, word},
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem},
    routes::{Tag, otp::example_handle, paging::example_limit},
    state::{SharedState, State},
    timestamp::Timestamp,
};

/// An event at one endpoint.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffWebhook {
    /// Its number.
    id: i64,
    /// The event, as receivers know it: `webhook-id`.
    event_id: String,
    /// What happened, such as `sms.sent`.
    kind: String,
    /// What it happened to, such as `user:17`.
    subject: String,
    /// The endpoint's name in the configuration.
    endpoint: String,
    /// Where it is.
    status: WebhookStatus,
    /// Attempts so far.
    attempts: i32,
    /// The HTTP status of the latest one; absent if there was no answer.
    #[oai(skip_serializing_if_is_none)]
    response_status: Option<i32>,
    /// Why the latest one failed, such as `http.timeout`.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
    /// When it happened.
    created_at: Timestamp,
    /// When it is tried next; absent if it is not.
    #[oai(skip_serializing_if_is_none)]
    next_attempt_at: Option<Timestamp>,
    /// Until when it is tried.
    give_up_at: Timestamp,
    /// When it ended; absent if it did not.
    #[oai(skip_serializing_if_is_none)]
    settled_at: Option<Timestamp>,
}

impl From<Found> for StaffWebhook {
    fn from(found: Found) -> Self {
        Self {
            id: found.id,
            event_id: found.event_id,
            kind: found.kind,
            subject: found.subject,
            endpoint: found.endpoint,
            status: word(&found.status),
            attempts: found.attempt,
            response_status: found.response_status.map(i32::from),
            reason: found.reason,
            created_at: Timestamp(found.created_at),
            next_attempt_at: found.next_attempt_at.map(Timestamp),
            give_up_at: Timestamp(found.give_up_at),
            settled_at: found.settled_at.map(Timestamp),
        }
    }
}

impl Example for StaffWebhook {
    fn example() -> Self {
        let at = Timestamp(DateTime::UNIX_EPOCH);
        Self {
            id: 41,
            event_id: example_handle(),
            kind: "sms.sent".to_owned(),
            subject: "sms:41".to_owned(),
            endpoint: "shop".to_owned(),
            status: WebhookStatus::Failed,
            attempts: 9,
            response_status: Some(500),
            reason: Some("http.500".to_owned()),
            created_at: at,
            next_attempt_at: Some(at),
            give_up_at: at,
            settled_at: Some(at),
        }
    }
}

staff_page!(
    /// A page of events at their endpoints.
    StaffWebhookPage of StaffWebhook, "admin/webhooks/"
);

/// An event at one endpoint with what is told of it.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffWebhookStory {
    /// The delivery.
    #[oai(flatten)]
    delivery: StaffWebhook,
    /// What is told, by name; what is no text is written as JSON. Absent for viewers and finance.
    #[oai(skip_serializing_if_is_none)]
    data: Option<HashMap<String, String>>,
}

impl From<WebhookStory> for StaffWebhookStory {
    fn from(story: WebhookStory) -> Self {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let read = |data| match data {
            Value::Object(data) => data.into_iter().map(|(name, it)| (name, text(it))).collect(),
            other => HashMap::from([("data".to_owned(), text(other))]),
        };
        Self { delivery: story.delivery.into(), data: story.data.map(read) }
    }
}

impl Example for StaffWebhookStory {
    fn example() -> Self {
        let data = HashMap::from([("status".to_owned(), "sent".to_owned())]);
        Self { delivery: StaffWebhook::example(), data: Some(data) }
    }
}

/// The operations.
pub(crate) struct StaffWebhookApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffWebhookApi {
    /// Find events at their endpoints
    ///
    /// Written down in the audit log.
    #[oai(path = "/admin/webhooks", method = "get", operation_id = "listStaffWebhooks")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtMessages>,
        /// Only those in this state.
        #[oai(example = "example_status")]
        status: Query<Option<WebhookStatus>>,
        /// Only those at this endpoint, by its configured name.
        #[oai(example = "example_endpoint", validator(max_length = 32))]
        endpoint: Query<Option<String>>,
        /// Only events of this kind.
        #[oai(example = "example_kind", validator(max_length = 64))]
        kind: Query<Option<String>>,
        /// Only this event.
        #[oai(example = "example_event", validator(pattern = "^[0-9a-f]{32}$"))]
        event_id: Query<Option<String>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffWebhookPage>, StaffListProblem> {
        let asked = Asked::new(state.0, "admin/webhooks/", (sort.0, cursor.0, limit.0))
            .with(&by::STATUS, status.0)
            .with(&by::ENDPOINT, endpoint.0)
            .with(&by::KIND, kind.0)
            .with(&by::EVENT_ID, event_id.0);
        Ok(Json(asked.page::<Found, StaffWebhookPage>(&staff).await?))
    }

    /// Look at an event at its endpoint
    ///
    /// With what is told of it, which viewers and finance do not see. Written down in the audit log.
    #[oai(path = "/admin/webhooks/:id", method = "get", operation_id = "getStaffWebhook")]
    async fn get(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtMessages>,
        /// The delivery.
        #[oai(example = "example_delivery")]
        id: Path<i64>,
    ) -> Result<Json<StaffWebhookStory>, StaffLookProblem> {
        let found = state.admin.webhook(&staff.caller.source(), id.0, staff.shown()).await;
        let found = found.map_err(Problem::from)?;
        Ok(Json(found.ok_or_else(|| Problem::new(Code::NotFound))?.into()))
    }

    /// Tell an endpoint again
    ///
    /// At once and with all attempts before it, also what was told: its receiver knows it by its
    /// `webhook-id`. Not while it is being told. For support and admins.
    #[oai(path = "/admin/webhooks/:id/retry", method = "post", operation_id = "retryStaffWebhook")]
    async fn retry(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RetryMessages>,
        /// The delivery.
        #[oai(example = "example_delivery")]
        id: Path<i64>,
    ) -> Result<Json<StaffWebhookStory>, StaffChangeProblem> {
        let give_up_after = state.config.webhooks.give_up_after();
        let retried = state.admin.retry_webhook(&staff.caller.source(), id.0, give_up_after).await;
        retried.map_err(Problem::from)?;
        state.pusher.push(Queue::Webhooks, RowId(id.0));
        Ok(now(state.0, &staff, id.0).await?)
    }

    /// Give an event at an endpoint up
    ///
    /// One that waits; those behind it are told then. For support and admins.
    #[oai(
        path = "/admin/webhooks/:id/give_up",
        method = "post",
        operation_id = "giveUpStaffWebhook"
    )]
    async fn give_up(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RetryMessages>,
        /// The delivery.
        #[oai(example = "example_delivery")]
        id: Path<i64>,
    ) -> Result<Json<StaffWebhookStory>, StaffChangeProblem> {
        let given_up = state.admin.give_up_webhook(&staff.caller.source(), id.0).await;
        given_up.map_err(Problem::from)?;
        Ok(now(state.0, &staff, id.0).await?)
    }
}

/// The delivery as it is after a change.
async fn now<T>(
    state: &State,
    staff: &Staff<T>,
    id: i64,
) -> Result<Json<StaffWebhookStory>, Problem> {
    let found = state.admin.webhook(&staff.caller.source(), id, staff.shown()).await?;
    Ok(Json(found.ok_or_else(|| Problem::new(Code::NotFound))?.into()))
}

impl From<WebhookChangeError> for Problem {
    fn from(error: WebhookChangeError) -> Self {
        match error {
            WebhookChangeError::NoSuchDelivery => Self::new(Code::NotFound),
            WebhookChangeError::NotNow => Self::new(Code::Conflict)
                .sentence("This cannot be done to the delivery where it is now."),
            WebhookChangeError::Database(error) => error.into(),
        }
    }
}

fn example_delivery() -> i64 {
    41
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_status() -> Option<WebhookStatus> {
    Some(WebhookStatus::Failed)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_endpoint() -> Option<String> {
    Some("shop".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_kind() -> Option<String> {
    Some("sms.sent".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_event() -> Option<String> {
    Some(example_handle())
}

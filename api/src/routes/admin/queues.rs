//! `admin/queues/…`: how much waits where, and what staff do about it.

use poem::web::Data;
use poem_openapi::{OpenApi, param::Path, payload::Json};
use shared::{
    admin::queues::{Changed, OperateError},
    jobs::RowId,
};

use super::{
    StaffListProblem,
    operation_types::{
        ChangeRows, PauseReason, QueueName, RowsChanged, StaffPaused, StaffQueuePage, WhichRows,
        WhyPause,
    },
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem, problems},
    input::Input,
    routes::Tag,
    state::{SharedState, State},
};

problems!(
    /// What can go wrong with running something.
    pub(crate) StaffOperateProblem: 400, 401, 403, 404, 408, 409, 413, 415, 500, 503
);

/// The operations.
pub(crate) struct QueueApi;

#[OpenApi(tag = "Tag::Staff")]
impl QueueApi {
    /// How the queues stand
    ///
    /// Numbers of rows are counted to 10,000. Written down in the audit log.
    #[oai(path = "/admin/queues", method = "get", operation_id = "listQueues")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtOperations>,
    ) -> Result<Json<StaffQueuePage>, StaffListProblem> {
        let found = state.queues.list(&staff.caller.source()).await.map_err(Problem::from)?;
        Ok(Json(StaffQueuePage::of(found)))
    }

    /// Let a queue rest
    ///
    /// Within a second no worker begins anything of it. What is due stays due; a code whose life ends
    /// meanwhile expires. One that rests already keeps its reason. For admins; written down in the audit
    /// log.
    #[oai(path = "/admin/queues/:queue/pause", method = "post", operation_id = "pauseQueue")]
    async fn pause(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RunOperations>,
        /// Which.
        #[oai(example = "example_queue")]
        queue: Path<QueueName>,
        input: Input<WhyPause, PauseReason>,
    ) -> Result<Json<StaffPaused>, StaffOperateProblem> {
        let paused = state.queues.pause(&staff.acting(), queue.0.inside(), &input.0.reason).await;
        paused.map_err(Problem::from)?;
        Ok(Json(StaffPaused::new(true, "The queue rests.")))
    }

    /// Let a queue go on
    ///
    /// Within a second. For admins; written down in the audit log.
    #[oai(path = "/admin/queues/:queue/resume", method = "post", operation_id = "resumeQueue")]
    async fn resume(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RunOperations>,
        /// Which.
        #[oai(example = "example_queue")]
        queue: Path<QueueName>,
    ) -> Result<Json<StaffPaused>, StaffOperateProblem> {
        let resumed = state.queues.resume(&staff.acting(), queue.0.inside()).await;
        resumed.map_err(Problem::from)?;
        Ok(Json(StaffPaused::new(false, "The queue goes on.")))
    }

    /// Have rows of a queue tried again
    ///
    /// Those with these ids, or up to 1,000 in a state. What waits is due at once; what failed is tried
    /// as if it were new, a code only while it lives. Payments are looked at. For admins; written down in
    /// the audit log.
    #[oai(path = "/admin/queues/:queue/retry", method = "post", operation_id = "retryQueueRows")]
    async fn retry(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RunOperations>,
        /// Which.
        #[oai(example = "example_queue")]
        queue: Path<QueueName>,
        input: Input<WhichRows, ChangeRows>,
    ) -> Result<Json<RowsChanged>, StaffOperateProblem> {
        let queue = queue.0.inside();
        let changed = state.queues.retry(&staff.acting(), queue, &input.0.0).await;
        let changed = changed.map_err(Problem::from)?;
        for id in &changed.ids {
            state.pusher.push(queue, RowId(*id));
        }
        Ok(answer(state.0, &changed))
    }

    /// Give rows of a queue up
    ///
    /// Those that wait: with these ids, or up to 1,000 in a state. They are not tried any more; a text
    /// that may have been sent ends as unknown. Payments are settled one by one instead. For admins;
    /// written down in the audit log.
    #[oai(path = "/admin/queues/:queue/give_up", method = "post", operation_id = "giveUpQueueRows")]
    async fn give_up(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RunOperations>,
        /// Which.
        #[oai(example = "example_queue")]
        queue: Path<QueueName>,
        input: Input<WhichRows, ChangeRows>,
    ) -> Result<Json<RowsChanged>, StaffOperateProblem> {
        let queue = queue.0.inside();
        let changed = state.queues.give_up(&staff.acting(), queue, &input.0.0).await;
        Ok(answer(state.0, &changed.map_err(Problem::from)?))
    }
}

fn answer(state: &State, changed: &Changed) -> Json<RowsChanged> {
    for local_id in &changed.unsent {
        state.otp.unsent(*local_id);
    }
    Json(RowsChanged::of(changed))
}

impl From<OperateError> for Problem {
    fn from(error: OperateError) -> Self {
        match error {
            OperateError::NotGivenUp => Self::new(Code::Conflict)
                .sentence("Payments are not given up. Settle each of them instead."),
            OperateError::Database(error) => error.into(),
        }
    }
}

fn example_queue() -> QueueName {
    QueueName::Sms
}

//! `admin/overview/`: what whoever runs Peyk asks first.

mod types;

use poem::web::Data;
use poem_openapi::{OpenApi, payload::Json};

use self::types::StaffOverview;
use super::StaffListProblem;
use crate::{
    caller::{Staff, task},
    error::Problem,
    routes::Tag,
    state::SharedState,
};

/// The operation.
pub(crate) struct OverviewApi;

#[OpenApi(tag = "Tag::Staff")]
impl OverviewApi {
    /// See how everything is
    ///
    /// Codes of the last hour and day, what failed and why, what waits, what is left at providers,
    /// payments of today, who runs and what is wrong with cron jobs. Two seconds old at most; nobody's
    /// data is in it. A look is written down in the audit log once in ten minutes.
    #[oai(path = "/admin/overview", method = "get", operation_id = "getOverview")]
    async fn get_overview(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtOperations>,
    ) -> Result<Json<StaffOverview>, StaffListProblem> {
        let caller = &staff.caller;
        let overview = state.overviews.look(&caller.source(), caller.user_id).await;
        Ok(Json(overview.map_err(Problem::from)?.as_ref().into()))
    }
}

//! `admin/…`: people's accounts and the audit log, for staff.

mod api_keys;
mod blocks;
mod cron;
mod guard;
mod key_types;
pub(crate) mod listing;
mod message_types;
mod messages;
mod operation_types;
mod organizations;
mod otp_requests;
mod overview;
mod providers;
mod queue_items;
mod queues;
mod room_types;
mod rooms;
pub(crate) mod session;
mod sessions;
mod templates;
mod timeline;
mod types;
mod users;
mod webhooks;
mod words;

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::{
    admin::{
        ChangeError, Person, Shown,
        lists::{Filter, Value, audit_events as events, users as by},
    },
    audit::Event,
    users::username::normal_form,
};

pub(crate) use self::{
    api_keys::StaffKeyApi, blocks::StaffBlockApi, cron::CronApi, guard::StaffGuardApi,
    messages::StaffMessageApi, organizations::StaffOrganizationApi, otp_requests::StaffOtpApi,
    overview::OverviewApi, providers::ProviderApi, queue_items::QueueItemApi, queues::QueueApi,
    rooms::StaffRoomApi, sessions::StaffSessionApi, templates::StaffTemplateApi,
    timeline::TimelineApi, users::StaffUserApi, webhooks::StaffWebhookApi,
};
use self::{
    listing::{
        Asked, ByAge, example_cursor, example_flag, example_search, example_sort, phone_value,
        text_value,
    },
    types::{AuditPage, StaffDone, StaffRole, StaffUserPage},
};
use super::{Tag, paging::example_limit};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem, problems},
    state::{SharedState, State},
};

problems!(
    /// What can go wrong with a list.
    pub(crate) StaffListProblem: 400, 401, 403, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a look.
    pub(crate) StaffLookProblem: 400, 401, 403, 404, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a change.
    pub(crate) StaffChangeProblem: 400, 401, 403, 404, 408, 409, 413, 500, 503
);

/// The operations.
pub(crate) struct AdminApi;

#[OpenApi(tag = "Tag::Staff")]
impl AdminApi {
    /// Find accounts
    ///
    /// Support and admins search by a number or the beginning of a user name, viewers and
    /// finance by whole ones, and see personal data masked. Written down in the audit log.
    #[oai(path = "/admin/users", method = "get", operation_id = "listUsers")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list_users(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtUsers>,
        /// A mobile number in any usual form, or a user name.
        #[oai(example = "example_search", validator(max_length = 150))]
        search: Query<Option<String>>,
        /// Only of staff with this role.
        #[oai(example = "example_role")]
        role: Query<Option<StaffRole>>,
        /// Only accounts whose owners may log in, or may not.
        #[oai(example = "example_flag")]
        is_active: Query<Option<bool>>,
        /// Only accounts of this group.
        #[oai(example = "example_group")]
        group: Query<Option<i32>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffUserPage>, StaffListProblem> {
        let asked = Asked::new(state.0, "admin/users/", (sort.0, cursor.0, limit.0))
            .search(search.0, |text| Some(read_search(state.0, text, staff.shown())))
            .with(&by::ROLE, role.0)
            .with(&by::IS_ACTIVE, is_active.0)
            .with(&by::GROUP, group.0);
        Ok(Json(asked.page::<Person, StaffUserPage>(&staff).await?))
    }

    /// Disable an account
    ///
    /// Its owner cannot log in any more, and every session ends within a second. For admins, after a
    /// recent login.
    #[oai(path = "/admin/users/:id/disable", method = "post", operation_id = "disableUser")]
    async fn disable_user(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::SwitchUsers>,
        /// The account.
        #[oai(example = "example_user")]
        id: Path<i64>,
    ) -> Result<Json<StaffDone>, StaffChangeProblem> {
        state.admin.disable(&staff.acting(), id.0).await.map_err(Problem::from)?;
        Ok(done("The account was disabled.", None))
    }

    /// Enable an account
    ///
    /// Its owner can log in again. For admins, after a recent login.
    #[oai(path = "/admin/users/:id/enable", method = "post", operation_id = "enableUser")]
    async fn enable_user(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::SwitchUsers>,
        /// The account.
        #[oai(example = "example_user")]
        id: Path<i64>,
    ) -> Result<Json<StaffDone>, StaffChangeProblem> {
        state.admin.enable(&staff.acting(), id.0).await.map_err(Problem::from)?;
        Ok(done("The account was enabled.", None))
    }

    /// End an account's sessions
    ///
    /// All of them, within a second. For support and admins, after a recent login.
    #[oai(
        path = "/admin/users/:id/revoke_sessions",
        method = "post",
        operation_id = "revokeUserSessions"
    )]
    async fn revoke_sessions(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::EndSessions>,
        /// The account.
        #[oai(example = "example_user")]
        id: Path<i64>,
    ) -> Result<Json<StaffDone>, StaffChangeProblem> {
        let ended = state.admin.end_sessions(&staff.acting(), id.0).await;
        let ended = ended.map_err(Problem::from)?;
        Ok(done("The sessions were ended.", Some(i32::try_from(ended).unwrap_or(i32::MAX))))
    }

    /// Read the audit log
    ///
    /// Who did what. For admins. Written down in the audit log, too.
    #[oai(path = "/admin/audit", method = "get", operation_id = "listAuditEvents")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list_audit(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::ReadAudit>,
        /// Only what this account did.
        #[oai(example = "example_actor")]
        actor: Query<Option<i64>>,
        /// Only what was done to this: a kind (`user`) or one of it (`user:17`).
        #[oai(example = "example_subject", validator(pattern = "^[a-z_]{1,32}(:[0-9]{1,18})?$"))]
        subject: Query<Option<String>>,
        /// Only this action.
        #[oai(example = "example_action", validator(max_length = 64))]
        action: Query<Option<String>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<AuditPage>, StaffListProblem> {
        let one_or_all = |text: &str| {
            let filter = if text.contains(':') { &events::SUBJECT_ROW } else { &events::SUBJECT };
            Some((filter, text_value(text)))
        };
        let asked = Asked::new(state.0, "admin/audit/", (sort.0, cursor.0, limit.0))
            .read("subject", subject.0, one_or_all)
            .with(&events::ACTOR, actor.0)
            .with(&events::ACTION, action.0);
        Ok(Json(asked.page::<Event, AuditPage>(&staff).await?))
    }
}

/// What reads as a number is one. Where names are masked only whole ones are found, or a search would
/// tell what the mask hides.
fn read_search(state: &State, text: &str, shown: Shown) -> (&'static Filter, Value) {
    match (state.phones.parse(text), shown) {
        (Ok(phone), _) => (&by::PHONE, phone_value(&phone)),
        (Err(_), Shown::Masked) => (&by::USERNAME, Value::Text(normal_form(text))),
        (Err(_), Shown::Whole) => (&by::USERNAME_PREFIX, Value::Text(normal_form(text))),
    }
}

fn done(details: &str, sessions: Option<i32>) -> Json<StaffDone> {
    Json(StaffDone { details: details.to_owned(), sessions })
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NoSuchAccount => Self::new(Code::NotFound),
            ChangeError::OfStaff => Self::new(Code::PermissionDenied),
            ChangeError::Own => {
                Self::new(Code::Conflict).sentence("You cannot disable your own account.")
            }
            ChangeError::LastAdmin => Self::new(Code::Conflict)
                .sentence("This is the last admin: somebody has to stay who can do everything."),
            ChangeError::GroupTaken => {
                Self::new(Code::Conflict).sentence("The number has another account in that group.")
            }
            ChangeError::Database(error) => error.into(),
        }
    }
}

fn example_user() -> i64 {
    17
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_actor() -> Option<i64> {
    Some(3)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_role() -> Option<StaffRole> {
    Some(StaffRole::Support)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_group() -> Option<i32> {
    Some(0)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_subject() -> Option<String> {
    Some("user:17".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_action() -> Option<String> {
    Some("user.disabled".to_owned())
}

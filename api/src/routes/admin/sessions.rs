//! `admin/sessions/…`: anybody's sessions.

use chrono::DateTime;
use poem::web::Data;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use shared::{
    admin::lists::sessions::{self as by, StaffSession as Found},
    sessions::Method,
};

use super::{
    StaffChangeProblem, StaffListProblem,
    listing::{Asked, example_cursor, example_flag, example_ip, staff_page},
    types::StaffDone,
};
use crate::{
    caller::{Staff, task},
    error::Problem,
    routes::{Tag, paging::example_limit, sessions::SessionMethod},
    state::SharedState,
    timestamp::Timestamp,
};

/// The order of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SessionOrder {
    /// The latest first.
    Newest,
    /// The first one first.
    Oldest,
    /// The last used first; only together with `user_id`.
    LastSeen,
}

/// A session of somebody's, also one that has ended. Viewers and finance see addresses masked.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffSession {
    /// The session's number.
    id: i64,
    /// Whose it is: the number of an account.
    user_id: i64,
    /// How the login was proven.
    method: SessionMethod,
    /// Where it was last seen; absent if that is not known.
    #[oai(skip_serializing_if_is_none)]
    ip: Option<String>,
    /// What the client called itself at the login; absent if it did not, and for viewers and finance.
    #[oai(skip_serializing_if_is_none)]
    user_agent: Option<String>,
    /// The kind of device, as far as the client told.
    #[oai(skip_serializing_if_is_none)]
    device: Option<String>,
    /// The browser, or what an app calls itself.
    #[oai(skip_serializing_if_is_none)]
    browser: Option<String>,
    /// The operating system.
    #[oai(skip_serializing_if_is_none)]
    os: Option<String>,
    /// Whether it goes on.
    is_active: bool,
    /// When it began.
    created_at: Timestamp,
    /// When its tokens were last used, to about a minute.
    last_seen_at: Timestamp,
    /// When it ends unless its tokens are refreshed.
    expires_at: Timestamp,
    /// When it was ended before its time; absent if it was not.
    #[oai(skip_serializing_if_is_none)]
    revoked_at: Option<Timestamp>,
    /// Why, such as `logout` or `staff`.
    #[oai(skip_serializing_if_is_none)]
    revoked_reason: Option<String>,
}

impl From<Found> for StaffSession {
    fn from(found: Found) -> Self {
        Self {
            id: found.id,
            user_id: found.user_id,
            method: Method::parse(&found.method).into(),
            ip: found.ip.map(|ip| ip.0),
            user_agent: found.user_agent,
            device: found.device,
            browser: found.browser,
            os: found.os,
            is_active: found.is_active,
            created_at: Timestamp(found.created_at),
            last_seen_at: Timestamp(found.last_seen_at),
            expires_at: Timestamp(found.expires_at),
            revoked_at: found.revoked_at.map(Timestamp),
            revoked_reason: found.revoked_reason,
        }
    }
}

impl Example for StaffSession {
    fn example() -> Self {
        let at = Timestamp(DateTime::UNIX_EPOCH);
        Self {
            id: 41,
            user_id: 17,
            method: SessionMethod::Otp,
            ip: Some("203.0.113.7".to_owned()),
            user_agent: Some("Mozilla/5.0 (Android 15; Mobile) Firefox/140.0".to_owned()),
            device: Some("smartphone".to_owned()),
            browser: Some("Firefox".to_owned()),
            os: Some("Android".to_owned()),
            is_active: false,
            created_at: at,
            last_seen_at: at,
            expires_at: at,
            revoked_at: Some(at),
            revoked_reason: Some("staff".to_owned()),
        }
    }
}

staff_page!(
    /// A page of anybody's sessions.
    StaffSessionPage of StaffSession, "admin/sessions/"
);

/// The operations.
pub(crate) struct StaffSessionApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffSessionApi {
    /// Find sessions
    ///
    /// Also those that have ended. Viewers and finance see addresses masked. Written down in the audit
    /// log.
    #[oai(path = "/admin/sessions", method = "get", operation_id = "listStaffSessions")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtUsers>,
        /// Only sessions of this account.
        #[oai(example = "example_user")]
        user_id: Query<Option<i64>>,
        /// Only sessions last seen at this address.
        #[oai(example = "example_ip", validator(max_length = 45))]
        ip: Query<Option<String>>,
        /// Only sessions that go on, or that have ended.
        #[oai(example = "example_flag")]
        is_active: Query<Option<bool>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_order")]
        sort: Query<Option<SessionOrder>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffSessionPage>, StaffListProblem> {
        let asked = Asked::new(state.0, "admin/sessions/", (sort.0, cursor.0, limit.0))
            .with(&by::USER_ID, user_id.0)
            .with(&by::IP, ip.0)
            .with(&by::IS_ACTIVE, is_active.0);
        Ok(Json(asked.page::<Found, StaffSessionPage>(&staff).await?))
    }

    /// End a session
    ///
    /// Within a second. For support and admins, after a recent login; that of somebody on the staff
    /// only for admins.
    #[oai(
        path = "/admin/sessions/:id/revoke",
        method = "post",
        operation_id = "revokeStaffSession"
    )]
    async fn revoke(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::EndSessions>,
        /// The session.
        #[oai(example = "example_session")]
        id: Path<i64>,
    ) -> Result<Json<StaffDone>, StaffChangeProblem> {
        let ended = state.admin.end_session(&staff.acting(), id.0).await;
        let ended = ended.map_err(Problem::from)?;
        let details = if ended { "The session was ended." } else { "The session had ended." };
        Ok(super::done(details, Some(ended.into())))
    }
}

fn example_session() -> i64 {
    41
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_user() -> Option<i64> {
    Some(17)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_order() -> Option<SessionOrder> {
    Some(SessionOrder::Newest)
}

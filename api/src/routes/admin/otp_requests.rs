//! `admin/otp_requests/`: one-time codes that were asked for; never a code.

use chrono::DateTime;
use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Query, payload::Json, types::Example};
use shared::admin::lists::otp_requests::{self as by, StaffOtpRequest as Found};

use super::{
    StaffListProblem,
    listing::{Asked, ByAge, example_cursor, example_ip, example_search, example_sort, staff_page},
    words::{CodePurpose, CodeState, MessageDelivery, MessageStatus, word},
};
use crate::{
    caller::{Staff, task},
    routes::{Tag, paging::example_limit},
    state::SharedState,
    timestamp::Timestamp,
};

/// A code that was asked for, and what became of its text. Viewers and finance see the number and the
/// address masked; nobody sees a code.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffOtpRequest {
    /// Where it was to go, in the national form for Iran.
    mobile_number: String,
    /// What the code is good for.
    purpose: CodePurpose,
    /// Where the code is.
    state: CodeState,
    /// Whether somebody proved with the code that they got it.
    is_used: bool,
    /// Who asked; absent if that is not known.
    #[oai(skip_serializing_if_is_none)]
    ip: Option<String>,
    /// Checks of the code that named this request.
    attempts: i32,
    /// When it was asked for.
    created_at: Timestamp,
    /// When the code ends; absent if a newer one took its place.
    #[oai(skip_serializing_if_is_none)]
    expires_at: Option<Timestamp>,
    /// The text that brought it: the number of a message.
    #[oai(skip_serializing_if_is_none)]
    message_id: Option<i64>,
    /// How far we are with that.
    #[oai(skip_serializing_if_is_none)]
    message_status: Option<MessageStatus>,
    /// How far its provider is.
    #[oai(skip_serializing_if_is_none)]
    delivery: Option<MessageDelivery>,
    /// Why it ended or waits, or what the provider said last.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
    /// Who carries it.
    #[oai(skip_serializing_if_is_none)]
    provider: Option<String>,
}

impl From<Found> for StaffOtpRequest {
    fn from(found: Found) -> Self {
        Self {
            mobile_number: found.mobile_number.0,
            purpose: word(&found.purpose),
            state: word(&found.state),
            is_used: found.is_used,
            ip: found.ip.map(|ip| ip.0),
            attempts: found.attempts,
            created_at: Timestamp(found.created_at),
            expires_at: found.expires_at.map(Timestamp),
            message_id: found.message_id,
            message_status: found.message_status.map(Into::into),
            delivery: found.delivery.map(Into::into),
            reason: found.reason,
            provider: found.provider,
        }
    }
}

impl Example for StaffOtpRequest {
    fn example() -> Self {
        let at = Timestamp(DateTime::UNIX_EPOCH);
        Self {
            mobile_number: "09123456789".to_owned(),
            purpose: CodePurpose::Login,
            state: CodeState::Used,
            is_used: true,
            ip: Some("203.0.113.7".to_owned()),
            attempts: 1,
            created_at: at,
            expires_at: Some(at),
            message_id: Some(41),
            message_status: Some(MessageStatus::Sent),
            delivery: Some(MessageDelivery::Delivered),
            reason: Some("kavenegar.10".to_owned()),
            provider: Some("kavenegar".to_owned()),
        }
    }
}

staff_page!(
    /// A page of codes that were asked for.
    StaffOtpRequestPage of StaffOtpRequest, "admin/otp_requests/"
);

/// The operations.
pub(crate) struct StaffOtpApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffOtpApi {
    /// Find codes that were asked for
    ///
    /// Those of about a day, with what became of their texts and whether they were used; never a code.
    /// Viewers and finance see numbers and addresses masked. Written down in the audit log.
    #[oai(path = "/admin/otp_requests", method = "get", operation_id = "listStaffOtpRequests")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtMessages>,
        /// A mobile number in any usual form.
        #[oai(example = "example_search", validator(max_length = 150))]
        search: Query<Option<String>>,
        /// Only those asked for from this address.
        #[oai(example = "example_ip", validator(max_length = 45))]
        ip: Query<Option<String>>,
        /// Only those for this purpose.
        #[oai(example = "example_purpose")]
        purpose: Query<Option<CodePurpose>>,
        /// Only those in this state; spelt `state`.
        #[oai(name = "state", example = "example_state")]
        in_state: Query<Option<CodeState>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffOtpRequestPage>, StaffListProblem> {
        let asked = Asked::new(state.0, "admin/otp_requests/", (sort.0, cursor.0, limit.0))
            .search_phone(search.0, &by::PHONE)
            .with(&by::IP, ip.0)
            .with(&by::PURPOSE, purpose.0)
            .with(&by::STATE, in_state.0);
        Ok(Json(asked.page::<Found, StaffOtpRequestPage>(&staff).await?))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_purpose() -> Option<CodePurpose> {
    Some(CodePurpose::Login)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_state() -> Option<CodeState> {
    Some(CodeState::Used)
}

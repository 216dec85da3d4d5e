//! `admin/messages/…`: anybody's messages, those with codes too.

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::{
    admin::{
        lists::messages::{self as by, StaffMessage as Found},
        messages::MessageChangeError,
    },
    idempotency::{Caller, Keyed},
    jobs::RowId,
    sms::MessageKind as Kind,
};

use super::{
    StaffChangeProblem, StaffListProblem, StaffLookProblem,
    listing::{Asked, ByAge, example_cursor, example_search, example_sort},
    message_types::{StaffMessagePage, StaffMessageStory},
    words::{MessageKind, MessageStatus},
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem, problems},
    idempotency::{self, IdempotencyKey},
    routes::{Tag, messages::refusal, otp::example_handle, paging::example_limit},
    state::{SharedState, State},
};

problems!(
    /// What can go wrong with sending once more.
    pub(crate) StaffResendProblem: 400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503
);

/// The operations.
pub(crate) struct StaffMessageApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffMessageApi {
    /// Find messages
    ///
    /// Those with codes too, without the codes. Viewers and finance see numbers masked and no texts.
    /// Written down in the audit log.
    #[oai(path = "/admin/messages", method = "get", operation_id = "listStaffMessages")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtMessages>,
        /// A mobile number in any usual form.
        #[oai(example = "example_search", validator(max_length = 150))]
        search: Query<Option<String>>,
        /// Only messages in this state.
        #[oai(example = "example_status")]
        status: Query<Option<MessageStatus>>,
        /// Only messages of this kind.
        #[oai(example = "example_kind")]
        kind: Query<Option<MessageKind>>,
        /// Only messages this provider carries, by its configured name.
        #[oai(example = "example_provider", validator(max_length = 64))]
        provider: Query<Option<String>>,
        /// Only messages that ended or wait for this reason.
        #[oai(example = "example_reason", validator(max_length = 64))]
        reason: Query<Option<String>>,
        /// Only messages this account asked for.
        #[oai(example = "example_id")]
        user_id: Query<Option<i64>>,
        /// Only messages this API key asked for.
        #[oai(example = "example_id")]
        api_key_id: Query<Option<i64>>,
        /// Only messages of this bulk.
        #[oai(example = "example_bulk", validator(pattern = "^[0-9a-f]{32}$"))]
        bulk_id: Query<Option<String>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffMessagePage>, StaffListProblem> {
        let asked = Asked::new(state.0, "admin/messages/", (sort.0, cursor.0, limit.0))
            .search_phone(search.0, &by::PHONE)
            .with(&by::STATUS, status.0)
            .with(&by::KIND, kind.0)
            .with(&by::PROVIDER, provider.0)
            .with(&by::REASON, reason.0)
            .with(&by::USER_ID, user_id.0)
            .with(&by::API_KEY_ID, api_key_id.0)
            .with(&by::BULK_ID, bulk_id.0);
        Ok(Json(asked.page::<Found, StaffMessagePage>(&staff).await?))
    }

    /// Look at anybody's message
    ///
    /// With every call to a provider about it. Viewers and finance see its number masked and not what
    /// it says. Written down in the audit log.
    #[oai(path = "/admin/messages/:id", method = "get", operation_id = "getStaffMessage")]
    async fn get(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtMessages>,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
    ) -> Result<Json<StaffMessageStory>, StaffLookProblem> {
        Ok(look(state.0, &staff, id.0).await?)
    }

    /// Have a message tried again
    ///
    /// One that failed, expired, or of which nobody knows what became: that one may arrive twice. As if
    /// it had never been tried; a code only while it can be used. For support and admins.
    #[oai(path = "/admin/messages/:id/retry", method = "post", operation_id = "retryStaffMessage")]
    async fn retry(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RetryMessages>,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
    ) -> Result<Json<StaffMessageStory>, StaffChangeProblem> {
        let source = staff.caller.source();
        let retried = state.admin.retry_message(&source, &state.messages, id.0).await;
        let (queue, row) = retried.map_err(Problem::from)?;
        state.pusher.push(queue, row);
        Ok(look(state.0, &staff, id.0).await?)
    }

    /// Send a message once more
    ///
    /// What it says goes to the same number, as a message of its own that belongs to whoever asked for
    /// the first one. Not a code, and not while the first one is on its way. For support and admins.
    #[oai(
        path = "/admin/messages/:id/resend",
        method = "post",
        operation_id = "resendStaffMessage"
    )]
    async fn resend(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RetryMessages>,
        key: IdempotencyKey,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
    ) -> Result<Json<StaffMessageStory>, StaffResendProblem> {
        let caller = Caller::User(staff.caller.user_id);
        let keyed = key.keyed(caller, "resendStaffMessage", &id.0);
        let sent = resend_once(state.0, &staff, id.0, keyed).await?;
        Ok(look(state.0, &staff, sent.0).await?)
    }

    /// Take anybody's message back
    ///
    /// While it waits, or after all providers so far refused it; not a code. For support and admins.
    #[oai(
        path = "/admin/messages/:id/cancel",
        method = "post",
        operation_id = "cancelStaffMessage"
    )]
    async fn cancel(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RetryMessages>,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
    ) -> Result<Json<StaffMessageStory>, StaffChangeProblem> {
        let cancelled = state.admin.cancel_message(&staff.caller.source(), id.0).await;
        cancelled.map_err(Problem::from)?;
        Ok(look(state.0, &staff, id.0).await?)
    }

    /// Give a message up
    ///
    /// One that waits for its next attempt, or is being asked about: that one stays `unknown`. For
    /// support and admins.
    #[oai(
        path = "/admin/messages/:id/give_up",
        method = "post",
        operation_id = "giveUpStaffMessage"
    )]
    async fn give_up(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::RetryMessages>,
        /// The message.
        #[oai(example = "example_message")]
        id: Path<i64>,
    ) -> Result<Json<StaffMessageStory>, StaffChangeProblem> {
        let given_up = state.admin.give_up_message(&staff.caller.source(), id.0).await;
        if let Some(local_id) = given_up.map_err(Problem::from)? {
            state.otp.unsent(local_id);
        }
        Ok(look(state.0, &staff, id.0).await?)
    }
}

async fn look<T>(
    state: &State,
    staff: &Staff<T>,
    id: i64,
) -> Result<Json<StaffMessageStory>, Problem> {
    let found = state.admin.message(&staff.caller.source(), id, staff.shown()).await?;
    Ok(Json(found.ok_or_else(|| Problem::new(Code::NotFound))?.into()))
}

/// The new message; the same one for the same request under the same key.
async fn resend_once<T>(
    state: &State,
    staff: &Staff<T>,
    id: i64,
    keyed: Option<Keyed>,
) -> Result<RowId, Problem> {
    if let Some(earlier) = earlier(state, keyed.as_ref()).await? {
        return Ok(earlier);
    }
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let (source, messages) = (staff.caller.source(), &state.messages);
    let resent = state.admin.resend_message(&source, messages, id, keyed.clone(), &mut rng).await;
    let resent = resent.map_err(|error| match error {
        MessageChangeError::Refused(refused) => refusal(state, refused),
        error => error.into(),
    });
    match resent {
        Ok(accepted) => {
            state.pusher.push(Kind::Text.queue(), accepted.id);
            Ok(accepted.id)
        }
        Err(problem) if idempotency::may_be_a_repeat(&problem) => {
            earlier(state, keyed.as_ref()).await?.ok_or(problem)
        }
        Err(problem) => Err(problem),
    }
}

async fn earlier(state: &State, keyed: Option<&Keyed>) -> Result<Option<RowId>, Problem> {
    let Some(keyed) = keyed else { return Ok(None) };
    let Some(reference) = idempotency::earlier(state, keyed).await? else { return Ok(None) };
    let found = match reference.parse() {
        Ok(local_id) => shared::sms::find_by_local_id(&state.pool, local_id).await?,
        Err(_) => None,
    };
    found.map(|message| Some(RowId(message.id))).ok_or_else(|| Problem::new(Code::NotFound))
}

impl From<MessageChangeError> for Problem {
    fn from(error: MessageChangeError) -> Self {
        let conflict = |sentence: &'static str| Self::new(Code::Conflict).sentence(sentence);
        match error {
            MessageChangeError::NoSuchMessage => Self::new(Code::NotFound),
            MessageChangeError::NotNow(_) => {
                conflict("This cannot be done to the message where it is now.")
            }
            MessageChangeError::CodeOver => conflict("The code of this message is over."),
            MessageChangeError::IsCode => {
                conflict("The message is a code's: whoever needs one asks for it.")
            }
            // Whoever sends answers this in words: see `refusal`.
            MessageChangeError::Refused(_) => Self::internal(error),
            MessageChangeError::Database(error) => error.into(),
        }
    }
}

fn example_message() -> i64 {
    41
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_id() -> Option<i64> {
    Some(17)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_bulk() -> Option<String> {
    Some(example_handle())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_status() -> Option<MessageStatus> {
    Some(MessageStatus::Failed)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_kind() -> Option<MessageKind> {
    Some(MessageKind::Text)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_provider() -> Option<String> {
    Some("kavenegar".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_reason() -> Option<String> {
    Some("kavenegar.412".to_owned())
}

//! `admin/timeline/`: everything that happened to a number, an account or a payment, for staff.

mod sentence;
mod terms;
mod types;
mod verdicts;
mod words;

use poem::web::Data;
use poem_openapi::{OpenApi, param::Query, payload::Json};
use shared::admin::{
    roles::Action,
    timeline::{Kept, LONGEST_PAGE, Place, Search, Wanted},
};

use self::types::{Subjects, TimelinePage, answer, item};
use super::StaffListProblem;
use crate::{
    caller::{Staff, task},
    error::{Code, Problem},
    language::Language,
    routes::{Tag, paging::Link},
    state::{SharedState, State},
};

/// The operation.
pub(crate) struct TimelineApi;

#[OpenApi(tag = "Tag::Staff")]
impl TimelineApi {
    /// Read what happened
    ///
    /// Everything that is kept about a number and whoever has it, about an account, a text or a payment,
    /// the latest first; and the answer to "why does no code come". Texts and codes are never in it.
    /// Viewers and finance see numbers masked and no addresses. Written down in the audit log.
    #[oai(path = "/admin/timeline", method = "get", operation_id = "getTimeline")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn get_timeline(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtUsers>,
        language: Language,
        /// A mobile number in any usual form, `user:17`, `message:41` or `payment:9`, the name of an
        /// order, a gateway's authority or reference, the `request_id` of a send, or an `X-Request-Id`.
        #[oai(example = "example_search", validator(max_length = 150))]
        search: Query<String>,
        /// Where the page begins: see `next`.
        #[oai(
            example = "example_cursor",
            validator(pattern = "^-?[0-9]{1,18}[.][0-9]{1,3}[.][0-9]{1,19}$")
        )]
        cursor: Query<Option<String>>,
        /// How many, at most 200.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<TimelinePage>, StaffListProblem> {
        let read = Search::read(&search.0, &state.phones).ok_or_else(|| {
            let message = "This field may not be blank.";
            Problem::new(Code::Validation).with_field("search", "blank", message)
        })?;
        let cut = limit.0.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LONGEST_PAGE);
        let limit = cut.clamp(1, LONGEST_PAGE);
        let wanted = Wanted {
            search: read,
            before: cursor.0.as_deref().and_then(Place::decode),
            limit,
            shown: staff.shown(),
            names_staff: staff.role.may(Action::ReadAudit),
            kept: kept(state.0),
        };
        let found = state.admin.timeline(&staff.caller.source(), &wanted, &state.blocks).await;
        let found = found.map_err(Problem::from)?;
        let next = found.next.map(|place| next(state.0, &search.0, place, limit));
        Ok(Json(TimelinePage {
            next,
            previous: None,
            subjects: Subjects::from(found.subjects),
            answer: found.answer.map(|found| answer(found, language)),
            results: found.items.into_iter().map(|found| item(found, language)).collect(),
        }))
    }
}

fn kept(state: &State) -> Kept {
    let (webhooks, audit) = (&state.config.webhooks, &state.config.audit);
    Kept { webhooks_days: webhooks.keep_days, audit_days: audit.keep_days }
}

fn next(state: &State, search: &str, place: Place, limit: usize) -> String {
    let link = Link { state, path: "admin/timeline/", query: &[] };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("cursor", &place.encode());
    query.append_pair("limit", &limit.to_string());
    query.append_pair("search", search);
    format!("{}?{}", link.url(), query.finish())
}

fn example_search() -> String {
    "09123456789".to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_cursor() -> Option<String> {
    Some("1795289824000000.2.41".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_limit() -> Option<i64> {
    Some(200)
}

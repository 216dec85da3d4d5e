//! `admin/guard/`: what the guard against pumping found.

use chrono::DateTime;
use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Query, payload::Json, types::Example};
use shared::{
    admin::lists::guard::{self as by, StaffDecision as Found},
    otp::guard::Reason,
};

use super::{
    StaffListProblem,
    listing::{Asked, ByAge, example_cursor, example_ip, example_sort, staff_page},
    words::{GuardAction, GuardRule, word},
};
use crate::{
    caller::{Staff, task},
    routes::{Tag, paging::example_limit},
    state::SharedState,
    timestamp::Timestamp,
};

/// A rule that a send broke.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct GuardReason {
    /// Which one.
    rule: GuardRule,
    /// Unverified texts, this one included, less what verified ones allow; or countries.
    measured: i64,
    /// The most there may be.
    limit: i64,
}

impl From<Reason> for GuardReason {
    fn from(reason: Reason) -> Self {
        Self { rule: reason.rule.into(), measured: reason.measured, limit: reason.limit }
    }
}

impl Example for GuardReason {
    fn example() -> Self {
        Self { rule: GuardRule::IpHour, measured: 31, limit: 30 }
    }
}

/// A send of a code that broke rules of the guard. Viewers and finance see the address masked.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct GuardDecision {
    /// Its number.
    id: i64,
    /// When.
    at: Timestamp,
    /// What became of the send.
    action: GuardAction,
    /// `record`: the guard only writes down; `enforce`: it refuses.
    mode: String,
    /// Of the number: its country; absent if it has none.
    #[oai(skip_serializing_if_is_none)]
    country: Option<String>,
    /// Its first digits.
    prefix: String,
    /// Its last two digits.
    number_end: String,
    /// Who asked; absent if that is not known.
    #[oai(skip_serializing_if_is_none)]
    ip: Option<String>,
    /// The rules it broke.
    reasons: Vec<GuardReason>,
    /// The `X-Request-Id` of the request.
    #[oai(skip_serializing_if_is_none)]
    request_id: Option<String>,
}

impl From<Found> for GuardDecision {
    fn from(found: Found) -> Self {
        Self {
            id: found.id,
            at: Timestamp(found.at),
            action: word(&found.action),
            mode: found.mode,
            country: found.country,
            prefix: found.prefix,
            number_end: found.number_end,
            ip: found.ip.map(|ip| ip.0),
            reasons: found.reasons.0.into_iter().map(GuardReason::from).collect(),
            request_id: found.request_id,
        }
    }
}

impl Example for GuardDecision {
    fn example() -> Self {
        Self {
            id: 41,
            at: Timestamp(DateTime::UNIX_EPOCH),
            action: GuardAction::Refused,
            mode: "enforce".to_owned(),
            country: Some("IR".to_owned()),
            prefix: "+98912".to_owned(),
            number_end: "89".to_owned(),
            ip: Some("203.0.113.7".to_owned()),
            reasons: vec![GuardReason::example()],
            request_id: Some("c1e33e54549f58270c4bb34c85894bd2".to_owned()),
        }
    }
}

staff_page!(
    /// A page of what the guard found.
    GuardDecisionPage of GuardDecision, "admin/guard/"
);

/// The operations.
pub(crate) struct StaffGuardApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffGuardApi {
    /// Find what the guard found
    ///
    /// Sends of codes that broke a rule of the guard against pumping. Viewers and finance see addresses
    /// masked. Written down in the audit log.
    #[oai(path = "/admin/guard", method = "get", operation_id = "listGuardDecisions")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtMessages>,
        /// Only sends of which this became.
        #[oai(example = "example_action")]
        action: Query<Option<GuardAction>>,
        /// Only sends that broke this rule.
        #[oai(example = "example_rule")]
        rule: Query<Option<GuardRule>>,
        /// Only sends to this country, by its two letters.
        #[oai(example = "example_country", validator(pattern = "^[A-Z]{2}$"))]
        country: Query<Option<String>>,
        /// Only sends asked for from this address.
        #[oai(example = "example_ip", validator(max_length = 45))]
        ip: Query<Option<String>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<GuardDecisionPage>, StaffListProblem> {
        let asked = Asked::new(state.0, "admin/guard/", (sort.0, cursor.0, limit.0))
            .with(&by::ACTION, action.0)
            .with(&by::RULE, rule.0)
            .with(&by::COUNTRY, country.0)
            .with(&by::IP, ip.0);
        Ok(Json(asked.page::<Found, GuardDecisionPage>(&staff).await?))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_action() -> Option<GuardAction> {
    Some(GuardAction::Refused)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_rule() -> Option<GuardRule> {
    Some(GuardRule::IpHour)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_country() -> Option<String> {
    Some("IR".to_owned())
}

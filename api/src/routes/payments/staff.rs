//! `admin/payments/…`: anybody's payments, for staff. Each look is written down.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use serde_json::json;
use shared::{admin::lists::payments as by, payments};

use super::{
    answer::GatewayAnswer,
    example_order, example_payment,
    types::{Payment, PaymentState},
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem},
    routes::{
        Tag,
        admin::{
            StaffListProblem, StaffLookProblem,
            listing::{Asked, example_cursor, staff_page, text_value},
        },
        paging::example_limit,
    },
    state::SharedState,
    timestamp::Timestamp,
};

/// The order of payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum PaymentOrder {
    /// The latest first.
    Newest,
    /// The first one first.
    Oldest,
    /// The largest first, in rials.
    Amount,
}

/// The operations of staff who look.
pub(crate) struct StaffPaymentApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffPaymentApi {
    /// Find payments
    ///
    /// By everything that is given. Viewers and finance see numbers and addresses of payers masked.
    /// Written down in the audit log.
    #[oai(path = "/admin/payments", method = "get", operation_id = "listStaffPayments")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtPayments>,
        /// The shop's name of an order, or a gateway's name or number of a payment.
        #[oai(example = "example_order", validator(max_length = 128))]
        search: Query<Option<String>>,
        /// Only payments in this state; spelt `state`.
        #[oai(name = "state", example = "example_state")]
        in_state: Query<Option<PaymentState>>,
        /// Only payments at this gateway, by its configured name.
        #[oai(example = "example_gateway", validator(max_length = 32))]
        gateway: Query<Option<String>>,
        /// Only payments for this order.
        #[oai(example = "example_order", validator(max_length = 64))]
        order_id: Query<Option<String>>,
        /// Only the payment with this page of a gateway's.
        #[oai(example = "example_authority", validator(max_length = 128))]
        authority: Query<Option<String>>,
        /// Only payments with this number of a gateway's.
        #[oai(example = "example_ref_id")]
        ref_id: Query<Option<i64>>,
        /// Only payments of this account.
        #[oai(example = "example_user")]
        user_id: Query<Option<i64>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<PaymentOrder>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffPaymentPage>, StaffListProblem> {
        let asked = Asked::new(state.0, "admin/payments/", (sort.0, cursor.0, limit.0))
            .search(search.0, |text| Some((&by::SEARCH, text_value(text))))
            .with(&by::STATE, in_state.0)
            .with(&by::GATEWAY, gateway.0)
            .with(&by::ORDER_ID, order_id.0)
            .with(&by::AUTHORITY, authority.0)
            .with(&by::REF_ID, ref_id.0)
            .with(&by::USER_ID, user_id.0);
        let answer = |found| StaffPayment::new(state.0, found);
        Ok(Json(asked.page_of::<payments::Payment, StaffPaymentPage>(&staff, answer).await?))
    }

    /// Look at anybody's payment
    ///
    /// With its pages at the gateway and every call about them. Viewers and finance see the payer's
    /// number and address masked. Written down in the audit log.
    #[oai(path = "/admin/payments/:id", method = "get", operation_id = "getStaffPayment")]
    async fn get(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtPayments>,
        /// The payment.
        #[oai(example = "example_payment")]
        id: Path<i64>,
    ) -> Result<Json<StaffPaymentStory>, StaffLookProblem> {
        let found = state.payments.look_at(&staff.caller.source(), id.0, staff.shown()).await;
        let found = found.map_err(Problem::from)?.ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(Json(StaffPaymentStory {
            payment: StaffPayment::new(state.0, found.payment),
            gateway_code: found.gateway_code,
            gateway_message: found.gateway_message,
            gateway_answer: found.gateway_answer.map(GatewayAnswer),
            settled_note: found.settled_note,
            pages: found.pages.into_iter().map(GatewayPage::from).collect(),
            attempts: found.attempts.into_iter().map(PaymentAttempt::from).collect(),
        }))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_state() -> Option<PaymentState> {
    Some(PaymentState::NeedsReview)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_sort() -> Option<PaymentOrder> {
    Some(PaymentOrder::Newest)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_gateway() -> Option<String> {
    Some("zarinpal".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_authority() -> Option<String> {
    Some("A0000000000000000000000000000wwOGYpd".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_ref_id() -> Option<i64> {
    Some(201_000_201)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_user() -> Option<i64> {
    Some(17)
}

/// Somebody's payment.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffPayment {
    /// Whose it is: the number of an account.
    user_id: i64,
    /// The payment.
    #[oai(flatten)]
    payment: Payment,
}

impl StaffPayment {
    fn new(state: &crate::state::State, payment: payments::Payment) -> Self {
        Self { user_id: payment.user_id, payment: Payment::new(state, payment) }
    }
}

impl Example for StaffPayment {
    fn example() -> Self {
        Self { user_id: 17, payment: Payment::example() }
    }
}

staff_page!(
    /// A page of anybody's payments.
    StaffPaymentPage of StaffPayment, "admin/payments/"
);

/// A page of a payment's at its gateway.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct GatewayPage {
    /// Its number.
    id: i64,
    /// `opening`: nobody knows yet; `open`; `refused`; `unknown`: the answer was lost.
    state: String,
    /// The gateway's name for it; absent if it is not open.
    #[oai(skip_serializing_if_is_none)]
    authority: Option<String>,
    /// The gateway's number for what came of asking for it.
    #[oai(skip_serializing_if_is_none)]
    code: Option<i32>,
    /// Why there is none, such as `http.timeout`.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
    /// The gateway's sentence.
    #[oai(skip_serializing_if_is_none)]
    message: Option<String>,
    /// What else it said.
    #[oai(skip_serializing_if_is_none)]
    answer: Option<GatewayAnswer>,
    /// When it was asked for.
    created_at: Timestamp,
    /// When it was there.
    #[oai(skip_serializing_if_is_none)]
    opened_at: Option<Timestamp>,
}

impl From<payments::Page> for GatewayPage {
    fn from(page: payments::Page) -> Self {
        Self {
            id: page.id,
            state: page.state,
            authority: page.authority,
            code: page.code,
            reason: page.reason,
            message: page.message,
            answer: page.answer.map(GatewayAnswer),
            created_at: Timestamp(page.created_at),
            opened_at: page.opened_at.map(Timestamp),
        }
    }
}

fn example_time() -> Timestamp {
    Timestamp(DateTime::<Utc>::UNIX_EPOCH)
}

impl Example for GatewayPage {
    fn example() -> Self {
        Self {
            id: 51,
            state: "open".to_owned(),
            authority: example_authority(),
            code: Some(100),
            reason: Some("http.timeout".to_owned()),
            message: Some("Success".to_owned()),
            answer: Some(GatewayAnswer(json!({"code": 100}))),
            created_at: example_time(),
            opened_at: Some(example_time()),
        }
    }
}

/// A call to a gateway about a page of a payment's.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct PaymentAttempt {
    /// Its number.
    id: i64,
    /// The page it was about.
    page_id: i64,
    /// `verify`, `inquire`, `reverse` or `refund`.
    action: String,
    /// What came of it, such as `paid` or `not_paid`.
    outcome: String,
    /// The gateway's code with its name, such as `zarinpal.-51`.
    #[oai(skip_serializing_if_is_none)]
    code: Option<String>,
    /// When it was asked.
    started_at: Timestamp,
    /// When it answered, or did not.
    ended_at: Timestamp,
}

impl From<payments::Attempt> for PaymentAttempt {
    fn from(attempt: payments::Attempt) -> Self {
        Self {
            id: attempt.id,
            page_id: attempt.page_id,
            action: attempt.action,
            outcome: attempt.outcome,
            code: attempt.code,
            started_at: Timestamp(attempt.started_at),
            ended_at: Timestamp(attempt.ended_at),
        }
    }
}

impl Example for PaymentAttempt {
    fn example() -> Self {
        Self {
            id: 61,
            page_id: 51,
            action: "verify".to_owned(),
            outcome: "not_paid".to_owned(),
            code: Some("zarinpal.-51".to_owned()),
            started_at: example_time(),
            ended_at: example_time(),
        }
    }
}

/// Somebody's payment with its story.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffPaymentStory {
    /// The payment.
    #[oai(flatten)]
    payment: StaffPayment,
    /// What the gateway said last when it was asked to verify: its number.
    #[oai(skip_serializing_if_is_none)]
    gateway_code: Option<i32>,
    /// Its sentence.
    #[oai(skip_serializing_if_is_none)]
    gateway_message: Option<String>,
    /// Its answer, without secrets and with cards masked.
    #[oai(skip_serializing_if_is_none)]
    gateway_answer: Option<GatewayAnswer>,
    /// What the person wrote who settled it by hand; absent if none did.
    #[oai(skip_serializing_if_is_none)]
    settled_note: Option<String>,
    /// Its pages at the gateway, oldest first.
    pages: Vec<GatewayPage>,
    /// The calls about them, oldest first.
    attempts: Vec<PaymentAttempt>,
}

impl Example for StaffPaymentStory {
    fn example() -> Self {
        Self {
            payment: StaffPayment::example(),
            gateway_code: Some(-51),
            gateway_message: Some("Session is not valid.".to_owned()),
            gateway_answer: Some(GatewayAnswer(json!({"code": -51}))),
            settled_note: Some("Found in the gateway's panel.".to_owned()),
            pages: vec![GatewayPage::example()],
            attempts: vec![PaymentAttempt::example()],
        }
    }
}

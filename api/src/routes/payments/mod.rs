//! `payment/…`: money from somebody's card to the shop or into a wallet.

mod actions;
mod answer;
mod create;
mod staff;
mod types;
mod verified;
mod verify;

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::payments::Search;

use self::types::{
    CreatePayment, CreatePaymentResult, Payment, PaymentPage, PaymentStatus, PaymentStatusResult,
    Wished,
};
pub(crate) use self::{
    actions::StaffPaymentActionApi, staff::StaffPaymentApi, types::PaymentState,
    verify::VerifyPaymentApi,
};
use super::{
    Tag,
    otp::example_handle,
    paging::{Link, Paging, example_before, example_limit},
};
use crate::{
    caller::SignedIn,
    error::{Code, Problem, problems},
    idempotency::IdempotencyKey,
    input::Input,
    state::SharedState,
};

problems!(
    /// What can go wrong with a new payment.
    pub(crate) CreatePaymentProblem: 400, 401, 408, 409, 413, 415, 422, 429, 500, 502, 503
);
problems!(
    /// What can go wrong with a list of one's own payments.
    pub(crate) PaymentListProblem: 400, 401, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a look at a payment.
    pub(crate) PaymentLookProblem: 400, 401, 404, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a look at how a payment stands.
    pub(crate) PaymentStatusProblem: 400, 404, 408, 413, 500, 503
);

/// The operations of whoever pays.
pub(crate) struct PaymentApi;

#[OpenApi(tag = "Tag::Payments")]
impl PaymentApi {
    /// Begin a payment
    ///
    /// Answers once the gateway has a page to pay at, `details.gateway_url`: send the payer there. No
    /// answer of the gateway's within ten seconds is 502, and the same request under the same
    /// `Idempotency-Key` goes on with the same payment.
    #[oai(path = "/payment/create", method = "post", operation_id = "createPayment")]
    async fn create(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        key: IdempotencyKey,
        input: Input<Wished, CreatePayment>,
    ) -> Result<Json<CreatePaymentResult>, CreatePaymentProblem> {
        let Wished(wish) = input.0;
        let begun = create::begin_once(state.0, &caller, key, wish).await?;
        Ok(Json(CreatePaymentResult::new(state.0, begun)))
    }

    /// Your payments
    ///
    /// Newest first.
    #[oai(path = "/payment", method = "get", operation_id = "listPayments")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// Only payments with this status.
        #[oai(example = "example_status")]
        status: Query<Option<PaymentStatus>>,
        /// Only payments for this order.
        #[oai(example = "example_order", validator(max_length = 64))]
        order_id: Query<Option<String>>,
        /// Only payments before this id.
        #[oai(example = "example_before")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<PaymentPage>, PaymentListProblem> {
        let paging = Paging::new(before.0, limit.0);
        let among = status.0.map(PaymentStatus::states).unwrap_or_default();
        let (before, order) = (paging.before, order_id.0.clone());
        let search = Search { states: among, order_id: order, before };
        let found = state.payments.list(caller.user_id, &search, paging.rows()).await;
        let mut found = found.map_err(Problem::from)?;
        let status = status.0.map(|status| status.as_str().to_owned());
        let query = [("status", status), ("order_id", order_id.0)];
        let link = Link { state: state.0, path: "payment/", query: &query };
        let next = paging.cut(&mut found, |payment| payment.id, &link);
        let results = found.into_iter().map(|found| Payment::new(state.0, found)).collect();
        Ok(Json(PaymentPage { next, previous: None, results }))
    }

    /// Look at a payment
    ///
    /// One of your own.
    #[oai(path = "/payment/:id", method = "get", operation_id = "getPayment")]
    async fn get(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        /// The payment.
        #[oai(example = "example_payment")]
        id: Path<i64>,
    ) -> Result<Json<Payment>, PaymentLookProblem> {
        let found = state.payments.find(caller.user_id, id.0).await.map_err(Problem::from)?;
        let found = found.ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(Json(Payment::new(state.0, found)))
    }

    /// How a payment stands
    ///
    /// For whoever came back from the gateway: needs no login, and tells nothing of a person.
    #[oai(path = "/payment/status/:handle", method = "get", operation_id = "getPaymentStatus")]
    async fn status(
        &self,
        state: Data<&SharedState>,
        /// The payment's handle, as it stands in `status_url`.
        #[oai(example = "example_handle", validator(pattern = "^[0-9a-f]{32}$"))]
        handle: Path<String>,
    ) -> Result<Json<PaymentStatusResult>, PaymentStatusProblem> {
        let found = state.payments.status(&handle.0).await.map_err(Problem::from)?;
        Ok(Json(found.ok_or_else(|| Problem::new(Code::NotFound))?.into()))
    }
}

fn example_payment() -> i64 {
    41
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_status() -> Option<PaymentStatus> {
    Some(PaymentStatus::Paid)
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_order() -> Option<String> {
    Some("1405-1203".to_owned())
}

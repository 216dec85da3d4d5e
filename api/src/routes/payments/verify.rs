//! `payment/verify/`: the way back from every gateway. It changes nothing by itself: it has a worker
//! look at the payment, and says what the gateway says.

use std::borrow::Cow;

use poem::{FromRequest, Request, RequestBody, Result, web::Data};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, OpenApi,
    param::Query,
    payload::Json,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};
use shared::{
    jobs::{Queue, RowId},
    payments::{
        callbacks::{self, Body, Callback, Unreadable},
        verify::View,
    },
};

use super::verified::{CameBack, VerifyResult, onward};
use crate::{
    error::{Code, Problem, problems},
    limits::{self, Measured},
    routes::Tag,
    state::{SharedState, State},
    waiters::Waiter,
};

problems!(
    /// What can go wrong on the way back.
    pub(crate) VerifyPaymentProblem: 400, 404, 408, 413, 500, 503
);

/// What the old system says of a way back that says nothing.
pub(super) const UNSUCCESSFUL: &str = "The transaction was unsuccessful or canceled.";

#[derive(ApiResponse)]
pub(crate) enum VerifyPaymentResponse {
    /// What the gateway says.
    #[oai(status = 200)]
    Answered(Json<VerifyResult>),
    /// The gateway has not been asked yet; ask `status_url` how it goes.
    #[oai(status = 202)]
    Pending(
        Json<VerifyResult>,
        /// Where to ask.
        #[oai(header = "Location")]
        String,
    ),
    /// The payer goes on at `frontend_callback_url`, with `status`, `order_id`, `authority`, `ref_id`,
    /// `amount` and `message` in the query.
    #[oai(status = 303)]
    Onward(
        /// The front end, with the query.
        #[oai(header = "Location")]
        String,
    ),
}

/// The operations of whoever comes back.
pub(crate) struct VerifyPaymentApi;

#[OpenApi(tag = "Tag::Payments")]
impl VerifyPaymentApi {
    /// Come back from a gateway
    ///
    /// What ZarinPal and Zibal send the payer's browser to. Nothing of it is believed: the gateway itself
    /// is asked, and its answer is given once it is there. Needs no login.
    #[oai(path = "/payment/verify", method = "get", operation_id = "verifyPayment")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn verify(
        &self,
        state: Data<&SharedState>,
        measured: Measured,
        back: QueryBack,
        /// ZarinPal's name of the page.
        #[oai(name = "Authority", example = "example_authority", validator(max_length = 2000))]
        _authority: Query<Option<String>>,
        /// What ZarinPal's page came to: `OK` or `NOK`.
        #[oai(name = "Status", example = "example_status", validator(max_length = 2000))]
        _status: Query<Option<String>>,
        /// Zibal's name of the page.
        #[oai(name = "trackId", example = "example_track", validator(max_length = 2000))]
        _track: Query<Option<String>>,
        /// What Zibal's page came to: `1` or `0`.
        #[oai(name = "success", example = "example_success", validator(max_length = 2000))]
        _success: Query<Option<String>>,
    ) -> Result<VerifyPaymentResponse, VerifyPaymentProblem> {
        // A payer who reloads, or types: nothing was said of a payment.
        let callback = back.0.ok().filter(|callback| callback.hint.is_some());
        Ok(answer(state.0, &measured, callback).await?)
    }

    /// Come back from a gateway, with a form
    ///
    /// What PayPing has the payer's browser post; the other gateways' ways back and JSON are read too.
    /// As the other one: nothing of it is believed, and it needs no login.
    #[oai(path = "/payment/verify", method = "post", operation_id = "verifyPaymentForm")]
    async fn verify_form(
        &self,
        state: Data<&SharedState>,
        measured: Measured,
        back: PostedBack,
    ) -> Result<VerifyPaymentResponse, VerifyPaymentProblem> {
        Ok(answer(state.0, &measured, back.0.ok()).await?)
    }
}

/// Has the payment looked at, waits for what the gateway says, and says it.
async fn answer(
    state: &State,
    measured: &Measured,
    callback: Option<Callback>,
) -> Result<VerifyPaymentResponse, Problem> {
    let unread = || Problem::new(Code::BadRequest).sentence(UNSUCCESSFUL);
    let callback = callback.ok_or_else(unread)?;
    let looks = limits::payment_looks(&state.config.limits, &callback.authority);
    let spare = measured.ask(state, &[looks]).await.is_err();
    let waiter = state.waiters.join();
    let reply_to = waiter.as_ref().map(Waiter::reply_to);
    let back = state.payments.come_back(&callback, reply_to.as_deref(), spare).await?;
    let unknown = || Problem::new(Code::NotFound).sentence("payment not found.");
    let back = back.ok_or_else(unknown)?;
    let view = wait(state, back.id, back.looking, waiter).await?.ok_or_else(unknown)?;
    let came = CameBack { view: &view, again: !back.looking };
    if let Some(frontend) = &view.frontend_callback_url {
        let url = onward(frontend, &came, &callback.authority);
        return Ok(VerifyPaymentResponse::Onward(url));
    }
    let status_url = state.payments.status_url(&view.handle);
    let result = Json(VerifyResult::new(&came, status_url.clone()));
    Ok(if came.is_unasked() {
        VerifyPaymentResponse::Pending(result, status_url)
    } else {
        VerifyPaymentResponse::Answered(result)
    })
}

/// Waits for what becomes of a payment that is looked at; how it stands then.
pub(super) async fn wait(
    state: &State,
    id: i64,
    looking: bool,
    waiter: Option<Waiter>,
) -> Result<Option<View>, Problem> {
    if looking {
        state.pusher.push(Queue::Payments, RowId(id));
        if let Some(waiter) = waiter {
            waiter.wait_for_payment(state.config.http.wait()).await;
        }
    }
    Ok(state.payments.view(id).await?)
}

/// A way back in the query.
pub(crate) struct QueryBack(Result<Callback, Unreadable>);

impl<'a> FromRequest<'a> for QueryBack {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self(callbacks::read(&query(request), Body::None)))
    }
}

/// A way back in the body.
pub(crate) struct PostedBack(Result<Callback, Unreadable>);

impl<'a> ApiExtractor<'a> for PostedBack {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        super::verified::PostedForm::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let schema = super::verified::PostedForm::schema_ref;
        // JSON is read too, as everywhere; a client is generated for one of them.
        let content = ["application/x-www-form-urlencoded"];
        let content = content.map(|content_type| MetaMediaType { content_type, schema: schema() });
        Some(MetaRequest { description: None, content: content.into(), required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let bytes = body.take()?.into_bytes().await?;
        let kind = request.content_type().unwrap_or_default().to_ascii_lowercase();
        let pairs: Vec<_>;
        let body = if kind.starts_with("application/x-www-form-urlencoded") {
            pairs = form_urlencoded::parse(&bytes).map(owned).collect();
            Body::Form(&pairs)
        } else if kind.starts_with("application/json") {
            Body::Json(&bytes)
        } else {
            Body::None
        };
        Ok(Self(callbacks::read(&query(request), body)))
    }
}

fn query(request: &Request) -> Vec<(String, String)> {
    let query = request.original_uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).map(owned).collect()
}

fn owned((name, value): (Cow<'_, str>, Cow<'_, str>)) -> (String, String) {
    (name.into_owned(), value.into_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_authority() -> Option<String> {
    Some("A0000000000000000000000000000wwOGYpd".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_status() -> Option<String> {
    Some("OK".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_track() -> Option<String> {
    Some("1533727744287".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_success() -> Option<String> {
    Some("1".to_owned())
}

//! `payment/{id}/refund|reverse|returns`: money back, for staff.

use poem::web::Data;
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
    types::Example,
};
use shared::{
    idempotency::{Caller, Keyed},
    jobs::{Queue, RowId},
    payments::returns::{Action, NewReturn, Return, ReturnError, Standing},
};

use super::{
    Tag,
    otp::{asks_for_async, example_preference},
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem, problems},
    idempotency::{self, IdempotencyKey},
    input::{Fields, FromFields, Input, Text},
    state::{SharedState, State},
    timestamp::Timestamp,
    waiters::Waiter,
};

problems!(
    /// What can go wrong with giving money back.
    pub(crate) ReturnProblem: 400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503
);
problems!(
    /// What can go wrong with a look.
    pub(crate) ListReturnsProblem: 400, 401, 403, 404, 408, 413, 500, 503
);

/// Whoever may do so.
type ReturnsMoney = Staff<task::ReturnMoney>;

/// The operations.
pub(crate) struct ReturnApi;

#[OpenApi(tag = "Tag::Payments")]
impl ReturnApi {
    /// Reverse a payment
    ///
    /// Its gateway takes it back as if it had not been, within half an hour of the payment; what it
    /// brought leaves the wallet, or the shop's account, first. For finance and admins, after a recent
    /// login.
    #[oai(path = "/payment/:id/reverse", method = "post", operation_id = "reversePayment")]
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    async fn reverse_payment(
        &self,
        state: Data<&SharedState>,
        staff: ReturnsMoney,
        /// The payment.
        #[oai(example = "example_payment")]
        id: Path<i64>,
        /// `respond-async`: answer 202 at once.
        #[oai(name = "Prefer", example = "example_preference")]
        prefer: Header<Option<String>>,
        key: IdempotencyKey,
        input: Input<Why, ReturnPayment>,
    ) -> Result<ReturnResponse, ReturnProblem> {
        let asked = Asked { payment_id: id.0, action: Action::Reverse, note: input.0.0 };
        let keyed = asked.keyed(key, &staff, "reversePayment");
        Ok(ask(state.0, &staff, &asked, keyed, prefer.0).await?)
    }

    /// Refund a payment
    ///
    /// Its gateway pays it out again, whole; what it brought leaves the wallet, or the shop's account,
    /// first. For finance and admins, after a recent login.
    #[oai(path = "/payment/:id/refund", method = "post", operation_id = "refundPayment")]
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    async fn refund_payment(
        &self,
        state: Data<&SharedState>,
        staff: ReturnsMoney,
        /// The payment.
        #[oai(example = "example_payment")]
        id: Path<i64>,
        /// `respond-async`: answer 202 at once.
        #[oai(name = "Prefer", example = "example_preference")]
        prefer: Header<Option<String>>,
        key: IdempotencyKey,
        input: Input<Why, ReturnPayment>,
    ) -> Result<ReturnResponse, ReturnProblem> {
        let asked = Asked { payment_id: id.0, action: Action::Refund, note: input.0.0 };
        let keyed = asked.keyed(key, &staff, "refundPayment");
        Ok(ask(state.0, &staff, &asked, keyed, prefer.0).await?)
    }

    /// List what was tried to give a payment's money back
    ///
    /// Newest first. For staff. Written down in the audit log.
    #[oai(path = "/payment/:id/returns", method = "get", operation_id = "listPaymentReturns")]
    async fn list_returns(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtPayments>,
        /// The payment.
        #[oai(example = "example_payment")]
        id: Path<i64>,
    ) -> Result<Json<PaymentReturns>, ListReturnsProblem> {
        let found = state.payments.returns_of(&staff.caller.source(), id.0).await;
        let found = found.map_err(Problem::from)?;
        let found = found.ok_or_else(|| Problem::new(Code::NotFound))?;
        let results = found.into_iter().map(|it| PaymentReturn::new(state.0, it)).collect();
        Ok(Json(PaymentReturns { next: None, previous: None, results }))
    }

    /// Settle by hand what nobody can say
    ///
    /// Only of a payment whose last return is `unknown`: a person who looked into the gateway's panel
    /// says whether the money went back. What did is `reversed` or `refunded`; what did not is where it
    /// was, and may be asked for again. For finance and admins, after a recent login. Written down in the
    /// audit log; the note stays with the return.
    #[oai(
        path = "/payment/:id/returns/settle",
        method = "post",
        operation_id = "settlePaymentReturn"
    )]
    async fn settle_return(
        &self,
        state: Data<&SharedState>,
        staff: ReturnsMoney,
        /// The payment.
        #[oai(example = "example_payment")]
        id: Path<i64>,
        input: Input<SettleReturn>,
    ) -> Result<Json<PaymentReturn>, ReturnProblem> {
        let SettleReturn { status, note } = input.0;
        let went_back = status == ReturnVerdict::Done;
        let source = staff.caller.source();
        let decided = state.payments.decide_return(&source, id.0, went_back, &note).await;
        let decided = decided.map_err(Problem::from)?;
        let found = state.payments.find_return(decided).await.map_err(Problem::from)?;
        let found = found.ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(Json(PaymentReturn::new(state.0, found)))
    }
}

/// What a person may say of money that nobody else can say anything of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ReturnVerdict {
    /// It went back.
    Done,
    /// It did not.
    Refused,
}

/// What a person found out.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SettleReturn {
    /// What became of it.
    status: ReturnVerdict,
    /// How that is known; kept with the return.
    #[oai(validator(min_length = 1, max_length = 500))]
    note: String,
}

impl Example for SettleReturn {
    fn example() -> Self {
        Self { status: ReturnVerdict::Done, note: "Found in the gateway's panel.".to_owned() }
    }
}

impl FromFields for SettleReturn {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let word = fields.text("status", Text::max(20));
        let note = fields.text("note", Text::max(500));
        let status = match word.as_deref() {
            Some("done") => Some(ReturnVerdict::Done),
            Some("refused") => Some(ReturnVerdict::Refused),
            _ => None,
        };
        if word.is_some() && status.is_none() {
            fields.error("status", "invalid_choice", "One of done and refused.");
        }
        Some(Self { status: status?, note: note? })
    }
}

/// Why, for people.
pub(crate) struct Why(String);

/// A payment's money back.
#[derive(Object)]
#[oai(example)]
pub(crate) struct ReturnPayment {
    /// Why; kept, and told to gateways that ask.
    #[oai(validator(max_length = 500))]
    #[oai(default)]
    note: String,
}

impl Example for ReturnPayment {
    fn example() -> Self {
        Self { note: "ordered twice".to_owned() }
    }
}

impl FromFields for Why {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self(fields.optional_text("note", Text::max(500).or_blank()).unwrap_or_default()))
    }
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ReturnStatus {
    /// The gateway is being asked.
    Asked,
    /// The money went back.
    Done,
    /// The gateway will not; what the payment brought is where it was.
    Refused,
    /// Nobody can say; a person has to look.
    Unknown,
}

impl From<Standing> for ReturnStatus {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Asked => Self::Asked,
            Standing::Done => Self::Done,
            Standing::Refused => Self::Refused,
            Standing::Unknown => Self::Unknown,
        }
    }
}

/// How it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ReturnAction {
    /// Taken back as if it had not been.
    Reverse,
    /// Paid out again.
    Refund,
}

/// Money on its way back, or what was tried.
#[derive(Object)]
#[oai(example)]
pub(crate) struct PaymentReturn {
    /// Its number.
    id: i64,
    /// The payment.
    payment_id: i64,
    /// How it is done.
    action: ReturnAction,
    /// How it stands.
    status: ReturnStatus,
    /// Why it was refused, or is not over yet: a word such as `zarinpal.-60`; absent if there is none.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
    /// What the payment is now.
    payment_state: String,
    /// Why, as whoever asked put it.
    note: String,
    /// What the person wrote who settled it; absent if none did.
    #[oai(skip_serializing_if_is_none)]
    settled_note: Option<String>,
    /// The account of whoever asked; absent if it was none.
    #[oai(skip_serializing_if_is_none)]
    actor_id: Option<i64>,
    /// When it was asked for.
    created_at: Timestamp,
    /// When it was over; absent before.
    #[oai(skip_serializing_if_is_none)]
    ended_at: Option<Timestamp>,
    /// Where to see how it goes.
    status_url: String,
}

impl Example for PaymentReturn {
    fn example() -> Self {
        let at = chrono::DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default();
        Self {
            id: 5,
            payment_id: example_payment(),
            action: ReturnAction::Refund,
            status: ReturnStatus::Refused,
            reason: Some("zarinpal.-60".to_owned()),
            payment_state: "paid".to_owned(),
            note: "ordered twice".to_owned(),
            settled_note: Some("Found in the gateway's panel.".to_owned()),
            actor_id: Some(3),
            created_at: Timestamp(at),
            ended_at: Some(Timestamp(at)),
            status_url: "https://api.example.com/api/payment/41/returns/".to_owned(),
        }
    }
}

/// What was tried to give a payment's money back.
#[derive(Object)]
#[oai(example)]
pub(crate) struct PaymentReturns {
    /// There is one page: always null.
    next: Option<String>,
    /// Always null.
    previous: Option<String>,
    /// The latest hundred, newest first.
    results: Vec<PaymentReturn>,
}

impl Example for PaymentReturns {
    fn example() -> Self {
        Self { next: None, previous: None, results: vec![PaymentReturn::example()] }
    }
}

impl PaymentReturn {
    fn new(state: &State, it: Return) -> Self {
        Self {
            id: it.id,
            payment_id: it.payment_id,
            action: match it.action {
                Action::Reverse => ReturnAction::Reverse,
                Action::Refund => ReturnAction::Refund,
            },
            status: it.standing.into(),
            reason: it.code,
            payment_state: it.payment_state.as_str().to_owned(),
            note: it.note,
            settled_note: it.settled_note,
            actor_id: it.actor_id,
            created_at: Timestamp(it.created_at),
            ended_at: it.ended_at.map(Timestamp),
            status_url: url(state, it.payment_id),
        }
    }
}

#[derive(ApiResponse)]
pub(crate) enum ReturnResponse {
    /// The money went back.
    #[oai(status = 200)]
    Done(Json<PaymentReturn>),
    /// The gateway has not said yet, or nobody can say; see `status`.
    #[oai(status = 202)]
    Accepted(
        Json<PaymentReturn>,
        /// Where to see how it goes.
        #[oai(header = "Location")]
        String,
    ),
}

/// What is asked for.
struct Asked {
    payment_id: i64,
    action: Action,
    note: String,
}

impl Asked {
    fn keyed(
        &self,
        key: IdempotencyKey,
        staff: &ReturnsMoney,
        operation: &'static str,
    ) -> Option<Keyed> {
        let request = (self.payment_id, &self.note);
        key.keyed(Caller::User(staff.caller.user_id), operation, &request)
    }
}

/// Asks, or says how it goes with what was asked under the same key.
async fn ask(
    state: &State,
    staff: &ReturnsMoney,
    asked: &Asked,
    keyed: Option<Keyed>,
    prefer: Option<String>,
) -> Result<ReturnResponse, Problem> {
    if let Some(earlier) = earlier(state, keyed.as_ref()).await? {
        return Ok(earlier);
    }
    let wait = !prefer.is_some_and(|prefer| asks_for_async(&prefer));
    let waiter = if wait { state.waiters.join() } else { None };
    let source = staff.caller.source();
    let new = NewReturn {
        payment_id: asked.payment_id,
        action: asked.action,
        note: &asked.note,
        source: &source,
        reply_to: waiter.as_ref().map(Waiter::reply_to),
        keyed: keyed.as_ref(),
    };
    let id = match state.payments.ask_return(&new).await {
        Ok(id) => id,
        Err(error) => {
            let problem = Problem::from(error);
            let repeat = idempotency::may_be_a_repeat(&problem);
            let earlier = if repeat { earlier(state, keyed.as_ref()).await? } else { None };
            return earlier.ok_or(problem);
        }
    };
    state.pusher.push(Queue::Returns, RowId(id));
    if let Some(waiter) = waiter {
        waiter.wait_for_payment(state.config.http.wait()).await;
    }
    answer(state, id).await
}

async fn earlier(state: &State, keyed: Option<&Keyed>) -> Result<Option<ReturnResponse>, Problem> {
    let Some(keyed) = keyed else { return Ok(None) };
    let Some(reference) = idempotency::earlier(state, keyed).await? else { return Ok(None) };
    answer(state, reference.parse().unwrap_or_default()).await.map(Some)
}

/// What the row says now.
async fn answer(state: &State, id: i64) -> Result<ReturnResponse, Problem> {
    let found = state.payments.find_return(id).await?;
    let found = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    let (standing, url) = (found.standing, url(state, found.payment_id));
    if standing == Standing::Refused {
        let reason = found.code.unwrap_or_default();
        return Err(Problem::new(Code::ReturnRefused).with_argument(reason));
    }
    let shown = Json(PaymentReturn::new(state, found));
    Ok(match standing {
        Standing::Done => ReturnResponse::Done(shown),
        _ => ReturnResponse::Accepted(shown, url),
    })
}

impl From<ReturnError> for Problem {
    fn from(error: ReturnError) -> Self {
        match error {
            ReturnError::NoSuchPayment => Self::new(Code::NotFound),
            ReturnError::NotPaid => Self::new(Code::PaymentNotPaid),
            ReturnError::Unsupported => Self::new(Code::ReturnUnsupported),
            ReturnError::TooLate => Self::new(Code::ReturnTooLate),
            ReturnError::UnderWay => Self::new(Code::ReturnUnderWay),
            ReturnError::NotWaiting => Self::new(Code::Conflict),
            ReturnError::Insufficient => Self::new(Code::InsufficientBalance),
            ReturnError::Repeated => idempotency::in_flight(1),
            ReturnError::Database(error) => error.into(),
        }
    }
}

fn url(state: &State, payment_id: i64) -> String {
    let prefix = state.config.http.prefixes.first().map_or("", String::as_str);
    format!("{}{prefix}/payment/{payment_id}/returns/", state.config.http.public_url)
}

fn example_payment() -> i64 {
    41
}

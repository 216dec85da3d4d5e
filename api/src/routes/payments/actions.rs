//! `admin/payments/{id}/look/` and `…/settle/`: what staff do with a payment.

use poem::web::Data;
use poem_openapi::{Enum, Object, OpenApi, param::Path, payload::Json, types::Example};
use shared::payments::{self, ReviewError};

use super::{
    types::PaymentState,
    verified::{CameBack, VerifyResult},
    verify,
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem, problems},
    input::{Fields, FromFields, Input, Text},
    routes::Tag,
    state::SharedState,
    waiters::Waiter,
};

problems!(
    /// What can go wrong with a look at the gateway.
    pub(crate) StaffPaymentLookProblem: 400, 401, 403, 404, 408, 413, 500, 503
);
problems!(
    /// What can go wrong with a decision.
    pub(crate) StaffPaymentSettleProblem: 400, 401, 403, 404, 408, 409, 413, 415, 500, 503
);

/// What a person may decide of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum PaymentVerdict {
    /// The money came in: it is credited.
    Paid,
    /// It did not.
    Failed,
    /// The payer turned back.
    Cancelled,
}

impl PaymentVerdict {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "paid" => Some(Self::Paid),
            "failed" => Some(Self::Failed),
            "cancelled" => Some(Self::Cancelled),
            _ => None,
        }
    }

    const fn state(self) -> payments::State {
        match self {
            Self::Paid => payments::State::Paid,
            Self::Failed => payments::State::Failed,
            Self::Cancelled => payments::State::Cancelled,
        }
    }
}

/// What a person decided of a payment.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SettlePayment {
    /// What became of it.
    state: PaymentVerdict,
    /// Why; kept with the payment.
    #[oai(validator(min_length = 1, max_length = 500))]
    note: String,
}

impl Example for SettlePayment {
    fn example() -> Self {
        Self { state: PaymentVerdict::Paid, note: "Found in the gateway's panel.".to_owned() }
    }
}

impl FromFields for SettlePayment {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let word = fields.text("state", Text::max(20));
        let note = fields.text("note", Text::max(500));
        let state = word.as_deref().and_then(PaymentVerdict::parse);
        if word.is_some() && state.is_none() {
            fields.error("state", "invalid_choice", "One of paid, failed and cancelled.");
        }
        Some(Self { state: state?, note: note? })
    }
}

/// A payment that a person decided.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct PaymentDecided {
    /// A sentence for people.
    details: String,
    /// Where it is now.
    state: PaymentState,
}

impl Example for PaymentDecided {
    fn example() -> Self {
        Self { details: "The payment was settled.".to_owned(), state: PaymentState::Paid }
    }
}

/// The operations of staff who act.
pub(crate) struct StaffPaymentActionApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffPaymentActionApi {
    /// Have a payment looked at
    ///
    /// Asks the gateway about every page of it, whatever state it is in, as if the payer had come back,
    /// and answers as `payment/verify/`. For finance and admins, after a recent login. Written down in
    /// the audit log.
    #[oai(path = "/admin/payments/:id/look", method = "post", operation_id = "lookAtPayment")]
    async fn look(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::SettlePayments>,
        /// The payment.
        #[oai(example = "super::example_payment")]
        id: Path<i64>,
    ) -> Result<Json<VerifyResult>, StaffPaymentLookProblem> {
        let waiter = state.waiters.join();
        let reply_to = waiter.as_ref().map(Waiter::reply_to);
        let acting = staff.acting();
        let back = state.payments.look_by_hand(&acting, id.0, reply_to.as_deref()).await;
        let unknown = || Problem::new(Code::NotFound);
        let back = back.map_err(Problem::from)?.ok_or_else(unknown)?;
        let view = verify::wait(state.0, back.id, back.looking, waiter).await?;
        let view = view.ok_or_else(unknown)?;
        let came = CameBack { view: &view, again: !back.looking };
        Ok(Json(VerifyResult::new(&came, state.payments.status_url(&view.handle))))
    }

    /// Settle a payment by hand
    ///
    /// Only one that needs review: what neither the gateway nor time can say, a person does. One that is
    /// settled as paid is credited as any other. For finance and admins, after a recent login. Written
    /// down in the audit log; the note stays with the payment.
    #[oai(path = "/admin/payments/:id/settle", method = "post", operation_id = "settlePayment")]
    async fn settle(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::SettlePayments>,
        /// The payment.
        #[oai(example = "super::example_payment")]
        id: Path<i64>,
        input: Input<SettlePayment>,
    ) -> Result<Json<PaymentDecided>, StaffPaymentSettleProblem> {
        let SettlePayment { state: verdict, note } = input.0;
        let next = verdict.state();
        let decided = state.payments.decide_by_hand(&staff.acting(), id.0, next, &note).await;
        decided.map_err(|error| match error {
            ReviewError::NoSuchPayment => Problem::new(Code::NotFound),
            ReviewError::NotWaiting(_) | ReviewError::NoDecision => Problem::new(Code::Conflict),
            ReviewError::Database(error) => error.into(),
        })?;
        Ok(Json(PaymentDecided {
            details: "The payment was settled.".to_owned(),
            state: next.into(),
        }))
    }
}

//! Refunds go through the panel's GraphQL (<https://next.zarinpal.com/paymentGateway/other>), which knows
//! payments by a number of its own: it is looked up by our reference first.
//!
//! It takes no idempotency key. So the payment's standing there is asked before every try: what is
//! refunded is not refunded again.

use serde_json::{Value, json};

use super::super::{
    Page, Returned,
    exchange::{Api, NoAnswer},
    said::Record,
};
use crate::wire;

/// It pays out no less.
const LEAST_RIALS: i64 = 20_000;
/// Longest reason, in characters.
const MAX_REASON: usize = 200;

const SESSIONS: &str = "query Sessions($terminal_id: ID!, $reference_id: String) \
    { Session(terminal_id: $terminal_id, reference_id: $reference_id) { id status amount } }";
const ADD_REFUND: &str = "mutation AddRefund($session_id: ID!, $amount: BigInteger!, \
    $description: String, $method: InstantPayoutActionTypeEnum, $reason: RefundReasonEnum) \
    { resource: AddRefund(session_id: $session_id, amount: $amount, description: $description, \
    method: $method, reason: $reason) \
    { terminal_id id amount timeline { refund_amount refund_time refund_status } } }";

/// The panel's API.
pub(super) struct Refunds {
    pub(super) api: Api,
    pub(super) terminal_id: String,
    pub(super) record: Record,
}

/// A payment as the panel knows it.
struct Session {
    id: String,
    refunded: bool,
    amount: Option<i64>,
}

impl Refunds {
    pub(super) async fn refund(&self, page: &Page, reason: &str) -> Returned {
        let noted = |word| self.record.noted(word, "", &Value::Null);
        let Some(ref_id) = page.reference else { return Returned::Refused(noted("no_reference")) };
        if page.amount.get() < LEAST_RIALS {
            return Returned::Refused(noted("refund_minimum"));
        }
        let session = match self.session(ref_id).await {
            Ok(Some(session)) => session,
            Ok(None) => return Returned::Refused(noted("refund_unknown_payment")),
            // Nothing was asked to be done yet.
            Err(NoAnswer::Later { after: _, code } | NoAnswer::Unknown { code }) => {
                return NoAnswer::Later { after: None, code }.into();
            }
        };
        match session {
            Session { refunded: true, .. } => Returned::Already(noted("refunded")),
            Session { amount: Some(amount), .. } if amount != page.amount.get() => {
                Returned::Refused(noted("refund_amount"))
            }
            Session { id, .. } => self.add(&id, page, reason).await,
        }
    }

    async fn session(&self, ref_id: i64) -> Result<Option<Session>, NoAnswer> {
        let variables =
            json!({"terminal_id": self.terminal_id, "reference_id": ref_id.to_string()});
        let body = self.ask(SESSIONS, &variables).await?;
        let unreadable = || NoAnswer::Unknown { code: "zarinpal.graphql".to_owned() };
        let rows = body.pointer("/data/Session").and_then(Value::as_array);
        match rows.ok_or_else(unreadable)?.as_slice() {
            [row] => {
                let id = row.get("id").and_then(wire::word).ok_or_else(unreadable)?;
                let status = row.get("status").and_then(Value::as_str).unwrap_or_default();
                let refunded = status.to_ascii_uppercase().contains("REFUND");
                let amount = row.get("amount").and_then(wire::integer);
                Ok(Some(Session { id, refunded, amount }))
            }
            // None; or several, and which of them it is nobody can say: then a person has to.
            _ => Ok(None),
        }
    }

    async fn add(&self, session_id: &str, page: &Page, reason: &str) -> Returned {
        let description: String = reason.chars().take(MAX_REASON).collect();
        let variables = json!({
            "session_id": session_id, "amount": page.amount.get(), "description": description,
            "method": "PAYA", "reason": "CUSTOMER_REQUEST",
        });
        let body = match self.ask(ADD_REFUND, &variables).await {
            Ok(body) => body,
            Err(none) => return none.into(),
        };
        match body.pointer("/data/resource").filter(|made| made.get("id").is_some()) {
            Some(made) => Returned::Done(self.record.noted("refunded", "", made)),
            None => match body.pointer("/errors/0/message").and_then(Value::as_str) {
                Some(why) => {
                    Returned::Refused(self.record.noted("refund_refused", why, &Value::Null))
                }
                None => Returned::Unknown(self.record.noted("graphql", "", &Value::Null)),
            },
        }
    }

    async fn ask(&self, query: &str, variables: &Value) -> Result<Value, NoAnswer> {
        let body = json!({"query": query, "variables": variables});
        let reply = self.api.post(&["api", "v4", "graphql"], &body).await?;
        wire::json(&reply.body).filter(Value::is_object).ok_or_else(|| NoAnswer::unreadable(&reply))
    }
}

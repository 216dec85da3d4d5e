//! What whoever came back from a gateway is told.

use poem_openapi::{Enum, Object, types::Example};
use serde_json::{Value, json};
use shared::payments::{self, verify::View};

use super::{answer::GatewayAnswer, types::PaymentState, verify::UNSUCCESSFUL};

/// What the old system says when the gateway gives no answer.
const NO_RESPONSE: &str = "gateway verify failed (no response).";
/// ZarinPal's number and word for what was verified before: old clients know them.
const AGAIN: (i32, &str) = (101, "Verified");

/// How a payment stands, in the words of the old system and one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum VerifyStatus {
    /// The money came in.
    Paid,
    /// It did not, or not yet.
    Unpaid,
    /// The payer turned back.
    Canceled,
    /// The money came in and went back.
    Refounded,
    /// The gateway has not said yet; ask `status_url`.
    Pending,
}

impl VerifyStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Unpaid => "unpaid",
            Self::Canceled => "canceled",
            Self::Refounded => "refounded",
            Self::Pending => "pending",
        }
    }
}

/// A payment that somebody came back to.
pub(super) struct CameBack<'a> {
    pub(super) view: &'a View,
    /// Its row had the answer: the gateway was not asked for this one.
    pub(super) again: bool,
}

impl CameBack<'_> {
    fn is_paid(&self) -> bool {
        self.view.state == payments::State::Paid
    }

    fn is_pending(&self) -> bool {
        !self.view.state.was_paid() && self.view.is_looked_at
    }

    /// The gateway has not been asked yet.
    pub(super) fn is_unasked(&self) -> bool {
        self.is_pending() && self.view.failures == 0
    }

    fn status(&self) -> VerifyStatus {
        if self.is_pending() {
            return VerifyStatus::Pending;
        }
        match self.view.state.old_word() {
            "paid" => VerifyStatus::Paid,
            "canceled" => VerifyStatus::Canceled,
            "refounded" => VerifyStatus::Refounded,
            _ => VerifyStatus::Unpaid,
        }
    }

    /// The gateway's number, its sentence and its answer.
    fn said(&self) -> (Option<i32>, String, Option<Value>) {
        let view = self.view;
        if self.is_pending() {
            return (None, NO_RESPONSE.to_owned(), None);
        }
        let answer = view.gateway_answer.clone();
        if self.is_paid() && self.again {
            return (Some(AGAIN.0), AGAIN.1.to_owned(), answer.map(verified_again));
        }
        let message = view.gateway_message.clone().filter(|message| !message.is_empty());
        let unsaid = if self.is_paid() { AGAIN.1 } else { UNSUCCESSFUL };
        (view.gateway_code, message.unwrap_or_else(|| unsaid.to_owned()), answer)
    }
}

fn verified_again(answer: Value) -> Value {
    match answer {
        Value::Object(mut members) => {
            members.insert("code".to_owned(), AGAIN.0.into());
            members.insert("message".to_owned(), AGAIN.1.into());
            Value::Object(members)
        }
        other => other,
    }
}

/// What the gateway says.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct VerifyResult {
    /// As the old system says it.
    details: VerifyDetails,
    /// How the payment stands.
    status: VerifyStatus,
    /// Where it is.
    state: PaymentState,
    /// Your own name for what is paid; may be empty.
    order_id: String,
    /// Where anybody may ask how it stands.
    status_url: String,
}

/// What the gateway says, as the old system says it.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct VerifyDetails {
    /// 1: it is paid; 0: it is not, or not yet.
    is_pay: i32,
    /// The gateway's number, ZarinPal's 101 for a payment that was verified before; null if it said none.
    status_code: Option<i32>,
    /// The gateway's sentence.
    message: String,
    /// The gateway's hash of the card; only of a paid one.
    #[oai(skip_serializing_if_is_none)]
    card_hash: Option<String>,
    /// The card, masked; only of a paid one.
    #[oai(skip_serializing_if_is_none)]
    card_pan: Option<String>,
    /// The gateway's number of the payment; only of a paid one.
    #[oai(skip_serializing_if_is_none)]
    ref_id: Option<i64>,
    /// What else the gateway said; null if nothing.
    data_verify: Option<GatewayAnswer>,
}

impl VerifyResult {
    pub(super) fn new(came: &CameBack<'_>, status_url: String) -> Self {
        let (view, is_paid) = (came.view, came.is_paid());
        let (status_code, message, answer) = came.said();
        let of_paid = |text: &Option<String>| text.clone().filter(|_| is_paid);
        let details = VerifyDetails {
            is_pay: is_paid.into(),
            status_code,
            message,
            card_hash: of_paid(&view.card_hash),
            card_pan: of_paid(&view.card_pan),
            ref_id: view.gateway_ref_id.filter(|_| is_paid),
            data_verify: answer.filter(Value::is_object).map(GatewayAnswer),
        };
        Self {
            details,
            status: came.status(),
            state: view.state.into(),
            order_id: view.order_id.clone(),
            status_url,
        }
    }
}

impl Example for VerifyDetails {
    fn example() -> Self {
        Self {
            is_pay: 1,
            status_code: Some(100),
            message: "Paid".to_owned(),
            card_hash: Some("1EBE3EBEBE35C7EC".to_owned()),
            card_pan: Some("502229******5995".to_owned()),
            ref_id: Some(201_000_201),
            data_verify: Some(GatewayAnswer(json!({"code": 100, "message": "Paid"}))),
        }
    }
}

impl Example for VerifyResult {
    fn example() -> Self {
        let handle = super::example_handle();
        Self {
            details: VerifyDetails::example(),
            status: VerifyStatus::Paid,
            state: PaymentState::Paid,
            order_id: "1405-1203".to_owned(),
            status_url: format!("https://peyk.example/api/payment/status/{handle}/"),
        }
    }
}

/// Where the payer goes on: the shop's own address, and how the payment stands.
pub(super) fn onward(frontend: &str, came: &CameBack<'_>, authority: &str) -> String {
    let (url, fragment) = match frontend.split_once('#') {
        Some((url, fragment)) => (url, Some(fragment)),
        None => (frontend, None),
    };
    let view = came.view;
    let ref_id = view.gateway_ref_id.filter(|_| came.is_paid());
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("status", came.status().as_str())
        .append_pair("order_id", &view.order_id)
        .append_pair("authority", authority)
        .append_pair("ref_id", &ref_id.map(|number| number.to_string()).unwrap_or_default())
        .append_pair("amount", &view.amount.to_string())
        .append_pair("message", &came.said().1)
        .finish();
    let joint = if url.contains('?') { '&' } else { '?' };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{url}{joint}{query}{fragment}")
}

/// PayPing's way back; those of other gateways have `Authority` and `Status`, or `trackId` and
/// `success`.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct PostedForm {
    /// What PayPing's page came to: 1, or 0 or -1.
    #[oai(skip_serializing_if_is_none)]
    status: Option<String>,
    /// PayPing's number for what went wrong; may be empty.
    #[oai(rename = "errorCode", skip_serializing_if_is_none)]
    error_code: Option<String>,
    /// PayPing's payment as a JSON text, with `paymentCode` and `paymentRefId`.
    #[oai(skip_serializing_if_is_none)]
    data: Option<String>,
    /// The name of the page alone, as people ask again.
    #[oai(skip_serializing_if_is_none)]
    authority: Option<String>,
}

impl Example for PostedForm {
    fn example() -> Self {
        let payment =
            json!({"paymentCode": "01J8Z7A9K3M5Q2R4T6V8X0Y1Z2", "paymentRefId": 1_111_004_003});
        Self {
            status: Some("1".to_owned()),
            error_code: Some(String::new()),
            data: Some(payment.to_string()),
            authority: Some("A0000000000000000000000000000wwOGYpd".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::payments::State;

    use super::*;

    fn view(state: State) -> View {
        View {
            id: 1,
            handle: "0".repeat(32),
            state,
            order_id: "a b".to_owned(),
            amount: 900,
            frontend_callback_url: None,
            gateway_code: Some(100),
            gateway_message: Some("Paid".to_owned()),
            gateway_answer: Some(json!({"code": 100, "message": "Paid", "wages": null})),
            gateway_ref_id: Some(201),
            card_pan: Some("502229******5995".to_owned()),
            card_hash: None,
            failures: 0,
            is_looked_at: false,
        }
    }

    fn details(view: &View, again: bool) -> VerifyDetails {
        VerifyResult::new(&CameBack { view, again }, String::new()).details
    }

    #[test]
    fn a_paid_payment_is_told_in_the_gateways_words_and_again_in_zarinpals() {
        let paid = view(State::Paid);
        let first = details(&paid, false);
        assert_eq!((first.is_pay, first.status_code, &*first.message), (1, Some(100), "Paid"));
        assert_eq!(
            first.data_verify.unwrap().0,
            json!({"code": 100, "message": "Paid", "wages": null})
        );
        let again = details(&paid, true);
        assert_eq!((again.status_code, &*again.message), (Some(101), "Verified"));
        assert_eq!(
            (again.ref_id, again.card_pan.as_deref()),
            (Some(201), Some("502229******5995"))
        );
        assert_eq!(again.data_verify.unwrap().0["code"], 101);
    }

    #[test]
    fn what_is_not_paid_names_no_card() {
        for state in State::ALL.into_iter().filter(|state| *state != State::Paid) {
            let told = details(&view(state), false);
            assert_eq!((told.is_pay, told.ref_id, told.card_pan), (0, None, None), "{state:?}");
        }
        let unsaid = View { gateway_code: None, gateway_message: None, ..view(State::Cancelled) };
        let told = details(&unsaid, false);
        assert_eq!((told.status_code, &*told.message), (None, UNSUCCESSFUL));
    }

    #[test]
    fn what_the_gateway_has_not_said_is_not_told() {
        let waits = View { is_looked_at: true, ..view(State::Redirected) };
        let told = details(&waits, false);
        assert_eq!((told.is_pay, told.status_code, &*told.message), (0, None, NO_RESPONSE));
        assert!(told.data_verify.is_none());
        let came = CameBack { view: &waits, again: false };
        assert!(came.is_unasked());
        assert_eq!(came.status(), VerifyStatus::Pending);
        let asked = View { failures: 1, ..waits.clone() };
        assert!(!CameBack { view: &asked, again: false }.is_unasked());
    }

    #[test]
    fn the_payer_goes_on_with_the_answer_behind_whatever_the_address_has() {
        let paid = view(State::Paid);
        let came = CameBack { view: &paid, again: false };
        let query = "status=paid&order_id=a+b&authority=A1&ref_id=201&amount=900&message=Paid";
        for (frontend, url) in [
            ("https://shop.example/done", format!("https://shop.example/done?{query}")),
            ("https://shop.example/done?x=1", format!("https://shop.example/done?x=1&{query}")),
            ("https://shop.example/#/done", format!("https://shop.example/?{query}#/done")),
        ] {
            assert_eq!(onward(frontend, &came, "A1"), url);
        }
        let unpaid = view(State::Failed);
        let url = onward("https://a.example", &CameBack { view: &unpaid, again: false }, "A&1");
        assert!(url.contains("status=unpaid") && url.contains("ref_id=&"), "{url}");
        assert!(url.contains("authority=A%261&"), "{url}");
    }
}

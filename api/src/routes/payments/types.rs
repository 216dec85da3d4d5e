//! Bodies of `payment/…`.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use serde_json::json;
use shared::payments::{self, Begun, Status, Wish, gateways::Guarded};

use crate::{
    currency::Currency,
    input::{Fields, FromFields, Text},
    routes::payments::answer::GatewayAnswer,
    state::State,
    timestamp::Timestamp,
};

/// Where a payment is, in the words of the old system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    /// The money came in.
    Paid,
    /// It did not, or not yet.
    Unpaid,
    /// The payer turned back.
    Canceled,
    /// The money came in and went back.
    Refounded,
}

impl PaymentStatus {
    const ALL: [Self; 4] = [Self::Paid, Self::Unpaid, Self::Canceled, Self::Refounded];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Unpaid => "unpaid",
            Self::Canceled => "canceled",
            Self::Refounded => "refounded",
        }
    }

    /// The states that the word stands for.
    pub(super) fn states(self) -> Vec<payments::State> {
        let all = payments::State::ALL.into_iter();
        all.filter(|state| state.old_word() == self.as_str()).collect()
    }
}

impl From<payments::State> for PaymentStatus {
    fn from(state: payments::State) -> Self {
        let same = |status: &Self| status.as_str() == state.old_word();
        Self::ALL.into_iter().find(same).unwrap_or(Self::Unpaid)
    }
}

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum PaymentState {
    /// No gateway has a page for it yet.
    Created,
    /// The payer was sent to a gateway.
    Redirected,
    /// The gateway says that it has been paid, or is about to be, and has not said yes yet.
    Verifying,
    /// The money came in.
    Paid,
    /// It will not be paid.
    Failed,
    /// The payer turned back.
    Cancelled,
    /// Nobody paid in time.
    Expired,
    /// A person has to look.
    NeedsReview,
    /// It was paid, and the gateway took it back as if it had not been.
    Reversed,
    /// It was paid, and the money was paid out again.
    Refunded,
}

impl From<payments::State> for PaymentState {
    fn from(state: payments::State) -> Self {
        match state {
            payments::State::Created => Self::Created,
            payments::State::Redirected => Self::Redirected,
            payments::State::Verifying => Self::Verifying,
            payments::State::Paid => Self::Paid,
            payments::State::Failed => Self::Failed,
            payments::State::Cancelled => Self::Cancelled,
            payments::State::Expired => Self::Expired,
            payments::State::NeedsReview => Self::NeedsReview,
            payments::State::Reversed => Self::Reversed,
            payments::State::Refunded => Self::Refunded,
        }
    }
}

/// What a payment is for, and where its payer comes back to. Which currencies, uses, gateways and
/// hosts may be asked for is configured.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CreatePayment {
    /// How much, in whole units of `currency`.
    #[oai(validator(minimum(value = "1")))]
    amount: i64,
    /// Your own name for what is paid; need not be unique.
    #[oai(skip_serializing_if_is_none, validator(max_length = 64))]
    order_id: Option<String>,
    /// For the payer.
    #[oai(skip_serializing_if_is_none, validator(max_length = 500))]
    description: Option<String>,
    /// Where the gateway sends the payer back to; `payment/verify/` of this server if absent. Whatever
    /// is there has to hand its query or form on to `payment/verify/`.
    #[oai(skip_serializing_if_is_none, validator(max_length = 2000))]
    callback_url: Option<String>,
    /// Where `payment/verify/` sends the payer on to; if absent it answers with JSON.
    #[oai(skip_serializing_if_is_none, validator(max_length = 2000))]
    frontend_callback_url: Option<String>,
    /// The payer's mobile number, for the gateway's page.
    #[oai(skip_serializing_if_is_none, validator(max_length = 20))]
    mobile: Option<String>,
    /// The payer's e-mail address, for the gateway's page.
    #[oai(skip_serializing_if_is_none, validator(max_length = 254))]
    email: Option<String>,
    /// What `amount` counts; the configured one if absent.
    #[oai(skip_serializing_if_is_none)]
    currency: Option<Currency>,
    /// What becomes of the money: 1 into the payer's wallet, 2 to the shop alone.
    #[oai(skip_serializing_if_is_none, validator(minimum(value = "1"), maximum(value = "2")))]
    pay_mode: Option<i32>,
    /// At which gateway; the configured one if absent.
    #[oai(skip_serializing_if_is_none, validator(max_length = 32))]
    gateway: Option<String>,
}

impl Example for CreatePayment {
    fn example() -> Self {
        Self {
            amount: 25_000,
            order_id: Some("1405-1203".to_owned()),
            description: Some("کتاب".to_owned()),
            callback_url: Some("https://shop.example/back".to_owned()),
            frontend_callback_url: Some("https://shop.example/done".to_owned()),
            mobile: Some("09123456789".to_owned()),
            email: Some("sara@example.com".to_owned()),
            currency: Some(Currency::Irt),
            pay_mode: Some(2),
            gateway: Some("zarinpal".to_owned()),
        }
    }
}

/// A payment that is asked for, read.
pub(crate) struct Wished(pub(super) Wish);

impl FromFields for Wished {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        if !fields.has("amount") {
            fields.say("amount is required.");
        }
        let amount = fields.amount("amount");
        let order_id = optional(fields, "order_id", 64);
        let description = optional(fields, "description", 500);
        let mobile = optional(fields, "mobile", 40);
        let email = optional(fields, "email", 254);
        let callback_url = optional(fields, "callback_url", 2_000);
        let frontend_callback_url = optional(fields, "frontend_callback_url", 2_000);
        let currency = optional(fields, "currency", 20);
        let gateway = optional(fields, "gateway", 32);
        let pay_mode =
            if fields.is_null("pay_mode") { None } else { fields.optional_integer("pay_mode") };
        Some(Self(Wish {
            amount: amount?,
            order_id: order_id.unwrap_or_default(),
            description: description.unwrap_or_default(),
            mobile: mobile.unwrap_or_default(),
            email: email.unwrap_or_default(),
            callback_url,
            frontend_callback_url,
            currency,
            gateway,
            pay_mode,
        }))
    }
}

/// As the old system: null and nothing are as good as absent.
fn optional(fields: &mut Fields, name: &'static str, chars: usize) -> Option<String> {
    if fields.is_null(name) {
        return None;
    }
    let text = fields.optional_text(name, Text::max(chars).or_blank());
    text.filter(|text| !text.is_empty())
}

/// A payment that was begun.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CreatePaymentResult {
    /// Where to send the payer, as the old system says it.
    details: PaymentPageDetails,
    /// The payment's number.
    id: i64,
    /// As it was asked for; may be empty.
    order_id: String,
    /// Where it is, in the words of the old system.
    status: PaymentStatus,
    /// Where it is.
    state: PaymentState,
    /// As it was asked for, in units of `currency`.
    amount: i64,
    /// What `amount` counts.
    currency: Currency,
    /// The same in rials.
    amount_rials: i64,
    /// The gateway's configured name.
    gateway: String,
    /// Where anybody may ask how it stands.
    status_url: String,
}

/// A page of a gateway's to pay at.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct PaymentPageDetails {
    /// Where to send the payer.
    gateway_url: String,
    /// The gateway's name for the page.
    authority: String,
    /// What the old system calls the gateway, such as `ZARINPAL_COM`.
    gateway_title: String,
    /// Where the gateway sends the payer back to.
    callback_url: String,
    /// What the amount is counted in.
    currency: Currency,
    /// The gateway's number for it; absent if it gave none.
    #[oai(skip_serializing_if_is_none)]
    status_code: Option<i32>,
    /// The gateway's sentence.
    message: String,
    /// What else the gateway said.
    data: GatewayAnswer,
}

impl CreatePaymentResult {
    pub(super) fn new(state: &State, begun: Begun) -> Self {
        let currency = begun.currency.into();
        let details = PaymentPageDetails {
            gateway_url: begun.page.url,
            authority: begun.page.authority,
            gateway_title: title(state, &begun.gateway),
            callback_url: begun.callback_url,
            currency,
            status_code: begun.page.code,
            message: begun.page.message,
            data: GatewayAnswer(begun.page.answer),
        };
        Self {
            details,
            id: begun.id,
            order_id: begun.order_id,
            status: begun.state.into(),
            state: begun.state.into(),
            amount: begun.amount,
            currency,
            amount_rials: begun.amount_rials,
            gateway: begun.gateway,
            status_url: state.payments.status_url(&begun.handle),
        }
    }
}

/// What the old system calls a gateway; that of one that is configured no more is its name.
pub(super) fn title(state: &State, gateway: &str) -> String {
    let known = state.payments.gateways().get(gateway).map(Guarded::title);
    known.unwrap_or(gateway).to_owned()
}

const AUTHORITY: &str = "A0000000000000000000000000000wwOGYpd";

impl Example for PaymentPageDetails {
    fn example() -> Self {
        Self {
            gateway_url: format!("https://payment.zarinpal.com/pg/StartPay/{AUTHORITY}"),
            authority: AUTHORITY.to_owned(),
            gateway_title: "ZARINPAL_COM".to_owned(),
            callback_url: "https://shop.example/back".to_owned(),
            currency: Currency::Irt,
            status_code: Some(100),
            message: "Success".to_owned(),
            data: GatewayAnswer(json!({"code": 100, "fee": 100, "fee_type": "Merchant"})),
        }
    }
}

fn example_status_url() -> String {
    let handle = super::example_handle();
    format!("https://peyk.example/api/payment/status/{handle}/")
}

impl Example for CreatePaymentResult {
    fn example() -> Self {
        Self {
            details: PaymentPageDetails::example(),
            id: 41,
            order_id: "1405-1203".to_owned(),
            status: PaymentStatus::Unpaid,
            state: PaymentState::Redirected,
            amount: 25_000,
            currency: Currency::Irt,
            amount_rials: 250_000,
            gateway: "zarinpal".to_owned(),
            status_url: example_status_url(),
        }
    }
}

/// A payment.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Payment {
    /// Its number.
    pub(super) id: i64,
    /// The shop's own name for what is paid; may be empty.
    order_id: String,
    /// May be empty.
    description: String,
    /// Where it is, in the words of the old system.
    status: PaymentStatus,
    /// Where it is.
    state: PaymentState,
    /// Why it is there, such as `zarinpal.-51`; absent if there is nothing to say.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
    /// As it was asked for, in units of `currency`.
    amount: i64,
    /// What `amount` counts.
    currency: Currency,
    /// The same in rials.
    amount_rials: i64,
    /// What becomes of the money: 1 into the payer's wallet, 2 to the shop alone.
    pay_mode: i32,
    /// The gateway's configured name.
    gateway: String,
    /// What the old system calls the gateway.
    gateway_title: String,
    /// The gateway's name of the page that was paid, else of the latest; absent if there is none.
    #[oai(skip_serializing_if_is_none)]
    authority: Option<String>,
    /// The gateway's number of the payment; absent until it is paid.
    #[oai(skip_serializing_if_is_none)]
    ref_id: Option<i64>,
    /// The card it was paid with, masked; absent if the gateway does not say.
    #[oai(skip_serializing_if_is_none)]
    card_pan: Option<String>,
    /// The payer's mobile number; may be empty.
    mobile: String,
    /// The payer's e-mail address; may be empty.
    email: String,
    /// When it was begun.
    created_at: Timestamp,
    /// When something of it changed.
    updated_at: Timestamp,
    /// When it was paid; absent if it was not.
    #[oai(skip_serializing_if_is_none)]
    paid_at: Option<Timestamp>,
    /// Where anybody may ask how it stands.
    status_url: String,
}

impl Payment {
    pub(super) fn new(state: &State, payment: payments::Payment) -> Self {
        Self {
            id: payment.id,
            order_id: payment.order_id,
            description: payment.description,
            status: payment.state.into(),
            state: payment.state.into(),
            reason: payment.reason,
            amount: payment.amount,
            currency: payment.currency.into(),
            amount_rials: payment.amount_rials,
            pay_mode: payment.purpose.pay_mode(),
            gateway_title: title(state, &payment.gateway),
            gateway: payment.gateway,
            authority: payment.authority,
            ref_id: payment.ref_id,
            card_pan: payment.card_pan,
            mobile: payment.mobile,
            email: payment.email,
            created_at: Timestamp(payment.created_at),
            updated_at: Timestamp(payment.updated_at),
            paid_at: payment.paid_at.map(Timestamp),
            status_url: state.payments.status_url(&payment.handle),
        }
    }
}

impl Example for Payment {
    fn example() -> Self {
        let at = Timestamp(DateTime::<Utc>::UNIX_EPOCH);
        Self {
            id: 41,
            order_id: "1405-1203".to_owned(),
            description: "کتاب".to_owned(),
            status: PaymentStatus::Paid,
            state: PaymentState::Paid,
            reason: Some("zarinpal.-51".to_owned()),
            amount: 25_000,
            currency: Currency::Irt,
            amount_rials: 250_000,
            pay_mode: 2,
            gateway: "zarinpal".to_owned(),
            gateway_title: "ZARINPAL_COM".to_owned(),
            authority: Some(AUTHORITY.to_owned()),
            ref_id: Some(201_000_201),
            card_pan: Some("502229******5995".to_owned()),
            mobile: "09123456789".to_owned(),
            email: "sara@example.com".to_owned(),
            created_at: at,
            updated_at: at,
            paid_at: Some(at),
            status_url: example_status_url(),
        }
    }
}

/// A page of payments, newest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct PaymentPage {
    /// The next page; null on the last.
    pub(super) next: Option<String>,
    /// Pages go one way: always null.
    pub(super) previous: Option<String>,
    /// The payments.
    pub(super) results: Vec<Payment>,
}

impl Example for PaymentPage {
    fn example() -> Self {
        let url = |before: i64| format!("https://peyk.example/api/payment/?before={before}");
        let results = vec![Payment::example()];
        Self { next: Some(url(41)), previous: Some(url(141)), results }
    }
}

/// How a payment stands.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct PaymentStatusResult {
    /// Where it is, in the words of the old system.
    status: PaymentStatus,
    /// Where it is.
    state: PaymentState,
    /// The shop's own name for what is paid; may be empty.
    order_id: String,
    /// As it was asked for, in units of `currency`.
    amount: i64,
    /// What `amount` counts.
    currency: Currency,
    /// The gateway's number of the payment; absent until it is paid.
    #[oai(skip_serializing_if_is_none)]
    ref_id: Option<i64>,
}

impl From<Status> for PaymentStatusResult {
    fn from(found: Status) -> Self {
        Self {
            status: found.state.into(),
            state: found.state.into(),
            order_id: found.order_id,
            amount: found.amount,
            currency: found.currency.into(),
            ref_id: found.ref_id,
        }
    }
}

impl Example for PaymentStatusResult {
    fn example() -> Self {
        Self {
            status: PaymentStatus::Paid,
            state: PaymentState::Paid,
            order_id: "1405-1203".to_owned(),
            amount: 25_000,
            currency: Currency::Irt,
            ref_id: Some(201_000_201),
        }
    }
}

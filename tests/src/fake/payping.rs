//! PayPing v3 as its documents describe it. Its reports are in a shape of our own guess: no document
//! shows one.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::{
    account::json_body,
    books::{Books, Sheet, Stage},
    gateway::{Desk, FakeGateway},
    http::{Request, Response},
};

/// The one token the fake knows.
pub const PAYPING_TOKEN: &str = "F0A1B2C3D4E5F60718293A4B5C6D7E8F-1";

/// A refusal: HTTP status, code, and the payment where it comes along.
type Refusal = (u16, i64, Value);

/// PayPing's rules.
pub struct PayPingDesk {
    books: Books,
    /// How often "being verified" is answered before a verification is done: 202 and 502 by turns.
    pub processing: u32,
    /// Whether reports say how a payment stands, and not only its card.
    pub reports: bool,
    /// Whether the payment of 110 comes as a JSON text.
    pub repeated_as_text: bool,
    /// The amount that answers name instead of the payment's own, in tomans.
    pub named_amount: Option<i64>,
}

impl Default for PayPingDesk {
    fn default() -> Self {
        Self {
            books: Books::new(TimeDelta::minutes(20), TimeDelta::minutes(10)),
            processing: 0,
            reports: true,
            repeated_as_text: false,
            named_amount: None,
        }
    }
}

/// A running PayPing.
pub type FakePayPing = FakeGateway<PayPingDesk>;

impl FakePayPing {
    /// Starts one.
    pub async fn start() -> Self {
        Self::start_with(PayPingDesk::default()).await
    }

    /// Where PayPing would send the payer's browser back to, and the form it would post.
    pub fn way_back(&self, authority: &str) -> (String, Vec<(String, String)>) {
        let sheet = self.books(|books| books.page(authority).clone());
        let tomans = sheet.amount / 10;
        let mut data = json!({
            "clientRefId": sheet.client_ref, "paymentCode": authority, "amount": tomans,
            "gatewayAmount": tomans,
        });
        let paid = matches!(sheet.stage, Stage::Paid | Stage::Verified);
        if paid {
            data["paymentRefId"] = sheet.reference.into();
            data["cardNumber"] = "6037-99**-****-1234".into();
        }
        let (status, error) = if paid { ("1", "") } else { ("0", "127") };
        let form = [("status", status), ("errorCode", error), ("data", &data.to_string())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        (sheet.callback_url, form.to_vec())
    }
}

impl Desk for PayPingDesk {
    fn books(&mut self) -> &mut Books {
        &mut self.books
    }

    fn answer(&mut self, request: &Request) -> Response {
        let bearer = format!("Bearer {PAYPING_TOKEN}");
        let answered = if request.header("authorization") == Some(&bearer) {
            self.run(request)
        } else {
            Err((401, 103, Value::Null))
        };
        let (status, body) = answered.unwrap_or_else(|(status, code, message)| {
            let errors = if message.is_null() { json!([{"message": "خطا"}]) } else { json!([]) };
            let meta = json!({"code": code, "errors": errors, "message": message});
            let body = json!({
                "type": "", "title": "ValidationException", "status": status,
                "instance": request.path(), "paypingTraceId": "0HN50ATIAS006:00000002",
                "metaData": meta,
            });
            (status, body)
        });
        let response = Response::json(status, &body);
        response.with_header("X-PayPing-Request-ID", "0HN50ATIAS006:00000002")
    }
}

impl PayPingDesk {
    fn run(&mut self, request: &Request) -> Result<(u16, Value), Refusal> {
        let path = request.path();
        if let ("GET", Some((_, code))) = (&*request.method, path.rsplit_once("/v1/report/")) {
            return self.report(code).map(|body| (200, body));
        }
        let body = json_body(request).filter(|_| request.method == "POST").ok_or_else(invalid)?;
        match path.rsplit_once("/v3/").map(|(_, call)| call) {
            Some("pay") => self.open(&body).map(|body| (200, body)),
            Some("pay/verify") => self.verify(&body),
            Some("pay/reverse") => self.reverse(&body).map(|body| (200, body)),
            _ => Err((404, 100, Value::Null)),
        }
    }

    fn open(&mut self, body: &Map<String, Value>) -> Result<Value, Refusal> {
        let names =
            ["amount", "returnUrl", "clientRefId", "payerIdentity", "description", "isReversible"];
        only(body, &names)?;
        let amount = body.get("amount").and_then(Value::as_i64).ok_or_else(invalid)?;
        let url = text(body, "returnUrl").ok_or_else(invalid)?;
        let client_ref = text(body, "clientRefId").ok_or_else(invalid)?;
        if reqwest::Url::parse(url).is_err() {
            return Err((400, 105, Value::Null));
        }
        if !(1_000..=50_000_000).contains(&amount) {
            return Err(invalid());
        }
        let code = format!("01J{:023}", self.books.len() + 1);
        self.books.open(&code, amount * 10, client_ref, url);
        self.books.page(&code).reversible = body.get("isReversible") == Some(&Value::Bool(true));
        Ok(json!({
            "paymentCode": code, "url": format!("https://api.payping.ir/v3/pay/start/{code}"),
            "amount": amount, "payerWage": 0, "businessWage": 100, "gatewayAmount": amount,
            "paypingVat": 10,
        }))
    }

    fn verify(&mut self, body: &Map<String, Value>) -> Result<(u16, Value), Refusal> {
        only(body, &["paymentRefId", "paymentCode", "amount"])?;
        let (code, sheet, reference) = self.named(body)?;
        self.books.page(&code).asked += 1;
        let amount = body.get("amount").and_then(Value::as_i64).ok_or_else(invalid)?;
        match sheet.stage {
            Stage::Paid | Stage::Verified => {}
            Stage::Cancelled => return Err((400, 127, Value::Null)),
            Stage::Open | Stage::Failed | Stage::SentBack | Stage::Returned => {
                return Err((400, 121, Value::Null));
            }
        }
        if reference != sheet.reference {
            return Err((409, 133, Value::Null));
        }
        if amount * 10 != sheet.amount {
            return Err((409, 137, Value::Null));
        }
        if self.processing > 0 {
            self.processing -= 1;
            return if self.processing % 2 == 1 {
                Ok((202, json!({})))
            } else {
                Err((502, 155, Value::Null))
            };
        }
        let amount = self.named_amount.unwrap_or(amount);
        if self.books.verify(&code) {
            return Ok((200, payment(&code, &sheet, amount, camel)));
        }
        let payment = payment(&code, &sheet, amount, pascal);
        let as_text = || Value::String(payment.to_string());
        Err((409, 110, if self.repeated_as_text { as_text() } else { payment.clone() }))
    }

    fn reverse(&mut self, body: &Map<String, Value>) -> Result<Value, Refusal> {
        only(body, &["paymentRefId", "paymentCode"])?;
        let (code, sheet, reference) = self.named(body)?;
        let late = sheet.paid_at.is_none_or(|at| self.books.now() - at > TimeDelta::minutes(30));
        match sheet.stage {
            _ if reference != sheet.reference => Err((400, 133, Value::Null)),
            Stage::Verified if !sheet.reversible => Err((400, 134, Value::Null)),
            Stage::Verified if late => Err((400, 135, Value::Null)),
            Stage::Verified => {
                self.books.page(&code).stage = Stage::Returned;
                Ok(json!({
                    "amount": sheet.amount / 10, "clientRefId": sheet.client_ref,
                    "paymentRefId": sheet.reference, "code": code,
                    "reversedDate": "2024-08-03 10:40:00Z",
                }))
            }
            _ => Err((400, 131, Value::Null)),
        }
    }

    fn report(&mut self, code: &str) -> Result<Value, Refusal> {
        let sheet = self.books.find(code).ok_or((404, 122, Value::Null))?.clone();
        if !self.reports {
            return Ok(json!({"rrn": "603799******1234", "code": code}));
        }
        let paid = matches!(sheet.stage, Stage::Paid | Stage::Verified | Stage::Returned);
        let verified = matches!(sheet.stage, Stage::Verified | Stage::Returned);
        let status = match sheet.stage {
            Stage::Cancelled => "canceled",
            Stage::Failed => "failed",
            _ => "",
        };
        Ok(json!({
            "code": code, "clientRefId": sheet.client_ref, "amount": sheet.amount / 10,
            "status": status, "isPaid": paid, "isVerified": verified,
            "isReversed": matches!(sheet.stage, Stage::Returned | Stage::SentBack),
            "paymentRefId": if paid { json!(sheet.reference) } else { Value::Null },
        }))
    }

    /// The page and the reference that a request names.
    fn named(&mut self, body: &Map<String, Value>) -> Result<(String, Sheet, i64), Refusal> {
        let code = text(body, "paymentCode").ok_or_else(invalid)?.to_owned();
        let reference = body.get("paymentRefId").and_then(Value::as_i64).ok_or_else(invalid)?;
        let sheet = self.books.find(&code).ok_or((404, 122, Value::Null))?.clone();
        Ok((code, sheet, reference))
    }
}

fn invalid() -> Refusal {
    (400, 101, Value::Null)
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// No member but these: a misspelt one would be ignored without a word by the real one.
fn only(body: &Map<String, Value>, names: &[&str]) -> Result<(), Refusal> {
    let known = |name: &String| names.contains(&name.as_str());
    if body.keys().all(known) { Ok(()) } else { Err(invalid()) }
}

/// A payment, with its members' names spelt as `spell` does.
fn payment(code: &str, sheet: &Sheet, tomans: i64, spell: fn(&str) -> String) -> Value {
    let at = sheet.paid_at.unwrap_or_default().format("%Y-%m-%d %H:%M:%SZ").to_string();
    let members = [
        ("amount", json!(tomans)),
        ("payerWage", json!(0)),
        ("businessWage", json!(0)),
        ("gatewayAmount", json!(tomans)),
        ("cardNumber", json!("603799******1234")),
        ("cardHashPan", json!("be7e0c1f")),
        ("clientRefId", json!(sheet.client_ref)),
        ("paymentRefId", json!(sheet.reference)),
        ("code", json!(code)),
        ("payedDate", json!(at)),
    ];
    members.into_iter().map(|(name, value)| (spell(name), value)).collect()
}

fn camel(name: &str) -> String {
    name.to_owned()
}

fn pascal(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_ascii_uppercase() + rest
}

//! ZarinPal v4 as its documents describe it, its sandbox, and its panel's GraphQL.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::{
    account::json_body,
    books::{Books, Sheet, Stage},
    gateway::{Desk, FakeGateway},
    http::{Request, Response},
};

/// The one merchant the fake knows.
pub const ZARINPAL_MERCHANT: &str = "1344b5d4-0048-11e8-94db-005056a205be";
/// The token of its panel.
pub const ZARINPAL_TOKEN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.panel";
/// The terminal's number there.
pub const ZARINPAL_TERMINAL: &str = "250";

/// A refusal: HTTP status and code.
type Refusal = (u16, i64);

const INVALID: Refusal = (422, -9);

/// ZarinPal's rules.
pub struct ZarinPalDesk {
    books: Books,
    /// The sandbox: any UUID is a merchant, authorities begin with S.
    pub sandbox: bool,
    /// Answers have their numbers in strings, and lists where there should be objects.
    pub php: bool,
    /// The host that payers must be sent back to, if the terminal has one.
    pub domain: Option<String>,
}

impl Default for ZarinPalDesk {
    fn default() -> Self {
        let books = Books::new(TimeDelta::minutes(20), TimeDelta::minutes(30));
        Self { books, sandbox: false, php: false, domain: None }
    }
}

/// A running ZarinPal.
pub type FakeZarinPal = FakeGateway<ZarinPalDesk>;

impl FakeZarinPal {
    /// Starts one.
    pub async fn start() -> Self {
        Self::start_with(ZarinPalDesk::default()).await
    }

    /// Where ZarinPal would send the payer's browser back to: a GET.
    pub fn way_back(&self, authority: &str) -> String {
        let sheet = self.books(|books| books.page(authority).clone());
        let paid = matches!(sheet.stage, Stage::Paid | Stage::Verified);
        let status = if paid { "OK" } else { "NOK" };
        let glue = if sheet.callback_url.contains('?') { '&' } else { '?' };
        format!("{}{glue}Authority={authority}&Status={status}", sheet.callback_url)
    }
}

impl Desk for ZarinPalDesk {
    fn books(&mut self) -> &mut Books {
        &mut self.books
    }

    fn answer(&mut self, request: &Request) -> Response {
        if request.path().ends_with("/api/v4/graphql") {
            return self.graphql(request);
        }
        let (status, body) = match self.run(request) {
            Ok(data) => (200, json!({"data": data, "errors": []})),
            Err((status, code)) => {
                let errors = json!({"code": code, "message": message(code), "validations": []});
                (status, json!({"data": [], "errors": errors}))
            }
        };
        Response::json(status, &if self.php { php(body) } else { body })
    }
}

impl ZarinPalDesk {
    fn run(&mut self, request: &Request) -> Result<Value, Refusal> {
        let method = request.path().rsplit_once("/pg/v4/payment/").ok_or((404, -9))?.1.to_owned();
        let accepts = request.header("accept").is_some_and(|kind| kind.contains("json"));
        let body = json_body(request).filter(|_| request.method == "POST" && accepts);
        let body = body.ok_or(INVALID)?;
        let merchant = text(&body, "merchant_id").filter(|id| id.len() == 36).ok_or(INVALID)?;
        if merchant != ZARINPAL_MERCHANT && !self.sandbox {
            return Err((401, -10));
        }
        match &*method {
            "request.json" => self.request(&body),
            "verify.json" => self.verify(&body),
            "inquiry.json" => self.inquiry(&body),
            "unVerified.json" => self.unverified(&body),
            "reverse.json" => self.reverse(&body),
            _ => Err((404, -9)),
        }
    }

    fn request(&mut self, body: &Map<String, Value>) -> Result<Value, Refusal> {
        only(
            body,
            &["merchant_id", "amount", "currency", "callback_url", "description", "metadata"],
        )?;
        let amount = body.get("amount").and_then(Value::as_i64).ok_or(INVALID)?;
        let unit = match text(body, "currency") {
            None | Some("IRR") => 1,
            Some("IRT") => 10,
            Some(_) => return Err(INVALID),
        };
        let rials = amount * unit;
        let callback = text(body, "callback_url").ok_or(INVALID)?;
        let url = reqwest::Url::parse(callback).map_err(|_| INVALID)?;
        let description = text(body, "description").ok_or(INVALID)?;
        if rials < 1_000 || !(1..=500).contains(&description.chars().count()) {
            return Err(INVALID);
        }
        if rials > 1_000_000_000 {
            return Err((400, -41));
        }
        if self.domain.as_deref().is_some_and(|domain| url.host_str() != Some(domain)) {
            return Err((400, -14));
        }
        let order_id = match body.get("metadata") {
            None => String::new(),
            Some(metadata) => metadata_of(metadata)?,
        };
        let first = if self.sandbox { 'S' } else { 'A' };
        let authority = format!("{first}{:035}", 207_288_780 + self.books.len());
        self.books.open(&authority, rials, &order_id, callback);
        Ok(json!({
            "code": 100, "message": "Success", "authority": authority, "fee_type": "Merchant",
            "fee": 100,
        }))
    }

    fn verify(&mut self, body: &Map<String, Value>) -> Result<Value, Refusal> {
        only(body, &["merchant_id", "amount", "authority"])?;
        let amount = body.get("amount").and_then(Value::as_i64).ok_or(INVALID)?;
        let authority = self.authority(body)?;
        let sheet = self.books.find(&authority).ok_or((400, -55))?;
        sheet.asked += 1;
        if amount != sheet.amount {
            return Err((400, -50));
        }
        let code = match sheet.stage {
            Stage::Paid => 100,
            Stage::Verified => 101,
            Stage::Open | Stage::Cancelled | Stage::Failed | Stage::SentBack | Stage::Returned => {
                return Err((400, -51));
            }
        };
        let (reference, order_id) = (sheet.reference, sheet.client_ref.clone());
        self.books.verify(&authority);
        Ok(json!({
            "wages": null, "code": code, "message": if code == 100 { "Paid" } else { "Verified" },
            "card_hash": "1EBE3EBEBE35C7EC0F8D6EE4F2F859107A87822CA179BC9528767EA7B5489B69",
            "card_pan": "502229******5995", "ref_id": reference, "fee_type": "Merchant", "fee": 0,
            "order_id": order_id,
        }))
    }

    fn inquiry(&mut self, body: &Map<String, Value>) -> Result<Value, Refusal> {
        only(body, &["merchant_id", "authority"])?;
        let authority = self.authority(body)?;
        let status = match self.books.find(&authority).ok_or((400, -55))?.stage {
            Stage::Open => "IN_BANK",
            Stage::Cancelled | Stage::Failed => "FAILED",
            Stage::Paid => "PAID",
            Stage::Verified => "VERIFIED",
            Stage::SentBack | Stage::Returned => "REVERSED",
        };
        Ok(json!({"status": status, "code": 100, "message": "Success"}))
    }

    fn unverified(&mut self, body: &Map<String, Value>) -> Result<Value, Refusal> {
        only(body, &["merchant_id"])?;
        let mut paid = self.books.unverified();
        paid.sort_by_key(|(_, sheet)| sheet.paid_at);
        let row = |(authority, sheet): &(String, Sheet)| {
            let at = sheet.paid_at.unwrap_or_default() + TimeDelta::minutes(210);
            json!({
                "authority": authority, "amount": sheet.amount,
                "callback_url": sheet.callback_url, "referer": "/",
                "date": at.format("%Y-%m-%d %H:%M:%S").to_string(),
            })
        };
        let rows: Vec<_> = paid.iter().rev().take(100).map(row).collect();
        Ok(json!({"code": "100", "message": "Success", "authorities": rows}))
    }

    fn reverse(&mut self, body: &Map<String, Value>) -> Result<Value, Refusal> {
        only(body, &["merchant_id", "authority"])?;
        let authority = self.authority(body)?;
        let now = self.books.now();
        let sheet = self.books.find(&authority).ok_or((400, -55))?;
        if sheet.stage != Stage::Verified {
            return Err((400, -61));
        }
        if sheet.paid_at.is_none_or(|at| now - at > TimeDelta::minutes(30)) {
            return Err((400, -63));
        }
        sheet.stage = Stage::Returned;
        Ok(json!({"code": 100, "message": "Reversed"}))
    }

    /// A name of the right form, of this ZarinPal and not of its sandbox, or the other way round.
    fn authority(&self, body: &Map<String, Value>) -> Result<String, Refusal> {
        let authority = text(body, "authority").ok_or(INVALID)?;
        let first = if self.sandbox { 'S' } else { 'A' };
        let plain = authority.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let fine = authority.len() == 36 && plain && authority.starts_with(first);
        if fine { Ok(authority.to_owned()) } else { Err((400, -54)) }
    }

    fn graphql(&mut self, request: &Request) -> Response {
        let bearer = format!("Bearer {ZARINPAL_TOKEN}");
        if request.header("authorization") != Some(&bearer) {
            return Response::json(401, &json!({"message": "Unauthenticated."}));
        }
        let failed = |why: &str| Response::json(200, &json!({"errors": [{"message": why}]}));
        let Some(body) = json_body(request) else { return failed("no JSON") };
        let variable = |name: &str| body["variables"][name].clone();
        let query = body["query"].as_str().unwrap_or_default();
        if query.starts_with("query") && variable("terminal_id") == ZARINPAL_TERMINAL {
            let reference = variable("reference_id").as_str().and_then(|text| text.parse().ok());
            let sheet = reference.and_then(|number| self.books.by_reference(number));
            let rows: Vec<_> = sheet.iter().map(|sheet| session(sheet)).collect();
            return Response::json(200, &json!({"data": {"Session": rows}}));
        }
        let id = variable("session_id").as_str().and_then(|text| text.parse::<i64>().ok());
        let amount = variable("amount").as_i64();
        match id.and_then(|id| self.books.by_reference(id - SESSIONS)) {
            _ if amount.is_some_and(|amount| amount < 20_000) => {
                failed("The amount must be at least 20000.")
            }
            Some(sheet) if sheet.stage == Stage::Verified && amount == Some(sheet.amount) => {
                sheet.stage = Stage::Returned;
                let timeline = json!({"refund_amount": sheet.amount, "refund_status": "PENDING"});
                let made = json!({
                    "id": "9001", "terminal_id": ZARINPAL_TERMINAL, "amount": sheet.amount,
                    "timeline": timeline,
                });
                Response::json(200, &json!({"data": {"resource": made}}))
            }
            _ => failed("The session cannot be refunded."),
        }
    }
}

/// What the panel adds to a reference to make its own number.
const SESSIONS: i64 = 500_000_000;

fn session(sheet: &Sheet) -> Value {
    let status = match sheet.stage {
        Stage::Verified => "VERIFIED",
        Stage::Returned => "REFUNDED",
        _ => "PAID",
    };
    json!({"id": (sheet.reference + SESSIONS).to_string(), "status": status, "amount": sheet.amount})
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// No member but these: a misspelt one would be ignored without a word by the real one.
fn only(body: &Map<String, Value>, names: &[&str]) -> Result<(), Refusal> {
    let known = |name: &String| names.contains(&name.as_str());
    if body.keys().all(known) { Ok(()) } else { Err(INVALID) }
}

/// An object of filled strings; its `order_id`.
fn metadata_of(metadata: &Value) -> Result<String, Refusal> {
    let members = metadata.as_object().ok_or(INVALID)?;
    only(members, &["mobile", "email", "order_id"])?;
    let filled = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let mobile = text(members, "mobile").is_none_or(|mobile| mobile.starts_with("09"));
    if !members.values().all(filled) || !mobile {
        return Err(INVALID);
    }
    Ok(text(members, "order_id").unwrap_or_default().to_owned())
}

fn message(code: i64) -> &'static str {
    match code {
        -9 => "The input params invalid, validation error.",
        -10 => "Terminal is not valid, please check merchant_id or ip address.",
        -50 => "Session is not valid, amounts values is not the same.",
        -51 => "Session is not valid, session is not active paid try.",
        -54 => "Invalid authority.",
        -55 => "Transaction not found.",
        _ => "Error.",
    }
}

/// The same in PHP's looser moments: numbers in strings, an error in a list.
fn php(mut body: Value) -> Value {
    if let Some(code) = body.pointer_mut("/data/code") {
        *code = Value::String(code.to_string().replace('"', ""));
    }
    if let Some(errors) = body.get_mut("errors").filter(|errors| errors.is_object()) {
        errors["code"] = Value::String(errors["code"].to_string());
        *errors = json!([errors.take()]);
    }
    if let Some(reference) = body.pointer_mut("/data/ref_id") {
        *reference = Value::String(reference.to_string());
    }
    body
}

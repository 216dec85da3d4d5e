//! Zibal as its documents describe it. Everything comes under HTTP 200.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::{
    account::json_body,
    books::{Books, Sheet, Stage},
    gateway::{Desk, FakeGateway},
    http::{Request, Response},
};

/// The one merchant the fake knows.
pub const ZIBAL_MERCHANT: &str = "5e1b3c9a7f4d2b6a8c0e";

/// Zibal's rules.
pub struct ZibalDesk {
    books: Books,
    /// The amount that answers name instead of the payment's own, in rials.
    pub named_amount: Option<i64>,
}

impl Default for ZibalDesk {
    fn default() -> Self {
        let books = Books::new(TimeDelta::minutes(20), TimeDelta::minutes(30));
        Self { books, named_amount: None }
    }
}

/// A running Zibal.
pub type FakeZibal = FakeGateway<ZibalDesk>;

impl FakeZibal {
    /// Starts one.
    pub async fn start() -> Self {
        Self::start_with(ZibalDesk::default()).await
    }

    /// Where Zibal would send the payer's browser back to: a GET.
    pub fn way_back(&self, authority: &str) -> String {
        let sheet = self.books(|books| books.page(authority).clone());
        let success = i32::from(matches!(sheet.stage, Stage::Paid | Stage::Verified));
        let glue = if sheet.callback_url.contains('?') { '&' } else { '?' };
        let (url, order, status) = (&sheet.callback_url, &sheet.client_ref, status(&sheet));
        format!("{url}{glue}success={success}&trackId={authority}&orderId={order}&status={status}")
    }
}

impl Desk for ZibalDesk {
    fn books(&mut self) -> &mut Books {
        &mut self.books
    }

    fn answer(&mut self, request: &Request) -> Response {
        let body = self
            .run(request)
            .unwrap_or_else(|result| json!({"result": result, "message": "error"}));
        Response::json(200, &body)
    }
}

impl ZibalDesk {
    fn run(&mut self, request: &Request) -> Result<Value, i64> {
        let body = json_body(request).filter(|_| request.method == "POST").ok_or(104)?;
        if body.get("merchant").and_then(Value::as_str) != Some(ZIBAL_MERCHANT) {
            return Err(102);
        }
        match request.path().rsplit_once("/v1/").map(|(_, call)| call) {
            Some("request") => self.open(&body),
            Some("verify") => self.verify(&body),
            Some("inquiry") => self.inquiry(&body),
            _ => Err(-1),
        }
    }

    fn open(&mut self, body: &Map<String, Value>) -> Result<Value, i64> {
        let names = ["merchant", "amount", "callbackUrl", "orderId", "mobile", "description"];
        if !body.keys().all(|name| names.contains(&name.as_str())) {
            return Err(104);
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let amount = body.get("amount").and_then(Value::as_i64).unwrap_or_default();
        let url = text("callbackUrl");
        match amount {
            ..=999 => return Err(105),
            1_000_000_001.. => return Err(113),
            _ if reqwest::Url::parse(url).is_err() => return Err(106),
            _ => {}
        }
        let id = 1_533_727_744_287 + i64::try_from(self.books.len()).unwrap_or_default();
        self.books.open(&id.to_string(), amount, text("orderId"), url);
        Ok(json!({"result": 100, "message": "success", "trackId": id}))
    }

    fn verify(&mut self, body: &Map<String, Value>) -> Result<Value, i64> {
        let id = track_id(body)?;
        let sheet = self.books.find(&id).ok_or(203)?;
        sheet.asked += 1;
        let result = match sheet.stage {
            Stage::Paid => 100,
            Stage::Verified => 201,
            _ => return Err(202),
        };
        self.books.verify(&id);
        Ok(self.payment(&id, result))
    }

    fn inquiry(&mut self, body: &Map<String, Value>) -> Result<Value, i64> {
        let id = track_id(body)?;
        self.books.find(&id).ok_or(203)?;
        Ok(self.payment(&id, 100))
    }

    fn payment(&mut self, id: &str, result: i64) -> Value {
        let sheet = self.books.page(id).clone();
        let paid = matches!(sheet.stage, Stage::Paid | Stage::Verified);
        let number = if paid { json!(sheet.reference) } else { Value::Null };
        json!({
            "result": result, "message": "success", "status": status(&sheet),
            "amount": self.named_amount.unwrap_or(sheet.amount), "orderId": sheet.client_ref,
            "refNumber": number, "cardNumber": if paid { "62198610****1234" } else { "" },
            "paidAt": sheet.paid_at.map(|at| at.to_rfc3339()),
        })
    }
}

/// A number, as the documents have it.
fn track_id(body: &Map<String, Value>) -> Result<String, i64> {
    let fine = body.keys().all(|name| matches!(name.as_str(), "merchant" | "trackId"));
    body.get("trackId").filter(|_| fine).and_then(Value::as_i64).map(|id| id.to_string()).ok_or(104)
}

fn status(sheet: &Sheet) -> i64 {
    match sheet.stage {
        Stage::Open => -1,
        Stage::Verified => 1,
        Stage::Paid => 2,
        Stage::Cancelled => 3,
        Stage::Failed => 5,
        Stage::SentBack | Stage::Returned => 18,
    }
}

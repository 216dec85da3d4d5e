//! ZarinPal as it was imitated when conversations with the old system were recorded: lenient, the same
//! number for every payment, and misbehaving by mode. For rules as strict as the real ones see the
//! fakes of gateways beside this one.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};

use super::{
    behaviour::Behaviour,
    http::{Request, Response},
    provider::{Answer, FakeProvider},
};

/// A running imitation.
pub struct RecordedZarinPal {
    provider: FakeProvider,
    mode: Arc<Mutex<String>>,
}

impl RecordedZarinPal {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let mode = Arc::new(Mutex::new("ok".to_owned()));
        let (shared, next) = (mode.clone(), AtomicU64::new(1));
        let provider = FakeProvider::start(move |request, _| {
            let mode = shared.lock().expect("no holder of this lock panics").clone();
            Answer::only(answer(request, &mode, &next))
        });
        Self { provider: provider.await, mode }
    }

    /// The `base_url` to configure.
    pub fn url(&self) -> String {
        self.provider.url()
    }

    /// What goes for all requests from here on: `ok`, `strict_json`, `reject`, `http500`, `badjson`,
    /// `already`, `verify_fail` or `drop`.
    ///
    /// # Panics
    /// Never.
    pub fn set_mode(&self, mode: &str) {
        let drops = (mode == "drop").then_some(Behaviour::ResetAfterRead { effect: false });
        self.provider.behave_always(drops);
        mode.clone_into(&mut self.mode.lock().expect("no holder of this lock panics"));
    }

    /// Treats one of the next requests so; several wait in line.
    pub fn behave(&self, behaviour: Behaviour) {
        self.provider.behave(behaviour);
    }

    /// The bodies of every request for a page so far.
    ///
    /// # Panics
    /// When one was no JSON.
    pub fn opened(&self) -> Vec<Value> {
        let calls = self.provider.calls().into_iter();
        let opened = calls.filter(|call| call.path().ends_with("request.json"));
        opened.map(|call| serde_json::from_slice(&call.body).expect("JSON")).collect()
    }
}

fn answer(request: &Request, mode: &str, next: &AtomicU64) -> Response {
    let errors = |status, code: i32, message: &str| {
        let errors = json!({"message": message, "code": code, "validations": []});
        Response::json(status, &json!({"data": [], "errors": errors}))
    };
    let is_json = serde_json::from_slice::<Value>(&request.body).is_ok();
    match mode {
        "http500" => Response { status: 500, headers: vec![], body: b"err".to_vec() },
        "badjson" => Response { status: 200, headers: vec![], body: b"<html/>".to_vec() },
        "strict_json" if !is_json => errors(422, -9, "The input params invalid, validation error."),
        "reject" => errors(200, -11, "Terminal is not valid."),
        _ if request.path().ends_with("request.json") => {
            let authority = format!("A{:035}", next.fetch_add(1, Ordering::Relaxed));
            let data = json!({"authority": authority, "fee": 0, "fee_type": "Merchant",
                "code": 100, "message": "Success"});
            Response::json(200, &json!({"data": data, "errors": []}))
        }
        "verify_fail" => errors(200, -51, "Session is not valid, session is not active paid try."),
        _ => {
            let (code, message) = if mode == "already" { (101, "Verified") } else { (100, "Paid") };
            let data = json!({"wages": null, "code": code, "message": message,
                "card_hash": "1EBE3EBEBE35C7EC0F8D6EE4F2F859107A87822CA179BC9528767EA7B5489B69",
                "card_pan": "502229******5995", "ref_id": 201_000_201, "fee_type": "Merchant",
                "fee": 0, "order_id": null});
            Response::json(200, &json!({"data": data, "errors": []}))
        }
    }
}

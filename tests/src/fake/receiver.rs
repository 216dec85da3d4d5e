//! A receiver of webhooks, as strict as Standard Webhooks asks it to be.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use serde_json::Value;
use shared::{
    clock::{Clock, SystemClock},
    webhooks::signature::{Secret, sign},
};

use super::{
    behaviour::Behaviour,
    http::{Request, Response},
    kavenegar::Delivered,
    provider::{Answer, FakeProvider},
};
use crate::harness::wait_for;

/// Seconds by which a request's time may be off.
const TOLERANCE: i64 = 300;

/// A running receiver with one secret.
pub struct Receiver {
    fake: FakeProvider,
    status: Arc<AtomicU16>,
}

/// An event it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The `webhook-id`.
    pub id: String,
    /// The envelope.
    pub event: Value,
}

impl Told {
    /// What happened.
    pub fn kind(&self) -> &str {
        self.event["type"].as_str().unwrap_or_default()
    }
}

impl Receiver {
    /// Starts one that checks signatures with this secret.
    ///
    /// # Panics
    /// When it is no secret, or no port is free.
    pub async fn start(secret: &str) -> Self {
        let secret = [Secret::parse(&secret.to_owned().into()).expect("a webhook secret")];
        let status = Arc::new(AtomicU16::new(204));
        let answer = Arc::clone(&status);
        let fake = FakeProvider::start(move |request, _| {
            if let Err(status) = check(request, &secret) {
                return Answer::only(plain(status));
            }
            let status = answer.load(Ordering::Relaxed);
            let id = request.header("webhook-id").unwrap_or_default().to_owned();
            let body = Delivered::Text(String::from_utf8_lossy(&request.body).into_owned());
            let took = (200..300).contains(&status);
            let delivered = if took { vec![(id, body)] } else { Vec::new() };
            Answer { response: plain(status), delivered }
        });
        Self { fake: fake.await, status }
    }

    /// The URL to configure.
    pub fn url(&self) -> String {
        format!("{}/hooks", self.fake.url())
    }

    /// Answers genuine requests so from now on; 204 at the beginning.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Treats one of the next requests so.
    pub fn behave(&self, behaviour: Behaviour) {
        self.fake.behave(behaviour);
    }

    /// Every request read so far, genuine or not.
    pub fn calls(&self) -> Vec<Request> {
        self.fake.calls()
    }

    /// Every event it took so far, in order; one that was told twice is there twice.
    ///
    /// # Panics
    /// When a body is no JSON.
    pub fn told(&self) -> Vec<Told> {
        let read = |(id, body): (String, Delivered)| {
            let Delivered::Text(body) = body else { panic!("written above as a text") };
            Told { id, event: serde_json::from_str(&body).expect("it was checked") }
        };
        self.fake.effects().into_iter().map(read).collect()
    }

    /// Waits until it took so many.
    pub async fn wait_for_told(&self, count: usize) -> Vec<Told> {
        let what = format!("{count} webhooks");
        wait_for(&what, || async { Some(self.told()).filter(|told| told.len() >= count) }).await
    }

    /// Waits until it read so many requests.
    pub async fn wait_for_calls(&self, count: usize) {
        let what = format!("{count} calls");
        wait_for(&what, || async { (self.calls().len() >= count).then_some(()) }).await;
    }
}

fn plain(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: Vec::new() }
}

/// The status of the refusal, if it is none of ours.
fn check(request: &Request, secret: &[Secret; 1]) -> Result<(), u16> {
    let header = |name| request.header(name).ok_or(400_u16);
    let id = header("webhook-id")?;
    let timestamp: i64 = header("webhook-timestamp")?.parse().map_err(|_| 400_u16)?;
    let signatures = header("webhook-signature")?;
    let body = std::str::from_utf8(&request.body).map_err(|_| 400_u16)?;
    let expected = sign(secret, id, timestamp, body);
    let late = (SystemClock.now().timestamp() - timestamp).abs() > TOLERANCE;
    if late || !signatures.split(' ').any(|signature| signature == expected) {
        return Err(401);
    }
    let is_json = header("content-type")? == "application/json"
        && serde_json::from_str::<Value>(body).is_ok_and(|body| body["type"].is_string());
    if request.method == "POST" && is_json { Ok(()) } else { Err(400) }
}

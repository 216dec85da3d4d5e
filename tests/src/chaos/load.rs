//! A stream of `otp/send/` that does not care what breaks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Dice;
use crate::harness::{Answer, Peyk, fresh_mobile};

/// One request and what came of it.
#[derive(Debug)]
pub struct Sent {
    /// `09…`, never used before.
    pub mobile: String,
    /// `None`: the connection ended without one.
    pub answer: Option<Answer>,
    /// Until the answer, or until it was clear that there is none.
    pub took: Duration,
}

impl Sent {
    /// The status of its answer; 0 without one.
    pub fn status(&self) -> u16 {
        self.answer.as_ref().map_or(0, |answer| answer.status)
    }

    /// Whether the api promised to deliver it.
    pub fn is_accepted(&self) -> bool {
        matches!(self.status(), 200 | 202)
    }

    /// The handle the answer gave.
    pub fn request_id(&self) -> Option<&str> {
        self.answer.as_ref()?.json["request_id"].as_str()
    }
}

/// Sends evenly until it is stopped; about half of the requests wait for their outcome.
#[derive(Debug)]
pub struct Load {
    stop: CancellationToken,
    answers: Arc<AtomicI64>,
    sending: JoinHandle<Vec<Sent>>,
}

impl Load {
    /// To all of the api processes there are now, one request every `gap`. `before` hears of each
    /// number before it is used.
    pub fn start(
        peyk: &Peyk,
        gap: Duration,
        mut dice: Dice,
        mut before: impl FnMut(&str, &mut Dice) + Send + 'static,
    ) -> Self {
        let (client, urls) = (peyk.client().clone(), peyk.urls.clone());
        let stop = CancellationToken::new();
        let (stopped, answers) = (stop.clone(), Arc::<AtomicI64>::default());
        let counted = Arc::clone(&answers);
        let sending = tokio::spawn(async move {
            let mut running = JoinSet::new();
            let mut ticks = tokio::time::interval(gap);
            while stopped.run_until_cancelled(ticks.tick()).await.is_some() {
                let mobile = fresh_mobile();
                before(&mobile, &mut dice);
                let url = urls[dice.below(urls.len())].clone();
                let wait = dice.below(2) == 0;
                let (client, counted) = (client.clone(), Arc::clone(&counted));
                running.spawn(async move {
                    let sent = send_once(client, url, mobile, wait).await;
                    counted.fetch_add(1, Ordering::Relaxed);
                    sent
                });
            }
            running.join_all().await
        });
        Self { stop, answers, sending }
    }

    /// How many requests have had their answer, or their end without one.
    pub fn answers(&self) -> i64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Sends no more, and waits for the answers that are missing.
    ///
    /// # Panics
    /// When a request panicked.
    pub async fn stop(self) -> Vec<Sent> {
        self.stop.cancel();
        self.sending.await.expect("no request panics")
    }
}

/// One `otp/send/` to an api process, which may die meanwhile.
pub async fn send_once(client: reqwest::Client, url: String, mobile: String, wait: bool) -> Sent {
    let mut request = client.post(format!("{url}/api/otp/send/"));
    if !wait {
        request = request.header("Prefer", "respond-async");
    }
    let begun = Instant::now();
    let answer = answer(request.json(&json!({ "mobile_number": mobile }))).await;
    Sent { mobile, answer: answer.ok(), took: begun.elapsed() }
}

async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await?;
    Ok(Answer { status, headers, json: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

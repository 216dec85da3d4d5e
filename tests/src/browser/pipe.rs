//! Calls and events of the `DevTools` protocol over a pair of pipes: JSON, each ended by a zero byte.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{ChildStdin, ChildStdout},
    sync::{Mutex as AsyncMutex, oneshot},
    task::JoinHandle,
};

use crate::harness::PATIENCE;

/// A browser that starts on a busy machine takes its time.
const LONGEST: Duration = PATIENCE.saturating_mul(3);

/// What the other end has said.
#[derive(Default)]
struct Heard {
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    events: Vec<Value>,
}

/// The way to a browser.
pub(super) struct Pipe {
    input: AsyncMutex<ChildStdin>,
    heard: Arc<Mutex<Heard>>,
    next: AtomicU64,
    reader: JoinHandle<()>,
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Pipe {
    pub(super) fn new(input: ChildStdin, output: ChildStdout) -> Arc<Self> {
        let heard = Arc::<Mutex<Heard>>::default();
        let reader = tokio::spawn(listen(output, Arc::clone(&heard)));
        Arc::new(Self { input: AsyncMutex::new(input), heard, next: AtomicU64::new(1), reader })
    }

    /// Calls a method, in a session if there is one. The error is the browser's, or that it is gone.
    pub(super) async fn call(
        &self,
        method: &str,
        params: Value,
        session: Option<&str>,
    ) -> Result<Value, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        lock(&self.heard).waiting.insert(id, answer);
        let mut call = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        let mut bytes = call.to_string().into_bytes();
        bytes.push(0);
        let sent = self.input.lock().await.write_all(&bytes).await;
        sent.map_err(|error| format!("{method}: {error}"))?;
        let answer = tokio::time::timeout(LONGEST, answered).await;
        let answer = answer.map_err(|_| format!("{method}: no answer"))?;
        let mut answer = answer.map_err(|_| format!("{method}: the browser is gone"))?;
        match answer.get("error") {
            Some(error) => Err(format!("{method}: {error}")),
            None => Ok(answer["result"].take()),
        }
    }

    /// Every event of a session so far with this name.
    pub(super) fn events(&self, session: &str, method: &str) -> Vec<Value> {
        let heard = lock(&self.heard);
        let of = |event: &&Value| event["sessionId"] == session && event["method"] == method;
        heard.events.iter().filter(of).cloned().collect()
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().expect("no holder of this lock panics")
}

async fn listen(output: impl AsyncRead + Unpin, heard: Arc<Mutex<Heard>>) {
    let mut output = BufReader::new(output);
    let mut bytes = Vec::new();
    while output.read_until(0, &mut bytes).await.is_ok_and(|read| read > 0) {
        bytes.pop();
        if let Ok(message) = serde_json::from_slice::<Value>(&bytes) {
            let mut heard = lock(&heard);
            match message["id"].as_u64().and_then(|id| heard.waiting.remove(&id)) {
                Some(waiting) => drop(waiting.send(message)),
                None => heard.events.push(message),
            }
        }
        bytes.clear();
    }
    // Whoever still waits learns that nobody will answer.
    lock(&heard).waiting.clear();
}

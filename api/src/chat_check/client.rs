//! One client: writes, reads, is cut off, comes back.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use rand::RngExt;
use serde_json::{Value, json};
use tokio::{
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};
use tokio_util::sync::CancellationToken;

use super::{
    account::{Account, Server, message_id},
    tally::Tally,
};

/// A message is sent again if nobody says that it is there.
const AGAIN: Duration = Duration::from_secs(5);
/// One of so many messages goes over HTTP.
const OVER_HTTP: u32 = 4;
/// Between two tries of opening a socket, at most.
const PAUSE: Duration = Duration::from_secs(1);

type Stream = WebSocketStream<reqwest::Upgraded>;

/// What all clients do.
pub(super) struct Plan {
    pub(super) server: Arc<Server>,
    /// Between two messages, on average.
    pub(super) every: Duration,
    /// Until a socket is cut, on average.
    pub(super) cut_after: Option<Duration>,
    pub(super) opening: Semaphore,
    pub(super) started: Instant,
    /// Cancelled: nothing new is written, and no more sockets are cut.
    pub(super) writing: CancellationToken,
    /// Cancelled: everything ends.
    pub(super) ended: CancellationToken,
}

/// A client that runs.
pub(super) struct Client {
    pub(super) room: i64,
    tally: Arc<Mutex<Tally>>,
    task: JoinHandle<()>,
}

impl Client {
    /// Starts one.
    pub(super) fn start(number: usize, room: i64, account: Arc<Account>, plan: Arc<Plan>) -> Self {
        let tally = Arc::new(Mutex::new(Tally { room, ..Tally::default() }));
        let running = Running {
            number,
            room,
            account,
            tally: tally.clone(),
            pending: VecDeque::new(),
            written: 0,
            next: Instant::now() + somewhere(plan.every),
            plan,
        };
        Self { room, tally, task: tokio::spawn(running.run()) }
    }

    /// Whether everything it wrote was accepted and it has come so far.
    pub(super) fn is_settled(&self, head: i64) -> bool {
        let tally = lock(&self.tally);
        tally.last >= head && tally.has_all_accepted()
    }

    /// Ends it.
    pub(super) async fn finish(self) -> Tally {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a client failed");
        }
        std::mem::take(&mut *lock(&self.tally))
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Anything between nothing and twice as long.
fn somewhere(average: Duration) -> Duration {
    let most = u64::try_from(average.as_millis()).unwrap_or(u64::MAX).saturating_mul(2);
    Duration::from_millis(rand::rng().random_range(0..=most))
}

/// A message that nobody said is there.
struct Pending {
    client_id: String,
    text: String,
    first: Instant,
    last: Instant,
}

struct Running {
    number: usize,
    room: i64,
    account: Arc<Account>,
    tally: Arc<Mutex<Tally>>,
    /// The oldest first; it is sent again until it is there, then the next.
    pending: VecDeque<Pending>,
    written: u64,
    next: Instant,
    plan: Arc<Plan>,
}

impl Running {
    async fn run(mut self) {
        let ended = self.plan.ended.clone();
        ended
            .run_until_cancelled(async {
                loop {
                    if let Err(error) = self.one_connection().await {
                        tracing::debug!(client = self.number, %error, "not connected");
                        tokio::time::sleep(somewhere(PAUSE / 2)).await;
                    }
                }
            })
            .await;
    }

    async fn one_connection(&mut self) -> anyhow::Result<()> {
        let mut socket = self.open().await?;
        let cut = self.plan.cut_after.map(|average| Instant::now() + somewhere(average));
        for pending in &mut self.pending {
            // What was on its way when the last socket ended may be lost: it is sent again at once.
            pending.last -= AGAIN;
        }
        loop {
            let writing = !self.plan.writing.is_cancelled();
            let cut = cut.filter(|_| writing);
            if writing && Instant::now() >= self.next {
                self.write();
            }
            self.send_pending(&mut socket).await?;
            let wake = self.wake(writing).min(cut.unwrap_or_else(|| Instant::now() + PAUSE));
            tokio::select! {
                frame = socket.next() => match frame {
                    Some(Ok(Message::Text(text))) => self.hear(&text).await?,
                    Some(Ok(Message::Close(_))) | None => return Ok(()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.into()),
                },
                () = sleep_until(wake) => {}
            }
            if cut.is_some_and(|cut| Instant::now() >= cut) {
                // Without a word, as a phone in a tunnel.
                return Ok(());
            }
        }
    }

    async fn open(&self) -> anyhow::Result<Stream> {
        let _opening = self.plan.opening.acquire().await?;
        let since = lock(&self.tally).last;
        let ticket = self.account.ticket(&self.plan.server).await?;
        let upgraded = self.plan.server.open(self.room, since, &ticket).await?;
        lock(&self.tally).connections += 1;
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
    }

    /// When there is something to do again.
    fn wake(&self, writing: bool) -> Instant {
        let again = self.pending.front().map(|pending| pending.last + AGAIN);
        let next = writing.then_some(self.next);
        let soon = Instant::now() + PAUSE;
        [again, next].into_iter().flatten().fold(soon, Instant::min)
    }

    /// Makes a message; its text says when.
    fn write(&mut self) {
        let now = Instant::now();
        self.written += 1;
        self.next = now + somewhere(self.plan.every);
        let client_id = format!("{}-{}", self.number, self.written);
        let micros = now.duration_since(self.plan.started).as_micros();
        let text = format!("{micros} سلام");
        lock(&self.tally).written.insert(client_id.clone(), None);
        self.pending.push_back(Pending { client_id, text, first: now, last: now - AGAIN });
    }

    async fn send_pending(&mut self, socket: &mut Stream) -> anyhow::Result<()> {
        let room = self.room;
        let Some(pending) = self.pending.front_mut() else { return Ok(()) };
        if pending.last.elapsed() < AGAIN {
            return Ok(());
        }
        pending.last = Instant::now();
        if !rand::rng().random_ratio(1, OVER_HTTP) {
            let frame = json!({
                "message": pending.text, "client_id": pending.client_id, "room": room,
            });
            timeout(AGAIN, socket.send(Message::text(frame.to_string()))).await??;
            return Ok(());
        }
        let what = (pending.client_id.clone(), pending.text.clone());
        let posted = self.account.post(&self.plan.server, room, (&what.0, &what.1)).await;
        match posted {
            Ok(id) => self.accepted(&what.0, id),
            Err(error) => tracing::debug!(client = self.number, %error, "not posted"),
        }
        Ok(())
    }

    fn accepted(&mut self, client_id: &str, id: i64) {
        let Some(at) = self.pending.iter().position(|it| it.client_id == client_id) else { return };
        let Some(pending) = self.pending.remove(at) else { return };
        let mut tally = lock(&self.tally);
        tally.written.insert(pending.client_id, Some(id));
        tally.accepted_after.push(pending.first.elapsed());
    }

    async fn hear(&mut self, text: &str) -> anyhow::Result<()> {
        let frame: Value = serde_json::from_str(text)?;
        match frame["type"].as_str().unwrap_or_default() {
            "ack" => {
                if let (Some(name), Some(id)) = (frame["client_id"].as_str(), frame["id"].as_i64())
                {
                    self.accepted(name, id);
                }
            }
            "error" => {
                // Too fast, most likely: the message waits for its next try.
                let wait = frame["retry_after"].as_u64().unwrap_or_default().min(60);
                if let Some(pending) = self.pending.front_mut() {
                    pending.last = Instant::now() + Duration::from_secs(wait);
                }
                tracing::debug!(client = self.number, code = %frame["code"], "refused");
            }
            "resync" => {
                let head = frame["head"].as_i64().unwrap_or_default();
                self.fill(head).await?;
            }
            _ => self.note(&frame, true),
        }
        Ok(())
    }

    /// Reads over HTTP what was too much to be sent.
    async fn fill(&mut self, head: i64) -> anyhow::Result<()> {
        loop {
            let last = lock(&self.tally).last;
            if last >= head {
                return Ok(());
            }
            let page = self.account.events(&self.plan.server, self.room, last).await?;
            anyhow::ensure!(!page.is_empty(), "the log ends before its head");
            for event in page.iter().filter(|event| event["seq"].as_i64() <= Some(head)) {
                self.note(event, false);
                lock(&self.tally).filled += 1;
            }
        }
    }

    fn note(&self, event: &Value, is_live: bool) {
        let Some(seq) = event["seq"].as_i64() else { return };
        if event["type"] == "read" {
            return;
        }
        let mut tally = lock(&self.tally);
        tally.note(seq);
        let Some(id) = message_id(event) else { return };
        tally.got.insert(id);
        let sent = event["message"].as_str().and_then(|text| text.split(' ').next()?.parse().ok());
        if let (true, Some(sent)) = (is_live, sent) {
            let since = self.plan.started.elapsed().saturating_sub(Duration::from_micros(sent));
            tally.delivered_after.push(since);
        }
    }
}

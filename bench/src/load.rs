//! The load: clients that send as fast as they are answered, or at a constant rate.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};

use crate::{
    board::{Board, Times},
    http::{Ask, Connection, SendRequest},
    processes,
    system::System,
};

/// Before a run counts: connections, plans and pools settle.
const WARM_UP: Duration = Duration::from_secs(1);
/// Connections of the load at a constant rate, at most and at least.
const MOST_CONNECTIONS: usize = 128;
const FEWEST_CONNECTIONS: usize = 4;
/// Longest wait for a single answer or text.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one run at full speed or at a constant rate gave.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Times of what fell into the run.
    pub(crate) times: Times,
    /// How long it was.
    pub(crate) span: Duration,
    /// Processor time meanwhile.
    pub(crate) cpu: Cpu,
}

impl Load {
    /// Answers per second.
    pub(crate) fn rate(&self) -> f64 {
        crate::statistics::count(self.times.accept.len()) / self.span.as_secs_f64()
    }
}

/// When a client goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// When it is answered.
    Answered,
    /// When its text is with the provider too.
    Delivered,
}

/// As fast as so many clients can, each with one request under way.
pub(crate) async fn closed(
    system: &System,
    board: &Arc<Board>,
    (clients, until): (usize, Until),
    span: Duration,
) -> anyhow::Result<Load> {
    closed_asking(&Ask::Send(SendRequest::new()), system, board, (clients, until), span).await
}

/// The same, asking for something else.
pub(crate) async fn closed_asking(
    ask: &Ask,
    system: &System,
    board: &Arc<Board>,
    (clients, until): (usize, Until),
    span: Duration,
) -> anyhow::Result<Load> {
    let run = Arc::new(Run::new(board, system.address, ask.clone()));
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let run = run.clone();
        tasks.spawn(async move { run.client((client, clients), until).await });
    }
    let load = measure(system, board, span).await;
    run.stop.store(true, Ordering::Relaxed);
    finish(tasks, &run).await?;
    Ok(load)
}

/// One request to each number of the board, with 64 clients.
pub(crate) async fn fill(system: &System, board: &Arc<Board>) -> anyhow::Result<()> {
    const CLIENTS: usize = 64;
    let run = Arc::new(Run::new(board, system.address, Ask::Send(SendRequest::new())));
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        let run = run.clone();
        tasks.spawn(async move { run.client((client, CLIENTS), Until::Answered).await });
    }
    finish(tasks, &run).await
}

/// At a constant rate, whatever the answers do: times count from when a request was due.
pub(crate) async fn constant(
    system: &System,
    board: &Arc<Board>,
    per_second: f64,
    span: Duration,
) -> anyhow::Result<Load> {
    let run = Arc::new(Run::new(board, system.address, Ask::Send(SendRequest::new())));
    let (pacer, due) = mpsc::unbounded_channel();
    let due = Arc::new(Mutex::new(due));
    let mut tasks = JoinSet::new();
    for _ in 0..connections_for(per_second) {
        let (run, due) = (run.clone(), due.clone());
        tasks.spawn(async move { run.connection(&due).await });
    }
    let pacing = run.clone();
    // A thread, because tokio's timers are only good to a millisecond.
    let pacer = std::thread::spawn(move || pacing.pace(per_second, &pacer));
    let load = measure(system, board, span).await;
    run.stop.store(true, Ordering::Relaxed);
    finish(tasks, &run).await?;
    let _ = pacer.join();
    Ok(load)
}

/// They take turns, and the api closes one that idles for ten seconds: no more than are needed if
/// answers take a quarter of a second.
fn connections_for(per_second: f64) -> usize {
    (FEWEST_CONNECTIONS..MOST_CONNECTIONS)
        .find(|connections| crate::statistics::count(*connections) * 4.0 >= per_second)
        .unwrap_or(MOST_CONNECTIONS)
}

/// A load of a given length is what a run is.
async fn measure(system: &System, board: &Board, span: Duration) -> Load {
    tokio::time::sleep(WARM_UP).await;
    let (begun, from, before) = (Instant::now(), board.now(), CpuClock::read(system));
    tokio::time::sleep(span).await;
    let (span, to, after) = (begun.elapsed(), board.now(), CpuClock::read(system));
    Load { times: board.times(from, to), span, cpu: after.since(&before) }
}

async fn finish(mut tasks: JoinSet<anyhow::Result<()>>, run: &Run) -> anyhow::Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let refused = run.refused.load(Ordering::Relaxed);
    anyhow::ensure!(refused == 0, "{refused} requests were refused: {}", run.why.lock().await);
    Ok(())
}

struct Run {
    board: Arc<Board>,
    address: SocketAddr,
    stop: AtomicBool,
    refused: AtomicUsize,
    why: Mutex<String>,
    ask: Ask,
}

impl Run {
    fn new(board: &Arc<Board>, address: SocketAddr, ask: Ask) -> Self {
        let (stop, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self { board: board.clone(), address, stop, refused, why: Mutex::default(), ask }
    }

    async fn client(&self, (first, step): (usize, usize), until: Until) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.address).await?;
        let mut request = self.ask.clone();
        for index in (first..self.board.capacity()).step_by(step) {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            self.board.send(index, self.board.now());
            self.send(index, &mut connection, &mut request).await?;
            if until == Until::Delivered {
                let delivered = tokio::time::timeout(PATIENCE, self.board.called(index));
                delivered.await.context("a text did not reach the provider")?;
            }
        }
        Ok(())
    }

    async fn connection(&self, due: &Mutex<mpsc::UnboundedReceiver<usize>>) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.address).await?;
        let mut request = self.ask.clone();
        loop {
            let next = due.lock().await.recv().await;
            let Some(index) = next else { return Ok(()) };
            self.send(index, &mut connection, &mut request).await?;
        }
    }

    async fn send(
        &self,
        index: usize,
        connection: &mut Connection,
        request: &mut Ask,
    ) -> anyhow::Result<()> {
        let good = request.good();
        let asked = connection.ask(request.to(self.board.number(index))?);
        let answer = tokio::time::timeout(PATIENCE, asked).await.context("no answer of the api")?;
        let (status, body) = answer.context("the api closed a connection")?;
        if status == good {
            self.board.answer(index);
        } else if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
            *self.why.lock().await = format!("{status} {}", String::from_utf8_lossy(body));
        }
        Ok(())
    }

    /// Says when each request is due, and notes that time and not when it goes out.
    fn pace(&self, per_second: f64, due: &mpsc::UnboundedSender<usize>) {
        let begun = Instant::now();
        let offset = self.board.now();
        for index in 0..self.board.capacity() {
            let at = Duration::from_secs_f64(crate::statistics::count(index) / per_second);
            let wait = at.saturating_sub(begun.elapsed());
            if !wait.is_zero() {
                // Until the next request is due.
                std::thread::sleep(wait);
            }
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
            self.board.send(index, offset + nanos);
            if due.send(index).is_err() {
                return;
            }
        }
    }
}

/// Processor time of everybody who took part.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) api: Duration,
    pub(crate) worker: Duration,
    pub(crate) postgres: Duration,
    pub(crate) redis: Duration,
    /// The load and the provider.
    pub(crate) bench: Duration,
}

/// Processor time so far.
pub(crate) struct CpuClock {
    single: Cpu,
    postgres: HashMap<u32, Duration>,
}

impl CpuClock {
    pub(crate) fn read(system: &System) -> Self {
        let (api, worker) = system.pids();
        let single = Cpu {
            api: api.map_or(Duration::ZERO, processes::cpu),
            worker: worker.map_or(Duration::ZERO, processes::cpu),
            postgres: Duration::ZERO,
            redis: processes::cpu(system.redis_server),
            bench: processes::cpu(std::process::id()),
        };
        Self { single, postgres: processes::cpu_of_children(system.postgres) }
    }

    /// What was used since; connections that ended meanwhile are not counted.
    pub(crate) fn since(&self, before: &Self) -> Cpu {
        let postgres = self.postgres.iter().map(|(pid, now)| {
            now.saturating_sub(before.postgres.get(pid).copied().unwrap_or_default())
        });
        Cpu {
            api: self.single.api.saturating_sub(before.single.api),
            worker: self.single.worker.saturating_sub(before.single.worker),
            postgres: postgres.sum(),
            redis: self.single.redis.saturating_sub(before.single.redis),
            bench: self.single.bench.saturating_sub(before.single.bench),
        }
    }
}

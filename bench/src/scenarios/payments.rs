//! Payments begun and verified per second, beside pgbench with the same transactions, in turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use shared::{
    auth::tokens::Tokens,
    clock::{Clock, SystemClock},
    sessions::{self, Lifetimes, Method, NewSession, Origin},
};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Options,
    http::Connection,
    load::{Cpu, CpuClock},
    progress,
    report::{Report, Table},
    statistics::{Figure, Latencies, count, micros_each},
    system::System,
    yardsticks::{CREATE_PAYMENT, Pgbench, VERIFY_PAYMENT, pgbench},
};

/// Accounts that pay, in turns.
const USERS: usize = 1_000;
/// Payments that pgbench finds to verify.
const READY: usize = 20_000;
/// Connections and numbers of pgbench's clients.
const CLIENTS: [usize; 2] = [16, 64];

/// What one run gave.
struct Run {
    rate: f64,
    times: Latencies,
    answers: usize,
    cpu: Cpu,
}

/// Measures both halves of a payment.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    system.stop_worker().await;
    let requests = create_requests(system).await?;
    let first = system.ready_payments(USERS, READY).await?;
    system.need_api().await?;
    system.start_worker(&[]).await?;
    let columns =
        ["What", "Clients", "Peyk, a second", "pgbench, tx/s", "Ratio", "p50 ms", "p99 ms"];
    let more = ["api CPU us", "worker CPU us", "PostgreSQL CPU us"];
    let mut table = Table::new(&[&columns[..], &more[..]].concat());
    for clients in CLIENTS {
        let (mut created, mut verified) = (Vec::new(), Vec::new());
        let (mut like_create, mut like_verify) = (Vec::new(), Vec::new());
        for run in 1..=options.runs {
            progress(&format!("payments, {clients} clients, run {run}"));
            let span = Duration::from_secs(options.seconds);
            created.push(ask(system, &requests, clients, span, 200).await?);
            let pages = system.open_pages().await?;
            let requests: Vec<_> = pages.iter().map(|page| verify_request(page)).collect();
            verified.push(ask_each(system, requests, clients, span).await?);
            let (seconds, out) = (options.seconds, &options.out);
            let script = format!("\\set first_user {}\n{CREATE_PAYMENT}", first.user);
            like_create.push(pgbench(system, &script, clients, seconds, out).await?);
            let script = format!(
                "\\set first_payment {}\n\\set payments {READY}\n{VERIFY_PAYMENT}",
                first.payment
            );
            like_verify.push(pgbench(system, &script, clients, seconds, out).await?);
        }
        for (what, runs, yardstick) in
            [("create", created, like_create), ("verify", verified, like_verify)]
        {
            row(&mut table, (what, clients), &runs, &yardstick);
        }
    }
    let about = "`POST /api/payment/create/` and `GET /api/payment/verify/` as ZarinPal sends a payer \
        back, answered when the worker has credited the wallet; 1,000 accounts in turns, a gateway \
        that answers at once. pgbench writes the same on the same server \
        (`bench/sql/create_payment.sql`, two commits; `bench/sql/verify_payment.sql`, three).";
    report.table("Payments", about, &table);
    system.stop_worker().await;
    Ok(())
}

fn row(table: &mut Table, (what, clients): (&str, usize), runs: &[Run], like: &[Pgbench]) {
    let rate = Figure::of(runs, |run| run.rate);
    let yardstick = Figure::of(like, |run| run.rate);
    let cpu = |of: fn(&Cpu) -> Duration| {
        Figure::of(runs, |run| micros_each(of(&run.cpu), run.answers)).show(0)
    };
    table.row(&[
        what.to_owned(),
        clients.to_string(),
        rate.show(0),
        yardstick.show(0),
        format!("{}x", crate::statistics::number(rate.median() / yardstick.median(), 2)),
        Figure::of(runs, |run| run.times.p50_ms()).show(2),
        Figure::of(runs, |run| run.times.p99_ms()).show(2),
        cpu(|cpu| cpu.api),
        cpu(|cpu| cpu.worker),
        cpu(|cpu| cpu.postgres),
    ]);
}

/// One for each account.
async fn create_requests(system: &System) -> anyhow::Result<Vec<Vec<u8>>> {
    let config = system.config()?;
    let tokens = Tokens::new(&config.auth)?;
    let lifetimes = Lifetimes::new(&config.auth);
    let (now, origin) = (SystemClock.now(), Origin::default());
    let users = "INSERT INTO users (username, created_at)
        SELECT 'payer-' || n, now() FROM generate_series(1, $1) AS n
        ON CONFLICT (username) DO UPDATE SET is_active = true RETURNING id";
    let users: Vec<i64> =
        sqlx::query_scalar(users).bind(i32::try_from(USERS)?).fetch_all(&system.pool).await?;
    let new: Vec<_> = users
        .into_iter()
        .map(|user_id| NewSession { user_id, origin: &origin, method: Method::Otp })
        .collect();
    let mut connection = system.pool.acquire().await?;
    let begun = sessions::begin(&mut connection, &new, &lifetimes, now).await?;
    let body = "{\"amount\":10000,\"order_id\":\"bench\",\"description\":\"bench\"}";
    let request = |access: &str| {
        let head = "POST /api/payment/create/ HTTP/1.1\r\nHost: x\r\n\
            Content-Type: application/json\r\n";
        let length = body.len();
        format!("{head}Authorization: Bearer {access}\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let access = |session| tokens.pair(session, now, &mut rand::rng()).access;
    Ok(begun.iter().map(|session| request(&access(session)).into_bytes()).collect())
}

fn verify_request(authority: &str) -> Vec<u8> {
    format!("GET /api/payment/verify/?Authority={authority}&Status=OK HTTP/1.1\r\nHost: x\r\n\r\n")
        .into_bytes()
}

/// The same requests in turns, as long as it takes.
async fn ask(
    system: &System,
    requests: &[Vec<u8>],
    clients: usize,
    span: Duration,
    good: u16,
) -> anyhow::Result<Run> {
    let requests = Arc::new(requests.to_vec());
    run(system, clients, span, good, move |at| requests.get(at % requests.len()).cloned()).await
}

/// Each request once, as many as the time allows.
async fn ask_each(
    system: &System,
    requests: Vec<Vec<u8>>,
    clients: usize,
    span: Duration,
) -> anyhow::Result<Run> {
    let requests = Arc::new(requests);
    run(system, clients, span, 200, move |at| requests.get(at).cloned()).await
}

async fn run(
    system: &System,
    clients: usize,
    span: Duration,
    good: u16,
    request: impl Fn(usize) -> Option<Vec<u8>> + Clone + Send + 'static,
) -> anyhow::Result<Run> {
    let next = Arc::new(AtomicUsize::new(0));
    let (begun, before) = (Instant::now(), CpuClock::read(system));
    let deadline = begun + span;
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let mut connection = Connection::open(system.address).await?;
        let (request, next) = (request.clone(), next.clone());
        tasks.spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < deadline {
                let Some(request) = request(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let sent = Instant::now();
                let (status, body) = connection.ask(&request).await?;
                let said = || format!("{status} {}", String::from_utf8_lossy(body));
                anyhow::ensure!(status == good, "answered {}", said());
                times.push(sent.elapsed());
            }
            Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(some) = tasks.join_next().await {
        times.extend(some?.context("a client of payments")?);
    }
    let (span, cpu) = (begun.elapsed(), CpuClock::read(system).since(&before));
    let answers = times.len();
    let rate = count(answers) / span.as_secs_f64();
    Ok(Run { rate, times: Latencies::new(times), answers, cpu })
}

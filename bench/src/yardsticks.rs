//! What others do on the same machine in the same minutes.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::{
    http::{Connection, SendRequest},
    processes::{self, Process},
    system::System,
};

/// One transaction of a send with five statements, and in a single one.
pub(crate) const ACCEPT: &str = include_str!("../sql/accept.sql");
pub(crate) const ACCEPT_IN_ONE: &str = include_str!("../sql/accept_in_one_statement.sql");

/// What a login writes: the attempt, in a commit of its own as ever, and the transaction.
pub(crate) const ATTEMPT: &str = include_str!("../sql/attempt.sql");
pub(crate) const LOGIN: &str = include_str!("../sql/login.sql");

/// What both halves of a payment write.
pub(crate) const CREATE_PAYMENT: &str = include_str!("../sql/create_payment.sql");
pub(crate) const VERIFY_PAYMENT: &str = include_str!("../sql/verify_payment.sql");
/// What a spend from a wallet writes.
pub(crate) const SPEND: &str = include_str!("../sql/spend.sql");
/// What a message writes.
pub(crate) const POST_MESSAGE: &str = include_str!("../sql/post_message.sql");

/// What pgbench says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pgbench {
    pub(crate) rate: f64,
    pub(crate) average_ms: f64,
}

/// Runs a script with so many clients.
pub(crate) async fn pgbench(
    system: &System,
    script: &str,
    clients: usize,
    seconds: u64,
    out: &Path,
) -> anyhow::Result<Pgbench> {
    let file = out.join("pgbench.sql");
    tokio::fs::write(&file, script).await?;
    let program = match std::env::var_os("PEYK_PG_BIN") {
        Some(folder) => PathBuf::from(folder).join("pgbench"),
        None => "pgbench".into(),
    };
    let (clients, seconds) = (clients.to_string(), seconds.to_string());
    let file = file.display().to_string();
    let arguments =
        ["-n", "-M", "prepared", "-j", "2", "-c", &clients, "-T", &seconds, "-f", &file];
    let said =
        processes::output(&program, &[&arguments[..], &[&system.yardstick_url]].concat()).await?;
    let figure = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().find_map(|word| word.parse().ok())
    };
    Ok(Pgbench {
        rate: figure("tps = ").with_context(|| format!("pgbench said: {said}"))?,
        average_ms: figure("latency average = ").unwrap_or_default(),
    })
}

/// `LPUSH` per second with 50 clients; `None` where there is no redis-benchmark.
pub(crate) async fn redis_lpush(system: &System) -> anyhow::Result<Option<f64>> {
    let program = Path::new("redis-benchmark");
    if processes::output(program, &["--version"]).await.is_err() {
        return Ok(None);
    }
    let port = system.redis_url.rsplit(':').next().unwrap_or_default().trim_end_matches('/');
    let arguments = ["-p", port, "-t", "lpush", "-c", "50", "-n", "200000", "--csv"];
    let said = processes::output(program, &arguments).await?;
    // "test","rps",… in newer versions, the same without the first line in older ones.
    let line = said.lines().find_map(|line| line.strip_prefix("\"LPUSH\",\""));
    let rate = line.and_then(|line| line.split('"').next()?.parse().ok());
    Ok(Some(rate.with_context(|| format!("redis-benchmark said: {said}"))?))
}

/// What a bare route does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bare {
    pub(crate) rate: f64,
    pub(crate) cpu_micros: f64,
}

/// The same requests to a server that only parses and answers them.
pub(crate) async fn bare(clients: usize, span: Duration, out: &Path) -> anyhow::Result<Bare> {
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let program = std::env::current_exe()?;
    let listen = address.to_string();
    let arguments = ["bare", "--listen", &listen];
    let server = Process::start(&program, &arguments, &[], &out.join("bare.log"))?;
    while Connection::open(address).await.is_err() {
        // Between two looks.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let deadline = Instant::now() + span;
    let before = processes::cpu(server.pid());
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        tasks.spawn(bare_client(address, deadline));
    }
    let mut answers = 0;
    while let Some(count) = tasks.join_next().await {
        answers += count??;
    }
    let cpu = processes::cpu(server.pid()).saturating_sub(before);
    let rate = crate::statistics::count(answers) / begun.elapsed().as_secs_f64();
    server.stop().await;
    Ok(Bare { rate, cpu_micros: crate::statistics::micros_each(cpu, answers) })
}

async fn bare_client(address: SocketAddr, deadline: Instant) -> anyhow::Result<usize> {
    let mut connection = Connection::open(address).await?;
    let mut request = SendRequest::new();
    let mut answers = 0;
    while Instant::now() < deadline {
        let (status, _) = connection.ask(request.to(answers as u64)).await?;
        anyhow::ensure!(status == 202, "the bare route answered {status}");
        answers += 1;
    }
    Ok(answers)
}

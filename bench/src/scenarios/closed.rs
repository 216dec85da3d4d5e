//! Requests of one kind over kept connections, so many clients with one under way each.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::JoinSet;

use crate::{
    http::Connection,
    processes,
    statistics::{Latencies, count, micros_each},
    system::System,
};

/// What one run gave.
pub(super) struct Run {
    pub(super) rate: f64,
    pub(super) times: Latencies,
    pub(super) cpu_micros: f64,
}

/// Sends what `request` makes of a number, each number once, for so long. Every answer has to be
/// `good`.
pub(super) async fn run(
    system: &mut System,
    (clients, span): (usize, Duration),
    good: u16,
    request: impl Fn(usize) -> anyhow::Result<Vec<u8>> + Clone + Send + 'static,
) -> anyhow::Result<Run> {
    let api = system.need_api().await?;
    let (begun, before) = (Instant::now(), processes::cpu(api));
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let (request, address) = (request.clone(), system.address);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut times = Vec::new();
            while begun.elapsed() < span {
                let request = request(client + times.len() * clients)?;
                let asked = Instant::now();
                let (status, body) = connection.ask(&request).await?;
                let said = || format!("{status} {}", String::from_utf8_lossy(body));
                ensure!(status == good, "a request was answered {}", said());
                times.push(asked.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(more) = tasks.join_next().await {
        times.extend(more??);
    }
    let cpu = processes::cpu(api).saturating_sub(before);
    Ok(Run {
        rate: count(times.len()) / begun.elapsed().as_secs_f64(),
        cpu_micros: micros_each(cpu, times.len()),
        times: Latencies::new(times),
    })
}

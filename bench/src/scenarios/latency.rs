//! Latencies with room to spare: at half of the maximum and at a trickle.

use std::{sync::Arc, time::Duration};

use super::accept::MOST_PER_SECOND;
use crate::{
    Options,
    board::Board,
    load::{self, Load, Until},
    progress,
    report::{Report, Table},
    statistics::{Figure, micros_each, number},
    system::System,
};

/// Clients of the closed loops that look for a maximum.
const CLIENTS: usize = 64;
/// Requests a second of an idle system.
const TRICKLE: f64 = 5.0;
/// Longest wait for the last texts of a run.
const LAST_TEXTS: Duration = Duration::from_secs(30);

/// Some runs at one rate.
struct Rung {
    name: &'static str,
    asked: String,
    runs: Vec<Load>,
}

/// Measures at half of `accepts` (the api alone) and at half of what both processes keep up with.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
    accepts: Option<f64>,
) -> anyhow::Result<()> {
    let mut rungs = Vec::new();
    system.need_api().await?;
    if let Some(accepts) = accepts {
        system.stop_worker().await;
        let alone = constant(options, system, accepts / 2.0, options.seconds, false).await?;
        rungs.push(rung("api alone, half of its maximum", accepts / 2.0, alone));
    }
    if system.pids().1.is_none() {
        system.start_worker(&[]).await?;
    }
    let delivered = Figure::of(&through(options, system).await?, Load::rate);
    let half = delivered.median() / 2.0;
    rungs.push(rung(
        "both, half",
        half,
        constant(options, system, half, options.seconds, true).await?,
    ));
    let seconds = options.trickle_seconds;
    let trickle = constant(options, system, TRICKLE, seconds, true).await?;
    rungs.push(rung("both, idle", TRICKLE, trickle));
    table(report, &rungs, &delivered);
    targets(report, &rungs);
    Ok(())
}

fn rung(name: &'static str, rate: f64, runs: Vec<Load>) -> Rung {
    Rung { name, asked: number(rate, 0), runs }
}

/// The maximum of the whole way: a client goes on when its text is with the provider.
async fn through(options: &Options, system: &mut System) -> anyhow::Result<Vec<Load>> {
    let mut runs = Vec::new();
    let seconds = usize::try_from(options.seconds)?;
    for run in 1..=options.runs {
        progress(&format!("the whole way, {CLIENTS} clients, run {run}"));
        let capacity = (seconds + 2) * MOST_PER_SECOND;
        let board = system.clear(capacity, CLIENTS, Duration::ZERO).await?;
        let span = Duration::from_secs(options.seconds);
        runs.push(load::closed(system, &board, (CLIENTS, Until::Delivered), span).await?);
        last_texts(system, &board).await?;
    }
    Ok(runs)
}

async fn constant(
    options: &Options,
    system: &mut System,
    per_second: f64,
    seconds: u64,
    with_worker: bool,
) -> anyhow::Result<Vec<Load>> {
    let mut runs = Vec::new();
    for run in 1..=options.runs {
        progress(&format!("{} requests a second, run {run}", number(per_second, 0)));
        let capacity = (usize::try_from(seconds)? + 2) * MOST_PER_SECOND;
        let board = system.clear(capacity, CLIENTS, Duration::ZERO).await?;
        let span = Duration::from_secs(seconds);
        runs.push(load::constant(system, &board, per_second, span).await?);
        if with_worker {
            last_texts(system, &board).await?;
        }
    }
    Ok(runs)
}

/// Waits until every accepted text was handed over and settled; the tables are emptied next.
async fn last_texts(system: &System, board: &Arc<Board>) -> anyhow::Result<()> {
    let waited = async {
        while board.answered().1 > 0 || system.unsent().await? > 0 {
            // Between two looks.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(LAST_TEXTS, waited).await {
        Ok(waited) => waited?,
        Err(_) => anyhow::bail!("{} texts were not handed over", board.answered().1),
    }
    let (_, twice) = board.calls();
    anyhow::ensure!(twice == 0, "{twice} texts were handed over twice");
    Ok(())
}

fn table(report: &mut Report, rungs: &[Rung], delivered: &Figure) {
    let columns = ["Load", "Asked/s", "Answered/s", "Accept p50 ms", "p99 ms"];
    let more = ["Request to provider p50 ms", "p99 ms", "Answer to provider p50 ms", "p99 ms"];
    let last = ["api CPU us", "worker CPU us"];
    let mut table = Table::new(&[&columns[..], &more[..], &last[..]].concat());
    for Rung { name, asked, runs } in rungs {
        let show = |of: fn(&Load) -> f64, decimals| Figure::of(runs, of).show(decimals);
        let called = runs.iter().any(|run| run.times.to_call.len() > 0);
        let after = |of: fn(&Load) -> f64| if called { show(of, 2) } else { "-".to_owned() };
        let cpu = |of: fn(&load::Cpu) -> Duration| {
            Figure::of(runs, |run| micros_each(of(&run.cpu), run.times.accept.len())).show(0)
        };
        table.row(&[
            (*name).to_owned(),
            asked.clone(),
            show(Load::rate, 0),
            show(|run| run.times.accept.p50_ms(), 2),
            show(|run| run.times.accept.p99_ms(), 2),
            after(|run| run.times.to_call.p50_ms()),
            after(|run| run.times.to_call.p99_ms()),
            after(|run| run.times.behind_answer.p50_ms()),
            after(|run| run.times.behind_answer.p99_ms()),
            cpu(|cpu| cpu.api),
            if called { cpu(|cpu| cpu.worker) } else { "-".to_owned() },
        ]);
    }
    let about = format!(
        "At a constant rate; times count from when a request was due, so that a stall delays all \
         that were due meanwhile. The provider answers at once. The whole way at full speed \
         ({CLIENTS} clients, each waits until its text is with the provider): {} a second.",
        delivered.show(0)
    );
    report.table("Latency", &about, &table);
}

fn targets(report: &mut Report, rungs: &[Rung]) {
    let mut judge = |rung: &Rung, what: &str, limit: f64, of: fn(&Load) -> f64| {
        let figure = Figure::of(&rung.runs, of).median();
        let (what, wanted) = (format!("{}: {what} p99", rung.name), format!("< {limit} ms"));
        report.target(&what, &wanted, format!("{} ms", number(figure, 2)), figure < limit);
    };
    for rung in rungs {
        if rung.name == "both, idle" {
            judge(rung, "request to provider", 5.0, |run| run.times.to_call.p99_ms());
            continue;
        }
        judge(rung, "accept", 10.0, |run| run.times.accept.p99_ms());
        if rung.name == "both, half" {
            judge(rung, "request to provider", 15.0, |run| run.times.to_call.p99_ms());
        }
    }
}

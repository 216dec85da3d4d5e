//! Accepts per second beside pgbench with the same transaction, in turns.

use std::time::Duration;

use crate::{
    Options,
    load::{self, Load, Until},
    processes::resident_mb,
    progress,
    report::{Report, Table},
    statistics::{Figure, count, float, micros_each, number},
    system::System,
    yardsticks::{ACCEPT, ACCEPT_IN_ONE, Pgbench, pgbench},
};

/// More than any run accepts in a second.
pub(crate) const MOST_PER_SECOND: usize = 100_000;

struct Run {
    load: Load,
    /// Accepts that shared a flush of the write-ahead log.
    per_flush: f64,
    resident_mb: f64,
}

struct Rung {
    clients: usize,
    peyk: Vec<Run>,
    same: Vec<Pgbench>,
    one_statement: Vec<Pgbench>,
}

impl Rung {
    fn rate(&self) -> Figure {
        Figure::of(&self.peyk, |run| run.load.rate())
    }

    fn cpu(&self, of: impl Fn(&load::Cpu) -> Duration) -> Figure {
        Figure::of(&self.peyk, |run| micros_each(of(&run.load.cpu), run.load.times.accept.len()))
    }
}

fn best(runs: &[Pgbench]) -> Figure {
    Figure::of(runs, |run| run.rate)
}

/// Measures all numbers of clients; gives the highest median rate.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<f64> {
    // The worker would share the processors; what both do together is measured as latency.
    system.stop_worker().await;
    let mut rungs = Vec::new();
    for &clients in &options.clients {
        let mut rung =
            Rung { clients, peyk: Vec::new(), same: Vec::new(), one_statement: Vec::new() };
        for run in 1..=options.runs {
            progress(&format!("accept, {clients} clients, run {run}"));
            rung.peyk.push(peyk_run(options, system, clients).await?);
            rung.same.push(yardstick(options, system, clients, ACCEPT).await?);
            rung.one_statement.push(yardstick(options, system, clients, ACCEPT_IN_ONE).await?);
        }
        rungs.push(rung);
    }
    tables(report, &rungs);
    targets(report, &rungs);
    Ok(rungs.iter().map(|rung| rung.rate().median()).fold(0.0, f64::max))
}

async fn peyk_run(options: &Options, system: &mut System, clients: usize) -> anyhow::Result<Run> {
    let seconds = usize::try_from(options.seconds)?;
    let capacity = (seconds + 2) * MOST_PER_SECOND;
    let board = system.clear(capacity, clients, Duration::ZERO).await?;
    let api = system.need_api().await?;
    let before = system.wal_flushes().await;
    let span = Duration::from_secs(options.seconds);
    let load = load::closed(system, &board, (clients, Until::Answered), span).await?;
    // Servers count lazily: let idle connections hand in what they counted.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let flushes = before.zip(system.wal_flushes().await).map(|(before, now)| now - before);
    let accepted = count(board.answered().0);
    let flushes = flushes.and_then(|flushes| u64::try_from(flushes).ok()).unwrap_or(0);
    Ok(Run { load, per_flush: accepted / float(flushes.max(1)), resident_mb: resident_mb(api) })
}

async fn yardstick(
    options: &Options,
    system: &mut System,
    clients: usize,
    script: &str,
) -> anyhow::Result<Pgbench> {
    system.clear(0, 1, Duration::ZERO).await?;
    pgbench(system, script, clients, options.seconds, &options.out).await
}

fn tables(report: &mut Report, rungs: &[Rung]) {
    let columns = ["Clients", "Peyk, accepts/s", "pgbench, tx/s", "Ratio", "Peyk p50 ms"];
    let more = ["Peyk p99 ms", "pgbench mean ms", "pgbench, one statement, tx/s", "Ratio"];
    let mut table = Table::new(&[&columns[..], &more[..]].concat());
    for rung in rungs {
        let (rate, same, one) = (rung.rate(), best(&rung.same), best(&rung.one_statement));
        let against = |other: &Figure| format!("{}x", number(rate.median() / other.median(), 2));
        let latency = |of: fn(&Run) -> f64| Figure::of(&rung.peyk, of).show(2);
        table.row(&[
            rung.clients.to_string(),
            rate.show(0),
            same.show(0),
            against(&same),
            latency(|run| run.load.times.accept.p50_ms()),
            latency(|run| run.load.times.accept.p99_ms()),
            Figure::of(&rung.same, |run| run.average_ms).show(2),
            one.show(0),
            against(&one),
        ]);
    }
    let about = "`POST /api/otp/send/` with `Prefer: respond-async`, each to another number, over \
        kept connections; every client has one request under way. The worker is stopped, Redis \
        takes the ids, limits are on. pgbench runs the same transaction on the same server in \
        turns with Peyk (`bench/sql/accept.sql`: five round trips; \
        `accept_in_one_statement.sql`: one).";
    report.table("Accept", about, &table);
    let columns = ["Clients", "api", "PostgreSQL", "Redis", "load client"];
    let more = ["Accepts per WAL flush", "api RSS MB"];
    let mut table = Table::new(&[&columns[..], &more[..]].concat());
    for rung in rungs {
        table.row(&[
            rung.clients.to_string(),
            rung.cpu(|cpu| cpu.api).show(0),
            rung.cpu(|cpu| cpu.postgres).show(0),
            rung.cpu(|cpu| cpu.redis).show(0),
            rung.cpu(|cpu| cpu.bench).show(0),
            Figure::of(&rung.peyk, |run| run.per_flush).show(1),
            Figure::of(&rung.peyk, |run| run.resident_mb).show(1),
        ]);
    }
    report.table("Accept: processor time", "Microseconds of CPU per accept.", &table);
}

fn targets(report: &mut Report, rungs: &[Rung]) {
    for rung in rungs {
        let ratio = rung.rate().median() / best(&rung.same).median();
        let what = format!("accept, {} clients, against pgbench", rung.clients);
        let measured = format!("{}x", number(ratio, 2));
        report.target(&what, ">= 1.0x (aim 1.5x)", measured, ratio >= 1.0);
    }
    let worst = rungs.iter().map(|rung| rung.cpu(|cpu| cpu.api).median()).fold(0.0, f64::max);
    let measured = format!("{} us", number(worst, 0));
    report.target("api CPU per accept", "<= 100 us", measured, worst <= 100.0);
}

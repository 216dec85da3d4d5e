//! Logins per second beside pgbench with the same transaction, in turns.

use std::time::Duration;

use crate::{
    Options,
    http::{Ask, LoginRequest},
    load::{self, Cpu, Load, Until},
    progress,
    report::{Report, Table},
    statistics::{Figure, micros_each, number},
    system::System,
    yardsticks::{ATTEMPT, LOGIN, Pgbench, pgbench},
};

/// More than any run lets in within a second.
const MOST_PER_SECOND: usize = 8_000;
/// The least share of what pgbench does.
const LEAST: f64 = 0.7;

struct Rung {
    clients: usize,
    peyk: Vec<Load>,
    /// The attempt and the transaction.
    same: Vec<Pgbench>,
    /// The transaction alone.
    harder: Vec<Pgbench>,
}

impl Rung {
    fn rate(&self) -> Figure {
        Figure::of(&self.peyk, Load::rate)
    }

    fn cpu(&self, of: impl Fn(&Cpu) -> Duration) -> Figure {
        Figure::of(&self.peyk, |load| micros_each(of(&load.cpu), load.times.accept.len()))
    }
}

fn rate(runs: &[Pgbench]) -> Figure {
    Figure::of(runs, |run| run.rate)
}

/// Measures all numbers of clients.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    system.stop_worker().await;
    let mut rungs = Vec::new();
    for &clients in &options.clients {
        let mut rung = Rung { clients, peyk: Vec::new(), same: Vec::new(), harder: Vec::new() };
        for run in 1..=options.runs {
            progress(&format!("log in, {clients} clients, run {run}"));
            one(options, system, &mut rung).await?;
        }
        rungs.push(rung);
    }
    tables(report, &rungs);
    Ok(())
}

async fn one(options: &Options, system: &mut System, rung: &mut Rung) -> anyhow::Result<()> {
    let rows = (usize::try_from(options.seconds)? + 2) * MOST_PER_SECOND;
    let board = system.clear(rows, rung.clients, Duration::ZERO).await?;
    system.ready_logins(&board).await?;
    system.need_api().await?;
    let span = Duration::from_secs(options.seconds);
    let ask = Ask::LogIn(LoginRequest::new()?);
    let clients = (rung.clients, Until::Answered);
    rung.peyk.push(load::closed_asking(&ask, system, &board, clients, span).await?);
    let rows = format!("\\set rows {rows}\n");
    for (script, runs) in [
        (format!("{rows}{ATTEMPT}{LOGIN}"), &mut rung.same),
        (format!("{rows}{LOGIN}"), &mut rung.harder),
    ] {
        let out = &options.out;
        runs.push(pgbench(system, &script, rung.clients, options.seconds, out).await?);
    }
    Ok(())
}

fn tables(report: &mut Report, rungs: &[Rung]) {
    let columns = ["Clients", "Peyk, logins/s", "pgbench, tx/s", "Ratio", "Peyk p50 ms"];
    let more = ["Peyk p99 ms", "pgbench mean ms", "pgbench, without the attempt, tx/s", "Ratio"];
    let mut table = Table::new(&[&columns[..], &more[..]].concat());
    for rung in rungs {
        let against = |other: &[Pgbench]| rung.rate().median() / rate(other).median();
        let shown = |other: &[Pgbench]| format!("{}x", number(against(other), 2));
        table.row(&[
            rung.clients.to_string(),
            rung.rate().show(0),
            rate(&rung.same).show(0),
            shown(&rung.same),
            Figure::of(&rung.peyk, |load| load.times.accept.p50_ms()).show(2),
            Figure::of(&rung.peyk, |load| load.times.accept.p99_ms()).show(2),
            Figure::of(&rung.same, |run| run.average_ms).show(2),
            rate(&rung.harder).show(0),
            shown(&rung.harder),
        ]);
        let what = format!("log in, {} clients, against pgbench", rung.clients);
        let ratio = against(&rung.same);
        report.target(&what, &format!(">= {LEAST}x"), shown(&rung.same), ratio >= LEAST);
    }
    let about = "`POST /api/authenticate/` with a right code, each of another number that has an \
        account, over kept connections; every client has one request under way. The worker is \
        stopped. pgbench writes the same on the same server in turns with Peyk: the attempt \
        (`bench/sql/attempt.sql`) and then the transaction (`bench/sql/login.sql`: five round \
        trips); and, as a harder yardstick, the transaction alone.";
    report.table("Log in", about, &table);
    let mut table = Table::new(&["Clients", "api", "PostgreSQL", "Redis", "load client"]);
    for rung in rungs {
        table.row(&[
            rung.clients.to_string(),
            rung.cpu(|cpu| cpu.api).show(0),
            rung.cpu(|cpu| cpu.postgres).show(0),
            rung.cpu(|cpu| cpu.redis).show(0),
            rung.cpu(|cpu| cpu.bench).show(0),
        ]);
    }
    report.table("Log in: processor time", "Microseconds of CPU per login.", &table);
}

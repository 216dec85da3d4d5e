//! Accepting codes with a large backlog of texts to many in the same table.

use std::time::Duration;

use super::accept::MOST_PER_SECOND;
use crate::{
    Options,
    load::{self, Load, Until},
    progress,
    report::{Report, Table},
    statistics::{Figure, number},
    system::System,
};

/// Clients, each with one request under way.
const CLIENTS: usize = 64;
/// The least that is left of the rate of an empty table.
const LEAST: f64 = 0.9;

/// Measures accepts with an empty table and with a backlog, in turns.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    system.stop_worker().await;
    let (mut empty, mut full) = (Vec::new(), Vec::new());
    for run in 1..=options.runs {
        progress(&format!("accept with a backlog, run {run}"));
        empty.push(one(options, system, 0).await?);
        full.push(one(options, system, options.queued).await?);
    }
    let mut table = Table::new(&["Texts queued", "Accepts/s", "p50 ms", "p99 ms"]);
    for (queued, runs) in [(0, &empty), (options.queued, &full)] {
        table.row(&[
            queued.to_string(),
            Figure::of(runs, Load::rate).show(0),
            Figure::of(runs, |run| run.times.accept.p50_ms()).show(2),
            Figure::of(runs, |run| run.times.accept.p99_ms()).show(2),
        ]);
    }
    let about = format!(
        "`POST /api/otp/send/` as under \"Accept\", with {CLIENTS} clients, in turns with an empty \
         table and with texts to many that wait in it."
    );
    report.table("Accept with a backlog", &about, &table);
    let ratio = Figure::of(&full, Load::rate).median() / Figure::of(&empty, Load::rate).median();
    let what = format!("accept with {} texts queued, against none", options.queued);
    let measured = format!("{}x", number(ratio, 2));
    report.target(&what, &format!(">= {LEAST}x"), measured, ratio >= LEAST);
    Ok(())
}

async fn one(options: &Options, system: &mut System, queued: usize) -> anyhow::Result<Load> {
    let seconds = usize::try_from(options.seconds)?;
    let board = system.clear((seconds + 2) * MOST_PER_SECOND, CLIENTS, Duration::ZERO).await?;
    system.queue_bulk(queued).await?;
    system.need_api().await?;
    let span = Duration::from_secs(options.seconds);
    load::closed(system, &board, (CLIENTS, Until::Answered), span).await
}

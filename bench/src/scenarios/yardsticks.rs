//! Redis and a bare route.

use std::time::Duration;

use crate::{
    Options, progress,
    report::{Report, Table},
    statistics::Figure,
    system::System,
    yardsticks,
};

/// Clients of the bare route.
const CLIENTS: usize = 64;

/// Measures both.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    system.stop().await;
    let (mut bare, mut lpush) = (Vec::new(), Vec::new());
    let span = Duration::from_secs(options.seconds);
    for run in 1..=options.runs {
        progress(&format!("bare route and redis-benchmark, run {run}"));
        bare.push(yardsticks::bare(CLIENTS, span, &options.out).await?);
        lpush.extend(yardsticks::redis_lpush(system).await?);
        system.forget_redis().await?;
    }
    let mut table = Table::new(&["Yardstick", "A second", "CPU us each"]);
    table.row(&[
        format!("bare poem route, {CLIENTS} clients"),
        Figure::of(&bare, |run| run.rate).show(0),
        Figure::of(&bare, |run| run.cpu_micros).show(0),
    ]);
    let lpush = if lpush.is_empty() {
        "no redis-benchmark here".to_owned()
    } else {
        Figure::of(&lpush, |rate| *rate).show(0)
    };
    table.row(&["redis-benchmark, LPUSH, 50 clients".to_owned(), lpush, "-".to_owned()]);
    let about = "The bare route parses the JSON of a send and answers JSON like that of a send, \
        with nothing behind it.";
    report.table("Yardsticks", about, &table);
    Ok(())
}

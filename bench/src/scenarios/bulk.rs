//! Codes beside texts to many: does anybody who logs in notice a campaign?

use std::time::Duration;

use crate::{
    Options,
    load::{self, Load},
    progress,
    report::{Report, Table},
    statistics::{Figure, float, number},
    system::System,
};

/// Codes a second.
const CODES: f64 = 100.0;
/// The most that codes may be slower by.
const WORST: f64 = 1.5;
/// Room for codes of one run, with its warm-up.
const SPARE_SECONDS: usize = 10;

struct Run {
    load: Load,
    /// Texts to many a second meanwhile.
    texts: f64,
}

/// A figure of a run.
type Time = fn(&Run) -> f64;

/// Measures codes alone and beside texts to many, in turns, with an instant and a slow provider.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    system.stop_worker().await;
    system.need_api().await?;
    // A line of its own is what lets texts to many share calls.
    system.start_worker(&[("SMS__PROVIDERS__KAVENEGAR__SENDER", "10004346".to_owned())]).await?;
    let columns = ["Provider", "Codes", "Request to provider p50 ms", "p99 ms"];
    let more = ["p50 against alone", "p99 against alone", "Texts to many/s"];
    let mut table = Table::new(&[&columns[..], &more[..]].concat());
    for (provider, delay) in [("instant", Duration::ZERO), ("150 ms", Duration::from_millis(150))] {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for run in 1..=options.runs {
            progress(&format!("codes beside texts to many, provider {provider}, run {run}"));
            alone.push(one(options, system, delay, 0).await?);
            beside.push(one(options, system, delay, options.bulk).await?);
        }
        add(report, &mut table, provider, [&alone, &beside]);
    }
    system.stop_worker().await;
    let about = format!(
        "{} codes a second alone, and the same beside {} texts to many that are due at once (with \
         a line, so that they share calls), in turns. Times count from when a request was due.",
        number(CODES, 0),
        options.bulk
    );
    report.table("Codes beside texts to many", &about, &table);
    Ok(())
}

async fn one(
    options: &Options,
    system: &mut System,
    delay: Duration,
    texts: usize,
) -> anyhow::Result<Run> {
    let seconds = usize::try_from(options.seconds)?;
    let codes = (seconds + SPARE_SECONDS) * 100;
    let board = system.clear(codes, 1, delay).await?;
    system.queue_bulk(texts).await?;
    let span = Duration::from_secs(options.seconds);
    let before = system.sent_bulk().await?;
    let begun = std::time::Instant::now();
    let load = load::constant(system, &board, CODES, span).await?;
    let sent = u64::try_from(system.sent_bulk().await? - before).unwrap_or(0);
    let (_, twice) = board.calls();
    anyhow::ensure!(twice == 0, "{twice} codes were handed over twice");
    Ok(Run { load, texts: float(sent) / begun.elapsed().as_secs_f64() })
}

fn add(report: &mut Report, table: &mut Table, provider: &str, [alone, beside]: [&[Run]; 2]) {
    let quantiles: [(&str, Time); 2] = [
        ("p50", |run| run.load.times.to_call.p50_ms()),
        ("p99", |run| run.load.times.to_call.p99_ms()),
    ];
    let ratios = quantiles.map(|(_, of)| {
        Figure::of(beside, of).median() / Figure::of(alone, of).median().max(f64::EPSILON)
    });
    let shown = |ratio: f64| format!("{}x", number(ratio, 2));
    for (codes, runs) in [("alone", alone), ("beside", beside)] {
        let is_beside = codes == "beside";
        let ratio = |at: usize| if is_beside { shown(ratios[at]) } else { "-".to_owned() };
        table.row(&[
            provider.to_owned(),
            codes.to_owned(),
            Figure::of(runs, quantiles[0].1).show(2),
            Figure::of(runs, quantiles[1].1).show(2),
            ratio(0),
            ratio(1),
            Figure::of(runs, |run| run.texts).show(0),
        ]);
    }
    for ((name, _), ratio) in quantiles.into_iter().zip(ratios) {
        let what = format!("codes beside texts to many, provider {provider}: {name}");
        report.target(&what, &format!("<= {WORST}x"), shown(ratio), ratio <= WORST);
    }
}

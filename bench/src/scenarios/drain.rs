//! A backlog, from the start of a worker until the last text is sent.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Options,
    board::Board,
    load::{self, CpuClock},
    progress,
    report::{Report, Table},
    statistics::{Figure, count, micros_each},
    system::System,
};

/// How long the slow provider takes.
const SLOW: Duration = Duration::from_millis(150);
/// Longest wait for the backlog.
const PATIENCE: Duration = Duration::from_mins(3);

struct Case {
    provider: &'static str,
    delay: Duration,
    concurrency: Option<usize>,
    /// Whether the ids still are in Redis when the worker starts.
    redis: bool,
    wanted: f64,
}

struct Run {
    took: Duration,
    jobs: usize,
    longest_list: u64,
    cpu: load::Cpu,
}

/// Measures both providers, with the ids in Redis and with a Redis that lost them.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    let slow = Some(options.slow_concurrency);
    let case = |provider, delay, concurrency, redis, wanted| Case {
        provider,
        delay,
        concurrency,
        redis,
        wanted,
    };
    let cases = [
        case("instant", Duration::ZERO, None, true, 3_000.0),
        case("150 ms", SLOW, slow, true, 2_000.0),
        case("instant", Duration::ZERO, None, false, 3_000.0),
        case("150 ms", SLOW, slow, false, 2_000.0),
    ];
    system.stop_worker().await;
    let columns = ["Provider", "In flight at most", "Ids in Redis", "Jobs/s", "Longest list"];
    let more = ["worker CPU us/job", "PostgreSQL CPU us/job", "Redis", "provider"];
    let mut table = Table::new(&[&columns[..], &more[..]].concat());
    for case in cases {
        let mut runs = Vec::new();
        for run in 1..=options.runs {
            progress(&format!("backlog, provider {}, run {run}", case.provider));
            runs.push(drain(options, system, &case).await?);
        }
        add(report, &mut table, &case, &runs);
    }
    let about = format!(
        "{} sends are accepted while no worker runs. Then one starts (which counts) and works \
         until all are sent. `yes`: the ids wait in Redis; `no`: Redis lost everything, the sweep \
         finds the rows. For 2,000 a second at 150 ms each at least 300 must be in flight: \
         `worker.otp_concurrency` is {} there, elsewhere the default.",
        options.backlog, options.slow_concurrency
    );
    report.table("Drain", &about, &table);
    Ok(())
}

fn add(report: &mut Report, table: &mut Table, case: &Case, runs: &[Run]) {
    let rate = Figure::of(runs, |run| count(run.jobs) / run.took.as_secs_f64());
    let cpu = |of: fn(&load::Cpu) -> Duration| {
        Figure::of(runs, |run| micros_each(of(&run.cpu), run.jobs)).show(0)
    };
    let in_redis = if case.redis { "yes" } else { "no" };
    table.row(&[
        case.provider.to_owned(),
        case.concurrency.map_or("default".to_owned(), |limit| limit.to_string()),
        in_redis.to_owned(),
        rate.show(0),
        Figure::of(runs, |run| crate::statistics::float(run.longest_list)).show(0),
        cpu(|cpu| cpu.worker),
        cpu(|cpu| cpu.postgres),
        cpu(|cpu| cpu.redis),
        cpu(|cpu| cpu.bench),
    ]);
    let what = format!("drain, provider {}, ids in Redis: {in_redis}", case.provider);
    let wanted = format!(">= {}/s", crate::statistics::number(case.wanted, 0));
    report.target(&what, &wanted, format!("{}/s", rate.show(0)), rate.median() >= case.wanted);
}

async fn drain(options: &Options, system: &mut System, case: &Case) -> anyhow::Result<Run> {
    let jobs = options.backlog;
    let board = system.clear(jobs, 1, case.delay).await?;
    system.need_api().await?;
    load::fill(system, &board).await?;
    system.wait_until_pushes_are_over().await?;
    if !case.redis {
        system.forget_redis().await?;
    }
    let limit = case.concurrency.map(|limit| ("WORKER__OTP_CONCURRENCY", limit.to_string()));
    let settings: Vec<_> = limit.into_iter().collect();
    let before = CpuClock::read(system);
    let begun = Instant::now();
    system.start_worker(&settings).await?;
    let longest_list = watch(system, &board).await?;
    let (took, cpu) = (begun.elapsed(), CpuClock::read(system).since(&before));
    system.stop_worker().await;
    let (called, twice) = board.calls();
    anyhow::ensure!(called == jobs && twice == 0, "{called} texts handed over, {twice} twice");
    Ok(Run { took, jobs, longest_list, cpu })
}

/// Waits until all is sent; gives the longest list of ids that was seen meanwhile.
async fn watch(system: &System, board: &Arc<Board>) -> anyhow::Result<u64> {
    let (mut redis, key) = (system.redis.clone(), System::queue_key());
    let mut longest = 0;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let length: u64 = redis::cmd("LLEN").arg(&key).query_async(&mut redis).await?;
        longest = longest.max(length);
        let (called, _) = board.calls();
        if called >= board.capacity() && system.unsent().await? == 0 {
            return Ok(longest);
        }
        anyhow::ensure!(Instant::now() < deadline, "only {called} texts handed over in time");
        // Between two samples of the list.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

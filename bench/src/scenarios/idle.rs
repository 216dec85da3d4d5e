//! Memory and CPU of processes that have nothing to do, before and after the load.

use std::time::Duration;

use anyhow::Context;

use crate::{
    Options,
    processes::{anonymous_mb, cpu, resident_mb},
    progress,
    report::{Report, Table},
    statistics::number,
    system::System,
};

/// Before the load.
pub(crate) struct Idle {
    api_mb: f64,
    worker_mb: f64,
    anonymous_mb: (f64, f64),
    api_percent: f64,
    worker_percent: f64,
}

/// Leaves fresh processes alone for a while.
pub(crate) async fn measure(options: &Options, system: &mut System) -> anyhow::Result<Idle> {
    progress("idle processes");
    system.clear(0, 1, Duration::ZERO).await?;
    let api = system.need_api().await?;
    let worker = system.start_worker(&[]).await?;
    let pause = Duration::from_secs(options.idle_seconds);
    // Doing nothing for so long is what is measured.
    tokio::time::sleep(pause).await;
    let (api_mb, worker_mb) = (resident_mb(api), resident_mb(worker));
    let anonymous_mb = (anonymous_mb(api), anonymous_mb(worker));
    let before = (cpu(api), cpu(worker));
    tokio::time::sleep(pause).await;
    let percent = |now: Duration, before: Duration| {
        now.saturating_sub(before).as_secs_f64() / pause.as_secs_f64() * 100.0
    };
    Ok(Idle {
        api_mb,
        worker_mb,
        anonymous_mb,
        api_percent: percent(cpu(api), before.0),
        worker_percent: percent(cpu(worker), before.1),
    })
}

impl Idle {
    /// Looks again, at processes that have worked, and reports.
    pub(crate) async fn report(
        self,
        options: &Options,
        system: &mut System,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        // The processes come to rest.
        tokio::time::sleep(Duration::from_secs(options.idle_seconds)).await;
        let (api, worker) = system.pids();
        let api_after = resident_mb(api.context("the api runs")?);
        let mb = |megabytes: f64| format!("{} MB", number(megabytes, 1));
        let percent = |percent: f64| format!("{} %", number(percent, 1));
        // Only the parts with a worker leave one behind.
        let worker_after = worker.map_or("not measured".to_owned(), |pid| mb(resident_mb(pid)));
        let mut table = Table::new(&[
            "Process",
            "RSS after start",
            "of it anonymous",
            "RSS after load",
            "Idle CPU",
        ]);
        let (api_cpu, worker_cpu) = (percent(self.api_percent), percent(self.worker_percent));
        table.row(&[
            "api".to_owned(),
            mb(self.api_mb),
            mb(self.anonymous_mb.0),
            mb(api_after),
            api_cpu,
        ]);
        table.row(&[
            "worker".to_owned(),
            mb(self.worker_mb),
            mb(self.anonymous_mb.1),
            worker_after,
            worker_cpu.clone(),
        ]);
        let about = format!(
            "{} s after the start; CPU in percent of one core over the {0} s that follow; again \
             {0} s after the load of the parts above.",
            options.idle_seconds
        );
        report.table("Idle processes", &about, &table);
        let fits = |limit: f64, value: f64| value < limit;
        report.target("api, idle RSS", "< 40 MB", mb(self.api_mb), fits(40.0, self.api_mb));
        let worker_fits = fits(25.0, self.worker_mb);
        report.target("worker, idle RSS", "< 25 MB", mb(self.worker_mb), worker_fits);
        let calm = fits(2.0, self.worker_percent);
        report.target("worker, idle CPU", "< 2 % of a core", worker_cpu, calm);
        Ok(())
    }
}

//! `worker cron list` and `worker cron run`.

use std::io::{self, Write};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use shared::cron::{self as runs, CronRun};
use tokio_util::sync::CancellationToken;

use super::{
    CronJob,
    perform::{self, ByHand},
    scheduler,
};
use crate::{CRON_JOBS, Environment};

/// Looks at cron jobs or runs one now.
#[derive(Debug, Subcommand)]
pub enum CronCommand {
    /// Every job with its schedule, last and next run
    List,
    /// Run one job now
    Run {
        /// Name of the job, e.g. purge-expired-otps
        name: String,
        /// Only count what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

/// Carries out the command; its answer goes to standard output.
///
/// # Errors
/// When the job is unknown, under way, fails or is stopped; when the database is away.
pub async fn execute(env: &Environment, command: CronCommand) -> anyhow::Result<()> {
    let answer = match command {
        CronCommand::List => list(env).await?,
        CronCommand::Run { name, dry_run: true } => count(env, find(&name)?).await?,
        CronCommand::Run { name, dry_run: false } => run(env, find(&name)?).await?,
    };
    print(&answer)
}

/// Writes the answer of a command to standard output.
pub(crate) fn print(lines: &[String]) -> anyhow::Result<()> {
    heard_or_not(write(&mut io::stdout().lock(), lines))?;
    Ok(())
}

fn write(out: &mut impl Write, lines: &[String]) -> io::Result<()> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// A reader that has seen enough, such as `head`, is no failure.
fn heard_or_not(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn find(name: &str) -> anyhow::Result<&'static CronJob> {
    CronJob::find(name).with_context(|| {
        let known: Vec<_> = CRON_JOBS.iter().map(|job| job.name).collect();
        format!("no cron job is called {name:?}; there are: {}", known.join(", "))
    })
}

async fn count(env: &Environment, job: &CronJob) -> anyhow::Result<Vec<String>> {
    let rows = (job.count)(env).await?;
    Ok(vec![format!("{}: would delete {rows} rows", job.name)])
}

async fn run(env: &Environment, job: &'static CronJob) -> anyhow::Result<Vec<String>> {
    let stop = CancellationToken::new();
    let _stop_on_signal = tokio::spawn(cancel_on_signal(stop.clone()));
    match perform::run_by_hand(env, job, stop).await? {
        ByHand::Done { rows } => Ok(vec![format!("{}: deleted {rows} rows", job.name)]),
        ByHand::UnderWay => bail!("a run of {} is under way", job.name),
        ByHand::Stopped { rows } => bail!("{} was stopped; it deleted {rows} rows", job.name),
    }
}

async fn cancel_on_signal(stop: CancellationToken) {
    if shared::wait_for_stop_signal().await.is_ok() {
        stop.cancel();
    }
}

async fn list(env: &Environment) -> anyhow::Result<Vec<String>> {
    let runs = runs::last_runs(&env.pool, &scheduler::job_names()).await?;
    let now = env.clock.now();
    Ok(CRON_JOBS
        .iter()
        .flat_map(|job| {
            let last = runs.iter().find(|run| run.job == job.name);
            let next = job.next_after(&env.config, now);
            let schedule = job.expression(&env.config);
            [
                job.name.to_owned(),
                format!("  {}", job.about),
                format!("  schedule: {}", schedule.as_deref().unwrap_or("off")),
                format!("  last run: {}", last.map_or_else(|| "never".to_owned(), describe)),
                format!("  next run: {}", next.map_or_else(|| "off".to_owned(), shown)),
            ]
        })
        .collect())
}

/// `2026-01-05 01:30:00Z (ok, 12 rows in 34 ms)`.
fn describe(run: &CronRun) -> String {
    let mut facts = vec![run.state.clone()];
    match (run.rows, run.took_ms) {
        (Some(rows), Some(ms)) => facts.push(format!("{rows} rows in {ms} ms")),
        (Some(rows), None) => facts.push(format!("{rows} rows")),
        (None, _) => {}
    }
    if run.by_hand {
        facts.push("by hand".to_owned());
    }
    facts.extend(run.error.clone());
    format!("{} ({})", shown(run.fire_at), facts.join(", "))
}

/// A time as commands write it.
pub(crate) fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(state: &str, rows: Option<i64>, took_ms: Option<i64>) -> CronRun {
        CronRun {
            job: "purge".to_owned(),
            fire_at: DateTime::UNIX_EPOCH,
            started_at: DateTime::UNIX_EPOCH,
            asked_by: None,
            state: state.to_owned(),
            by_hand: false,
            rows,
            took_ms,
            error: None,
            success_age: None,
        }
    }

    #[test]
    fn a_run_is_described_by_its_outcome_rows_and_time() {
        let at = "1970-01-01 00:00:00Z";
        let ok = last("ok", Some(12), Some(34));
        assert_eq!(describe(&ok), format!("{at} (ok, 12 rows in 34 ms)"));
        let by_hand = CronRun { by_hand: true, ..ok };
        assert_eq!(describe(&by_hand), format!("{at} (ok, 12 rows in 34 ms, by hand)"));
        assert_eq!(describe(&last("running", Some(7), None)), format!("{at} (running, 7 rows)"));
        assert_eq!(describe(&last("skipped", None, None)), format!("{at} (skipped)"));
        let failed = CronRun { error: Some("why".to_owned()), ..last("error", Some(0), Some(1)) };
        assert_eq!(describe(&failed), format!("{at} (error, 0 rows in 1 ms, why)"));
    }

    /// Takes one line, then says what the writer is to fail with.
    struct Head(io::ErrorKind, Vec<u8>);

    impl Write for Head {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1.contains(&b'\n') {
                return Err(self.0.into());
            }
            self.1.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_leaves_is_no_failure_and_a_full_disk_is() {
        let lines = ["one", "two"].map(str::to_owned);
        let mut head = Head(io::ErrorKind::BrokenPipe, Vec::new());
        assert!(heard_or_not(write(&mut head, &lines)).is_ok());
        assert_eq!(head.1, b"one\n");
        let mut full = Head(io::ErrorKind::StorageFull, Vec::new());
        assert!(heard_or_not(write(&mut full, &lines)).is_err());
    }
}

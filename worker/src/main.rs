//! The `worker` binary.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::{Parser, Subcommand};
use shared::{config::Config, db, ids, telemetry};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use worker::{
    CRON_JOBS, Environment, JOBS,
    consumers::Consumers,
    cron::{self, CronJob, Mode},
    sweep,
};

/// Connections to PostgreSQL of all that is no job: sweep, cron and health checks.
const CONTROL_CONNECTIONS: u32 = 4;

#[derive(Parser)]
#[command(name = "worker", version, about = "Peyk's worker: delivers, retries, sweeps, cleans up")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Consume the queues and run the cron jobs (the default)
    Run,
    /// Look at cron jobs or run one now
    #[command(subcommand)]
    Cron(CronCommand),
}

#[derive(Subcommand)]
enum CronCommand {
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

#[tokio::main]
async fn main() -> ExitCode {
    match start(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "start-up errors go to the terminal")]
fn report(error: &anyhow::Error) {
    eprintln!("worker: {error:#}");
}

async fn start(arguments: Arguments) -> anyhow::Result<()> {
    let config = Config::load_with(worker::check_config)?;
    shared::install_crypto();
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => run(config).await,
        Command::Cron(command) => cron_command(config, command).await,
    }
}

fn environment(config: Config) -> anyhow::Result<Environment> {
    Environment::build(config, ids::process_name("worker", &mut rand::rng()))
}

async fn run(config: Config) -> anyhow::Result<()> {
    telemetry::init(&config)?;
    telemetry::log_panics();
    let shutdown = CancellationToken::new();
    let mut control = config.clone();
    control.database.max_connections = CONTROL_CONNECTIONS.min(config.database.max_connections);
    let env = Arc::new(environment(control)?);
    let address = env.config.worker.operations_listen;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("worker.operations_listen: cannot listen on {address}"))?;
    env.redis.check_eviction();
    db::watch("control", &env.pool);
    let operations = listener.local_addr()?;
    let process = env.process.clone();
    let consumers = Consumers::start(JOBS, || Environment::build(config, process), &shutdown)?;
    let tasks = TaskTracker::new();
    tasks.spawn(sweep::run(env.clone(), shutdown.clone()));
    tasks.spawn(cron::run(env.clone(), shutdown.clone()));
    let health = consumers.health();
    tokio::spawn(worker::operations::serve(listener, env.clone(), health, shutdown.clone()));
    tracing::info!(process = env.process, %operations, "worker started");
    shared::wait_for_stop_signal().await?;
    tracing::info!("draining");
    shutdown.cancel();
    tasks.close();
    let drained = async { tokio::join!(tasks.wait(), consumers.wait()) };
    if tokio::time::timeout(env.config.worker.drain(), drained).await.is_err() {
        tracing::warn!("drain deadline passed, the sweep of another worker takes over");
    }
    consumers.end();
    tracing::info!("worker stopped");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a command's answer goes to standard output")]
async fn cron_command(config: Config, command: CronCommand) -> anyhow::Result<()> {
    let env = environment(config)?;
    match command {
        CronCommand::List => {
            let runs = cron::last_runs(&env.pool).await?;
            for job in CRON_JOBS {
                println!("{}", describe(job, &env, &runs));
            }
        }
        CronCommand::Run { name, dry_run } => {
            let known = || CRON_JOBS.iter().map(|job| job.name).collect::<Vec<_>>().join(", ");
            let job = CronJob::find(&name).with_context(|| {
                format!("no cron job is called {name:?}; there are: {}", known())
            })?;
            let mode = if dry_run { Mode::DryRun } else { Mode::Real };
            let rows = cron::run_now(&env, job, mode).await?;
            let did = if dry_run { "would delete" } else { "deleted" };
            println!("{}: {did} {rows} rows", job.name);
        }
    }
    Ok(())
}

fn describe(job: &CronJob, env: &Environment, runs: &[cron::LastRun]) -> String {
    let last = runs.iter().find(|run| run.job == job.name);
    let last = last.map_or_else(
        || "never".to_owned(),
        |run| {
            let how = match (&run.error, run.rows) {
                (Some(error), _) => format!("failed: {error}"),
                (None, Some(rows)) => format!("{rows} rows"),
                (None, None) => "unfinished".to_owned(),
            };
            format!("{} ({how})", run.fire_at.format("%Y-%m-%d %H:%M:%SZ"))
        },
    );
    let next = job
        .next_after(&env.config, env.clock.now())
        .map_or_else(|| "off".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%SZ").to_string());
    format!("{}\n  {}\n  last run: {last}\n  next run: {next}", job.name, job.about)
}

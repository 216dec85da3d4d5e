//! The `worker` binary.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand};
use shared::{
    clock::{SharedClock, SystemClock},
    config::Config,
    db, ids,
    jobs::Queue,
    otp::Otp,
    queue::{LastFetch, Pusher, QueueServer},
    redis::Redis,
    sms::{deliveries::Deliveries, providers},
    telemetry,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use worker::{
    Environment,
    cron::{self, command::CronCommand},
    guard::Guard,
    supervisor, sweep,
};

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
        Command::Cron(command) => cron::command::execute(&environment(config)?, command).await,
    }
}

fn environment(config: Config) -> anyhow::Result<Environment> {
    let providers =
        Guard::around(providers::build(&config, &mut Vec::new()), config.worker.otp_concurrency);
    let clock: SharedClock = Arc::new(SystemClock);
    let pool = db::connect(&config.database)?;
    Ok(Environment {
        deliveries: Deliveries::new(&pool, clock.clone(), config.sms.lease()),
        process: ids::process_name("worker", &mut rand::rng()),
        otp: Otp::new(pool.clone(), clock.clone(), &config)?,
        redis: Redis::start(&config.redis)?,
        pusher: Pusher::start(QueueServer::new(&config.redis)),
        providers,
        pool,
        clock,
        config,
    })
}

async fn run(config: Config) -> anyhow::Result<()> {
    telemetry::init(&config)?;
    telemetry::log_panics();
    let env = Arc::new(environment(config)?);
    let address = env.config.worker.operations_listen;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("worker.operations_listen: cannot listen on {address}"))?;
    env.redis.check_eviction();
    let operations = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let tasks = TaskTracker::new();
    let last_fetch = LastFetch::default();
    for queue in Queue::ALL {
        tasks.spawn(supervisor::supervise(
            env.clone(),
            queue,
            last_fetch.clone(),
            shutdown.clone(),
        ));
    }
    tasks.spawn(sweep::run(env.clone(), shutdown.clone()));
    tasks.spawn(cron::run(env.clone(), shutdown.clone()));
    tokio::spawn(worker::operations::serve(listener, env.clone(), last_fetch, shutdown.clone()));
    tracing::info!(process = env.process, %operations, "worker started");
    shared::wait_for_stop_signal().await?;
    tracing::info!("draining");
    shutdown.cancel();
    tasks.close();
    let drain = Duration::from_millis(env.config.worker.drain_ms);
    if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
        tracing::warn!("drain deadline passed, the sweep of another worker takes over");
    }
    tracing::info!("worker stopped");
    Ok(())
}

//! The `worker` binary.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::{Parser, Subcommand};
use shared::{config::Config, db, ids, processes, telemetry};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use worker::{
    Environment, JOBS,
    consumers::Consumers,
    cron::{self, command::CronCommand},
    payments_command::{self, PaymentsCommand},
    providers_command::{self, ProvidersCommand},
    sweep,
    webhooks_command::{self, WebhooksCommand},
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
    /// How the SMS providers do: who is out, what is left, what the last hour and day were like
    Providers(ProvidersCommand),
    /// Compare payments with what gateways and the ledger say
    #[command(subcommand)]
    Payments(PaymentsCommand),
    /// Look at webhooks, tell them again or try an endpoint out
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
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
        Command::Providers(command) => {
            providers_command::execute(&environment(config)?, command).await
        }
        Command::Payments(command) => {
            payments_command::execute(&environment(config)?, command).await
        }
        Command::Webhooks(command) => {
            webhooks_command::execute(&environment(config)?, command).await
        }
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
    let (doors, pauses) = (consumers.side_doors(), consumers.pauses());
    tasks.spawn(sweep::run(env.clone(), doors, pauses, shutdown.clone()));
    tasks.spawn(cron::run(env.clone(), shutdown.clone()));
    let (pool, name) = (env.pool.clone(), env.process.clone());
    tasks.spawn(processes::beat(pool, name, processes::Kind::Worker, || 0, shutdown.clone()));
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

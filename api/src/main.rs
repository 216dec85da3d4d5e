//! The `api` binary: serves HTTP, validates, commits, enqueues.

mod audit;
mod blocklist;
mod caller;
mod chat_check;
mod console;
mod currency;
mod document;
mod error;
mod guard;
mod idempotency;
mod import;
mod input;
mod keys;
mod language;
mod ledger;
mod legacy;
mod limits;
mod middleware;
mod router;
mod routes;
mod server;
mod signing_keys;
mod staff;
mod state;
mod superuser;
mod timestamp;
mod users;
mod waiters;
mod webhooks;
mod ws;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand};
use shared::{
    config::{Config, Mode, init_toml},
    db, processes, telemetry,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    server::ServerLimits,
    state::{SharedState, State},
};

/// Longest wait for the first look at who is blocked, before anybody is answered.
const FIRST_LOOK: Duration = Duration::from_secs(2);

#[derive(Parser)]
#[command(name = "api", version, about = "Peyk's HTTP server")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve HTTP (the default)
    Serve,
    /// Apply the database migrations
    Migrate,
    /// Read the configuration and name everything that is wrong with it
    CheckConfig,
    /// Print a complete configuration with fresh secrets
    Init {
        /// For trying out, without any account
        #[arg(long)]
        sandbox: bool,
    },
    /// API keys, for programs that send texts, and the key that signs tokens
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Numbers that get no texts but codes, and who is refused altogether
    #[command(subcommand)]
    Blocklist(blocklist::BlocklistCommand),
    /// Where providers report deliveries and inbound texts
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    /// What the guard against pumping found
    #[command(subcommand)]
    Guard(guard::GuardCommand),
    /// People's accounts
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// Make the first admin: asks for name, e-mail address and password
    #[command(name = "createsuperuser")]
    CreateSuperuser(superuser::Superuser),
    /// Who is on the staff
    #[command(subcommand)]
    Staff(staff::StaffCommand),
    /// Who did what to whose account
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// What moved money
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Connect clients to a running Peyk: does its chat lose, double or reorder anything?
    ChatCheck(chat_check::ChatCheck),
    /// Move accounts, money and chat here from the Django packages, with their ids
    ImportDjango(import::ImportDjango),
    /// Print the OpenAPI document, or write openapi.json and openapi.yaml to a folder
    Openapi {
        /// YAML instead of JSON
        #[arg(long)]
        yaml: bool,
        /// The folder to write both files to
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match start(Arguments::parse().command.unwrap_or(Command::Serve)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "start-up errors go to the terminal")]
fn report(error: &anyhow::Error) {
    eprintln!("api: {error:#}");
}

#[expect(clippy::print_stdout, reason = "a command's answer goes to standard output")]
fn print(text: &str) {
    print!("{text}");
}

async fn start(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve => serve(load()?).await,
        Command::Migrate => db::migrate(&load()?.database).await,
        Command::CheckConfig => {
            load()?;
            print("The configuration is good.\n");
            Ok(())
        }
        Command::Keys(command) => {
            print(&keys::execute(&load()?, command).await?);
            Ok(())
        }
        Command::Blocklist(command) => {
            print(&blocklist::execute(&load()?, command).await?);
            Ok(())
        }
        Command::Webhooks(command) => {
            print(&webhooks::execute(&load()?, &command)?);
            Ok(())
        }
        Command::Guard(command) => {
            print(&guard::execute(&load()?, command).await?);
            Ok(())
        }
        Command::Users(command) => {
            print(&users::execute(&load()?, command).await?);
            Ok(())
        }
        Command::CreateSuperuser(given) => {
            print(&superuser::execute(&load()?, given).await?);
            Ok(())
        }
        Command::Staff(command) => {
            print(&staff::execute(&load()?, command).await?);
            Ok(())
        }
        Command::Audit(command) => {
            print(&audit::execute(&load()?, command).await?);
            Ok(())
        }
        Command::Ledger(command) => ledger::execute(&load()?, command).await,
        Command::ChatCheck(asked) => chat_check::execute(asked).await,
        Command::ImportDjango(command) => import::execute(&load()?, command).await,
        Command::Init { sandbox } => {
            print(&init_toml(if sandbox { Mode::Sandbox } else { Mode::Production }));
            Ok(())
        }
        Command::Openapi { out: Some(folder), .. } => {
            let document = document::document();
            std::fs::write(folder.join("openapi.json"), document::json_text(&document))?;
            std::fs::write(folder.join("openapi.yaml"), document::yaml_text(&document))?;
            Ok(())
        }
        Command::Openapi { yaml, out: None } => {
            let text = if yaml { document::yaml_text } else { document::json_text };
            print(&text(&document::document()));
            Ok(())
        }
    }
}

/// Reads the configuration with the checks that need the features: providers, keys, countries.
fn load() -> anyhow::Result<Config> {
    shared::install_crypto();
    let config = Config::load_with(|config, errors| {
        shared::sms::providers::build(config, errors);
        shared::payments::gateways::Gateways::build(config, None, errors);
    })?;
    Ok(config)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::init(&config)?;
    telemetry::log_panics();
    let listener = bind(config.http.listen, "http.listen").await?;
    let listen = listener.local_addr()?;
    let operations = match config.http.operations_listen {
        Some(address) => Some(bind(address, "http.operations_listen").await?),
        None => None,
    };
    let limits = ServerLimits {
        max_connections: config.http.max_connections,
        head_timeout: config.http.header_timeout(),
        write_timeout: Duration::from_secs(30),
        shutdown: config.http.shutdown(),
    };
    let state: SharedState = Arc::new(State::build(config)?);
    state.redis.check_eviction();
    state.blocks.load(FIRST_LOOK).await;
    let shutdown = CancellationToken::new();
    if let Some(listener) = operations {
        let operations = listener.local_addr()?;
        tracing::info!(%operations, "operations port");
        let app = router::operations_app(state.clone());
        tokio::spawn(server::serve(listener, app, limits, shutdown.clone()));
    }
    let beating = tokio::spawn(processes::beat(
        state.pool.clone(),
        state.process.clone(),
        processes::Kind::Api,
        ws::open_sockets,
        shutdown.clone(),
    ));
    let app = router::app(state.clone());
    let last_seen = state.last_seen.clone();
    tracing::info!(listen = %listen, mode = ?state.config.mode, "api started");
    let (stopping, sockets) = (shutdown.clone(), state.sockets.clone());
    tokio::spawn(async move {
        if shared::wait_for_stop_signal().await.is_ok() {
            tracing::info!("draining");
            stopping.cancel();
            sockets.drain(limits.shutdown).await;
        }
    });
    server::serve(listener, app, limits, shutdown).await?;
    last_seen.write().await;
    drop(beating.await);
    tracing::info!("api stopped");
    Ok(())
}

async fn bind(address: std::net::SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{key}: cannot listen on {address}"))
}

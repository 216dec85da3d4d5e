//! What Peyk's two processes agree on: domain types, stores, queues, events, providers.
//!
//! Modules are features (`otp`, `sms`, `users`, `sessions`, `auth`) or the ground they stand on
//! (`config`, `db`, `queue`, `redis` …). Nothing here knows HTTP serving.

pub mod admin;
pub mod audit;
pub mod auth;
pub mod batch;
pub mod blocks;
pub mod breaker;
pub mod chat;
pub mod clock;
pub mod config;
pub mod cron;
pub mod db;
pub mod device;
mod due;
pub mod events;
pub mod fold;
pub mod http_client;
pub mod idempotency;
pub mod ids;
pub mod import;
pub mod jobs;
pub mod leases;
pub mod limits;
pub mod login_events;
pub mod money;
pub mod organizations;
pub mod otp;
pub mod payments;
pub mod phone;
pub mod processes;
pub mod purge;
pub mod queue;
pub mod redis;
pub mod sessions;
pub mod settings;
pub mod sms;
pub mod telemetry;
pub mod users;
pub mod wallets;
pub mod webhooks;
mod wire;

/// Chooses what does TLS and signs tokens in this process; call once, before the first of them.
pub fn install_crypto() {
    // An error only says that it was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    auth::signatures::install();
}

/// Returns when the process is told to stop by SIGTERM or Ctrl-C.
///
/// # Errors
/// When the signals cannot be listened for.
pub async fn wait_for_stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

//! `[http]`: what the api listens on and how long it waits.

use std::{net::SocketAddr, time::Duration};

use ipnetwork::IpNetwork;
use serde::Deserialize;

/// How the api serves HTTP.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Http {
    /// Where the api listens. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// What clients see before the path, without a slash at the end; URLs in answers begin with
    /// it, never with the Host header. Default `http://127.0.0.1:8080`.
    pub public_url: String,
    /// Every operation is served under each of these; the first is the documented one.
    /// Default `/api` and `/drfchelseru`.
    pub prefixes: Vec<String>,
    /// Milliseconds a request waits for the worker's outcome before it answers 202.
    /// Default 5000.
    pub wait_ms: u64,
    /// Requests that may wait at once in one process; more are answered 202. Default 500.
    pub max_waiters: usize,
    /// Bytes of the largest request body. Default 65536.
    pub max_body_bytes: usize,
    /// Open connections of one process. Default 10000.
    pub max_connections: usize,
    /// Milliseconds a client has to send its headers. Default 10000.
    pub header_timeout_ms: u64,
    /// Milliseconds a whole request may take, waiting included. Default 30000.
    pub request_timeout_ms: u64,
    /// Proxies whose `X-Forwarded-For` is believed. Default none.
    pub trusted_proxies: Vec<IpNetwork>,
    /// Whether validation errors also carry the flat members of the old systems. Default true.
    pub legacy_field_errors: bool,
    /// Whether the documentation UI is served. `None` (default): only in sandbox mode.
    pub docs: Option<bool>,
    /// Where the api serves `/metrics`. `None` (default): nowhere in production, on `listen` in
    /// sandbox mode.
    pub operations_listen: Option<SocketAddr>,
    /// Milliseconds running requests have to end after SIGTERM. Default 10000.
    pub shutdown_ms: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: "http://127.0.0.1:8080".to_owned(),
            prefixes: vec!["/api".to_owned(), "/drfchelseru".to_owned()],
            wait_ms: 5_000,
            max_waiters: 500,
            max_body_bytes: 65_536,
            max_connections: 10_000,
            header_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            trusted_proxies: Vec::new(),
            legacy_field_errors: true,
            docs: None,
            operations_listen: None,
            shutdown_ms: 10_000,
        }
    }
}

impl Http {
    /// [`Http::wait_ms`].
    pub fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }

    /// [`Http::header_timeout_ms`].
    pub fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    /// [`Http::request_timeout_ms`].
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    /// [`Http::shutdown_ms`].
    pub fn shutdown(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms)
    }
}

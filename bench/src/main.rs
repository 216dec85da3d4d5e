//! Measures Peyk against its yardsticks, on one machine in one run: `script/bench`.
//!
//! `bench run` drives real `api` and `worker` processes over a PostgreSQL and a Redis that the
//! script started; `bench bare` is the smallest possible server, for comparison.
#![expect(clippy::float_arithmetic, reason = "rates, ratios and percentages; no money here")]

mod bare;
mod board;
mod gateway;
mod http;
mod load;
mod machine;
mod processes;
mod provider;
mod report;
mod scenarios;
mod statistics;
mod system;
mod web_socket;
mod yardsticks;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(name = "bench", about = "Measures Peyk against its yardsticks; see docs/benchmarks.md")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure
    Run(Box<Options>),
    /// Serve a bare route, the yardstick of what HTTP alone costs
    Bare {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Hand on what one connection says to others, the yardstick of what sockets alone cost
    BareFan {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
    },
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Memory and CPU of processes that have nothing to do
    Idle,
    /// Accepts per second beside pgbench with the same transaction
    Accept,
    /// Logins per second beside pgbench with the same transaction
    Login,
    /// Latencies at half of the measured maximum and at 5 a second
    Latency,
    /// A backlog, until it is delivered
    Drain,
    /// Codes beside texts to many
    Bulk,
    /// Accepts with texts to many queued
    Backlog,
    /// The check of an access token, alone and in a request
    Bearer,
    /// Payments begun and verified beside pgbench with the same transactions
    Payments,
    /// Postings per second beside pgbench with the same transaction, and pages of entries
    Wallets,
    /// Messages posted beside pgbench with the same transaction
    Chat,
    /// Pages of a room with a long history
    ChatPages,
    /// What passes in rooms handed on to their sockets, beside a bare loop
    Fan,
    /// Memory of sockets that have nothing to do
    Sockets,
    /// Pages of the lists of staff, with every search, filter and order
    Console,
    /// Redis and a bare HTTP route
    Yardsticks,
}

/// How it is measured.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Only these parts
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Part>,
    /// Runs of each figure; the median is shown
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: usize,
    /// Seconds of one run
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Seconds of one run at 5 requests a second
    #[arg(long, default_value_t = 20)]
    pub(crate) trickle_seconds: u64,
    /// Seconds the processes are left alone before their memory is read
    #[arg(long, default_value_t = 10)]
    pub(crate) idle_seconds: u64,
    /// Numbers of clients
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64, 256])]
    pub(crate) clients: Vec<usize>,
    /// Messages of a backlog
    #[arg(long, default_value_t = 20_000)]
    pub(crate) backlog: usize,
    /// Texts to many that are due at once beside codes
    #[arg(long, default_value_t = 20_000)]
    pub(crate) bulk: usize,
    /// Texts to many that wait while codes are accepted
    #[arg(long, default_value_t = 100_000)]
    pub(crate) queued: usize,
    /// Entries of a wallet with a long history
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) entries: usize,
    /// Messages of a room with a long history
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) messages: usize,
    /// Messages among which staff look; accounts, sessions and payments are a fifth of that
    #[arg(long, default_value_t = 100_000)]
    pub(crate) console_rows: i64,
    /// OTP texts in flight at once (`worker.otp_concurrency`) with the slow provider
    #[arg(long, default_value_t = 400)]
    pub(crate) slow_concurrency: usize,
    /// `log.filter` of both processes
    #[arg(long, default_value = "info")]
    pub(crate) log_filter: String,
    /// Where logs and results go; on the disk PostgreSQL writes to
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Also write the results between the markers of this file
    #[arg(long)]
    pub(crate) publish: Option<PathBuf>,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

// One thread: the load has to leave the processors to what it loads.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(options) => Box::pin(run(&options)).await,
        Command::Bare { listen } => bare::serve(listen).await,
        Command::BareFan { listen } => bare::fan::serve(listen).await,
    }
}

#[expect(clippy::print_stdout, reason = "the results are the command's answer")]
async fn run(options: &Options) -> anyhow::Result<()> {
    tokio::fs::create_dir_all(&options.out).await?;
    let mut system = system::System::start(options).await?;
    let mut report = report::Report::new(machine::describe(options, &system).await?);
    let measured = scenarios::measure(options, &mut system, &mut report).await;
    system.stop().await;
    // What was measured before something failed was measured.
    let text = report.text();
    tokio::fs::write(options.out.join("results.md"), &text).await?;
    measured?;
    if let Some(page) = &options.publish {
        report::publish(page, &text).await?;
    }
    println!("{text}");
    Ok(())
}

/// Says what is being done.
#[expect(clippy::print_stderr, reason = "results go to standard output, progress does not")]
pub(crate) fn progress(what: &str) {
    eprintln!("bench: {what}");
}

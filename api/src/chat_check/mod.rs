//! `api chat-check`: whether a running chat loses, doubles or reorders anything, judged at its
//! clients.
//!
//! Some people make a room, each opens sockets in it, everybody writes, and sockets are cut at
//! random. Each client keeps account of the numbers of the room's log as they come: every number
//! must come once, after the one before it. In the end everybody must have everything.

mod account;
mod client;
mod tally;

use std::{fmt::Write, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use clap::Args;
use futures_util::future::join_all;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use self::{
    account::{Account, Server},
    client::{Client, Plan},
    tally::{Report, Tally},
};

/// Clients of one person: the default of `chat.sockets.per_user` is ten, and a socket that was cut
/// may be counted for a while.
const CLIENTS_PER_PERSON: usize = 4;
/// Connections that are being opened at once.
const OPENING: usize = 16;
/// Until everybody must have everything, after the last message.
const SETTLE: Duration = Duration::from_mins(1);

/// Connects clients to a running Peyk and checks that each gets everything once and in order
#[derive(Debug, Clone, Args)]
pub(crate) struct ChatCheck {
    /// Where it is, such as <https://api.example.com>; several are processes of the same
    #[arg(long, required = true)]
    url: Vec<String>,
    /// The prefix of its paths
    #[arg(long, default_value = "/api")]
    prefix: String,
    /// Sockets
    #[arg(long, default_value_t = 20)]
    clients: usize,
    /// Seconds for which they write
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Minutes more of it
    #[arg(long, default_value_t = 0)]
    minutes: u64,
    /// Rooms they are spread over
    #[arg(long, default_value_t = 2)]
    rooms: usize,
    /// Seconds between two messages of a client, on average; mind `chat.rate`
    #[arg(long, default_value_t = 8.0)]
    every: f64,
    /// Seconds until a socket is cut, on average; 0: never
    #[arg(long, default_value_t = 10.0)]
    cut_after: f64,
    /// A file with access tokens, one to a line, of people to be; without it accounts are made with
    /// register/ and erased afterwards
    #[arg(long)]
    tokens: Option<std::path::PathBuf>,
}

/// Carries out the command and prints what came of it.
///
/// # Errors
/// When the check cannot be made, and when anything was lost, doubled or reordered.
pub(crate) async fn execute(asked: ChatCheck) -> anyhow::Result<()> {
    shared::install_crypto();
    ensure!(asked.clients > 0 && asked.rooms > 0, "at least one client and one room");
    ensure!(asked.every > 0.0, "--every must be above 0");
    let seconds = asked.minutes.saturating_mul(60).saturating_add(asked.seconds);
    let time = Duration::from_secs(seconds.min(7 * 86_400));
    let server = Arc::new(Server::new(&asked.url, &asked.prefix)?);
    let people = people(&server, &asked).await?;
    let outcome = check(&server, &people, &asked, time).await;
    let is_guest = asked.tokens.is_none();
    join_all(people.iter().filter(|_| is_guest).map(|account| account.erase(&server))).await;
    let report = outcome?;
    super::print(&describe(&report));
    if report.is_clean() {
        return Ok(());
    }
    bail!(
        "the chat is not sound: {} lost, {} doubled, {} reordered, {} never accepted",
        report.lost,
        report.doubled,
        report.reordered,
        report.unaccepted
    )
}

async fn people(server: &Server, asked: &ChatCheck) -> anyhow::Result<Vec<Arc<Account>>> {
    if let Some(file) = &asked.tokens {
        let text = std::fs::read_to_string(file).context("--tokens cannot be read")?;
        let tokens = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let accounts = join_all(tokens.map(|token| Account::of_token(server, token))).await;
        let accounts: Vec<_> = accounts.into_iter().collect::<anyhow::Result<_>>()?;
        ensure!(!accounts.is_empty(), "--tokens has no token in it");
        return Ok(accounts.into_iter().map(Arc::new).collect());
    }
    let mut accounts = Vec::new();
    for _ in 0..asked.clients.div_ceil(CLIENTS_PER_PERSON) {
        accounts.push(Arc::new(Account::register(server).await?));
    }
    Ok(accounts)
}

async fn check(
    server: &Arc<Server>,
    people: &[Arc<Account>],
    asked: &ChatCheck,
    time: Duration,
) -> anyhow::Result<Report> {
    let mut rooms = Vec::new();
    for _ in 0..asked.rooms {
        rooms.push(people[0].make_room(server, people).await?);
    }
    let writing = CancellationToken::new();
    let plan = Arc::new(Plan {
        server: server.clone(),
        every: Duration::try_from_secs_f64(asked.every)?,
        cut_after: (asked.cut_after > 0.0)
            .then(|| Duration::try_from_secs_f64(asked.cut_after))
            .transpose()?,
        opening: Semaphore::new(OPENING),
        started: Instant::now(),
        writing: writing.clone(),
        ended: CancellationToken::new(),
    });
    let tallies: Vec<_> = (0..asked.clients)
        .map(|number| {
            let room = rooms[number % rooms.len()];
            let account = people[number % people.len()].clone();
            Client::start(number, room, account, plan.clone())
        })
        .collect();
    tokio::time::sleep(time).await;
    writing.cancel();
    let whole = settle(server, &people[0], &rooms, &tallies).await;
    plan.ended.cancel();
    let tallies = join_all(tallies.into_iter().map(Client::finish)).await;
    let heads = whole?;
    let mut report = Report { seconds: plan.started.elapsed().as_secs(), ..Report::default() };
    for (room, head) in heads {
        // What their clients call messages is told to their writers alone.
        let mut logged = Vec::new();
        for account in people {
            logged.extend(account.log(server, room).await?);
        }
        let of_room: Vec<&Tally> = tallies.iter().filter(|tally| tally.room == room).collect();
        report.add(&of_room, &logged, head);
    }
    for room in rooms {
        people[0].delete_room(server, room).await;
    }
    Ok(report)
}

/// Waits until every message was accepted and everybody has come to the end of the log, or long enough.
async fn settle(
    server: &Server,
    account: &Account,
    rooms: &[i64],
    clients: &[Client],
) -> anyhow::Result<Vec<(i64, i64)>> {
    let deadline = Instant::now() + SETTLE;
    loop {
        let mut heads = Vec::new();
        for room in rooms {
            heads.push((*room, account.head(server, *room).await?));
        }
        let at_end = |client: &Client| {
            let head = heads.iter().find(|(room, _)| *room == client.room).map(|(_, head)| *head);
            client.is_settled(head.unwrap_or_default())
        };
        if clients.iter().all(at_end) || Instant::now() > deadline {
            return Ok(heads);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn describe(report: &Report) -> String {
    let mut text = String::new();
    let lines = [
        ("seconds", report.seconds.to_string()),
        ("clients", report.clients.to_string()),
        ("connections", report.connections.to_string()),
        ("messages accepted", report.accepted.to_string()),
        ("never accepted", report.unaccepted.to_string()),
        ("events received", report.received.to_string()),
        ("read over HTTP after a resync", report.filled.to_string()),
        ("lost", report.lost.to_string()),
        ("doubled", report.doubled.to_string()),
        ("reordered", report.reordered.to_string()),
        ("accepted after, ms", report.accepted_after.describe()),
        ("delivered after, ms", report.delivered_after.describe()),
    ];
    for (name, value) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<32}{value}");
    }
    text
}

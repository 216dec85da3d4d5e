//! The lists of staff over a great many rows: every list of the document with every search, filter
//! and order it offers.

mod offered;
mod seed;

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use shared::{
    auth::tokens::Tokens,
    clock::{Clock, SystemClock},
    sessions::{self, Lifetimes, Method, NewSession, Origin},
};

use self::offered::{List, lists};
use crate::{
    Options,
    http::Connection,
    progress,
    report::{Report, Table},
    statistics::{Latencies, millis, number},
    system::System,
};

/// How often each is asked, at least: so often that one answer is less than a hundredth.
const REQUESTS: usize = 120;
/// What a page may take, for 99 of 100.
const WANTED: Duration = Duration::from_millis(100);
/// Pages that are followed from each first one.
const PAGES: usize = 3;

/// Measures them all.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    let rows = seed::fill(&system.pool, options.console_rows).await?;
    system.need_api().await?;
    let mut asker = Asker::new(system).await?;
    let document = asker.get("/openapi.json").await?.1;
    let mut table =
        Table::new(&["List", "Ways", "Refused", "p50 ms", "p99 ms", "Slowest way", "its p99 ms"]);
    let (mut worst, mut worst_of) = (Duration::ZERO, String::new());
    for list in lists(&document) {
        let measured = asker.walk(&list).await.with_context(|| list.name.clone())?;
        let slowest = number(millis(measured.slowest.1), 1);
        progress(&format!("{}: {slowest} ms, `{}`", list.name, measured.slowest.0));
        if measured.slowest.1 > worst {
            worst = measured.slowest.1;
            worst_of = format!("{}{}", list.path, measured.slowest.0);
        }
        table.row(&[
            list.name.clone(),
            list.ways.len().to_string(),
            measured.refused.to_string(),
            number(measured.all.p50_ms(), 1),
            number(measured.all.p99_ms(), 1),
            format!("`{}`", measured.slowest.0),
            slowest,
        ]);
    }
    let wanted = format!("<= {} ms", WANTED.as_millis());
    let shown = format!("{} ms (`{worst_of}`)", number(millis(worst), 1));
    report.target(
        "a page of a list of staff, p99 of the slowest way",
        &wanted,
        shown,
        worst <= WANTED,
    );
    let about = format!(
        "Over {rows}. Every list below `admin/` of the document, with each value of each search, filter \
         and order alone and each filter in each order; each way {REQUESTS} times at least on one connection, with up \
         to {PAGES} pages after the first one, beginning with whatever is in no cache. *Refused*: ways that are answered 400, such as a search for a \
         name where only numbers are searched, or a queue without a state."
    );
    report.table("Lists of staff", &about, &table);
    Ok(())
}

/// What was measured of a list.
struct Measured {
    all: Latencies,
    refused: usize,
    /// The query, and its p99.
    slowest: (String, Duration),
}

/// An admin at the api.
struct Asker {
    connection: Connection,
    token: String,
}

impl Asker {
    async fn new(system: &System) -> anyhow::Result<Self> {
        let config = system.config()?;
        let user =
            "INSERT INTO users (username, role, created_at) VALUES ('bench-admin', 'admin', now())
            ON CONFLICT (username) DO UPDATE SET role = 'admin', is_active = true RETURNING id";
        let user_id = sqlx::query_scalar(user).fetch_one(&system.pool).await?;
        let (origin, lifetimes) = (Origin::default(), Lifetimes::new(&config.auth));
        let new = NewSession { user_id, origin: &origin, method: Method::Otp };
        let mut connection = system.pool.acquire().await?;
        let begun = sessions::begin(&mut connection, &[new], &lifetimes, SystemClock.now()).await?;
        let session = begun.into_iter().next().context("a session begins")?;
        let pair = Tokens::new(&config.auth)?.pair(&session, SystemClock.now(), &mut rand::rng());
        let connection = Connection::open(system.address).await?;
        Ok(Self { connection, token: pair.access })
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<(u16, Value)> {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
            self.token
        );
        let (status, body) = self.connection.ask(head.as_bytes()).await?;
        Ok((status, serde_json::from_slice(body).unwrap_or_default()))
    }

    async fn walk(&mut self, list: &List) -> anyhow::Result<Measured> {
        let (mut all, mut refused) = (Vec::new(), 0);
        let mut slowest = (String::new(), Duration::ZERO);
        for query in &list.ways {
            let mut times = Vec::new();
            while times.len() < REQUESTS {
                match self.pages(&format!("{}{query}", list.path)).await? {
                    Some(taken) => times.extend(taken),
                    None => break,
                }
            }
            if times.is_empty() {
                refused += 1;
                continue;
            }
            all.extend_from_slice(&times);
            let p99 = Latencies::new(times).quantile(990);
            if p99 > slowest.1 {
                slowest = (query.clone(), p99);
            }
        }
        Ok(Measured { all: Latencies::new(all), refused, slowest })
    }

    /// The times of a first page and those after it; `None`: it is refused.
    async fn pages(&mut self, path: &str) -> anyhow::Result<Option<Vec<Duration>>> {
        let (mut path, mut times) = (path.to_owned(), Vec::new());
        for _ in 0..=PAGES {
            let begun = Instant::now();
            let (status, page) = self.get(&path).await?;
            let taken = begun.elapsed();
            if (status == 400 || status == 404) && times.is_empty() {
                return Ok(None);
            }
            anyhow::ensure!(status == 200, "{path} is answered {status}: {page}");
            times.push(taken);
            let Some(next) = page["next"].as_str() else { break };
            let (_, rest) = next.split_once("/api/").context("no address of this api")?;
            path = format!("/api/{rest}");
        }
        Ok(Some(times))
    }
}

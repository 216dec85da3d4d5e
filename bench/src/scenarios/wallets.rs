//! Postings per second, on one wallet and on many, beside pgbench with the same transaction in turns;
//! and what a page of a long history costs against one of a short history.

use std::time::Duration;

use rand::SeedableRng;
use serde_json::json;
use shared::{
    auth::api_keys::{self, NewApiKey, Scope},
    clock::{Clock, SystemClock},
};

use super::{
    closed::{self, Run},
    pages::{MOST, page_times},
};
use crate::{
    Options, progress,
    report::{Report, Table},
    statistics::{Figure, number},
    system::System,
    yardsticks::{Pgbench, SPEND, pgbench},
};

/// Wallets that take turns, where it is not one alone.
const WALLETS: usize = 10_000;
/// What each has: more than any run spends.
const RICH: i64 = 1_000_000_000;
/// Entries of a short history.
const SHORT: usize = 100;

/// Measures one wallet and many, and the pages.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    system.stop_worker().await;
    system.clear(0, 1, Duration::ZERO).await?;
    let first = system.ready_wallets(WALLETS, RICH).await?;
    let key = api_key(system).await?;
    let columns = ["Wallets", "Clients", "Peyk, spends/s", "pgbench, tx/s", "Ratio"];
    let more = ["Peyk p50 ms", "Peyk p99 ms", "pgbench mean ms", "api CPU us each"];
    let mut table = Table::new(&[&columns[..], &more[..]].concat());
    for wallets in [1, WALLETS] {
        for &clients in &options.clients {
            let (mut peyk, mut same) = (Vec::new(), Vec::new());
            for run in 1..=options.runs {
                progress(&format!("spend, {wallets} wallets, {clients} clients, run {run}"));
                let spender = Spender { key: key.clone(), first, wallets };
                let span = Duration::from_secs(options.seconds);
                let request = move |number| spender.request(number);
                peyk.push(closed::run(system, (clients, span), 200, request).await?);
                let script = format!("\\set wallets {wallets}\n{SPEND}");
                let (seconds, out) = (options.seconds, &options.out);
                same.push(pgbench(system, &script, clients, seconds, out).await?);
            }
            row(report, &mut table, (wallets, clients), (&peyk, &same));
        }
    }
    let about = "`POST /api/wallet/spend/`, each under an `Idempotency-Key` of its own, over kept \
        connections; every client has one request under way. pgbench writes the same on the same server \
        in turns with Peyk (`bench/sql/spend.sql`: seven round trips).";
    report.table("Wallets: spends", about, &table);
    pages(options, system, report, (&key, first)).await
}

fn row(
    report: &mut Report,
    table: &mut Table,
    (wallets, clients): (usize, usize),
    (peyk, same): (&[Run], &[Pgbench]),
) {
    let rate = Figure::of(peyk, |run| run.rate);
    let yardstick = Figure::of(same, |run| run.rate);
    let ratio = rate.median() / yardstick.median();
    let shown = format!("{}x", number(ratio, 2));
    table.row(&[
        wallets.to_string(),
        clients.to_string(),
        rate.show(0),
        yardstick.show(0),
        shown.clone(),
        Figure::of(peyk, |run| run.times.p50_ms()).show(2),
        Figure::of(peyk, |run| run.times.p99_ms()).show(2),
        Figure::of(same, |run| run.average_ms).show(2),
        Figure::of(peyk, |run| run.cpu_micros).show(0),
    ]);
    let what = format!("spend, {wallets} wallets, {clients} clients, against pgbench");
    report.target(&what, ">= 1.0x", shown, ratio >= 1.0);
}

async fn api_key(system: &System) -> anyhow::Result<String> {
    let new = NewApiKey {
        name: "bench".to_owned(),
        scopes: vec![Scope::WalletRead, Scope::WalletWrite],
        allowed_ips: Vec::new(),
        daily_sends: None,
        daily_spend_rials: None,
        expires_at: None,
    };
    let mut rng = rand::rngs::StdRng::seed_from_u64(rand::random());
    let made = api_keys::create(&system.pool, &new, SystemClock.now(), &mut rng).await?;
    Ok(made.1)
}

/// Spends of so many wallets whose accounts follow `first`.
#[derive(Clone)]
struct Spender {
    key: String,
    first: i64,
    wallets: usize,
}

impl Spender {
    fn request(&self, number: usize) -> anyhow::Result<Vec<u8>> {
        let place = i64::try_from(number.wrapping_mul(61_803_399) % self.wallets)?;
        let user = self.first + place;
        let body = json!({"user_id": user, "amount": 1, "currency": "IRR", "order_id": "order-7"});
        let body = body.to_string();
        let (key, name, length) = (&self.key, rand::random::<u128>(), body.len());
        Ok(format!(
            "POST /api/wallet/spend/ HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\
             Idempotency-Key: {name:032x}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes())
    }
}

/// The first page and one of the middle of a long and of a short history.
async fn pages(
    options: &Options,
    system: &mut System,
    report: &mut Report,
    (key, first): (&str, i64),
) -> anyhow::Result<()> {
    let mut table =
        Table::new(&["Entries of the wallet", "p50 ms", "p99 ms", "p50 ms in the middle"]);
    let mut medians = Vec::new();
    for (user, entries) in [(first, SHORT), (first + 1, options.entries)] {
        progress(&format!("pages of a wallet with {entries} entries"));
        let middle = system.ready_entries(user, entries).await?;
        system.need_api().await?;
        let who = format!("X-API-Key: {key}");
        let path = format!("/api/wallet/users/{user}/entries/");
        let newest = page_times(system, &who, &path).await?;
        let older = page_times(system, &who, &format!("{path}?before={middle}")).await?;
        table.row(&[
            entries.to_string(),
            number(newest.p50_ms(), 2),
            number(newest.p99_ms(), 2),
            number(older.p50_ms(), 2),
        ]);
        medians.push(newest.p50_ms().max(older.p50_ms()));
    }
    let [short, long] = medians[..] else { return Ok(()) };
    let what = format!("a page of {} entries against one of {SHORT}", options.entries);
    let ratio = long / short;
    let wanted = format!("<= {MOST}x");
    report.target(&what, &wanted, format!("{}x", number(ratio, 2)), ratio <= MOST);
    let about = "`GET /api/wallet/users/{id}/entries/`, one after the other over one connection.";
    report.table("Wallets: pages", about, &table);
    Ok(())
}

//! What it costs to know who calls: the check of an access token and of its session.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use shared::{
    auth::{bearers::Bearers, tokens::Tokens},
    clock::{Clock, SystemClock},
    config::Config,
    redis::Redis,
    sessions::{self, Lifetimes, Method, NewSession, Origin, Session, revocations::Revocations},
};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Options,
    http::Connection,
    processes, progress,
    report::{Report, Table},
    statistics::{Figure, micros_each},
    system::System,
};

/// Checks of one run.
const CHECKS: usize = 100_000;
/// Clients that take turns, each with a token of its own.
const CLIENTS: usize = 1_000;
/// How often a token is used before the next one: every quarter of a minute in its five minutes.
const USES: usize = 20;
/// Sessions that ended lately, which every check has to tell from its own.
const ENDED: i64 = 10_000;
/// What a check may cost, in microseconds.
const WANTED: f64 = 15.0;
/// Connections of the requests.
const CONNECTIONS: usize = 16;

/// One run of checks: processor time of each, of those of tokens not seen before, and of the others.
struct Checks {
    all: f64,
    new: f64,
    seen: f64,
}

/// Measures checks alone, and requests with and without one.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut table = Table::new(&["Checks", "CPU us each"]);
    let config = system.config()?;
    let session = session(system, &config).await?;
    let bearers = bearers(system, &config).await?;
    let mut runs = Vec::new();
    for run in 1..=options.runs {
        progress(&format!("{CHECKS} checks of access tokens, run {run}"));
        runs.push(checks(&bearers, &session)?);
    }
    let all = Figure::of(&runs, |run| run.all);
    let (wanted, met) = (format!("<= {WANTED} us"), all.median() <= WANTED);
    report.target("check of a token and its session", &wanted, all.show(1), met);
    table.row(&[format!("each token {USES} times"), all.show(1)]);
    table.row(&["never seen".to_owned(), Figure::of(&runs, |run| run.new).show(1)]);
    table.row(&["seen before".to_owned(), Figure::of(&runs, |run| run.seen).show(2)]);
    let about = format!(
        "In one thread: {CHECKS} checks for {CLIENTS} clients in turn, as many tokens as that takes when \
         each is used {USES} times; {ENDED} sessions have ended lately."
    );
    report.table("Who calls", &about, &table);
    let pair = bearers.tokens().pair(&session, SystemClock.now(), &mut rand::rng());
    requests(options, system, report, &pair.access).await
}

/// Somebody who logged in.
async fn session(system: &System, config: &Config) -> anyhow::Result<Session> {
    let user = "INSERT INTO users (username, created_at) VALUES ('bench', now())
        ON CONFLICT (username) DO UPDATE SET is_active = true RETURNING id";
    let user_id = sqlx::query_scalar(user).fetch_one(&system.pool).await?;
    let origin = Origin::default();
    let new = NewSession { user_id, origin: &origin, method: Method::Otp };
    let lifetimes = Lifetimes::new(&config.auth);
    let mut connection = system.pool.acquire().await?;
    let begun = sessions::begin(&mut connection, &[new], &lifetimes, SystemClock.now()).await?;
    begun.into_iter().next().context("a session begins")
}

/// The check as the api has it.
async fn bearers(system: &System, config: &Config) -> anyhow::Result<Bearers> {
    let ended = "INSERT INTO revocations (kind, subject, expires_at)
        SELECT 'session', 1000000000 + n, now() + interval '1 hour' FROM generate_series(1, $1) n";
    sqlx::query(ended).bind(ENDED).execute(&system.pool).await?;
    let redis = Redis::start(&config.redis)?;
    let pool = system.pool.clone();
    let revocations = Revocations::follow(pool, redis, Arc::new(SystemClock), config)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !revocations.is_loaded() {
        anyhow::ensure!(Instant::now() < deadline, "the revocations are not read");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(Bearers::new(Arc::new(Tokens::new(&config.auth)?), revocations))
}

fn checks(bearers: &Bearers, session: &Session) -> anyhow::Result<Checks> {
    let now = SystemClock.now();
    let mut rng = rand::rng();
    let rounds = CHECKS / CLIENTS / USES;
    let (mut new, mut seen) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        let tokens: Vec<_> = (0_i64..)
            .take(CLIENTS)
            .map(|client| Session { id: session.id + client, ..session.clone() })
            .map(|session| bearers.tokens().pair(&session, now, &mut rng).access)
            .collect();
        new += cpu_of(|| check_all(bearers, &tokens, 1))?;
        seen += cpu_of(|| check_all(bearers, &tokens, USES - 1))?;
    }
    let first = rounds * CLIENTS;
    Ok(Checks {
        all: micros_each(new + seen, CHECKS),
        new: micros_each(new, first),
        seen: micros_each(seen, CHECKS - first),
    })
}

fn check_all(bearers: &Bearers, tokens: &[String], times: usize) -> anyhow::Result<()> {
    for _ in 0..times {
        for token in tokens {
            // The clock is read for each, as for each request.
            bearers.check(token, SystemClock.now()).context("a good token is refused")?;
        }
    }
    Ok(())
}

/// Processor time of this thread, which the ticks of 10 ms of `/proc/<pid>/stat` are too coarse for.
fn cpu_of(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let before = processes::cpu_of_thread()?;
    work()?;
    Ok(processes::cpu_of_thread()?.saturating_sub(before))
}

/// What requests cost the api: one that nobody is asked for, and one that is only for whoever logged
/// in and reads the account.
async fn requests(
    options: &Options,
    system: &mut System,
    report: &mut Report,
    access: &str,
) -> anyhow::Result<()> {
    let api = system.need_api().await?;
    let bare = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let head =
        format!("GET /api/me/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access}\r\n\r\n");
    let mut table = Table::new(&["Request", "A second", "api CPU us each"]);
    for (name, request) in [("GET /livez", bare), ("GET me/", head.into_bytes())] {
        let mut runs = Vec::new();
        for run in 1..=options.runs {
            progress(&format!("{name}, run {run}"));
            let span = Duration::from_secs(options.seconds);
            let before = processes::cpu(api);
            let answers = ask(system, &request, span).await?;
            let cpu = processes::cpu(api).saturating_sub(before);
            let rate = crate::statistics::count(answers) / span.as_secs_f64();
            runs.push((rate, micros_each(cpu, answers)));
        }
        let rate = Figure::of(&runs, |(rate, _)| *rate).show(0);
        table.row(&[name.to_owned(), rate, Figure::of(&runs, |(_, cpu)| *cpu).show(0)]);
    }
    let about = format!(
        "{CONNECTIONS} connections. `me/` checks the token and its session, and reads the account from \
         PostgreSQL."
    );
    report.table("Who calls: over HTTP", &about, &table);
    Ok(())
}

async fn ask(system: &System, request: &[u8], span: Duration) -> anyhow::Result<usize> {
    let deadline = Instant::now() + span;
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(system.address).await?;
        let request = request.to_vec();
        tasks.spawn(async move {
            let mut answers = 0;
            while Instant::now() < deadline {
                let (status, _) = connection.ask(&request).await?;
                anyhow::ensure!(status == 200, "answered {status}");
                answers += 1;
            }
            Ok(answers)
        });
    }
    let mut answers = 0;
    while let Some(count) = tasks.join_next().await {
        answers += count??;
    }
    Ok(answers)
}

//! What the figures were measured on.

use std::{io::Write, path::Path, time::Instant};

use sqlx::{AssertSqlSafe, PgPool};

use crate::{
    Options, processes,
    statistics::{Latencies, count, float, number},
    system::System,
};

/// Writes of the disk probe.
const PROBES: usize = 300;

/// The machine and its servers, name and value.
///
/// Refuses to measure where a commit may be lost: that would be another, easier task.
pub(crate) async fn describe(
    options: &Options,
    system: &System,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    for name in ["synchronous_commit", "fsync", "full_page_writes"] {
        let value = setting(&system.pool, name).await?;
        anyhow::ensure!(value == "on", "{name} is {value}: such figures would mean nothing");
    }
    let date = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI \"UTC\"')";
    let postgres = format!(
        "{}, shared_buffers {}, synchronous_commit, fsync and full_page_writes on",
        setting(&system.pool, "server_version").await?,
        setting(&system.pool, "shared_buffers").await?,
    );
    Ok(vec![
        ("Date", sqlx::query_scalar(date).fetch_one(&system.pool).await?),
        ("Commit", commit().await),
        ("Processor", format!("{}, {} cores", processor(), cores())),
        ("Memory", format!("{} GB", number(memory_gb(), 1))),
        ("Kernel", read("/proc/sys/kernel/osrelease")),
        ("Disk", disk(&options.out).await?),
        ("PostgreSQL", postgres),
        ("Redis", redis(system).await?),
        ("Load average at the start", load_average()),
        ("Runs", runs(options)),
    ])
}

fn runs(options: &Options) -> String {
    format!(
        "{} of {} s each, 1 s of warm-up before; a figure is the median (lowest-highest)",
        options.runs, options.seconds
    )
}

async fn setting(pool: &PgPool, name: &str) -> anyhow::Result<String> {
    Ok(sqlx::query_scalar(AssertSqlSafe(format!("SHOW {name}"))).fetch_one(pool).await?)
}

async fn commit() -> String {
    let git = Path::new("git");
    let Ok(commit) = processes::output(git, &["rev-parse", "--short=10", "HEAD"]).await else {
        return "unknown".to_owned();
    };
    let dirty = processes::output(git, &["status", "--porcelain", "-uno"]).await;
    let dirty = dirty.is_ok_and(|files| !files.trim().is_empty());
    format!("{}{}", commit.trim(), if dirty { " with changes" } else { "" })
}

fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_default().trim().to_owned()
}

fn processor() -> String {
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let name = model.map_or("unknown", |model| model.trim_start_matches(['\t', ' ', ':']));
    name.trim().to_owned()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn memory_gb() -> f64 {
    let meminfo = read("/proc/meminfo");
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|total| total.trim().trim_end_matches(" kB").parse().ok());
    float(kib.unwrap_or(0)) * 1.024e-6
}

fn load_average() -> String {
    read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

async fn redis(system: &System) -> anyhow::Result<String> {
    let mut redis = system.redis.clone();
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    let mut config = redis::cmd("CONFIG");
    let appendonly: Vec<String> =
        config.arg("GET").arg("appendonly").query_async(&mut redis).await?;
    let appendonly = appendonly.get(1).map_or("unknown", |value| value);
    Ok(format!("{}, appendonly {appendonly}", version.unwrap_or("unknown").trim()))
}

/// The kind of file system and what making 8 KiB durable takes there.
async fn disk(folder: &Path) -> anyhow::Result<String> {
    let path = folder.display().to_string();
    let kind = processes::output(Path::new("stat"), &["-f", "-c", "%T", &path]).await;
    let kind = kind.unwrap_or_else(|_| "unknown".to_owned());
    let file = folder.join("fdatasync.probe");
    let times = tokio::task::spawn_blocking(move || probe(&file)).await??;
    let micros = |permille| number(times.quantile(permille).as_secs_f64() * 1e6, 0);
    Ok(format!(
        "{}, fdatasync of 8 KiB: p50 {} us, p99 {} us ({} times)",
        kind.trim(),
        micros(500),
        micros(990),
        count(times.len())
    ))
}

fn probe(path: &Path) -> std::io::Result<Latencies> {
    let mut file = std::fs::File::create(path)?;
    // Like the write-ahead log: into space that the file already has.
    file.write_all(&vec![1; 8192 * PROBES])?;
    file.sync_all()?;
    std::io::Seek::rewind(&mut file)?;
    let mut times = Vec::new();
    for _ in 0..PROBES {
        let begun = Instant::now();
        file.write_all(&[2; 8192])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(Latencies::new(times))
}

//! Starting processes of Peyk, and what the kernel says of any process (Linux's `/proc`).

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context;
use tokio::process::{Child, Command};

/// Clock ticks of `/proc/<pid>/stat` per second: always 100 towards programs.
const TICKS: u64 = 100;
/// Longest wait for a process to end by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running process; killed with the value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: u32,
}

impl Process {
    /// Starts a program with exactly this environment beside `PATH`; what it says goes to `log`.
    pub(crate) fn start(
        program: &Path,
        arguments: &[&str],
        environment: &[(String, String)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let log = std::fs::File::create(log)?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child.id().context("it ended at once")?;
        Ok(Self { child, pid })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// An error if it ended.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        ended.map_or(Ok(()), |status| anyhow::bail!("a process ended: {status}"))
    }

    /// SIGTERM, and waits for the end.
    pub(crate) async fn stop(mut self) {
        let pid = self.pid.to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status().await;
        if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            crate::progress("a process did not end and is killed");
            let _ = self.child.kill().await;
        }
    }
}

/// Runs a program to its end and gives what it wrote to standard output.
pub(crate) async fn output(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let named = || program.display().to_string();
    let output = Command::new(program).args(arguments).kill_on_drop(true).output().await;
    let output = output.with_context(named)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{} failed: {text}{error}", named());
    Ok(text)
}

/// Resident memory in MB (10^6 bytes), with the pages of the program itself.
pub(crate) fn resident_mb(pid: u32) -> f64 {
    megabytes(pid, "VmRSS:")
}

/// The part of it that no file backs.
pub(crate) fn anonymous_mb(pid: u32) -> f64 {
    megabytes(pid, "RssAnon:")
}

fn megabytes(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    crate::statistics::float(kib.unwrap_or(0)) * 1.024e-3
}

/// Processor time a process used so far.
pub(crate) fn cpu(pid: u32) -> Duration {
    stat(&PathBuf::from(format!("/proc/{pid}/stat"))).map_or(Duration::ZERO, |stat| stat.cpu)
}

/// Processor time the calling thread used until the scheduler's last tick: good to some 4 ms.
pub(crate) fn cpu_of_thread() -> anyhow::Result<Duration> {
    let file = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(file).context(file)?;
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Ok(Duration::from_nanos(nanos.context(file)?))
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    stat(&PathBuf::from(format!("/proc/{pid}/stat"))).map(|stat| stat.parent)
}

/// Processor time of a process's children that still run, each.
pub(crate) fn cpu_of_children(of: u32) -> HashMap<u32, Duration> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = stat(&entry.path().join("stat"))?;
            (stat.parent == of).then_some((pid, stat.cpu))
        })
        .collect()
}

struct Stat {
    parent: u32,
    cpu: Duration,
}

fn stat(file: &Path) -> Option<Stat> {
    let text = std::fs::read_to_string(file).ok()?;
    // The second field is a name in parentheses that may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let cpu = Duration::from_millis(ticks * 1000 / TICKS);
    Some(Stat { parent: fields.get(1)?.parse().ok()?, cpu })
}

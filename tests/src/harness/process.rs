//! One real process of Peyk, its output kept.

use std::{
    io::Write,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use super::wait_for;

/// A running `api` or `worker`; killed with the value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a binary with exactly this environment beside `PATH`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(binary: &str, arguments: &[&str], environment: &[(String, String)]) -> Self {
        Self::start_into(Stdio::piped(), binary, arguments, environment)
    }

    /// The same with this as its standard input.
    pub(super) fn start_fed(
        input: &str,
        binary: &str,
        arguments: &[&str],
        environment: &[(String, String)],
    ) -> Self {
        let (reader, mut writer) = std::io::pipe().expect("a pipe can be made");
        // A few bytes: the pipe holds them until they are read.
        writer.write_all(input.as_bytes()).expect("the pipe takes the input");
        Self::spawn(reader.into(), Stdio::piped(), binary, arguments, environment)
    }

    /// The same with its standard output going elsewhere; only the other one is kept.
    pub(super) fn start_into(
        stdout: Stdio,
        binary: &str,
        arguments: &[&str],
        environment: &[(String, String)],
    ) -> Self {
        Self::spawn(Stdio::null(), stdout, binary, arguments, environment)
    }

    fn spawn(
        stdin: Stdio,
        stdout: Stdio,
        binary: &str,
        arguments: &[&str],
        environment: &[(String, String)],
    ) -> Self {
        let mut child = Command::new(binary_path(binary))
            .args(arguments)
            .stdin(stdin)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment.iter().cloned())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{binary} starts (script/test builds it): {error}"));
        let output = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("it is piped");
        let mut readers = vec![tokio::spawn(keep(stderr, output.clone()))];
        if let Some(stdout) = child.stdout.take() {
            readers.push(tokio::spawn(keep(stdout, output.clone())));
        }
        Self { child, output, readers }
    }

    /// Its number.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Everything it wrote so far.
    ///
    /// # Panics
    /// Never in a sound test.
    pub fn output(&self) -> String {
        self.output.lock().expect("no holder of this lock panics").clone()
    }

    /// The first JSON log line with this message.
    pub async fn log_line(&self, message: &str) -> Value {
        wait_for(message, || async {
            let output = self.output();
            let mut lines = output.lines().filter_map(|line| serde_json::from_str(line).ok());
            let found: Option<Value> = lines.find(|line: &Value| line["message"] == message);
            found
        })
        .await
    }

    /// Bytes of memory that it uses now.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn resident_bytes(&self) -> u64 {
        let pid = self.child.id().expect("the process runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
        let status = status.expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kilobytes: u64 = kilobytes.and_then(|it| it.parse().ok()).expect("Linux says it");
        kilobytes * 1024
    }

    /// Sends a signal, e.g. `TERM` or `STOP`.
    ///
    /// # Panics
    /// When the process is gone.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("the process runs").to_string();
        signal(&pid, name).await;
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a running child can be killed");
    }

    /// Waits for the process to end by itself, and for the last of its output.
    ///
    /// # Panics
    /// When it does not within the harness's patience.
    pub async fn wait(&mut self) -> std::process::ExitStatus {
        let ended = tokio::time::timeout(super::PATIENCE, self.child.wait()).await;
        let status = ended.expect("the process ends in time").expect("a child can be waited for");
        for reader in self.readers.drain(..) {
            let _ = reader.await;
        }
        status
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When its state cannot be read.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child can be read").is_none()
    }
}

/// Sends a signal to any process, by the shell's own `kill`: not every machine has a program of
/// that name.
///
/// # Panics
/// When there is no such process.
pub(crate) async fn signal(pid: &str, name: &str) {
    let kill = ["-c", "kill -s \"$0\" \"$1\"", name, pid];
    let status = Command::new("sh").args(kill).status().await;
    assert!(status.is_ok_and(|status| status.success()), "kill -{name} {pid}");
}

async fn keep(stream: impl AsyncRead + Unpin, output: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut output = output.lock().expect("no holder of this lock panics");
        output.push_str(&line);
        output.push('\n');
    }
}

fn binary_path(binary: &str) -> PathBuf {
    let folder = std::env::var_os("PEYK_BIN_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/debug")),
        PathBuf::from,
    );
    folder.join(binary)
}

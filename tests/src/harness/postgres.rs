//! A PostgreSQL of one test's own, to be restarted in its middle.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

/// `script/services` knows how to start, own and erase a server.
const SERVICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../script/services");

/// Crashes the server and starts it again on its port.
const RESTART: &str = r#". "$1"; read_state "$2" postgres
find_postgres "$(cat "$PG_ROOT/data/PG_VERSION")"
as_postgres "$PEYK_PG_BIN/pg_ctl" -D "$PG_ROOT/data" -l "$PG_ROOT/postgres.log" \
  -m immediate -w -t 30 restart"#;

const ERASE: &str = r#". "$1"; services_erase "$2"; rm -rf "$2""#;

/// A private server; stopped and erased with the value.
#[derive(Debug)]
pub struct TestPostgres {
    data: PathBuf,
    url: String,
}

impl TestPostgres {
    /// Makes and starts one.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start() -> Self {
        // Named and owned like those of script/test, which removes what dead tests left.
        let make = "mktemp -d /tmp/peyk-test.XXXXXX";
        let data = PathBuf::from(run(make, Path::new("")).await.trim());
        std::fs::write(data.join("owner.pid"), std::process::id().to_string())
            .expect("the folder is ours");
        let start = r#"chmod 755 "$2"; "$1" start --data "$2" --mode test --only postgres"#;
        let output = run(start, &data).await;
        let url = output.lines().find_map(|line| line.strip_prefix("export DATABASE_URL="));
        Self { url: url.expect("it says where it is").to_owned(), data }
    }

    /// The URL of its database `postgres`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Crashes it (connections are cut without a word) and starts it again on the same port.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn restart(&self) {
        run(RESTART, &self.data).await;
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        let erase = std::process::Command::new("bash")
            .args(["-c", ERASE, "harness", SERVICES])
            .arg(&self.data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        // What is left is removed by the next run of script/test.
        drop(erase);
    }
}

async fn run(script: &str, data: &Path) -> String {
    let mut command = Command::new("bash");
    // A server that inherits these would keep the pipe open for ever.
    command
        .args(["-c", script, "harness", SERVICES])
        .arg(data)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = command.stdout(Stdio::piped()).output().await.expect("bash runs");
    assert!(output.status.success(), "{script} {}", data.display());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

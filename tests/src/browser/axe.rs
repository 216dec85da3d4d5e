//! Accessibility, as axe-core (<https://github.com/dequelabs/axe-core>, MPL-2.0) judges it. Its script is
//! no part of this repository: npm fetches it once into the target folder.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::Tab;

/// The one that is known to work, whole and as it was published.
const VERSION: &str = "4.10.3";
/// Names the script where npm cannot fetch it.
const VARIABLE: &str = "PEYK_TEST_AXE";

/// The script; `None` where there is neither it nor a way to it, said on standard error.
///
/// # Panics
/// When the variable names no script.
pub fn axe_script() -> Option<String> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return Some(std::fs::read_to_string(named).expect("PEYK_TEST_AXE names the script"));
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools").join(VERSION);
    let script = folder.join("package/axe.min.js");
    if !script.is_file() && !fetch(&folder) {
        skipped();
        return None;
    }
    std::fs::read_to_string(script).ok()
}

fn fetch(folder: &Path) -> bool {
    let own = folder.with_extension(std::process::id().to_string());
    let package = format!("axe-core@{VERSION}");
    let run = |program: &str, arguments: &[&str]| {
        let ended = Command::new(program).args(arguments).current_dir(&own).output();
        ended.is_ok_and(|output| output.status.success())
    };
    let archive = format!("axe-core-{VERSION}.tgz");
    let fetched = std::fs::create_dir_all(&own).is_ok()
        && run("npm", &["pack", "--silent", &package])
        && run("tar", &["xzf", &archive, "package/axe.min.js", "package/LICENSE"])
        // Another test may have been faster.
        && (std::fs::rename(&own, folder).is_ok() || folder.join("package").is_dir());
    let _ = std::fs::remove_dir_all(&own);
    fetched
}

impl Tab {
    /// What axe-core finds wrong with the page as it is: serious and critical things, each in one line.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn barriers(&self, script: &str) -> Vec<String> {
        // Through the protocol, which the page's policy does not bind.
        self.run(&format!("{script}; true")).await;
        let found = self
            .run("axe.run(document, { resultTypes: ['violations'] }).then((it) => it.violations)")
            .await;
        let serious =
            |rule: &&Value| ["serious", "critical"].map(Value::from).contains(&rule["impact"]);
        let line = |rule: &Value| {
            let nodes = rule["nodes"].as_array().into_iter().flatten();
            let nodes: Vec<_> = nodes.map(|it| it["html"].to_string()).take(4).collect();
            format!("{}: {} {}", rule["id"], rule["help"], nodes.join(" "))
        };
        found.as_array().into_iter().flatten().filter(serious).map(line).collect()
    }
}

#[expect(clippy::print_stderr, reason = "a test that shows nothing has to say so")]
fn skipped() {
    eprintln!("SKIPPED: no axe-core (npm is not there, or cannot fetch it); {VARIABLE} names one");
}

//! A real browser without a window, for pages that people use.
//!
//! It is spoken to over a pair of pipes in the words of the `DevTools` protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>), so it needs no driver and no port.

mod axe;
mod pipe;
mod tab;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use serde_json::json;
use tokio::process::{Child, Command};

use self::pipe::Pipe;
pub use self::{axe::axe_script, tab::Tab};

/// Names the browser to use, by its name or path: then there has to be one.
pub const VARIABLE: &str = "PEYK_TEST_BROWSER";

/// Names browsers of this family have.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Hands over the pipes as the file descriptors the browser expects them on, and takes its own
/// words out of the way.
const START: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// A running browser with a profile of its own; killed with the value.
pub struct Browser {
    child: Child,
    pipe: Arc<Pipe>,
    profile: PathBuf,
}

impl Browser {
    /// Starts one. `None` where this machine has none, said on standard error: then a test has
    /// nothing to show.
    ///
    /// # Panics
    /// When [`VARIABLE`] names one that does not start.
    pub async fn start() -> Option<Self> {
        let wanted = env::var_os(VARIABLE);
        let found = wanted.clone().or_else(|| NAMES.map(OsString::from).into_iter().find(is_there));
        let Some(program) = found else {
            skipped();
            return None;
        };
        let name = shared::ids::process_name("peyk-browser", &mut rand::rng());
        let profile = env::temp_dir().join(name);
        std::fs::create_dir(&profile).expect("the temporary folder is writable");
        let mut child = command(&program, &profile).spawn().expect("there is a shell");
        let input = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        let pipe = Pipe::new(input, output);
        let browser = Self { child, pipe, profile };
        let version = browser.pipe.call("Browser.getVersion", json!({}), None).await;
        assert!(version.is_ok(), "{} starts ({VARIABLE} names another)", program.display());
        Some(browser)
    }

    /// An empty page of a phone's or a desktop's size.
    ///
    /// # Panics
    /// When the browser is gone.
    pub async fn tab(&self) -> Tab {
        Tab::open(Arc::clone(&self.pipe)).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        // What is still written there stays behind; the folder is in the temporary one.
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// Nothing is asked of the network: neither updates nor names.
fn command(program: &OsString, profile: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", START])
        .arg(program)
        .args([
            "--headless=new",
            "--remote-debugging-pipe",
            // Tests run as root in containers, and load only pages of their own.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--no-default-browser-check",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--lang=en-US",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("about:blank")
        .env("HOME", profile)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

fn is_there(program: &OsString) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[expect(clippy::print_stderr, reason = "a test that shows nothing has to say so")]
fn skipped() {
    eprintln!("SKIPPED: no browser ({}); {VARIABLE} names one", NAMES.join(", "));
}

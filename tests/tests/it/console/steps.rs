//! What the tests of the console do again and again.

use std::path::PathBuf;

use peyk_tests::{
    browser::{Browser, Tab},
    harness::{Peyk, PeykBuilder, free_port},
};

use crate::login_steps::patient;

/// The name and the password of the first superuser.
pub(super) const ROOT: (&str, &str) = ("root", "correct horse 77");

/// A Peyk that knows its own address, as a page needs it.
pub(super) fn at_home() -> PeykBuilder {
    let port = free_port();
    patient()
        .set("HTTP__LISTEN", format!("127.0.0.1:{port}"))
        .set("HTTP__PUBLIC_URL", format!("http://127.0.0.1:{port}"))
}

/// A browser in front of a console with one superuser, who is in it, in English.
pub(super) struct Console {
    pub(super) peyk: Peyk,
    pub(super) tab: Tab,
    _browser: Browser,
}

impl Console {
    /// `None` where there is no browser.
    pub(super) async fn start() -> Option<Self> {
        let browser = Browser::start().await?;
        let peyk = at_home().start().await;
        create_root(&peyk).await;
        let tab = browser.tab().await;
        tab.looks(1280, 900, false).await;
        let console = Self { peyk, tab, _browser: browser };
        console.open("").await;
        console.log_in(ROOT).await;
        Some(console)
    }

    /// Loads a place of the console.
    pub(super) async fn open(&self, path: &str) {
        self.tab.go(&self.peyk.url(&format!("/admin/{path}"))).await;
    }

    /// Goes to a place as a link does, without loading the page anew.
    pub(super) async fn go(&self, path: &str) {
        let script = format!(
            "(() => {{ const link = document.createElement('a');
               link.href = '/admin/{path}'; link.dataset.go = '';
               document.body.append(link); link.click(); link.remove(); return true; }})()"
        );
        self.tab.value(&script).await;
    }

    /// Comes in with a name and a password.
    pub(super) async fn log_in(&self, (name, password): (&str, &str)) {
        self.tab.fill("input[name=username]", name).await;
        self.tab.fill("input[name=password]", password).await;
        self.tab.click("form button.go", 1).await;
        self.tab.wait_for("#menu").await;
    }

    /// Says what it has to be told in the dialog that is open.
    pub(super) async fn tell(&self, name: &str, text: &str) {
        self.tab.fill(&format!("dialog [name={name}]"), text).await;
    }

    /// Agrees with the dialog that is open, and waits until it is gone.
    pub(super) async fn agree(&self) {
        self.tab.click("dialog form .row.end button:last-child", 1).await;
        self.tab.wait_until_gone("dialog").await;
    }

    /// No error of a page, nothing that the policy refused.
    pub(super) fn assert_calm(&self) {
        assert_eq!(self.tab.faults(), [""; 0]);
    }
}

pub(super) async fn create_root(peyk: &Peyk) {
    let command = ["createsuperuser", "--username", ROOT.0, "--password-stdin"];
    let (made, output) = peyk.run_fed(&format!("{}\n", ROOT.1), "api", &command).await;
    assert!(made, "{output}");
}

/// Where pictures of the pages are put.
pub(super) fn pictures() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

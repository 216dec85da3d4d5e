//! Nothing is told to anybody who is not in the configuration.
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use peyk_tests::{
    fake::{FakeKavenegar, Receiver},
    harness::{Peyk, fresh_mobile},
};
use serde_json::json;

use crate::bulk_steps::{key, post, send_bulk};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Notes whom processes want to talk to; see `contacts.c`.
struct Contacts {
    folder: PathBuf,
}

impl Contacts {
    fn new() -> Self {
        let name = shared::ids::process_name("peyk-contacts", &mut rand::rng());
        let contacts = Self { folder: std::env::temp_dir().join(name) };
        fs::create_dir(&contacts.folder).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/contacts.c");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let output = Command::new(compiler)
            .args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"])
            .args([contacts.library(), source, "-ldl".into()])
            .output()
            .expect("a C compiler, as for the build");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        contacts
    }

    fn library(&self) -> PathBuf {
        self.folder.join("contacts.so")
    }

    fn list(&self) -> PathBuf {
        self.folder.join("contacts")
    }

    /// Addresses and names, each once.
    fn seen(&self) -> BTreeSet<String> {
        let list = fs::read_to_string(self.list()).expect("the list is there: it was loaded");
        list.lines().map(str::to_owned).collect()
    }
}

impl Drop for Contacts {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Host and port of a URL or of `host:port`.
fn place(address: &str) -> (&str, u16) {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = address.split('/').next().unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').expect("tests name ports");
    (host, port.parse().unwrap())
}

/// A login that makes an account, a text, texts to many and what is told of them.
async fn a_day_in_the_life(peyk: &Peyk, fake: &FakeKavenegar, shop: &Receiver) {
    let key = key(peyk).await;
    let mobile = fresh_mobile();
    assert_eq!(peyk.send_otp(&mobile).await.status, 200);
    let effect = &fake.effects_to(&mobile)[0];
    let call = &fake.calls()[effect.call];
    let code: String =
        call.field("message").unwrap().chars().filter(char::is_ascii_digit).collect();
    assert_eq!(peyk.authenticate(&mobile, &code, None).await.status, 200);
    let text = json!({"mobile_number": mobile, "message_text": "hello"});
    assert_eq!(post(peyk, &key, "/api/message/send/", &text).await.status, 200);
    send_bulk(peyk, &key, 3).await;
    shop.wait_for_told(5).await;
    for path in ["/readyz", "/.well-known/jwks.json", "/openapi.json"] {
        assert_eq!(peyk.get(path).await.status, 200);
    }
    let (worked, output) = peyk.run("worker", &["cron", "run", "poll-provider-balances"]).await;
    assert!(worked, "{output}");
}

#[tokio::test]
async fn only_configured_hosts_are_ever_contacted() {
    let contacts = Contacts::new();
    let (fake, shop) = tokio::join!(FakeKavenegar::start(), Receiver::start(SECRET));
    let mut peyk = Peyk::builder()
        .kavenegar(&fake.url())
        .set("HTTP__WAIT_MS", "15000")
        .set("WEBHOOKS__ENDPOINTS__SHOP__URL", shop.url())
        .set("WEBHOOKS__ENDPOINTS__SHOP__SECRETS", SECRET)
        .environment("LD_PRELOAD", contacts.library().display().to_string())
        .environment("CONTACTS", contacts.list().display().to_string())
        .start()
        .await;
    a_day_in_the_life(&peyk, &fake, &shop).await;
    // Also not as the last thing they do.
    for process in peyk.apis.iter_mut().chain(&mut peyk.workers) {
        process.signal("TERM").await;
        assert!(process.wait().await.success());
    }
    let servers = [peyk.database.address(), peyk.redis.url(), fake.url(), shop.url()];
    let servers: Vec<_> = servers.iter().map(|address| place(address)).collect();
    let is_known = |contact: &String| match contact.parse::<SocketAddr>() {
        Err(_) => servers.iter().any(|(host, _)| host == contact),
        Ok(contact) => servers.iter().any(|(host, port)| {
            let is_host = host
                .parse::<IpAddr>()
                .map_or(contact.ip().is_loopback(), |host| host == contact.ip());
            is_host && *port == contact.port()
        }),
    };
    let seen = contacts.seen();
    let strangers: Vec<_> = seen.iter().filter(|contact| !is_known(contact)).collect();
    assert!(strangers.is_empty(), "the configuration does not name {strangers:?}");
    for (_, port) in &servers {
        let met = seen.iter().any(|contact| contact.ends_with(&format!(":{port}")));
        assert!(met, "the list is blind: {seen:?} lacks port {port}");
    }
}

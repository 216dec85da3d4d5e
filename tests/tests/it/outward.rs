//! Nothing is told to anybody who is not in the configuration.
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use peyk_tests::{
    fake::{FakeKavenegar, Receiver},
    harness::{Peyk, Process, fresh_mobile},
};
use serde_json::json;

use crate::bulk_steps::{key, post, send_bulk};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Looks, as often as the machine allows, at whom some processes talk to: every TCP and UDP socket
/// of theirs that has another end. A connection to anywhere else than this machine takes longer
/// than a look, be it only to be refused.
struct Watch {
    seen: Arc<Mutex<BTreeSet<Socket>>>,
    stop: Arc<AtomicBool>,
    looking: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Socket {
    own: SocketAddr,
    other: SocketAddr,
}

impl Watch {
    fn start(pids: Vec<u32>) -> Self {
        let (seen, stop) = (Arc::<Mutex<BTreeSet<_>>>::default(), Arc::<AtomicBool>::default());
        let (notes, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let looking = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let now = pids.iter().flat_map(|pid| sockets_of(*pid));
                notes.lock().unwrap().extend(now);
                // Between two looks: the processes want to work, too.
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { seen, stop, looking: Some(looking) }
    }

    fn end(mut self) -> BTreeSet<Socket> {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.take().unwrap().join().expect("looking fails at nothing");
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// The sockets of a process that have another end.
fn sockets_of(pid: u32) -> Vec<Socket> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let own: BTreeSet<String> = files
        .filter_map(|file| {
            let target = fs::read_link(file.path()).ok()?;
            let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let table = |name| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(table);
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    rows.filter_map(|row| {
        let columns: Vec<_> = row.split_whitespace().collect();
        let (own_end, other) = (address(columns.get(1)?)?, address(columns.get(2)?)?);
        let is_own = own.contains(*columns.get(9)?) && other.port() != 0;
        is_own.then_some(Socket { own: own_end, other })
    })
    .collect()
}

/// `0100007F:1F90`: each word of the address in the machine's order.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let words = address.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => IpAddr::from(Ipv4Addr::from(bytes)),
        Err(_) => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some(SocketAddr::new(address.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

/// The port of a URL or of `host:port`.
fn port(address: &str) -> u16 {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = address.split('/').next().unwrap_or_default();
    authority.rsplit(':').next().unwrap().parse().unwrap()
}

/// A login that makes an account, a text, texts to many and what is told of them.
async fn a_day_in_the_life(peyk: &Peyk, fake: &FakeKavenegar, shop: &Receiver, key: &str) {
    let mobile = fresh_mobile();
    assert_eq!(peyk.send_otp(&mobile).await.status, 200);
    let effect = &fake.effects_to(&mobile)[0];
    let call = &fake.calls()[effect.call];
    let code: String =
        call.field("message").unwrap().chars().filter(char::is_ascii_digit).collect();
    assert_eq!(peyk.authenticate(&mobile, &code, None).await.status, 200);
    let text = json!({"mobile_number": mobile, "message_text": "hello"});
    assert_eq!(post(peyk, key, "/api/message/send/", &text).await.status, 200);
    send_bulk(peyk, key, 3).await;
    shop.wait_for_told(5).await;
    for path in ["/readyz", "/.well-known/jwks.json", "/openapi.json"] {
        assert_eq!(peyk.get(path).await.status, 200);
    }
}

#[tokio::test]
async fn only_configured_hosts_are_ever_contacted() {
    let (fake, shop) = tokio::join!(FakeKavenegar::start(), Receiver::start(SECRET));
    let peyk = Peyk::builder()
        .kavenegar(&fake.url())
        .set("HTTP__WAIT_MS", "15000")
        .set("WEBHOOKS__ENDPOINTS__SHOP__URL", shop.url())
        .set("WEBHOOKS__ENDPOINTS__SHOP__SECRETS", SECRET)
        .start()
        .await;
    let key = key(&peyk).await;
    let watch = Watch::start(peyk.apis.iter().chain(&peyk.workers).map(Process::pid).collect());
    a_day_in_the_life(&peyk, &fake, &shop, &key).await;
    let seen = watch.end();
    let own = [port(&peyk.urls[0]), port(&peyk.worker_url().await)];
    let servers = [peyk.database.address(), peyk.redis.url(), fake.url(), shop.url()];
    let servers = servers.map(|address| port(&address));
    let is_known = |socket: &Socket| {
        own.contains(&socket.own.port())
            || socket.other.ip().is_loopback() && servers.contains(&socket.other.port())
    };
    let strangers: Vec<_> = seen.iter().filter(|socket| !is_known(socket)).collect();
    assert!(strangers.is_empty(), "nobody named these: {strangers:?}");
    for server in servers {
        let met = seen.iter().any(|socket| socket.other.port() == server);
        assert!(met, "the watch is blind: nobody was seen to talk to port {server}");
    }
}

#[test]
fn addresses_are_read_as_the_system_writes_them() {
    let v4 = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
    let localhost = format!("{}:1F90", v4([127, 0, 0, 1]));
    assert_eq!(address(&localhost), Some("127.0.0.1:8080".parse().unwrap()));
    let zero = v4([0; 4]);
    let v6 = format!("{zero}{zero}{zero}{}:0035", v4([0, 0, 0, 1]));
    assert_eq!(address(&v6), Some("[::1]:53".parse().unwrap()));
    let mapped = format!("{zero}{zero}{}{}:0035", v4([0, 0, 255, 255]), v4([192, 0, 2, 1]));
    assert_eq!(address(&mapped), Some("192.0.2.1:53".parse().unwrap()));
}

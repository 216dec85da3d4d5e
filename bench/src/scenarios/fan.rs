//! What passes in rooms and is not stored, handed on to their sockets: published as another process of
//! Peyk would, beside a bare loop that writes the same bytes to as many sockets.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::value::RawValue;
use shared::{
    chat::{
        RoomId,
        announce::{Announcer, Passing},
    },
    redis::Redis,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::{JoinSet, LocalSet},
};

use super::chat::access_tokens;
use crate::{
    Options,
    bare::fan::PUBLISHER,
    processes::{self, Process},
    progress,
    report::{Report, Table},
    statistics::{Figure, Latencies, count, micros_each, number},
    system::System,
    web_socket::{Socket, server_frame},
};

/// Sockets of a room, and rooms: about as many sockets each time.
const SHAPES: [(usize, usize); 3] = [(2, 250), (50, 10), (500, 1)];
/// Frames that are under way at least.
const UNDER_WAY: usize = 16;
/// What is wanted of the bare loop's rate.
const WANTED: f64 = 0.5;
/// Sockets that are opened at once.
const OPENING: usize = 32;
/// Longest wait for a frame.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nothing comes for so long: nothing is under way.
const QUIET: Duration = Duration::from_millis(200);
/// Where the digits of the time stand in a frame.
const TIME: std::ops::Range<usize> = 38..54;

/// One run.
struct Run {
    /// Frames that arrived, a second.
    rate: f64,
    /// From publishing to arriving, at half of that rate.
    times: Latencies,
    cpu_micros: f64,
}

/// Measures each shape.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    system.stop_worker().await;
    let columns = ["Sockets of a room", "Rooms", "Peyk, frames/s", "bare loop, frames/s", "Ratio"];
    let more = ["Peyk p50 ms", "Peyk p99 ms", "bare p50 ms", "bare p99 ms"];
    let last = ["api CPU us each", "bare CPU us each"];
    let mut table = Table::new(&[&columns[..], &more[..], &last[..]].concat());
    for (sockets, rooms) in SHAPES {
        let (mut peyk, mut bare) = (Vec::new(), Vec::new());
        for run in 1..=options.runs {
            progress(&format!("fan-out to {rooms} rooms of {sockets} sockets, run {run}"));
            peyk.push(
                LocalSet::new().run_until(peyk_run(options, system, (sockets, rooms))).await?,
            );
            bare.push(LocalSet::new().run_until(bare_run(options, (sockets, rooms))).await?);
        }
        row(report, &mut table, (sockets, rooms), (&peyk, &bare));
    }
    let about = "Frames of 200 bytes that pass and are not stored, published through Redis as another \
        process of Peyk would, until they are read from each socket of the room. The bare loop is a process \
        of one thread that is told over TCP and writes the same bytes to as many sockets. Rates with 16 \
        frames under way (one of each room at least), latencies at half of the rate.";
    report.table("Chat: fan-out", about, &table);
    Ok(())
}

fn row(
    report: &mut Report,
    table: &mut Table,
    (sockets, rooms): (usize, usize),
    (peyk, bare): (&[Run], &[Run]),
) {
    let rate = Figure::of(peyk, |run| run.rate);
    let yardstick = Figure::of(bare, |run| run.rate);
    let ratio = rate.median() / yardstick.median();
    let shown = format!("{}x", number(ratio, 2));
    table.row(&[
        sockets.to_string(),
        rooms.to_string(),
        rate.show(0),
        yardstick.show(0),
        shown.clone(),
        Figure::of(peyk, |run| run.times.p50_ms()).show(2),
        Figure::of(peyk, |run| run.times.p99_ms()).show(2),
        Figure::of(bare, |run| run.times.p50_ms()).show(2),
        Figure::of(bare, |run| run.times.p99_ms()).show(2),
        Figure::of(peyk, |run| run.cpu_micros).show(1),
        Figure::of(bare, |run| run.cpu_micros).show(1),
    ]);
    let what = format!("fan-out, rooms of {sockets}, against a bare loop");
    report.target(&what, &format!(">= {}x", number(WANTED, 1)), shown, ratio >= WANTED);
}

async fn peyk_run(
    options: &Options,
    system: &mut System,
    (sockets, rooms): (usize, usize),
) -> anyhow::Result<Run> {
    system.clear(0, 1, Duration::ZERO).await?;
    let users = sockets.max(rooms + sockets);
    let (rows, _) = system.ready_chat(users, rooms, sockets, 1).await?;
    let tokens = access_tokens(system, &rows, users).await?;
    let api = system.need_api().await?;
    let mut open = Vec::with_capacity(sockets * rooms);
    let mut opening = JoinSet::new();
    for room in 0..rooms {
        for member in 0..sockets {
            let path = format!("/api/chat/{}/", rows.room + i64::try_from(room)?);
            let (address, access) = (system.address, tokens[(room + member) % users].clone());
            opening.spawn(async move { Socket::open(address, &path, &access).await });
            if opening.len() >= OPENING {
                open.push(opening.join_next().await.context("one is opening")???);
            }
        }
    }
    while let Some(socket) = opening.join_next().await {
        open.push(socket??);
    }
    let announcer = Announcer::start(Redis::start(&system.config()?.redis)?);
    let publish = |room: usize, payload: &str| {
        let frame: Box<RawValue> = RawValue::from_string(payload.to_owned())?;
        let room = RoomId(rows.room + i64::try_from(room)?);
        announcer.passing(room, Passing::Signal { user_id: 0, frame: frame.into() });
        anyhow::Ok(())
    };
    run(options, open, Publish { rooms, sockets, tell: publish }, api).await
}

async fn bare_run(options: &Options, (sockets, rooms): (usize, usize)) -> anyhow::Result<Run> {
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let listen = address.to_string();
    let arguments = ["bare-fan", "--listen", &listen];
    let log = options.out.join("bare-fan.log");
    let server = Process::start(&std::env::current_exe()?, &arguments, &[], &log)?;
    let mut control = introduced(address, PUBLISHER).await?;
    let mut open = Vec::with_capacity(sockets * rooms);
    for room in (0..rooms).cycle().take(sockets * rooms) {
        let mut stream = introduced(address, u32::try_from(room)?).await?;
        stream.read_u8().await?;
        open.push(Socket::over(stream));
    }
    let (publish, mut orders) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
    let telling = tokio::task::spawn_local(async move {
        while let Some(order) = orders.recv().await {
            control.write_all(&order).await?;
        }
        anyhow::Ok(())
    });
    let publish = |room: usize, payload: &str| {
        let frame = server_frame(payload.as_bytes())?;
        let mut order = u32::try_from(room)?.to_be_bytes().to_vec();
        order.extend(u32::try_from(frame.len())?.to_be_bytes());
        order.extend(frame);
        publish.send(order).context("the bare loop is gone")
    };
    let done = run(options, open, Publish { rooms, sockets, tell: publish }, server.pid()).await;
    telling.abort();
    server.stop().await;
    done
}

/// A connection to the bare loop, as soon as that is there.
async fn introduced(address: SocketAddr, as_what: u32) -> anyhow::Result<TcpStream> {
    let mut stream = loop {
        if let Ok(stream) = TcpStream::connect(address).await {
            break stream;
        }
        // Between two looks.
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    stream.set_nodelay(true)?;
    stream.write_u32(as_what).await?;
    Ok(stream)
}

/// How something is published in one of the rooms.
struct Publish<F> {
    rooms: usize,
    sockets: usize,
    tell: F,
}

/// What the readers found.
#[derive(Default)]
struct Read {
    frames: usize,
    /// Sockets that have heard something.
    hearing: usize,
    times: Vec<Duration>,
}

async fn run<F: Fn(usize, &str) -> anyhow::Result<()>>(
    options: &Options,
    sockets: Vec<Socket>,
    to: Publish<F>,
    server: u32,
) -> anyhow::Result<Run> {
    let (read, came) = (Rc::new(RefCell::new(Read::default())), Rc::new(Notify::new()));
    let begun = Instant::now();
    let mut readers = JoinSet::new();
    for mut socket in sockets {
        let (read, came) = (read.clone(), came.clone());
        readers.spawn_local(async move {
            let mut is_first = true;
            loop {
                let heard = socket.read(|payload| {
                    let mut read = read.borrow_mut();
                    read.frames += 1;
                    read.hearing += usize::from(std::mem::take(&mut is_first));
                    let sent = std::str::from_utf8(&payload[TIME]).ok();
                    let sent = sent.and_then(|digits| digits.parse().ok()).unwrap_or_default();
                    let sent = Duration::from_micros(sent);
                    read.times.push(begun.elapsed().saturating_sub(sent));
                });
                if heard.await.is_err() {
                    return;
                }
                came.notify_one();
            }
        });
    }
    let span = Duration::from_secs(options.seconds);
    let counted = Counted { read: &read, came: &came, begun };
    counted.until_all_hear(&to).await?;
    // Warm-up: the first frames make buffers grow.
    counted.flood(&to, span / 5).await?;
    let before = processes::cpu(server);
    let (frames, took) = counted.flood(&to, span).await?;
    let cpu = processes::cpu(server).saturating_sub(before);
    let rate = count(frames) / took.as_secs_f64();
    read.borrow_mut().times.clear();
    counted.trickle(&to, rate / 2.0 / count(to.sockets), span).await?;
    let times = Latencies::new(std::mem::take(&mut read.borrow_mut().times));
    Ok(Run { rate, times, cpu_micros: micros_each(cpu, frames) })
}

struct Counted<'a> {
    read: &'a RefCell<Read>,
    came: &'a Notify,
    begun: Instant,
}

impl Counted<'_> {
    /// What is published before a process listens to a room is heard by nobody.
    async fn until_all_hear<F: Fn(usize, &str) -> anyhow::Result<()>>(
        &self,
        to: &Publish<F>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.read.borrow().hearing < to.rooms * to.sockets {
            ensure!(Instant::now() < deadline, "a socket hears nothing");
            (0..to.rooms).try_for_each(|room| (to.tell)(room, &payload(Duration::ZERO)))?;
            // Until all of these have come, or are lost.
            while tokio::time::timeout(QUIET, self.came.notified()).await.is_ok() {}
        }
        Ok(())
    }

    /// As fast as it is read; how many frames arrived, and in which time.
    async fn flood<F: Fn(usize, &str) -> anyhow::Result<()>>(
        &self,
        to: &Publish<F>,
        span: Duration,
    ) -> anyhow::Result<(usize, Duration)> {
        let (first, begun) = (self.read.borrow().frames, Instant::now());
        let under_way = UNDER_WAY.max(to.rooms);
        let mut published = 0;
        while begun.elapsed() < span {
            let arrived = self.read.borrow().frames - first;
            if published * to.sockets < arrived + under_way * to.sockets {
                (to.tell)(published % to.rooms, &payload(self.begun.elapsed()))?;
                published += 1;
                // The publisher has its turn.
                tokio::task::yield_now().await;
            } else {
                self.wait().await?;
            }
        }
        self.until(first + published * to.sockets).await?;
        Ok((published * to.sockets, begun.elapsed()))
    }

    /// So many a second, each at its time: a reader that is late makes none of them later.
    async fn trickle<F: Fn(usize, &str) -> anyhow::Result<()>>(
        &self,
        to: &Publish<F>,
        rate: f64,
        span: Duration,
    ) -> anyhow::Result<()> {
        let (first, begun) = (self.read.borrow().frames, Instant::now());
        let pause = Duration::from_secs_f64(1.0 / rate);
        let mut due = begun;
        let mut published = 0;
        while due < begun + span {
            tokio::time::sleep_until(due.into()).await;
            while due <= Instant::now() {
                (to.tell)(published % to.rooms, &payload(due - self.begun))?;
                (published, due) = (published + 1, due + pause);
            }
        }
        self.until(first + published * to.sockets).await
    }

    async fn until(&self, frames: usize) -> anyhow::Result<()> {
        while self.read.borrow().frames < frames {
            self.wait().await?;
        }
        Ok(())
    }

    async fn wait(&self) -> anyhow::Result<()> {
        let waited = tokio::time::timeout(PATIENCE, self.came.notified()).await;
        waited.context("a frame did not arrive for ten seconds")
    }
}

/// A frame of 200 bytes that says when it was sent.
fn payload(at: Duration) -> String {
    let head = format!(
        "{{\"message_type\":\"webrtc_signal\",\"at\":\"{:016}\",\"sdp\":\"",
        at.as_micros()
    );
    let filler = 200 - head.len() - 2;
    format!("{head}{}\"}}", "v".repeat(filler))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_when_it_was_sent() {
        let payload = payload(Duration::from_micros(1_234_567));
        assert_eq!(payload.len(), 200);
        assert_eq!(payload[TIME].parse(), Ok(1_234_567));
        assert!(serde_json::from_str::<serde_json::Value>(&payload).is_ok());
    }
}

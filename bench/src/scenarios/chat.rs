//! Messages posted per second, to a thousand rooms and to one, beside pgbench with the same transaction
//! in turns.

use std::{sync::Arc, time::Duration};

use shared::{
    auth::tokens::Tokens,
    clock::{Clock, SystemClock},
    sessions::{self, Lifetimes, Method, NewSession, Origin},
};

use super::closed::{self, Run};
use crate::{
    Options, progress,
    report::{Report, Table},
    statistics::{Figure, number},
    system::{ChatRows, System},
    yardsticks::{POST_MESSAGE, Pgbench, pgbench},
};

/// Accounts that write.
const USERS: usize = 1_000;
/// Rooms that take turns, where it is not one alone.
const ROOMS: usize = 1_000;
/// Members of each of these.
const MEMBERS: usize = 10;
/// Members of the one that everybody writes to.
const HOT_MEMBERS: usize = 100;

/// Where it is written, and what of pgbench's rate is wanted.
#[derive(Clone, Copy)]
struct Place {
    name: &'static str,
    rooms: usize,
    senders: usize,
    wanted: f64,
}

/// Measures many rooms and one.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    system.stop_worker().await;
    system.clear(0, 1, Duration::ZERO).await?;
    let (ours, theirs) = system.ready_chat(USERS, ROOMS, MEMBERS, HOT_MEMBERS).await?;
    let tokens = Arc::new(access_tokens(system, &ours, USERS).await?);
    let columns = ["Rooms", "Clients", "Peyk, messages/s", "pgbench, tx/s", "Ratio"];
    let more = ["Peyk p50 ms", "Peyk p99 ms", "pgbench mean ms", "api CPU us each"];
    let mut table = Table::new(&[&columns[..], &more[..]].concat());
    for place in [
        Place { name: "1000 rooms", rooms: ROOMS, senders: MEMBERS, wanted: 1.0 },
        Place { name: "1 room", rooms: 1, senders: HOT_MEMBERS, wanted: 0.5 },
    ] {
        for &clients in &options.clients {
            let (mut peyk, mut same) = (Vec::new(), Vec::new());
            for run in 1..=options.runs {
                progress(&format!("messages, {}, {clients} clients, run {run}", place.name));
                let writer = Writer { tokens: tokens.clone(), first: ours.first_of(place), place };
                let span = Duration::from_secs(options.seconds);
                let request = move |number| writer.request(number);
                peyk.push(closed::run(system, (clients, span), 201, request).await?);
                let script = format!(
                    "\\set rooms {}\n\\set senders {}\n\\set first_room {}\n\\set first_user {}\n{}",
                    place.rooms,
                    place.senders,
                    theirs.first_of(place),
                    theirs.user,
                    POST_MESSAGE
                );
                let (seconds, out) = (options.seconds, &options.out);
                same.push(pgbench(system, &script, clients, seconds, out).await?);
            }
            row(report, &mut table, (place, clients), (&peyk, &same));
        }
    }
    let about = "`POST /api/chat/messages/`, each under a `client_id` of its own, over kept connections; \
        every client has one request under way. pgbench writes the same on the same server in turns with \
        Peyk (`bench/sql/post_message.sql`: six round trips).";
    report.table("Chat: messages", about, &table);
    Ok(())
}

impl ChatRows {
    fn first_of(&self, place: Place) -> i64 {
        if place.rooms == 1 { self.hot_room } else { self.room }
    }
}

fn row(
    report: &mut Report,
    table: &mut Table,
    (place, clients): (Place, usize),
    (peyk, same): (&[Run], &[Pgbench]),
) {
    let rate = Figure::of(peyk, |run| run.rate);
    let yardstick = Figure::of(same, |run| run.rate);
    let ratio = rate.median() / yardstick.median();
    let shown = format!("{}x", number(ratio, 2));
    table.row(&[
        place.rooms.to_string(),
        clients.to_string(),
        rate.show(0),
        yardstick.show(0),
        shown.clone(),
        Figure::of(peyk, |run| run.times.p50_ms()).show(2),
        Figure::of(peyk, |run| run.times.p99_ms()).show(2),
        Figure::of(same, |run| run.average_ms).show(2),
        Figure::of(peyk, |run| run.cpu_micros).show(0),
    ]);
    let what = format!("messages, {}, {clients} clients, against pgbench", place.name);
    let wanted = format!(">= {}x", number(place.wanted, 1));
    report.target(&what, &wanted, shown, ratio >= place.wanted);
}

/// One for each account, in the order of their ids.
pub(super) async fn access_tokens(
    system: &System,
    rows: &ChatRows,
    users: usize,
) -> anyhow::Result<Vec<String>> {
    let config = system.config()?;
    let tokens = Tokens::new(&config.auth)?;
    let lifetimes = Lifetimes::new(&config.auth);
    let (now, origin) = (SystemClock.now(), Origin::default());
    let users = (0..).map(|n| rows.user + n).take(users);
    let new: Vec<_> =
        users.map(|user_id| NewSession { user_id, origin: &origin, method: Method::Otp }).collect();
    let mut connection = system.pool.acquire().await?;
    let begun = sessions::begin(&mut connection, &new, &lifetimes, now).await?;
    Ok(begun.iter().map(|session| tokens.pair(session, now, &mut rand::rng()).access).collect())
}

/// Messages to so many rooms from `first` on.
#[derive(Clone)]
struct Writer {
    tokens: Arc<Vec<String>>,
    first: i64,
    place: Place,
}

impl Writer {
    fn request(&self, number: usize) -> anyhow::Result<Vec<u8>> {
        let room = number.wrapping_mul(61_803_399) % self.place.rooms;
        let sender = (room + number % self.place.senders) % USERS;
        let (room, name) = (self.first + i64::try_from(room)?, rand::random::<u64>());
        let text = "سلام، این یک پیام است.";
        let body = format!("{{\"chat_room\":{room},\"text\":\"{text}\",\"client_id\":\"{name}\"}}");
        let (access, length) = (&self.tokens[sender], body.len());
        Ok(format!(
            "POST /api/chat/messages/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes())
    }
}

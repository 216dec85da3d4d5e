//! Memory of sockets that have nothing to do.

use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;

use super::chat::access_tokens;
use crate::{
    Options,
    processes::resident_mb,
    progress,
    report::{Report, Table},
    statistics::{count, number},
    system::System,
    web_socket::Socket,
};

/// Accounts, and rooms.
const USERS: usize = 1_000;
/// Sockets of a room.
const MEMBERS: usize = 10;
/// Sockets that are open when memory is read.
const STEPS: [usize; 2] = [1_000, 5_000];
/// Sockets that are opened at once.
const OPENING: usize = 32;
/// KiB that each may take.
const MOST: f64 = 6.0;

/// Opens them and looks.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    // A process that has done nothing else: memory it has set free would hide what sockets take.
    system.stop().await;
    system.clear(0, 1, Duration::ZERO).await?;
    let (rows, _) = system.ready_chat(USERS, USERS, MEMBERS, 1).await?;
    let tokens = access_tokens(system, &rows, USERS).await?;
    let api = system.need_api().await?;
    let mut open = Vec::with_capacity(STEPS[1]);
    // What the first connections make once.
    open_until(&mut open, OPENING, system, (&tokens, rows.room)).await?;
    let (before, first) = (settled(options, api).await, open.len());
    let mut table = Table::new(&["Sockets", "RSS before", "RSS with them", "KiB each"]);
    for sockets in STEPS {
        progress(&format!("memory of {sockets} sockets"));
        open_until(&mut open, sockets, system, (&tokens, rows.room)).await?;
        let with = settled(options, api).await;
        let each = (with - before) * 1e6 / 1_024.0 / count(open.len() - first);
        let shown = number(each, 2);
        table.row(&[
            sockets.to_string(),
            format!("{} MB", number(before, 1)),
            format!("{} MB", number(with, 1)),
            shown.clone(),
        ]);
        let what = format!("memory of an idle socket, {sockets} open");
        report.target(&what, "<= 6 KiB", format!("{shown} KiB"), each <= MOST);
    }
    let about = "Sockets of rooms of ten, opened with access tokens, that have said one frame and heard one, \
        then nothing. VmRSS of the api process, with 32 of them open and with all; what the kernel holds for a \
        connection is not in it.";
    report.table("Chat: memory of idle sockets", about, &table);
    drop(open);
    system.stop().await;
    Ok(())
}

/// Doing nothing for so long is what is measured.
async fn settled(options: &Options, api: u32) -> f64 {
    tokio::time::sleep(Duration::from_secs(options.idle_seconds.min(5))).await;
    resident_mb(api)
}

async fn open_until(
    open: &mut Vec<Socket>,
    sockets: usize,
    system: &System,
    (tokens, first_room): (&[String], i64),
) -> anyhow::Result<()> {
    let mut opening = JoinSet::new();
    for number in open.len()..sockets {
        let (room, member) = (number / MEMBERS, number % MEMBERS);
        let path = format!("/api/chat/{}/", first_room + i64::try_from(room)?);
        let (address, access) = (system.address, tokens[(room + member) % USERS].clone());
        opening.spawn(async move {
            let mut socket = Socket::open(address, &path, &access).await?;
            socket.ask(b"{\"type\":\"ping\"}").await?;
            anyhow::Ok(socket)
        });
        if opening.len() >= OPENING {
            open.push(opening.join_next().await.context("one is opening")???);
        }
    }
    while let Some(socket) = opening.join_next().await {
        open.push(socket??);
    }
    Ok(())
}

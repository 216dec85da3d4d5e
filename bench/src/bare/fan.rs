//! The smallest server that hands things on: one loop that writes the same bytes to the same sockets.

use std::{collections::HashMap, net::SocketAddr, rc::Rc};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Mutex,
};

/// Whoever says this number of a room is no listener: what it says is handed on.
pub(crate) const PUBLISHER: u32 = u32::MAX;

type Rooms = Rc<Mutex<HashMap<u32, Vec<TcpStream>>>>;

/// Serves until the process is told to stop. Everybody says first, in four bytes, which room they
/// listen to; publishers say room, length and bytes, again and again.
pub(crate) async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let rooms = Rooms::default();
    tokio::task::LocalSet::new()
        .run_until(async move {
            loop {
                let (mut stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let room = stream.read_u32().await?;
                if room == PUBLISHER {
                    tokio::task::spawn_local(hand_on(stream, rooms.clone()));
                    continue;
                }
                // It is told that it listens.
                stream.write_u8(1).await?;
                rooms.lock().await.entry(room).or_default().push(stream);
            }
        })
        .await
}

async fn hand_on(stream: TcpStream, rooms: Rooms) -> anyhow::Result<()> {
    let mut stream = tokio::io::BufReader::new(stream);
    let mut bytes = Vec::new();
    loop {
        let room = stream.read_u32().await?;
        bytes.resize(usize::try_from(stream.read_u32().await?)?, 0);
        stream.read_exact(&mut bytes).await?;
        let mut rooms = rooms.lock().await;
        for socket in rooms.get_mut(&room).context("no such room")? {
            socket.write_all(&bytes).await?;
        }
    }
}

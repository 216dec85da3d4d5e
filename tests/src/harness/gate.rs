//! A TCP door in front of a server that a test can shut, in one direction too.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Forwards a port of its own to `target` while it is open. Shut, the port refuses connections
/// as if the server were gone, and all that went through it are cut.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    target: String,
    forwarding: Option<JoinHandle<()>>,
    held: watch::Sender<bool>,
}

impl Gate {
    /// An open door to `host:port`.
    ///
    /// # Panics
    /// Without a free port.
    pub async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let held = watch::Sender::new(false);
        let mut gate = Self { address, target: target.to_owned(), forwarding: None, held };
        gate.forward(listener);
        gate
    }

    /// Where the door is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses connections from now on and cuts those there are.
    pub async fn shut(&mut self) {
        if let Some(forwarding) = self.forwarding.take() {
            forwarding.abort();
            let _ = forwarding.await;
        }
    }

    /// Lets connections through again, on the same port.
    ///
    /// # Panics
    /// When another process took the port meanwhile.
    pub async fn open(&mut self) {
        self.shut().await;
        let listener = TcpListener::bind(self.address).await.expect("the port is still free");
        self.forward(listener);
    }

    /// Lets nothing the server says through any more: what it is asked it does, and nobody hears of
    /// it.
    pub fn hold_answers(&self) {
        self.held.send_replace(true);
    }

    /// Lets the server's answers through again, those that were held first.
    pub fn release_answers(&self) {
        self.held.send_replace(false);
    }

    fn forward(&mut self, listener: TcpListener) {
        let target = self.target.clone();
        let held = self.held.subscribe();
        self.forwarding = Some(tokio::spawn(async move {
            // Dropped with this task, and all connections with it.
            let mut connections = JoinSet::new();
            while let Ok((inside, _)) = listener.accept().await {
                let (target, held) = (target.clone(), held.clone());
                connections.spawn(async move {
                    let Ok(outside) = TcpStream::connect(target).await else { return };
                    let _ = inside.set_nodelay(true).and(outside.set_nodelay(true));
                    let (mut asks, hears) = inside.into_split();
                    let (answers, mut asked) = outside.into_split();
                    let questions = async {
                        tokio::io::copy(&mut asks, &mut asked).await?;
                        asked.shutdown().await
                    };
                    let _ = tokio::try_join!(questions, pass_answers(answers, hears, held));
                });
                while connections.try_join_next().is_some() {}
            }
        }));
    }
}

async fn pass_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut held: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; 65_536];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        // Without a gate nobody holds anything.
        let _ = held.wait_for(|held| !held).await;
        to.write_all(&buffer[..count]).await?;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(forwarding) = &self.forwarding {
            forwarding.abort();
        }
    }
}

//! A TCP door in front of a server that a test can shut.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Forwards a port of its own to `target` while it is open. Shut, the port refuses connections
/// as if the server were gone, and all that went through it are cut.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    target: String,
    forwarding: Option<JoinHandle<()>>,
}

impl Gate {
    /// An open door to `host:port`.
    ///
    /// # Panics
    /// Without a free port.
    pub async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut gate = Self { address, target: target.to_owned(), forwarding: None };
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

    fn forward(&mut self, listener: TcpListener) {
        let target = self.target.clone();
        self.forwarding = Some(tokio::spawn(async move {
            // Dropped with this task, and all connections with it.
            let mut connections = JoinSet::new();
            while let Ok((mut inside, _)) = listener.accept().await {
                let target = target.clone();
                connections.spawn(async move {
                    let Ok(mut outside) = TcpStream::connect(target).await else { return };
                    let _ = inside.set_nodelay(true).and(outside.set_nodelay(true));
                    let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
                });
                while connections.try_join_next().is_some() {}
            }
        }));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(forwarding) = &self.forwarding {
            forwarding.abort();
        }
    }
}

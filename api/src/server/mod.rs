//! Serves the application over TCP with the bounds a public HTTP/1 server needs. Poem's own server
//! has none: no cap on connections, no deadline for a request's head, no pause when the process is
//! out of file descriptors.

mod socket;

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::{
    Addr, Endpoint, Request,
    http::{self, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::socket::Socket;

/// The largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The read and write buffers of one connection, in bytes.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// The first pause after an error of accepting; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause, and the shortest time between two log lines about it.
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// The bounds of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerLimits {
    /// Open connections, those of WebSocket included. At the cap new ones wait in the kernel's backlog.
    pub(crate) max_connections: usize,
    /// From the first byte a connection may send to the end of a request's head. As the clock
    /// starts when the last answer is out, it is also how long a connection may idle.
    pub(crate) head_timeout: Duration,
    /// How long a client may take nothing of what it is sent.
    pub(crate) write_timeout: Duration,
    /// How long requests in flight may go on after the shutdown began.
    pub(crate) shutdown: Duration,
}

/// Serves until `shutdown` is cancelled, then lets requests in flight finish within
/// [`ServerLimits::shutdown`] and drops the rest. WebSocket connections count as in flight: who owns them
/// closes them on the same token.
///
/// # Errors
///
/// When the listener has no local address. Errors of accepting are waited out.
pub(crate) async fn serve(
    listener: TcpListener,
    app: impl Endpoint + 'static,
    limits: ServerLimits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let local = listener.local_addr()?;
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let killed = CancellationToken::new();
    let server = Arc::new(Server { app, local, limits, shutdown: shutdown.clone() });
    let mut pauses = Pauses::default();
    let accepting = async {
        loop {
            // The slot first: at the cap nothing is accepted.
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    pauses = Pauses::default();
                    let connection = Arc::clone(&server).connection(stream, peer, slot);
                    let killed = killed.clone();
                    tokio::spawn(async move { killed.run_until_cancelled(connection).await });
                }
                Err(error) => pauses.wait_out(&error).await,
            }
        }
    };
    shutdown.run_until_cancelled(accepting).await;
    drop(listener);
    let all = u32::try_from(limits.max_connections).unwrap_or(u32::MAX);
    if timeout(limits.shutdown, slots.acquire_many(all)).await.is_err() {
        tracing::warn!("Dropping connections that outlived the shutdown");
    }
    killed.cancel();
    Ok(())
}

/// What all connections share.
struct Server<E> {
    app: E,
    local: SocketAddr,
    limits: ServerLimits,
    shutdown: CancellationToken,
}

impl<E: Endpoint + 'static> Server<E> {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        slot: OwnedSemaphorePermit,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "A connection was gone before it was served");
            return;
        }
        let socket = Socket::new(stream, self.limits.write_timeout, slot);
        let server = Arc::clone(&self);
        let service = service_fn(move |request| Arc::clone(&server).answer(request, peer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(MAX_BUFFER_BYTES)
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "A connection ended early");
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: http::Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<http::Response<impl hyper::body::Body<Data: Send, Error = io::Error>>, Infallible>
    {
        let local = LocalAddr(Addr::socket(self.local));
        let peer = RemoteAddr(Addr::socket(peer));
        let request = Request::from((request, local, peer, Scheme::HTTP));
        let response: http::Response<_> = self.app.get_response(request).await.into();
        Ok(response)
    }
}

/// The growing pauses after errors of accepting, of which "too many open files" is the usual one.
#[derive(Default)]
struct Pauses {
    next: Option<Duration>,
    logged: Option<Instant>,
}

impl Pauses {
    async fn wait_out(&mut self, error: &io::Error) {
        if is_of_the_client(error) {
            return;
        }
        let now = Instant::now();
        if self.logged.is_none_or(|logged| now - logged >= LAST_PAUSE) {
            self.logged = Some(now);
            tracing::error!(%error, "Cannot accept connections");
        }
        sleep(self.advance()).await;
    }

    fn advance(&mut self) -> Duration {
        let pause = self.next.unwrap_or(FIRST_PAUSE);
        self.next = Some(LAST_PAUSE.min(pause * 2));
        pause
    }
}

/// Whether only this one connection failed, before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use poem::{
        Body, Response,
        endpoint::make,
        http::{StatusCode, header},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::Notify,
        task::JoinHandle,
    };

    use super::*;

    const LIMITS: ServerLimits = ServerLimits {
        max_connections: 8,
        head_timeout: Duration::from_secs(20),
        write_timeout: Duration::from_secs(20),
        shutdown: Duration::from_secs(20),
    };
    const SOON: Duration = Duration::from_millis(50);
    const GET: &[u8] = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

    struct Running {
        address: SocketAddr,
        shutdown: CancellationToken,
        ended: JoinHandle<io::Result<()>>,
    }

    async fn start(app: impl Endpoint + 'static, limits: ServerLimits) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(serve(listener, app, limits, shutdown.clone()));
        Running { address, shutdown, ended }
    }

    impl Running {
        async fn send(&self, bytes: &[u8]) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            stream
        }
    }

    fn hello() -> impl Endpoint {
        make(|request| async move {
            let peer = request.remote_addr().as_socket_addr().is_some();
            format!("hello {peer}")
        })
    }

    /// Reads until the body of a `hello` has come.
    async fn read_hello(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"hello true") {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0, "closed too early");
        }
        String::from_utf8(text).unwrap()
    }

    async fn read_to_end(mut stream: TcpStream) -> String {
        let mut text = Vec::new();
        // A reset is an end too: the server closed on what it had not read.
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn requests_on_one_connection_are_answered() {
        let server = start(hello(), LIMITS).await;
        let mut stream = server.send(GET).await;
        assert!(read_hello(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
        stream.write_all(GET).await.unwrap();
        read_hello(&mut stream).await;
    }

    #[tokio::test]
    async fn half_a_head_is_cut_off_at_the_deadline() {
        let server = start(hello(), ServerLimits { head_timeout: SOON, ..LIMITS }).await;
        let silent = server.send(b"").await;
        let half = server.send(b"GET /hello HTTP/1.1\r\nHost:").await;
        assert!(!read_to_end(half).await.contains("hello true"));
        assert_eq!(read_to_end(silent).await, "");
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed() {
        let server = start(hello(), ServerLimits { head_timeout: SOON, ..LIMITS }).await;
        assert!(read_to_end(server.send(GET).await).await.ends_with("hello true"));
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let server = start(hello(), LIMITS).await;
        let mut stream = server.send(b"GET / HTTP/1.1\r\nx: ").await;
        let _ = stream.write_all(&vec![b'a'; 2 * MAX_BUFFER_BYTES]).await;
        assert!(!read_to_end(stream).await.contains("hello true"));
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_dropped() {
        let app = make(|_| async { vec![0_u8; 64 << 20] });
        let limits = ServerLimits { write_timeout: SOON, max_connections: 1, ..LIMITS };
        let server = start(app, limits).await;
        let deaf = server.send(GET).await;
        // The one slot comes free only when the deaf client is dropped.
        let mut next = server.send(GET).await;
        assert_ne!(next.read(&mut [0; 16]).await.unwrap(), 0);
        drop(deaf);
    }

    #[tokio::test]
    async fn at_the_cap_new_connections_wait_for_one_to_end() {
        let answered = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&answered);
        let app = make(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            async { "hello true" }
        });
        let server = start(app, ServerLimits { max_connections: 1, ..LIMITS }).await;
        let mut first = server.send(GET).await;
        read_hello(&mut first).await;
        let mut second = server.send(GET).await;
        first.write_all(GET).await.unwrap();
        read_hello(&mut first).await;
        assert!(timeout(SOON, second.read_u8()).await.is_err());
        assert_eq!(answered.load(Ordering::SeqCst), 2);
        drop(first);
        let rest = timeout(LIMITS.head_timeout, read_hello(&mut second)).await.unwrap();
        assert!(rest.ends_with("hello true"));
    }

    #[tokio::test]
    async fn a_shutdown_lets_requests_finish_and_takes_no_new_ones() {
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let app = {
            let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
            make(move |_| {
                let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
                async move {
                    entered.notify_one();
                    release.notified().await;
                    "hello true"
                }
            })
        };
        let server = start(app, LIMITS).await;
        let idle = server.send(b"").await;
        let busy = server.send(GET).await;
        entered.notified().await;
        server.shutdown.cancel();
        assert_eq!(read_to_end(idle).await, "");
        assert!(TcpStream::connect(server.address).await.is_err());
        release.notify_one();
        assert!(read_to_end(busy).await.ends_with("hello true"));
        server.ended.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_shutdown_drops_what_outlives_it() {
        let entered = Arc::new(Notify::new());
        let signal = Arc::clone(&entered);
        let app = make(move |_| {
            signal.notify_one();
            std::future::pending::<StatusCode>()
        });
        let server = start(app, ServerLimits { shutdown: SOON, ..LIMITS }).await;
        let stuck = server.send(GET).await;
        entered.notified().await;
        server.shutdown.cancel();
        server.ended.await.unwrap().unwrap();
        assert_eq!(read_to_end(stuck).await, "");
    }

    #[tokio::test]
    async fn an_upgraded_connection_works_and_keeps_its_slot() {
        let app = make(|request| async move {
            let upgrade = request.take_upgrade().unwrap();
            tokio::spawn(async move {
                let mut stream = upgrade.await.unwrap();
                let byte = stream.read_u8().await.unwrap();
                stream.write_u8(byte + 1).await.unwrap();
                stream.flush().await.unwrap();
                let _ = stream.read_u8().await;
            });
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header(header::CONNECTION, "upgrade")
                .header(header::UPGRADE, "test")
                .body(Body::empty())
        });
        let server = start(app, ServerLimits { max_connections: 1, ..LIMITS }).await;
        let ask = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n";
        let mut first = server.send(ask).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            first.read_buf(&mut head).await.unwrap();
        }
        first.write_u8(1).await.unwrap();
        assert_eq!(first.read_u8().await.unwrap(), 2);
        let mut second = server.send(ask).await;
        assert!(timeout(SOON, second.read_u8()).await.is_err());
        drop(first);
        assert_eq!(second.read_u8().await.unwrap(), b'H');
    }

    #[test]
    fn pauses_after_accept_errors_grow_to_a_second() {
        let mut pauses = Pauses::default();
        let millis: Vec<_> = (0..7).map(|_| pauses.advance().as_millis()).collect();
        assert_eq!(millis, [50, 100, 200, 400, 800, 1000, 1000]);
        assert!(is_of_the_client(&io::ErrorKind::ConnectionAborted.into()));
        assert!(!is_of_the_client(&io::Error::from_raw_os_error(24)));
    }
}

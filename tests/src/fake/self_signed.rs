//! A server whose certificate nobody vouches for: whoever sits between a provider and us has no
//! better one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{io::AsyncReadExt, net::TcpListener};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

/// Speaks TLS with a certificate of its own making and listens to what it is told.
pub struct SelfSigned {
    url: String,
    greeted: Arc<AtomicUsize>,
    heard: Arc<AtomicUsize>,
}

impl SelfSigned {
    /// Starts listening.
    ///
    /// # Panics
    /// Where a test cannot go on.
    pub async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])
            .expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a usable certificate");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = Self {
            url: format!("https://{address}"),
            greeted: Arc::default(),
            heard: Arc::default(),
        };
        let (greeted, heard) = (server.greeted.clone(), server.heard.clone());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                greeted.fetch_add(1, Ordering::Relaxed);
                let (acceptor, heard) = (acceptor.clone(), heard.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut buffer = [0; 1024];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        heard.fetch_add(count, Ordering::Relaxed);
                    }
                });
            }
        });
        server
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many connections were made.
    pub fn greeted(&self) -> usize {
        self.greeted.load(Ordering::Relaxed)
    }

    /// How many bytes it was told.
    pub fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

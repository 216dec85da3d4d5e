//! A ZarinPal that opens every page and says of each that it was paid, at once.
//!
//! It has a thread of its own, as the provider of texts.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::http::{content_length, end_of_head};

/// The running gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    address: SocketAddr,
}

impl Gateway {
    /// Starts it on a free port; it runs as long as the process.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || runtime.block_on(serve(listener)));
        Ok(Self { address })
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let numbers = Arc::new(AtomicU64::new(1));
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_connection(stream, numbers.clone()));
        }
    }
}

async fn serve_connection(mut stream: TcpStream, numbers: Arc<AtomicU64>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(4096);
    loop {
        bytes.clear();
        let opens = loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            if is_whole(&bytes) {
                break is_for_a_page(&bytes);
            }
        };
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        stream.write_all(answer(opens, number).as_bytes()).await?;
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    end_of_head(bytes)
        .is_some_and(|body| bytes.len() >= body + content_length(&bytes[..body]).unwrap_or(0))
}

fn is_for_a_page(request: &[u8]) -> bool {
    request.starts_with(b"POST /pg/v4/payment/request.json ")
}

fn answer(opens: bool, number: u64) -> String {
    let data = if opens {
        format!(
            "\"code\":100,\"message\":\"Success\",\"authority\":\"A{number:035}\",\
             \"fee_type\":\"Merchant\",\"fee\":0"
        )
    } else {
        format!(
            "\"code\":100,\"message\":\"Paid\",\"ref_id\":{number},\"card_hash\":\"1EBE3EBE\",\
             \"card_pan\":\"502229******5995\",\"fee_type\":\"Merchant\",\"fee\":0"
        )
    };
    let body = format!("{{\"data\":{{{data}}},\"errors\":[]}}");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_whole_and_name_what_was_asked_for() {
        for (opens, member) in [(true, "authority"), (false, "ref_id")] {
            let answer = answer(opens, 7);
            assert!(is_whole(answer.as_bytes()));
            let body = &answer[end_of_head(answer.as_bytes()).unwrap()..];
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert!(!body["data"][member].is_null(), "{body}");
        }
        assert!(is_for_a_page(b"POST /pg/v4/payment/request.json HTTP/1.1\r\n"));
        assert!(!is_for_a_page(b"POST /pg/v4/payment/verify.json HTTP/1.1\r\n"));
    }
}

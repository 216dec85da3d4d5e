//! A Kavenegar that does nothing but note for whom it is called, at once or after a while.
//!
//! It has a thread of its own, so that the load's answers do not wait for it nor it for them.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    board::Board,
    http::{content_length, end_of_head},
};

/// What it always says.
const ACCEPTED: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
    Content-Length: 70\r\n\r\n\
    {\"return\":{\"status\":200},\"entries\":[{\"messageid\":8792343,\"status\":1}]}";

/// The running provider.
#[derive(Debug)]
pub(crate) struct Provider {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Debug, Default)]
struct Shared {
    board: Mutex<Option<Arc<Board>>>,
    delay_ms: AtomicU64,
}

impl Provider {
    /// Starts it on a free port; it runs as long as the process.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = shared.clone();
        std::thread::spawn(move || runtime.block_on(serve(listener, serving)));
        Ok(Self { shared, address })
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Notes calls on another board from now on, and answers after `delay`.
    pub(crate) fn note_on(&self, board: Arc<Board>, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(0);
        self.shared.delay_ms.store(delay, Ordering::Relaxed);
        *self.shared.board.lock().expect("no holder of this lock panics") = Some(board);
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_connection(stream, shared.clone()));
        }
    }
}

async fn serve_connection(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(4096);
    loop {
        bytes.clear();
        let (number, many) = loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            if let Some(body) = whole_body(&bytes) {
                break (receptor(body), receptors(body));
            }
        };
        if let Some(number) = number {
            let board = shared.board.lock().expect("no holder of this lock panics").clone();
            if let Some(board) = board {
                board.call(number);
            }
        }
        let delay = shared.delay_ms.load(Ordering::Relaxed);
        if delay > 0 {
            // How slow this provider is: what the part measures.
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        match many {
            Some(texts) => stream.write_all(all_accepted(texts).as_bytes()).await?,
            None => stream.write_all(ACCEPTED.as_bytes()).await?,
        }
    }
}

/// How many numbers there are if the field is a list, as for many texts in one call.
fn receptors(form: &[u8]) -> Option<usize> {
    let mut fields = form.split(|byte| *byte == b'&');
    let list = fields.find_map(|field| field.strip_prefix(b"receptor=%5B"))?;
    Some(list.windows(3).filter(|three| three == b"%2C").count() + 1)
}

/// That each of so many texts is taken.
fn all_accepted(texts: usize) -> String {
    let entries = vec!["{\"messageid\":8792343,\"status\":1}"; texts].join(",");
    let body = format!("{{\"return\":{{\"status\":200}},\"entries\":[{entries}]}}");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn whole_body(bytes: &[u8]) -> Option<&[u8]> {
    let body = end_of_head(bytes)?;
    let length = content_length(&bytes[..body]).unwrap_or(0);
    bytes.get(body..body + length)
}

/// The last eight digits of the number in the form.
fn receptor(form: &[u8]) -> Option<u64> {
    let mut fields = form.split(|byte| *byte == b'&');
    let number = fields.find_map(|field| field.strip_prefix(b"receptor="))?;
    std::str::from_utf8(number.strip_prefix(b"091")?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let bytes = ACCEPTED.as_bytes();
        let body = end_of_head(bytes).unwrap();
        assert_eq!(content_length(&bytes[..body]), Some(bytes.len() - body));
        assert!(serde_json::from_slice::<serde_json::Value>(&bytes[body..]).is_ok());
    }

    #[test]
    fn a_list_of_numbers_is_counted_and_answered_one_by_one() {
        let form =
            b"receptor=%5B%2209200000001%22%2C%2209200000002%22%5D&sender=%5B%221%22%2C%221%22%5D";
        assert_eq!(receptors(form), Some(2));
        assert_eq!(receptor(form), None, "on no board");
        assert_eq!(receptors(b"receptor=09100000042&message=a%2Cb"), None);
        let answer = all_accepted(2);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(content_length(format!("{head}\r\n").as_bytes()), Some(body.len()));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["entries"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn the_number_is_read_from_the_form() {
        assert_eq!(receptor(b"receptor=09100000042&message=a%3Db"), Some(42));
        assert_eq!(receptor(b"message=1&receptor=09198765432"), Some(98_765_432));
        assert_eq!(receptor(b"localid=7"), None);
    }
}

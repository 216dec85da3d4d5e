//! Just enough HTTP/1.1 to serve a client by hand, on a bare TCP stream.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// More than any client of ours sends.
const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// One request as it came in.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Header names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body, by `Content-Length`.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads one request; `None` when the client closed the connection instead.
    ///
    /// # Errors
    /// The connection broke, or what came is no HTTP/1.1 request with a known length.
    pub async fn read(stream: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if stream.read_buf(&mut bytes).await? == 0 || bytes.len() > MAX_REQUEST_BYTES {
                return if bytes.is_empty() { Ok(None) } else { Err(bad("no whole head")) };
            }
        };
        let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| bad("head is no UTF-8"))?;
        let mut request = Self::parse_head(head)?;
        let length = match request.header("content-length") {
            Some(length) => length.parse().map_err(|_| bad("bad content-length"))?,
            None if request.header("transfer-encoding").is_some() => return Err(bad("chunked")),
            None => 0,
        };
        bytes.drain(..head_end + 4);
        while bytes.len() < length {
            if stream.read_buf(&mut bytes).await? == 0 || bytes.len() > MAX_REQUEST_BYTES {
                return Err(bad("no whole body"));
            }
        }
        request.body = bytes;
        Ok(Some(request))
    }

    fn parse_head(head: &str) -> io::Result<Self> {
        let mut lines = head.split("\r\n");
        let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, "HTTP/1.1"] = first[..] else {
            return Err(bad("no HTTP/1.1 request line"));
        };
        let headers = lines
            .map(|line| line.split_once(':').ok_or_else(|| bad("no header line")))
            .map(|pair| pair.map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned())))
            .collect::<io::Result<_>>()?;
        let (method, target) = (method.to_owned(), target.to_owned());
        Ok(Self { method, target, headers, body: Vec::new() })
    }

    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The fields of a GET's query or of a form body, in order. A body that does not say it is
    /// a form has none.
    pub fn fields(&self) -> Vec<(String, String)> {
        let form = "application/x-www-form-urlencoded";
        let is_form = self.header("content-type").is_some_and(|kind| kind.starts_with(form));
        let encoded = match self.method.as_str() {
            "GET" => self.target.split_once('?').map(|(_, query)| query.to_owned()),
            _ if is_form => String::from_utf8(self.body.clone()).ok(),
            _ => None,
        };
        decode_form(&encoded.unwrap_or_default())
    }
}

fn decode_form(encoded: &str) -> Vec<(String, String)> {
    let mut url = reqwest::Url::parse("http://form.invalid/").expect("a constant URL");
    url.set_query(Some(encoded));
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn bad(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers besides `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A JSON answer.
    pub fn json(status: u16, body: &Value) -> Self {
        let headers =
            vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} Status\r\n", self.status);
        for (name, value) in &self.headers {
            head = head + name + ": " + value + "\r\n";
        }
        head + &format!("Content-Length: {}\r\n\r\n", self.body.len())
    }

    /// Writes the whole answer.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn write(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut bytes = self.head().into_bytes();
        bytes.extend_from_slice(&self.body);
        stream.write_all(&bytes).await
    }

    /// Writes the head at once and the body a byte every 50 ms, as long as the client stays.
    ///
    /// # Errors
    /// The connection broke, which is how it normally ends.
    pub async fn drip(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(self.head().as_bytes()).await?;
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        for byte in &self.body {
            tick.tick().await;
            stream.write_all(&[*byte]).await?;
        }
        Ok(())
    }

    /// Writes the head and half of the body; the caller then drops the connection.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn write_half(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(self.head().as_bytes()).await?;
        stream.write_all(&self.body[..self.body.len() / 2]).await
    }
}

/// Says nothing until the client gives up.
///
/// # Errors
/// The connection broke.
pub async fn wait_for_close(stream: &mut TcpStream) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// `http://127.0.0.1:<port>` where nobody listens.
///
/// # Panics
/// No free port is left on this machine.
pub async fn closed_port_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    format!("http://{address}")
}

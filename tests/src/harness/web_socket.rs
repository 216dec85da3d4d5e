//! A WebSocket client that a test holds in its hands.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        handshake::client::Response,
        http::{HeaderName, HeaderValue},
        protocol::CloseFrame,
    },
};

use super::PATIENCE;

/// An open WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    stream: WebSocketStream<TcpStream>,
    /// What the server chose of the protocols that were offered.
    pub protocol: Option<String>,
}

/// A WebSocket that was not opened: what the server answered instead.
#[derive(Debug)]
pub struct NotOpened {
    /// The HTTP status.
    pub status: u16,
    /// The body; `Null` when it is no JSON.
    pub json: Value,
}

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A frame.
    Frame(Value),
    /// The end: the code and the word, or 1006 if the connection broke off.
    Closed(u16, String),
}

impl WebSocket {
    /// Opens one at an `http://` address.
    ///
    /// # Errors
    /// What the server answered if it does not let it.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn open(url: &str, headers: &[(&str, &str)]) -> Result<Self, NotOpened> {
        let url = url.replacen("http://", "ws://", 1);
        let mut request = url.into_client_request().expect("the address of a socket");
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header");
            request.headers_mut().append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let host = request.uri().authority().expect("an address has a host").to_string();
        let stream = TcpStream::connect(host).await.expect("the api listens");
        stream.set_nodelay(true).expect("it is TCP");
        let opening = tokio::time::timeout(PATIENCE, client_async(request, stream)).await;
        match opening.expect("the api answers") {
            Ok((stream, response)) => Ok(Self { stream, protocol: protocol(&response) }),
            Err(Error::Http(response)) => {
                let status = response.status().as_u16();
                let body = response.into_body().unwrap_or_default();
                let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
                Err(NotOpened { status, json })
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a JSON frame; what does not go out any more is nobody's business.
    pub async fn send(&mut self, frame: &Value) {
        self.send_text(frame.to_string()).await;
    }

    /// Sends a text.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        let _ = self.stream.send(Message::Text(text.into().into())).await;
    }

    /// Sends bytes.
    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        let _ = self.stream.send(Message::Binary(bytes.into())).await;
    }

    /// The next frame or the end.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn next(&mut self) -> Incoming {
        let next = self.next_within(PATIENCE).await;
        next.expect("a frame comes, or the end")
    }

    /// The next frame or the end, if it comes in time.
    ///
    /// # Panics
    /// When a frame is not JSON.
    pub async fn next_within(&mut self, limit: Duration) -> Option<Incoming> {
        let incoming = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let frame = serde_json::from_str(&text).expect("a frame is JSON");
                        return Incoming::Frame(frame);
                    }
                    Some(Ok(Message::Close(frame))) => return closed(frame),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Incoming::Closed(1006, String::new()),
                }
            }
        };
        tokio::time::timeout(limit, incoming).await.ok()
    }

    /// The next frame that is no heartbeat: those come when they like.
    ///
    /// # Panics
    /// When the socket is closed instead.
    pub async fn frame(&mut self) -> Value {
        loop {
            let frame = self.any_frame().await;
            if frame["type"] != "heartbeat" {
                return frame;
            }
        }
    }

    async fn any_frame(&mut self) -> Value {
        match self.next().await {
            Incoming::Frame(frame) => frame,
            Incoming::Closed(code, word) => panic!("closed: {code} {word}"),
        }
    }

    /// The next frame of a type; others are passed over.
    ///
    /// # Panics
    /// When the socket is closed instead.
    pub async fn frame_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.any_frame().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The code the socket is closed with; frames are passed over.
    pub async fn end(&mut self) -> u16 {
        loop {
            if let Incoming::Closed(code, _) = self.next().await {
                return code;
            }
        }
    }

    /// Everything but heartbeats that came before the answer to a `ping` that is sent now.
    ///
    /// # Panics
    /// When the socket is closed instead.
    pub async fn until_pong(&mut self) -> Vec<Value> {
        self.send(&serde_json::json!({"type": "ping"})).await;
        let mut before = Vec::new();
        loop {
            let frame = self.frame().await;
            if frame["type"] == "pong" {
                return before;
            }
            before.push(frame);
        }
    }

    /// Closes it.
    pub async fn close(mut self) {
        let _ = self.stream.close(None).await;
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}

fn protocol(response: &Response) -> Option<String> {
    let chosen = response.headers().get("sec-websocket-protocol")?;
    chosen.to_str().ok().map(str::to_owned)
}

fn closed(frame: Option<CloseFrame>) -> Incoming {
    let frame = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
    let (code, reason) = frame.unwrap_or((1005, String::new()));
    Incoming::Closed(code, reason)
}

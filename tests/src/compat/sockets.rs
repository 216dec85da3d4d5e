//! The steps over WebSockets: each gives its outcome as an object with `accepted`, `json`, `none` or
//! `closed` and `reason`.

use std::{collections::HashMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::harness::{Incoming, Peyk, WebSocket};

/// For how long something is waited for that comes, unless nothing does.
const COMES: Duration = Duration::from_secs(3);
/// For how long nothing is to come.
const QUIET: Duration = Duration::from_millis(500);

/// The sockets of a scenario, by their names there.
#[derive(Default)]
pub(super) struct Sockets(HashMap<String, Opened>);

enum Opened {
    Open(Box<WebSocket>),
    /// How it ended.
    Ended(Map<String, Value>),
}

impl Sockets {
    /// Plays one step; `step` has its variables filled in.
    pub(super) async fn play(&mut self, peyk: &Peyk, step: &Value) -> Map<String, Value> {
        let name = step["name"].as_str().expect("a socket has a name");
        if step["ws"] == "connect" {
            let path = step["path"].as_str().expect("a socket has a path");
            let opened = WebSocket::open(&peyk.url(path), &[]).await;
            return match opened {
                Ok(socket) => {
                    self.0.insert(name.to_owned(), Opened::Open(Box::new(socket)));
                    object(json!({"accepted": true}))
                }
                Err(no) => object(json!({"accepted": false, "status": no.status})),
            };
        }
        let opened = self.0.get_mut(name).expect("it was connected");
        let socket = match opened {
            Opened::Open(socket) => socket,
            Opened::Ended(how) => return how.clone(),
        };
        let outcome = match step["ws"].as_str() {
            Some("send") => {
                send(socket, step).await;
                return Map::new();
            }
            Some("recv") => outcome(socket.next_within(COMES).await),
            Some("recv_none") => outcome(socket.next_within(QUIET).await),
            Some("expect_close") => until_end(socket).await,
            Some("close") => object(json!({"closed": 1000, "reason": ""})),
            other => panic!("nobody knows the step {other:?}"),
        };
        if outcome.contains_key("closed") {
            *opened = Opened::Ended(outcome.clone());
        }
        outcome
    }
}

async fn send(socket: &mut WebSocket, step: &Value) {
    if let Some(bytes) = step["b64"].as_str() {
        socket.send_bytes(STANDARD.decode(bytes).expect("the recording is base64")).await;
    } else if let Some(text) = step["text"].as_str() {
        socket.send_text(text).await;
    } else {
        socket.send(&step["json"]).await;
    }
}

/// The end, or the first error if the socket says one instead of ending.
async fn until_end(socket: &mut WebSocket) -> Map<String, Value> {
    loop {
        match socket.next_within(COMES).await {
            Some(Incoming::Frame(frame)) if frame["type"] != "error" => {}
            other => return outcome(other),
        }
    }
}

fn outcome(incoming: Option<Incoming>) -> Map<String, Value> {
    object(match incoming {
        Some(Incoming::Frame(frame)) => json!({"json": frame}),
        Some(Incoming::Closed(code, reason)) => json!({"closed": code, "reason": reason}),
        None => json!({"none": true}),
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

//! The people of a check, over HTTP.

use std::{sync::Mutex, time::Duration};

use anyhow::{Context, bail};
use rand::seq::IndexedRandom;
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use shared::ids;
use tokio::time::Instant;

/// A login is repeated when it is so old: access tokens live for five minutes by default.
const FRESH: Duration = Duration::from_mins(2);
/// Tries of a request that fails because a process has just gone.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// Where the chat is.
pub(super) struct Server {
    http: reqwest::Client,
    urls: Vec<String>,
    prefix: String,
}

impl Server {
    /// At these addresses, which are processes of the same.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub(super) fn new(urls: &[String], prefix: &str) -> anyhow::Result<Self> {
        // WebSockets are of HTTP/1.1. Only heads are waited for: sockets stay open.
        let http = reqwest::Client::builder()
            .http1_only()
            .connect_timeout(Duration::from_secs(5))
            .no_proxy()
            .build()?;
        let urls = urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Ok(Self { http, urls, prefix: prefix.trim_end_matches('/').to_owned() })
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = self.urls.choose(&mut rand::rng()).map_or("", String::as_str);
        self.http.request(method, format!("{url}{}/{path}", self.prefix))
    }

    /// Asks to open a WebSocket, at any of the addresses.
    ///
    /// # Errors
    /// When nobody is there, or it is refused.
    pub(super) async fn open(
        &self,
        room: i64,
        since: i64,
        ticket: &str,
    ) -> anyhow::Result<reqwest::Upgraded> {
        let path = format!("chat/{room}/?since={since}&ticket={ticket}");
        let asked = self
            .request(Method::GET, &path)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, tungstenite_key())
            .header(header::SEC_WEBSOCKET_PROTOCOL, "peyk.v1");
        let answer = tokio::time::timeout(Duration::from_secs(10), asked.send()).await??;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            bail!("a socket was refused: {}", answer.status());
        }
        Ok(answer.upgrade().await?)
    }
}

/// Sixteen random bytes.
fn tungstenite_key() -> String {
    tokio_tungstenite::tungstenite::handshake::client::generate_key()
}

/// One of the people.
pub(super) struct Account {
    pub(super) id: i64,
    /// Name and password, of one that was made here.
    login: Option<(String, String)>,
    token: Mutex<(String, Instant)>,
}

impl Account {
    /// Whoever the token belongs to. It has to live for as long as the check.
    ///
    /// # Errors
    /// When it opens nothing.
    pub(super) async fn of_token(server: &Server, token: &str) -> anyhow::Result<Self> {
        let token = Mutex::new((token.to_owned(), Instant::now()));
        let mut account = Self { id: 0, login: None, token };
        account.id = account.who(server).await?;
        Ok(account)
    }

    /// Somebody new.
    ///
    /// # Errors
    /// When there is no registering with a password.
    pub(super) async fn register(server: &Server) -> anyhow::Result<Self> {
        let handle = ids::random_handle(&mut rand::rng());
        let name = format!("chatcheck_{}", &handle[..16]);
        let password = ids::random_handle(&mut rand::rng());
        let body = json!({"username": name, "password": password, "password2": password});
        let made = server.request(Method::POST, "register/").json(&body).send().await?;
        if made.status() != StatusCode::CREATED {
            bail!("register/ says {}: name people with --tokens", made.status());
        }
        let token = login(server, &name, &password).await?;
        let token = Mutex::new((token, Instant::now()));
        let mut account = Self { id: 0, login: Some((name, password)), token };
        account.id = account.who(server).await?;
        Ok(account)
    }

    async fn who(&self, server: &Server) -> anyhow::Result<i64> {
        let me = self.ask(server, Method::GET, "me/", None).await?;
        me["id"].as_i64().context("me/ names no id")
    }

    async fn token(&self, server: &Server) -> anyhow::Result<String> {
        let (token, since) =
            self.token.lock().map_or_else(|poison| poison.into_inner().clone(), |it| it.clone());
        let Some((name, password)) = self.login.as_ref().filter(|_| since.elapsed() > FRESH) else {
            return Ok(token);
        };
        let token = login(server, name, password).await?;
        if let Ok(mut kept) = self.token.lock() {
            *kept = (token.clone(), Instant::now());
        }
        Ok(token)
    }

    /// Asks until somebody answers: a process may have just gone.
    async fn ask(
        &self,
        server: &Server,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.try_ask(server, method.clone(), path, body).await;
            let may_pass = match &answer {
                Ok(answer) => answer.status().is_server_error(),
                Err(_) => true,
            };
            if may_pass && tries < TRIES {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let answer = answer?;
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            if !status.is_success() {
                bail!("{path} says {status}");
            }
            return Ok(serde_json::from_str(&text).unwrap_or_default());
        }
    }

    async fn try_ask(
        &self,
        server: &Server,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Response> {
        let token = self.token(server).await?;
        let mut request = server.request(method, path).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(request.timeout(Duration::from_secs(15)).send().await?)
    }

    /// A group of all of them.
    ///
    /// # Errors
    /// When it is refused.
    pub(super) async fn make_room(
        &self,
        server: &Server,
        people: &[std::sync::Arc<Self>],
    ) -> anyhow::Result<i64> {
        let users: Vec<_> = people.iter().map(|account| account.id).collect();
        let body = json!({"name": "chat-check", "users": users});
        let room = self.ask(server, Method::POST, "chat/chatrooms/", Some(&body)).await?;
        room["id"].as_i64().context("chat/chatrooms/ names no id")
    }

    /// As well as can be.
    pub(super) async fn delete_room(&self, server: &Server, room: i64) {
        let path = format!("chat/chatrooms/{room}/");
        if let Err(error) = self.ask(server, Method::DELETE, &path, None).await {
            tracing::warn!(%error, room, "a room stays");
        }
    }

    /// As well as can be.
    pub(super) async fn erase(&self, server: &Server) {
        if let Err(error) = self.ask(server, Method::DELETE, "me/", None).await {
            tracing::warn!(%error, user_id = self.id, "an account stays");
        }
    }

    /// How far the room's log goes.
    ///
    /// # Errors
    /// When it is not told.
    pub(super) async fn head(&self, server: &Server, room: i64) -> anyhow::Result<i64> {
        let path = format!("chat/chatrooms/{room}/");
        let found = self.ask(server, Method::GET, &path, None).await?;
        found["head"].as_i64().context("a room has no head")
    }

    /// A one-use ticket for a socket.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn ticket(&self, server: &Server) -> anyhow::Result<String> {
        let bought = self.ask(server, Method::POST, "chat/ticket/", None).await?;
        Ok(bought["ticket"].as_str().context("chat/ticket/ has no ticket")?.to_owned())
    }

    /// Events after a place, as one page.
    ///
    /// # Errors
    /// When they are not told.
    pub(super) async fn events(
        &self,
        server: &Server,
        room: i64,
        since: i64,
    ) -> anyhow::Result<Vec<Value>> {
        let path = format!("chat/chatrooms/{room}/events/?since={since}");
        let page = self.ask(server, Method::GET, &path, None).await?;
        Ok(page["results"].as_array().cloned().unwrap_or_default())
    }

    /// Every message that this one wrote in the room: what their client calls it, and its id.
    ///
    /// # Errors
    /// When they are not told.
    pub(super) async fn log(
        &self,
        server: &Server,
        room: i64,
    ) -> anyhow::Result<Vec<(String, i64)>> {
        let mut since = 0;
        let mut logged = Vec::new();
        loop {
            let page = self.events(server, room, since).await?;
            let Some(last) = page.last().and_then(|event| event["seq"].as_i64()) else { break };
            since = last;
            logged.extend(page.iter().filter_map(named));
        }
        Ok(logged)
    }

    /// Posts over HTTP; gives the message's id.
    ///
    /// # Errors
    /// When it is not accepted: it may be tried again.
    pub(super) async fn post(
        &self,
        server: &Server,
        room: i64,
        (client_id, text): (&str, &str),
    ) -> anyhow::Result<i64> {
        let body = json!({"chat_room": room, "text": text, "client_id": client_id});
        let answer = self.try_ask(server, Method::POST, "chat/messages/", Some(&body)).await?;
        let status = answer.status();
        if !status.is_success() {
            bail!("chat/messages/ says {status}");
        }
        answer.json::<Value>().await?["id"].as_i64().context("a message has no id")
    }
}

async fn login(server: &Server, name: &str, password: &str) -> anyhow::Result<String> {
    let body = json!({"username": name, "password": password});
    let request = server.request(Method::POST, "login/").json(&body);
    let answer = request.timeout(Duration::from_secs(15)).send().await?;
    let answer: Value = answer.error_for_status()?.json().await?;
    Ok(answer["access"].as_str().context("login/ has no access token")?.to_owned())
}

/// What the writer's client calls a message, and its id; of any form an event has.
fn named(event: &Value) -> Option<(String, i64)> {
    Some((event["client_id"].as_str()?.to_owned(), message_id(event)?))
}

/// The id of a message, of any form an event has; `None`: it is another event.
pub(super) fn message_id(event: &Value) -> Option<i64> {
    if event["type"] == "chat_message" { event["id"].as_i64() } else { None }
}

//! The one HTTP client of everything we call, providers and endpoints: its limits, and what a failed
//! exchange means.
//!
//! The classes are about one question: can the other side have carried the request out? Only
//! what failed before a connection stood is [`Failure::NotWritten`]; everything later is
//! [`Failure::Unknown`], however unlikely the effect.

use std::error::Error;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Client, Method, Request, RequestBuilder, Response, Url, redirect};

use secrecy::{ExposeSecret, SecretString};

use crate::clock::{Clock, SystemClock};

#[cfg(test)]
mod tests;

/// No answer of a provider comes near this; more is an attack or a mistake.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A provider may ask for patience, but not for a day of it.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Shorter than the shortest keep-alive in common use (5 s): a request written to a connection
/// the server is just closing ends as "unknown", and those are the expensive ones.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// How long one exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// DNS, TCP and TLS together. Cut to three quarters of the budget, so that the budget never
    /// ends while it is still unclear whether there is a connection.
    pub connect: Duration,
    /// The whole exchange, from the first look-up to the last byte of the body.
    pub budget: Duration,
}

/// A connection pool with limits. It follows no redirect (a POST must not be repeated at an
/// address the configuration does not name) and takes no proxy from the environment.
#[derive(Clone)]
pub struct HttpClient {
    client: Client,
    /// User and password of every request.
    login: Option<(String, SecretString)>,
}

/// Without the user, which is half of the credentials.
impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client with these limits. Makes ring the process's TLS provider unless one is installed
    /// already: without any, building a client panics.
    ///
    /// # Errors
    /// The machine's certificate store cannot be used.
    pub fn new(timeouts: Timeouts) -> Result<Self, reqwest::Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Lost races are fine: then another thread has installed one.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let client = Client::builder()
            .connect_timeout(timeouts.connect.min(timeouts.budget * 3 / 4))
            .timeout(timeouts.budget)
            .pool_idle_timeout(POOL_IDLE)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("peyk/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, login: None })
    }

    /// The same for an account that is known by Basic authentication. The header that says who we
    /// are is marked as sensitive, so no log line of the layers below shows it.
    #[must_use]
    pub fn with_login(self, user: &str, password: &SecretString) -> Self {
        Self { login: Some((user.to_owned(), password.clone())), ..self }
    }

    /// Sends a request that is complete and reads the answer, whatever its status.
    ///
    /// # Errors
    /// No whole answer came: [`Failure::NotWritten`] or [`Failure::Unknown`].
    pub async fn execute(&self, request: Request) -> Result<Reply, Failure> {
        match self.client.execute(request).await {
            Ok(response) => Reply::read(response).await,
            Err(error) => Err(Failure::of_send(error)),
        }
    }

    /// Posts a form (percent-encoded UTF-8, fields in the given order) and reads the answer,
    /// whatever its status.
    ///
    /// # Errors
    /// No whole answer came: [`Failure::NotWritten`] or [`Failure::Unknown`].
    pub async fn post_form(&self, url: Url, form: &[(&str, &str)]) -> Result<Reply, Failure> {
        self.exchange(self.request(Method::POST, url).form(form)).await
    }

    /// A request to add headers and a body to, for [`HttpClient::exchange`].
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.client.request(method, url);
        match &self.login {
            Some((user, password)) => request.basic_auth(user, Some(password.expose_secret())),
            None => request,
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// No whole answer came: [`Failure::NotWritten`] or [`Failure::Unknown`].
    pub async fn get(&self, url: Url) -> Result<Reply, Failure> {
        self.exchange(self.request(Method::GET, url)).await
    }

    /// Sends a request and reads the answer, whatever its status.
    ///
    /// # Errors
    /// No whole answer came: [`Failure::NotWritten`] or [`Failure::Unknown`].
    pub async fn exchange(&self, request: RequestBuilder) -> Result<Reply, Failure> {
        match request.send().await {
            Ok(response) => Reply::read(response).await,
            Err(error) => Err(Failure::of_send(error)),
        }
    }

    /// Sends a request and reads the head of the answer only, whatever its status.
    ///
    /// # Errors
    /// No head came: [`Failure::NotWritten`] or [`Failure::Unknown`].
    pub async fn exchange_head(&self, request: RequestBuilder) -> Result<Head, Failure> {
        let response = request.send().await.map_err(|error| Failure::class_of(&error))?;
        let status = response.status().as_u16();
        Ok(Head { status, retry_after: retry_after(response.headers()) })
    }
}

/// The head of an HTTP answer.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After` as a delay from now, at most an hour.
    pub retry_after: Option<Duration>,
}

/// A whole HTTP answer. Has no `Debug`: bodies echo texts and numbers.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After` as a delay from now, at most an hour.
    pub retry_after: Option<Duration>,
    /// The body, at most 1 MiB.
    pub body: Vec<u8>,
}

impl Reply {
    async fn read(mut response: Response) -> Result<Self, Failure> {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Failure::of_body)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(Failure::Unknown { code: "http.body".to_owned() });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self { status, retry_after, body })
    }

    /// `http.502`; `http.body` where the status claims success.
    pub fn code(&self) -> String {
        match self.status {
            200..=299 => "http.body".to_owned(),
            status => format!("http.{status}"),
        }
    }
}

/// An exchange without a whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The provider has not seen the request: DNS, TCP, TLS, or the connect timeout.
    NotWritten {
        /// `http.connect` or `http.request`.
        code: String,
    },
    /// The request may have been carried out.
    Unknown {
        /// `http.timeout`, `http.reset` or `http.body`.
        code: String,
    },
}

impl Failure {
    /// The bounded code, free of addresses.
    pub fn code(&self) -> &str {
        match self {
            Self::NotWritten { code } | Self::Unknown { code } => code,
        }
    }

    fn of_send(error: reqwest::Error) -> Self {
        Self::class_of(&error).logged(error)
    }

    fn class_of(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            Self::NotWritten { code: "http.connect".to_owned() }
        } else if error.is_builder() {
            Self::NotWritten { code: "http.request".to_owned() }
        } else if error.is_timeout() {
            Self::Unknown { code: "http.timeout".to_owned() }
        } else {
            Self::Unknown { code: "http.reset".to_owned() }
        }
    }

    fn of_body(error: reqwest::Error) -> Self {
        let code = if error.is_timeout() { "http.timeout" } else { "http.body" };
        Self::Unknown { code: code.to_owned() }.logged(error)
    }

    /// The cause goes to the log without its URL, which may hold a key.
    fn logged(self, error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut causes = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push_str(": ");
            causes.push_str(&cause.to_string());
            next = cause.source();
        }
        tracing::debug!(code = self.code(), causes, "no answer to a request");
        self
    }
}

/// Seconds or an HTTP date (RFC 9110, 10.2.3), at most [`MAX_RETRY_AFTER`]. A date counts from
/// the answer's own `Date`, so that the two machines' clocks need not agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = value.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let until = DateTime::parse_from_rfc2822(value).ok()?.with_timezone(&Utc);
        let now = date_header(headers, &DATE).unwrap_or_else(|| SystemClock.now());
        (until - now).to_std().unwrap_or(Duration::ZERO)
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn date_header(headers: &HeaderMap, name: &HeaderName) -> Option<DateTime<Utc>> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(value).ok()?.with_timezone(&Utc))
}

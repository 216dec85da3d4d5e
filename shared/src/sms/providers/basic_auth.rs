//! An account at a provider that knows its callers by Basic authentication.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::http_client::{Failure, HttpClient, Reply};
use super::{Problem, Setup};

/// The address of an API and who we are there. The header that says so is marked as sensitive,
/// so no log line of the layers below shows it.
pub(super) struct BasicClient {
    http: HttpClient,
    user: String,
    password: SecretString,
}

/// Without the user, which is half of the credentials.
impl std::fmt::Debug for BasicClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BasicClient").finish_non_exhaustive()
    }
}

impl BasicClient {
    /// # Errors
    /// The machine's certificate store cannot be used.
    pub(super) fn new(user: &str, password: &SecretString, setup: &Setup) -> Result<Self, Problem> {
        let http = HttpClient::new(setup.timeouts)
            .map_err(|error| Problem::new("base_url", &format!("no TLS: {error}")))?;
        Ok(Self { http, user: user.to_owned(), password: password.clone() })
    }

    /// Posts a form; see [`HttpClient::post_form`].
    pub(super) async fn post_form(
        &self,
        url: Url,
        form: &[(&str, &str)],
    ) -> Result<Reply, Failure> {
        self.http.exchange(self.request(Method::POST, url).form(form)).await
    }

    /// Posts JSON, within `budget` if that is shorter than the configured one.
    pub(super) async fn post_json(
        &self,
        url: Url,
        body: &Value,
        budget: Option<Duration>,
    ) -> Result<Reply, Failure> {
        let request = self.request(Method::POST, url).json(body);
        let request = match budget {
            Some(budget) => request.timeout(budget),
            None => request,
        };
        self.http.exchange(request).await
    }

    /// Asks.
    pub(super) async fn get(&self, url: Url) -> Result<Reply, Failure> {
        self.http.exchange(self.request(Method::GET, url)).await
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url).basic_auth(&self.user, Some(self.password.expose_secret()))
    }
}

/// An absolute http(s) URL without user, query and fragment.
pub(super) fn parse_base_url(key: &'static str, text: &str) -> Result<Url, Problem> {
    let problem = |why: &str| Problem::new(key, why);
    let url = Url::parse(text).map_err(|error| problem(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(problem("must begin with http:// or https://"));
    }
    let bare = url.username().is_empty() && url.password().is_none();
    if !bare || url.query().is_some() || url.fragment().is_some() {
        return Err(problem("must have no user, query or fragment"));
    }
    Ok(url)
}

/// `{base}/{segments}`.
pub(super) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut()
        .expect("http and https URLs have path segments")
        .pop_if_empty()
        .extend(segments);
    url
}

/// A required setting that is empty.
pub(super) fn required(key: &'static str, value: &str) -> Option<Problem> {
    value.trim().is_empty().then(|| Problem::new(key, "must not be empty"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::super::http_client::Timeouts;
    use super::*;

    /// Collects what a subscriber writes.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Answers three connections, the body cut off; says what it read.
    fn listen() -> (Url, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let serve = move || {
            let answer = |_| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                let length = stream.read(&mut request).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nx").unwrap();
                String::from_utf8_lossy(&request[..length]).into_owned()
            };
            (0..3).map(answer).collect::<String>()
        };
        (url, std::thread::spawn(serve))
    }

    #[tokio::test]
    async fn every_call_says_who_we_are_and_no_log_line_of_any_level_does() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let timeouts = Timeouts { connect: Duration::from_secs(5), budget: Duration::from_secs(9) };
        let setup = Setup { timeouts, webhook_url: None };
        let client = BasicClient::new("user", &SecretString::from("s3cret"), &setup).unwrap();
        let (url, server) = listen();
        let body = json!({"text": "482913"});
        let replies = [
            client.get(below(&url, &["+989123456789"])).await,
            client.post_form(url.clone(), &[("text", "482913")]).await,
            client.post_json(url, &body, None).await,
        ];
        let cut_off = Failure::Unknown { code: "http.body".to_owned() };
        assert!(replies.into_iter().all(|reply| reply.err() == Some(cut_off.clone())));
        let read = server.join().unwrap();
        // base64 of user:s3cret
        let credentials = "dXNlcjpzM2NyZXQ=";
        assert_eq!(read.matches(&format!("authorization: Basic {credentials}")).count(), 3);
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("no answer from an SMS provider").count(), 3, "{log}");
        let printed = format!("{log}{client:?}");
        for secret in ["s3cret", credentials, "482913", "9123456789"] {
            assert!(!printed.contains(secret), "{secret} in {printed}");
        }
    }
}

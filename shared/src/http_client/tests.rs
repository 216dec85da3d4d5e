//! What is asked for, and what no log shows.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use reqwest::header::HeaderValue;
use serde_json::json;

use super::*;

fn wait(pairs: &[(HeaderName, &'static str)]) -> Option<u64> {
    let headers = pairs.iter().map(|(k, v)| (k.clone(), HeaderValue::from_static(v))).collect();
    retry_after(&headers).map(|wait| wait.as_secs())
}

#[test]
fn retry_after_takes_seconds_and_dates_and_is_capped() {
    let date = |text| (DATE, text);
    let after = |text| (RETRY_AFTER, text);
    assert_eq!(wait(&[after("7")]), Some(7));
    assert_eq!(wait(&[after("0")]), Some(0));
    assert_eq!(wait(&[after("86400")]), Some(3600));
    assert_eq!(wait(&[after("99999999999999999999")]), None);
    assert_eq!(wait(&[after("soon")]), None);
    assert_eq!(wait(&[after("-1")]), None);
    assert_eq!(wait(&[]), None);
    let now = date("Wed, 21 Oct 2015 07:28:00 GMT");
    assert_eq!(wait(&[now.clone(), after("Wed, 21 Oct 2015 07:28:30 GMT")]), Some(30));
    assert_eq!(wait(&[now.clone(), after("Wed, 21 Oct 2015 07:27:00 GMT")]), Some(0));
    assert_eq!(wait(&[now, after("Fri, 23 Oct 2015 07:28:00 GMT")]), Some(3600));
    assert_eq!(wait(&[after("Wed, 21 Oct 2015 07:28:00 GMT")]), Some(0));
}

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
    let login = SecretString::from("s3cret");
    let client = HttpClient::new(timeouts).unwrap().with_login("user", &login);
    let (url, server) = listen();
    let body = json!({"text": "482913"});
    let replies = [
        client.get(url.join("+989123456789").unwrap()).await,
        client.post_form(url.clone(), &[("text", "482913")]).await,
        client.exchange(client.request(Method::POST, url).json(&body)).await,
    ];
    let cut_off = Failure::Unknown { code: "http.body".to_owned() };
    assert!(replies.into_iter().all(|reply| reply.err() == Some(cut_off.clone())));
    let read = server.join().unwrap();
    // base64 of user:s3cret
    let credentials = "dXNlcjpzM2NyZXQ=";
    assert_eq!(read.matches(&format!("authorization: Basic {credentials}")).count(), 3);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("no answer to a request").count(), 3, "{log}");
    let printed = format!("{log}{client:?}");
    for secret in ["s3cret", credentials, "482913", "9123456789"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

//! A store that speaks as much of S3 as files need: whole objects, uploads in parts, ranges.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::net::{TcpListener, TcpStream};

use super::http::{Request, Response};

/// Whom it lets in.
pub const S3_KEY: &str = "AKPEYKTEST";

/// The least a part has, but for the last.
const LEAST_PART: usize = 5 * 1024 * 1024;

const DATE: &str = "Sat, 28 Feb 2026 09:00:00 GMT";

/// A running store with one bucket.
pub struct FakeS3 {
    url: String,
    store: Arc<Mutex<Store>>,
}

#[derive(Default)]
struct Store {
    objects: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<String, (String, BTreeMap<usize, Vec<u8>>)>,
    counter: usize,
    is_down: bool,
}

impl FakeS3 {
    /// Starts one.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let store = Arc::<Mutex<Store>>::default();
        let serves = Arc::clone(&store);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serves)));
            }
        });
        Self { url: format!("http://{address}"), store }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers 500 from now on, or does its work again.
    ///
    /// # Panics
    /// Never in a sound test.
    pub fn set_down(&self, is_down: bool) {
        self.store.lock().expect("no holder of this lock panics").is_down = is_down;
    }

    /// What is in it: paths with bucket, and contents.
    ///
    /// # Panics
    /// Never in a sound test.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.store.lock().expect("no holder of this lock panics").objects.clone()
    }

    /// How many parts wait for the end of their upload.
    ///
    /// # Panics
    /// Never in a sound test.
    pub fn waiting_parts(&self) -> usize {
        let store = self.store.lock().expect("no holder of this lock panics");
        store.uploads.values().map(|(_, parts)| parts.len()).sum()
    }
}

async fn serve(mut stream: TcpStream, store: Arc<Mutex<Store>>) {
    while let Ok(Some(request)) = Request::read(&mut stream).await {
        let response = {
            let mut store = store.lock().expect("no holder of this lock panics");
            if store.is_down { plain(500) } else { store.answer(request) }
        };
        if response.write(&mut stream).await.is_err() {
            return;
        }
    }
}

fn plain(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: Vec::new() }
}

fn xml(status: u16, body: String) -> Response {
    let headers = vec![("Content-Type".to_owned(), "application/xml".to_owned())];
    Response { status, headers, body: body.into_bytes() }
}

fn refusal(status: u16, code: &str) -> Response {
    xml(status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"))
}

impl Store {
    fn answer(&mut self, request: Request) -> Response {
        let credential = format!("AWS4-HMAC-SHA256 Credential={S3_KEY}/");
        let is_let_in =
            |given: &str| given.starts_with(&credential) && given.contains("Signature=");
        if !request.header("authorization").is_some_and(is_let_in) {
            return refusal(403, "AccessDenied");
        }
        let path = request.path().to_owned();
        let query: BTreeMap<String, String> = request
            .target
            .split_once('?')
            .map(|(_, query)| query.split('&'))
            .into_iter()
            .flatten()
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let upload = query.get("uploadId");
        match (request.method.as_str(), upload) {
            ("POST", None) if query.contains_key("uploads") => self.begin(&path),
            ("PUT", Some(upload)) => self.take_part(upload, query.get("partNumber"), request.body),
            ("POST", Some(upload)) => self.complete(upload),
            ("DELETE", Some(upload)) => match self.uploads.remove(upload) {
                Some(_) => plain(204),
                None => refusal(404, "NoSuchUpload"),
            },
            ("PUT", None) => {
                self.objects.insert(path, request.body);
                plain(200).with_header("ETag", "\"whole\"")
            }
            // S3 says the same of what is not there.
            ("DELETE", None) => {
                self.objects.remove(&path);
                plain(204)
            }
            ("GET", None) => self.give(&path, request.header("range")),
            _ => refusal(400, "InvalidRequest"),
        }
    }

    fn begin(&mut self, path: &str) -> Response {
        self.counter += 1;
        let id = format!("upload-{}", self.counter);
        self.uploads.insert(id.clone(), (path.to_owned(), BTreeMap::new()));
        xml(
            200,
            format!(
                "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>{id}</UploadId>\
             </InitiateMultipartUploadResult>"
            ),
        )
    }

    fn take_part(&mut self, upload: &str, number: Option<&String>, body: Vec<u8>) -> Response {
        let Some((_, parts)) = self.uploads.get_mut(upload) else {
            return refusal(404, "NoSuchUpload");
        };
        let Some(number) = number.and_then(|number| number.parse().ok()) else {
            return refusal(400, "InvalidPart");
        };
        parts.insert(number, body);
        plain(200).with_header("ETag", &format!("\"part-{number}\""))
    }

    fn complete(&mut self, upload: &str) -> Response {
        let Some((path, parts)) = self.uploads.remove(upload) else {
            return refusal(404, "NoSuchUpload");
        };
        let parts: Vec<_> = parts.into_values().collect();
        let all_but_last = parts.iter().rev().skip(1);
        if all_but_last.into_iter().any(|part| part.len() < LEAST_PART) {
            return refusal(400, "EntityTooSmall");
        }
        self.objects.insert(path, parts.concat());
        xml(
            200,
            "<CompleteMultipartUploadResult><Location>l</Location><Bucket>b</Bucket>\
             <Key>k</Key><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>"
                .to_owned(),
        )
    }

    fn give(&self, path: &str, range: Option<&str>) -> Response {
        let Some(object) = self.objects.get(path) else { return refusal(404, "NoSuchKey") };
        let dated = |response: Response| {
            response.with_header("ETag", "\"whole\"").with_header("Last-Modified", DATE)
        };
        let part = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let part = part.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        let Some((first, last)): Option<(usize, usize)> = part else {
            return dated(Response { body: object.clone(), ..plain(200) });
        };
        let last = last.min(object.len().saturating_sub(1));
        let body = object.get(first..=last).unwrap_or_default().to_vec();
        let range = format!("bytes {first}-{last}/{}", object.len());
        dated(Response { body, ..plain(206) }).with_header("Content-Range", &range)
    }
}

//! The name of each request, and the span everything it does is logged in.

use std::{sync::Arc, time::Instant};

use poem::{
    Endpoint, FromRequest, IntoResponse, Middleware, Request, RequestBody, Response, Result,
    http::HeaderValue,
};
use shared::telemetry::{HTTP_REQUESTS, HTTP_SECONDS};
use tracing::{Instrument, Span, field};

use super::AllowedMethods;
use crate::language::Language;

/// The header, in both directions.
const HEADER: &str = "x-request-id";
/// The longest id taken over from a client.
const MAX_CHARS: usize = 64;

/// The id of a request: the client's own if it sent a sane one, else a random one.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// The id as text: letters, digits, `-` and `_`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn of(request: &Request) -> Self {
        match request.header(HEADER).filter(|id| is_sane(id)) {
            Some(id) => Self(id.into()),
            None => Self(format!("{:032x}", rand::random::<u128>()).into()),
        }
    }
}

/// Only what can do no harm in a log line or a header.
fn is_sane(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_CHARS).contains(&id.len()) && id.bytes().all(is_plain)
}

impl<'a> FromRequest<'a> for RequestId {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(request.data().cloned().unwrap_or_else(|| Self::of(request)))
    }
}

/// Gives each request its [`RequestId`] and its span `http`, and answers with the id.
pub(crate) struct NameRequests {
    /// Names the path in the span; the path itself may hold secrets.
    pub(crate) allowed: Arc<AllowedMethods>,
}

impl<E: Endpoint> Middleware<E> for NameRequests {
    type Output = NameRequestsEndpoint<E>;

    fn transform(&self, app: E) -> Self::Output {
        NameRequestsEndpoint { app, allowed: Arc::clone(&self.allowed) }
    }
}

/// The endpoint of [`NameRequests`].
pub(crate) struct NameRequestsEndpoint<E> {
    app: E,
    allowed: Arc<AllowedMethods>,
}

impl<E: Endpoint> NameRequestsEndpoint<E> {
    /// The path with names for its variable parts, so that neither logs nor metrics hold a
    /// handle, and the labels of metrics are bounded.
    fn path(&self, request: &Request) -> &str {
        let path = self.allowed.find(request.uri().path());
        path.map_or("(undocumented)", |path| path.template.as_str())
    }

    fn span(&self, request: &Request, id: &RequestId) -> Span {
        tracing::info_span!(
            "http",
            method = %request.method(),
            path = self.path(request),
            request_id = id.as_str(),
            language = Language::of(request.headers()).tag(),
            status = field::Empty,
            latency_ms = field::Empty,
        )
    }
}

impl<E: Endpoint> Endpoint for NameRequestsEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let started = Instant::now();
        let id = RequestId::of(&request);
        let span = self.span(&request, &id);
        let path = self.path(&request);
        request.set_data(id.clone());
        let answer = self.app.call(request).instrument(span.clone()).await;
        let mut response =
            answer.map_or_else(poem::Error::into_response, IntoResponse::into_response);
        span.record("status", response.status().as_u16());
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        span.record("latency_ms", millis);
        span.in_scope(|| tracing::info!("request"));
        HTTP_SECONDS.with_label_values(&[path]).observe(started.elapsed().as_secs_f64());
        HTTP_REQUESTS.with_label_values(&[path, response.status().as_str()]).inc();
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(HEADER, value);
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sane_id_is_taken_over() {
        let taken = |id: &str| {
            let request = Request::builder().header(HEADER, id).finish();
            RequestId::of(&request).as_str() == id
        };
        assert!(taken("a-B_9") && taken(&"x".repeat(64)));
        for id in ["", "a b", "a\tb", "a/b", "é", "a\"b", &"x".repeat(65)] {
            assert!(!taken(id), "{id}");
        }
    }

    #[test]
    fn made_ids_are_128_random_bits_in_hex() {
        let made = || RequestId::of(&Request::default()).as_str().to_owned();
        let (first, second) = (made(), made());
        assert_ne!(first, second);
        assert_eq!(first.len(), 32);
        assert!(first.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}

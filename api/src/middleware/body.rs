//! Bounds on what a request may bring and how long it may take.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream};
use poem::{
    Body, Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{Method, header},
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{Code, Problem};

/// Reads the whole body under a size cap and runs the application under what is left of the
/// deadline. Everything below finds the body in memory, but for the uploads.
#[derive(Debug, Clone)]
pub(crate) struct BoundRequests {
    /// The largest body, in bytes.
    pub(crate) max_body_bytes: usize,
    /// From the end of the head to the beginning of the answer.
    pub(crate) request_timeout: Duration,
    /// What is read as it comes.
    pub(crate) uploads: Arc<Uploads>,
}

/// Operations that read a body as it comes, with bounds of their own.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    /// Where they are, without a trailing slash.
    pub(crate) paths: Vec<String>,
    /// The largest body, in bytes.
    pub(crate) max_body_bytes: usize,
    /// From the end of the head to the beginning of the answer. A client that sends nothing for the time
    /// of other requests is not waited for.
    pub(crate) timeout: Duration,
}

impl<E: Endpoint> Middleware<E> for BoundRequests {
    type Output = BoundRequestsEndpoint<E>;

    fn transform(&self, app: E) -> Self::Output {
        BoundRequestsEndpoint { app, bounds: self.clone() }
    }
}

/// The endpoint of [`BoundRequests`].
pub(crate) struct BoundRequestsEndpoint<E> {
    app: E,
    bounds: BoundRequests,
}

impl<E: Endpoint> Endpoint for BoundRequestsEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        if self.is_upload(&request) {
            return self.upload(request).await;
        }
        let deadline = Instant::now() + self.bounds.request_timeout;
        let body = request.take_body();
        if !body.is_empty() {
            if declared_length(&request).is_some_and(|length| length > self.bounds.max_body_bytes) {
                return Err(Problem::new(Code::PayloadTooLarge).into());
            }
            let read =
                timeout_at(deadline, body.into_bytes_limit(self.bounds.max_body_bytes)).await;
            let bytes = read.map_err(|_| Problem::new(Code::RequestTimeout))??;
            request.set_body(Body::from(bytes));
        }
        let answer = timeout_at(deadline, self.app.call(request)).await;
        Ok(answer.map_err(|_| Problem::new(Code::Timeout))??.into_response())
    }
}

impl<E: Endpoint> BoundRequestsEndpoint<E> {
    fn is_upload(&self, request: &Request) -> bool {
        let path = request.uri().path();
        request.method() == Method::POST
            && self.bounds.uploads.paths.iter().any(|upload| upload == path)
    }

    async fn upload(&self, mut request: Request) -> Result<Response> {
        let (idle, uploads) = (self.bounds.request_timeout, &self.bounds.uploads);
        let deadline = Instant::now() + uploads.timeout;
        let body = request.take_body().into_bytes_stream();
        let broken = Arc::<OnceLock<Code>>::default();
        if declared_length(&request).is_some_and(|length| length > uploads.max_body_bytes) {
            // A client that is still writing does not hear of a closed connection why.
            let heard = bounded(body, 2 * uploads.max_body_bytes, idle, broken);
            let _ = timeout_at(deadline, heard.for_each(|_| async {})).await;
            return Err(Problem::new(Code::PayloadTooLarge).into());
        }
        let body = bounded(body, uploads.max_body_bytes, idle, Arc::clone(&broken));
        request.set_body(Body::from_bytes_stream(body));
        let answer = timeout_at(deadline, self.app.call(request)).await;
        let answer = answer.map_err(|_| Problem::new(Code::RequestTimeout))?;
        // Whoever reads the body knows only that it broke off.
        match (answer, broken.get()) {
            (Err(_), Some(code)) => Err(Problem::new(*code).into()),
            (answer, _) => Ok(answer?.into_response()),
        }
    }
}

/// The body up to so many bytes, as long as something comes; one that exceeds that breaks off, and
/// `broken` says why. However fast it comes, it gives way after each piece: readers take what there is.
fn bounded(
    body: impl Stream<Item = io::Result<impl AsRef<[u8]> + Send + 'static>> + Send + 'static,
    max_bytes: usize,
    idle: Duration,
    broken: Arc<OnceLock<Code>>,
) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static {
    let body = Box::pin(body);
    stream::try_unfold((body, 0_usize, broken), move |(mut body, came, broken)| async move {
        tokio::task::yield_now().await;
        let stop = |code| {
            // The first reason counts.
            let _ = broken.set(code);
            io::Error::other("the body exceeds its bounds")
        };
        let piece = timeout(idle, body.next()).await.map_err(|_| stop(Code::RequestTimeout))?;
        let Some(piece) = piece.transpose()? else { return Ok(None) };
        let piece = piece.as_ref().to_vec();
        let came = came + piece.len();
        if came > max_bytes {
            return Err(stop(Code::PayloadTooLarge));
        }
        Ok(Some((piece, (body, came, broken))))
    })
}

fn declared_length(request: &Request) -> Option<usize> {
    request.header(header::CONTENT_LENGTH)?.parse().ok()
}

//! Bounds on what a request may bring and how long it may take.

use std::time::Duration;

use poem::{Body, Endpoint, IntoResponse, Middleware, Request, Response, Result, http::header};
use tokio::time::{Instant, timeout_at};

use crate::error::{Code, Problem};

/// Reads the whole body under a size cap and runs the application under what is left of the
/// deadline. Everything below finds the body in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoundRequests {
    /// The largest body, in bytes.
    pub(crate) max_body_bytes: usize,
    /// From the end of the head to the beginning of the answer.
    pub(crate) request_timeout: Duration,
}

impl<E: Endpoint> Middleware<E> for BoundRequests {
    type Output = BoundRequestsEndpoint<E>;

    fn transform(&self, app: E) -> Self::Output {
        BoundRequestsEndpoint { app, bounds: *self }
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

fn declared_length(request: &Request) -> Option<usize> {
    request.header(header::CONTENT_LENGTH)?.parse().ok()
}

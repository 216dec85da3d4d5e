//! One exchange of JSON with a gateway, and what it means when it says nothing that can be read.

use std::time::Duration;

use reqwest::{Method, Url, header::HeaderValue};
use serde_json::Value;

use super::{Opened, Returned, Said, Unanswered, Verified};
use crate::{
    http_client::{Failure, HttpClient, Reply},
    wire::join,
};

/// The API of an account.
pub(super) struct Api {
    pub(super) http: HttpClient,
    pub(super) base: Url,
    /// `Authorization`, where that is how the account is known.
    pub(super) login: Option<HeaderValue>,
}

impl Api {
    /// Posts JSON and reads the answer, whatever its status.
    pub(super) async fn post(&self, path: &[&str], body: &Value) -> Result<Reply, NoAnswer> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Asks.
    pub(super) async fn get(&self, path: &[&str]) -> Result<Reply, NoAnswer> {
        self.send(Method::GET, path, None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Reply, NoAnswer> {
        let mut request = self.http.request(method, join(&self.base, path));
        request = request.header("Accept", "application/json");
        if let Some(login) = &self.login {
            request = request.header("Authorization", login.clone());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(self.http.exchange(request).await?)
    }
}

/// An exchange that says nothing about what was asked.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// Nothing was done.
    Later {
        /// The gateway's own wish.
        after: Option<Duration>,
        code: String,
    },
    /// It may have been done.
    Unknown { code: String },
}

impl NoAnswer {
    /// An answer that the gateway's own rules cannot read: 429 and 503 are promises that nothing was
    /// done, any other status is no such promise.
    pub(super) fn unreadable(reply: &Reply) -> Self {
        match reply.status {
            429 | 503 => Self::Later { after: reply.retry_after, code: reply.code() },
            _ => Self::Unknown { code: reply.code() },
        }
    }
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotWritten { code } => Self::Later { after: None, code },
            Failure::Unknown { code } => Self::Unknown { code },
        }
    }
}

fn silent(reason: String) -> Said {
    Said { code: None, reason, message: String::new(), answer: Value::Null }
}

impl From<NoAnswer> for Opened {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::Later { code, .. } => Self::RetryLater(silent(code)),
            NoAnswer::Unknown { code } => Self::Unknown(silent(code)),
        }
    }
}

impl From<NoAnswer> for Verified {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::Later { after, code } => Self::RetryLater { after, said: silent(code) },
            NoAnswer::Unknown { code } => Self::Unknown(silent(code)),
        }
    }
}

impl From<NoAnswer> for Returned {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::Later { code, .. } => Self::RetryLater(silent(code)),
            NoAnswer::Unknown { code } => Self::Unknown(silent(code)),
        }
    }
}

impl From<NoAnswer> for Unanswered {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::Later { code, .. } | NoAnswer::Unknown { code } => Self::Unavailable(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_429_and_503_promise_that_nothing_was_done() {
        for status in [200, 302, 400, 404, 429, 500, 502, 503, 504] {
            let reply = Reply { status, retry_after: None, body: Vec::new() };
            let later = matches!(NoAnswer::unreadable(&reply), NoAnswer::Later { .. });
            assert_eq!(later, matches!(status, 429 | 503), "{status}");
        }
    }
}

//! One call to an endpoint: signed, bounded, and what its answer means.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, Url, header::CONTENT_TYPE};

use super::{
    deliveries::Claim,
    signature::{self, Secret},
};
use crate::{
    config::WebhookEndpoint,
    http_client::{HttpClient, Timeouts},
};

/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(5);

/// Posts to one endpoint, over connections of its own.
#[derive(Clone)]
pub struct Sender {
    client: HttpClient,
    url: Url,
    secrets: Vec<Secret>,
}

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It took the event (2xx).
    Taken {
        /// The HTTP status.
        status: u16,
    },
    /// It wants no events any more (410).
    Gone,
    /// It answered, with something else.
    Refused {
        /// The HTTP status.
        status: u16,
        /// How long it asks for patience.
        retry_after: Option<Duration>,
    },
    /// It did not answer.
    Nothing {
        /// Bounded reason, e.g. `http.timeout`.
        code: String,
    },
}

impl Answer {
    fn of(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            200..=299 => Self::Taken { status },
            410 => Self::Gone,
            429 | 503 => Self::Refused { status, retry_after },
            _ => Self::Refused { status, retry_after: None },
        }
    }

    /// The HTTP status, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Taken { status } | Self::Refused { status, .. } => Some(*status),
            Self::Gone => Some(410),
            Self::Nothing { .. } => None,
        }
    }
}

impl Sender {
    /// A sender to this endpoint.
    ///
    /// # Errors
    /// When its settings cannot be used; those of a loaded configuration can.
    pub fn new(config: &WebhookEndpoint) -> anyhow::Result<Self> {
        let timeouts = Timeouts { connect: CONNECT, budget: config.timeout() };
        let secrets: Option<Vec<_>> = config.secrets.iter().map(Secret::parse).collect();
        Ok(Self {
            client: HttpClient::new(timeouts)?,
            url: config.url.parse()?,
            secrets: secrets.ok_or_else(|| anyhow::anyhow!("a webhook secret is not valid"))?,
        })
    }

    /// Posts the event. What stands in the answer's body is of no interest and not read.
    pub async fn send(&self, claim: &Claim, now: DateTime<Utc>) -> Answer {
        let body = claim.body();
        let timestamp = now.timestamp();
        let signature = signature::sign(&self.secrets, &claim.event_id, timestamp, &body);
        let request = self
            .client
            .request(Method::POST, self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &claim.event_id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        match self.client.exchange_head(request).await {
            Ok(head) => Answer::of(head.status, head.retry_after),
            Err(failure) => Answer::Nothing { code: failure.code().to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_success_and_only_429_and_503_are_asked_how_long() {
        let patience = Some(Duration::from_secs(7));
        for status in [200, 202, 204, 299] {
            assert_eq!(Answer::of(status, patience), Answer::Taken { status });
        }
        for status in [199, 301, 302, 400, 401, 404, 408, 500, 502] {
            assert_eq!(Answer::of(status, patience), Answer::Refused { status, retry_after: None });
        }
        for status in [429, 503] {
            let answer = Answer::of(status, patience);
            assert_eq!(answer, Answer::Refused { status, retry_after: patience });
        }
        assert_eq!(Answer::of(410, patience), Answer::Gone);
    }
}

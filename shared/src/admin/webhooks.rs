//! What staff do with single deliveries of events.

use std::time::Duration;

use serde_json::Value as Json;

use super::{
    Admin, Shown,
    lists::{
        self, Value,
        webhooks::{ID, StaffWebhook},
    },
};
use crate::{
    audit::{self, Entry, Source, Subject},
    webhooks::history,
};

/// A delivery with what its event says. Has no `Debug`: that may name somebody.
#[derive(Clone)]
pub struct WebhookStory {
    /// The delivery.
    pub delivery: StaffWebhook,
    /// What is told; nothing where personal data is masked.
    pub data: Option<Json>,
}

/// Why a delivery is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum WebhookChangeError {
    /// There is none.
    #[error("no such delivery")]
    NoSuchDelivery,
    /// It is not where this can be done to it.
    #[error("the delivery is not there")]
    NotNow,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

const fn subject(id: i64) -> Subject {
    Subject { kind: "webhook", id: Some(id) }
}

impl Admin {
    /// Looks at a delivery and its event, and writes down who did.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn webhook(
        &self,
        source: &Source,
        id: i64,
        shown: Shown,
    ) -> Result<Option<WebhookStory>, sqlx::Error> {
        let found = lists::one::<StaffWebhook>(&self.pool, &ID, Value::Integer(id), shown).await?;
        let Some(delivery) = found else { return Ok(None) };
        let data = match shown {
            Shown::Whole => history::data(&self.pool, &delivery.event_id).await?,
            Shown::Masked => None,
        };
        let looked =
            Entry::new(source, "webhook.viewed", subject(id)).with("shown", shown.as_str());
        audit::record(&mut *self.pool.acquire().await?, &looked, self.clock.now()).await?;
        Ok(Some(WebhookStory { delivery, data }))
    }

    /// Has an event told again, with all its attempts before it, also one that was told: not while it
    /// is being told.
    ///
    /// # Errors
    /// [`WebhookChangeError`].
    pub async fn retry_webhook(
        &self,
        source: &Source,
        id: i64,
        give_up_after: Duration,
    ) -> Result<(), WebhookChangeError> {
        let mut tx = self.pool.begin().await?;
        if !history::replay_one(&mut tx, id, give_up_after).await? {
            return Err(self.why_not(id).await);
        }
        let entry = Entry::new(source, "webhook.retried", subject(id));
        audit::record(&mut tx, &entry, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives a delivery up that waits; those behind it are told then.
    ///
    /// # Errors
    /// [`WebhookChangeError`].
    pub async fn give_up_webhook(
        &self,
        source: &Source,
        id: i64,
    ) -> Result<(), WebhookChangeError> {
        let mut tx = self.pool.begin().await?;
        if history::give_up(&mut tx, &[id]).await?.is_empty() {
            return Err(self.why_not(id).await);
        }
        let entry = Entry::new(source, "webhook.given_up", subject(id));
        audit::record(&mut tx, &entry, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn why_not(&self, id: i64) -> WebhookChangeError {
        let value = Value::Integer(id);
        match lists::one::<StaffWebhook>(&self.pool, &ID, value, Shown::Masked).await {
            Ok(Some(_)) => WebhookChangeError::NotNow,
            Ok(None) => WebhookChangeError::NoSuchDelivery,
            Err(error) => error.into(),
        }
    }
}

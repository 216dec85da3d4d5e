//! What staff do with single messages.

use rand::Rng;
use sqlx::PgConnection;

use super::{
    Admin, Shown,
    lists::{
        self, Value,
        messages::{ID, StaffMessage},
    },
};
use crate::{
    audit::{self, Entry, Source, Subject},
    idempotency::Keyed,
    jobs::{Queue, RowId},
    sms::{
        MessageKind, MessageStatus,
        messages::{AcceptedMessage, MessageRefused, Messages, Repeat},
        staff::{self, Attempt, Standing},
    },
};

/// A message with its attempts. Has no `Debug`: it names somebody.
#[derive(Clone)]
pub struct MessageStory {
    /// The message.
    pub message: StaffMessage,
    /// Its attempts, the first one first.
    pub attempts: Vec<Attempt>,
}

/// Why a message is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum MessageChangeError {
    /// There is none.
    #[error("no such message")]
    NoSuchMessage,
    /// It is not where this can be done to it.
    #[error("the message is {0:?}")]
    NotNow(MessageStatus),
    /// It is a code's whose life is over.
    #[error("the code is over")]
    CodeOver,
    /// It is a code's, which this is not done to.
    #[error("the message is a code's")]
    IsCode,
    /// A new message is not accepted.
    #[error(transparent)]
    Refused(#[from] MessageRefused),
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

const fn subject(id: i64) -> Subject {
    Subject { kind: "message", id: Some(id) }
}

impl Admin {
    /// Looks at a message and its attempts, and writes down who did.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn message(
        &self,
        source: &Source,
        id: i64,
        shown: Shown,
    ) -> Result<Option<MessageStory>, sqlx::Error> {
        let found = lists::one(&self.pool, &ID, Value::Integer(id), shown).await?;
        let Some(message) = found else { return Ok(None) };
        let attempts = staff::attempts(&self.pool, id).await?;
        let looked =
            Entry::new(source, "message.viewed", subject(id)).with("shown", shown.as_str());
        audit::record(&mut *self.pool.acquire().await?, &looked, self.clock.now()).await?;
        Ok(Some(MessageStory { message, attempts }))
    }

    /// Has a message tried again that failed, expired, or of which nobody knows what became; a code
    /// only while it lives. Gives what to push.
    ///
    /// # Errors
    /// [`MessageChangeError`].
    pub async fn retry_message(
        &self,
        source: &Source,
        messages: &Messages,
        id: i64,
    ) -> Result<(Queue, RowId), MessageChangeError> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let before = standing(&mut tx, id).await?;
        let Some(kind) = staff::retry(&mut tx, id, messages.life(), now).await? else {
            let could = |status| {
                use MessageStatus::{Expired, Failed, Unknown};
                matches!(status, Failed | Expired | Unknown)
            };
            let is_over = before.is_over && could(before.status);
            return Err(match before.kind {
                MessageKind::Otp if is_over => MessageChangeError::CodeOver,
                _ => MessageChangeError::NotNow(before.status),
            });
        };
        let entry = Entry::new(source, "message.retried", subject(id));
        audit::record(&mut tx, &entry.with("was", before.status.as_str()), now).await?;
        tx.commit().await?;
        Ok((kind.queue(), RowId(id)))
    }

    /// Ends a message that waits for its next attempt, or is being asked about. Gives the idempotency
    /// key of a code that surely nobody got: to be told to [`crate::otp::Otp::unsent`].
    ///
    /// # Errors
    /// [`MessageChangeError`].
    pub async fn give_up_message(
        &self,
        source: &Source,
        id: i64,
    ) -> Result<Option<i64>, MessageChangeError> {
        let mut tx = self.pool.begin().await?;
        let before = standing(&mut tx, id).await?;
        let (given_up, unsent) = staff::give_up(&mut tx, &self.outbox, before.kind, &[id]).await?;
        if given_up.is_empty() {
            return Err(MessageChangeError::NotNow(before.status));
        }
        let entry = Entry::new(source, "message.given_up", subject(id));
        let entry = entry.with("was", before.status.as_str());
        audit::record(&mut tx, &entry, self.clock.now()).await?;
        tx.commit().await?;
        Ok(unsent.into_iter().next())
    }

    /// Takes a message back that no provider has been asked to carry yet or that all have refused so
    /// far; not a code.
    ///
    /// # Errors
    /// [`MessageChangeError`].
    pub async fn cancel_message(&self, source: &Source, id: i64) -> Result<(), MessageChangeError> {
        let mut tx = self.pool.begin().await?;
        let before = standing(&mut tx, id).await?;
        if before.kind == MessageKind::Otp {
            return Err(MessageChangeError::IsCode);
        }
        if !staff::cancel(&mut tx, before.owner, id).await? {
            return Err(MessageChangeError::NotNow(before.status));
        }
        let entry = Entry::new(source, "message.cancelled", subject(id));
        audit::record(&mut tx, &entry, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Sends what a message says once more, as a message of its own and of the same owner; not a
    /// code, and not while the first one is on its way. The caller pushes its id.
    ///
    /// # Errors
    /// [`MessageChangeError`].
    pub async fn resend_message(
        &self,
        source: &Source,
        messages: &Messages,
        id: i64,
        keyed: Option<Keyed>,
        rng: &mut (impl Rng + Send),
    ) -> Result<AcceptedMessage, MessageChangeError> {
        let mut tx = self.pool.begin().await?;
        let before = standing(&mut tx, id).await?;
        if before.kind == MessageKind::Otp {
            return Err(MessageChangeError::IsCode);
        }
        let again = staff::again(&mut tx, id).await?;
        let again = again.ok_or(MessageChangeError::NotNow(before.status))?;
        let new = again.message(keyed.map_or(Repeat::Unknown, Repeat::Keyed));
        // Written down first: accepting makes others wait until the transaction ends.
        let entry = Entry::new(source, "message.resent", subject(id));
        audit::record(&mut tx, &entry, self.clock.now()).await?;
        let accepted = messages.accept_within(&mut tx, new, rng).await??;
        tx.commit().await?;
        Ok(accepted)
    }
}

async fn standing(connection: &mut PgConnection, id: i64) -> Result<Standing, MessageChangeError> {
    staff::standing(connection, id).await?.ok_or(MessageChangeError::NoSuchMessage)
}

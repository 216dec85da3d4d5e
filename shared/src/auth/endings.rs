//! Ending sessions before their time: the one place that does, and tells of it.

use sqlx::PgConnection;

use super::security;
use crate::{
    clock::SharedClock,
    config,
    sessions::{self, EndReason, Ending, Lifetimes, Which, revocations::Revocations},
    webhooks::{
        Outbox,
        events::{Kind, NewEvent},
    },
};

/// Ends sessions, for those who serve requests and for commands.
#[derive(Clone)]
pub struct Endings {
    revocations: Revocations,
    outbox: Outbox,
    lifetimes: Lifetimes,
    clock: SharedClock,
}

/// Sessions that ended. They hold in this process, and quickly in others, once [`Endings::announce`]
/// is told that this is committed.
#[derive(Debug)]
#[must_use = "it is announced once it is committed"]
pub struct Ended {
    reason: EndReason,
    /// Each with its user.
    pub(super) sessions: Vec<(i64, i64)>,
}

impl Ended {
    pub(super) fn new(reason: EndReason, sessions: Vec<(i64, i64)>) -> Self {
        Self { reason, sessions }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.sessions.len()
    }
}

impl Endings {
    /// What is told through these.
    pub fn new(
        revocations: Revocations,
        outbox: Outbox,
        clock: SharedClock,
        config: &config::Auth,
    ) -> Self {
        Self { revocations, outbox, lifetimes: Lifetimes::new(config), clock }
    }

    /// Ends sessions of a user, inside the caller's transaction: those that had not ended yet.
    ///
    /// # Errors
    /// When the database refuses or is away.
    pub async fn end(
        &self,
        connection: &mut PgConnection,
        user_id: i64,
        which: Which,
        reason: EndReason,
    ) -> Result<Ended, sqlx::Error> {
        let ended = sessions::revoke(connection, user_id, which, &self.ending(reason)).await?;
        let ended = ended.into_iter().map(|session| (user_id, session)).collect();
        self.told(connection, Ended::new(reason, ended)).await
    }

    /// Ends what users have beyond `most` sessions, see [`sessions::end_surplus`].
    pub(super) async fn end_surplus(
        &self,
        connection: &mut PgConnection,
        most: u32,
        begun: &[(i64, i64)],
    ) -> Result<Ended, sqlx::Error> {
        let reason = EndReason::TooMany;
        let ending = self.ending(reason);
        let ended = sessions::end_surplus(connection, most, begun, &ending).await?;
        self.told(connection, Ended::new(reason, ended)).await
    }

    fn ending(&self, reason: EndReason) -> Ending {
        Ending::new(reason, &self.lifetimes, self.clock.now())
    }

    async fn told(
        &self,
        connection: &mut PgConnection,
        ended: Ended,
    ) -> Result<Ended, sqlx::Error> {
        if !ended.sessions.is_empty() && self.outbox.wants(&[Kind::SessionRevoked]) {
            let events = ended.sessions.iter().map(|(user_id, session_id)| {
                let more = [
                    ("session_id", (*session_id).into()),
                    ("reason", ended.reason.as_str().into()),
                ];
                NewEvent::of_user(Kind::SessionRevoked, *user_id, more)
            });
            self.outbox.emit(connection, &events.collect::<Vec<_>>()).await?;
        }
        Ok(ended)
    }

    /// What ended is committed: holds here at once, and in other processes as soon as they hear of it,
    /// within half a second in any case.
    pub fn announce(&self, ended: Ended) {
        security::revoked(ended.reason, &ended.sessions);
        self.revocations.announce(ended.sessions.into_iter().map(|(_, session)| session).collect());
    }
}

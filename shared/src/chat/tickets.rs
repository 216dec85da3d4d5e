//! Tickets that open a WebSocket: for clients that cannot set a header and want no token in an
//! address.

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use sha2::{Digest, Sha256};

use super::{Chat, store};
use crate::{
    ids,
    purge::{Purged, Slice},
};

/// For how long a ticket is good.
const LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// A ticket as its buyer gets it. It opens one socket.
pub struct Ticket {
    /// 32 hex digits; a secret.
    pub ticket: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// Whose ticket it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redeemed {
    /// The account.
    pub user_id: i64,
    /// The session it was bought in.
    pub session_id: i64,
    /// When the access token it was bought with ends.
    pub until: DateTime<Utc>,
}

impl Chat {
    /// Makes a ticket for somebody who showed an access token. Its hash is stored, it is not.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sell_ticket(
        &self,
        buyer: Redeemed,
        rng: &mut (impl Rng + Send),
    ) -> Result<Ticket, sqlx::Error> {
        let now = self.clock.now();
        let ticket = Ticket { ticket: ids::random_handle(rng), expires_at: now + LIFETIME };
        store::insert_ticket(&self.pool, &hash(&ticket.ticket), &ticket, buyer, now).await?;
        Ok(ticket)
    }

    /// Takes a ticket, so that it opens nothing more; `None` if there is none such, or no more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn redeem_ticket(&self, ticket: &str) -> Result<Option<Redeemed>, sqlx::Error> {
        if !ids::is_handle(ticket) {
            return Ok(None);
        }
        store::take_ticket(&self.pool, &hash(ticket), self.clock.now()).await
    }

    /// Deletes tickets that nobody used, one slice.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn purge_tickets(&self, slice: Slice) -> Result<Purged, sqlx::Error> {
        store::purge_tickets(&self.pool, slice).await
    }

    /// How many tickets expired before `before`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_old_tickets(&self, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
        store::count_old_tickets(&self.pool, before).await
    }
}

fn hash(ticket: &str) -> [u8; 32] {
    Sha256::digest(ticket.as_bytes()).into()
}

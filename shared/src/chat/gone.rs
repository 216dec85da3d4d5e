//! Rooms that are gone: their rows are taken away some days after everybody was told that they are.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Chat, store};

/// Rows one statement takes.
const ROWS: i64 = 1_000;

impl Chat {
    /// Deletes rooms that nobody belongs to any more, as if their owners had.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_empty_rooms(&self) -> Result<i64, sqlx::Error> {
        store::delete_empty(&self.pool, self.clock.now(), ROWS).await
    }

    /// Takes rows of one room that has been gone for `chat.deleted_days` away, files excepted: the room
    /// itself last, when it has none left. Gives how many rows it took; 0: there is nothing to do.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn purge_deleted_room(&self) -> Result<i64, sqlx::Error> {
        store::purge_room(&self.pool, self.gone_before(), ROWS).await
    }

    /// Rooms that a purge would take.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_deleted_rooms(&self) -> Result<i64, sqlx::Error> {
        store::count_gone(&self.pool, self.gone_before()).await
    }

    fn gone_before(&self) -> DateTime<Utc> {
        self.clock.now() - TimeDelta::days(self.rules.deleted_days.into())
    }
}

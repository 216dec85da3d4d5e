//! Files that go: bytes first, then the row, so that nothing is left that no row knows.

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use sqlx::PgPool;

use super::{Files, stored_name};
use crate::{
    chat::store::{self, Doomed},
    purge::{Purged, Slice},
};

/// Files that are removed at once.
const AT_ONCE: usize = 8;

/// Files of a slice: each is asked of the storage.
const MOST: i64 = 200;

impl Files {
    /// Removes a slice of the files that no message has, uploaded before `slice.before`, whether
    /// their uploads came to an end or not. From here on nobody gets them.
    ///
    /// # Errors
    /// When the database or the storage is away.
    pub async fn purge_unused(
        &self,
        pool: &PgPool,
        slice: Slice,
        now: DateTime<Utc>,
    ) -> Result<Purged, sqlx::Error> {
        let doomed = store::doom_unused(pool, small(slice), now).await?;
        self.bury(pool, doomed).await
    }

    /// Removes a slice of the files that were deleted before `slice.before`.
    ///
    /// # Errors
    /// When the database or the storage is away.
    pub async fn purge_deleted(&self, pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
        let doomed = store::find_deleted(pool, small(slice)).await?;
        self.bury(pool, doomed).await
    }

    /// Removes a slice of the files of rooms that were deleted before `slice.before`.
    ///
    /// # Errors
    /// When the database or the storage is away.
    pub async fn purge_of_rooms(&self, pool: &PgPool, slice: Slice) -> Result<Purged, sqlx::Error> {
        let doomed = store::find_of_deleted_rooms(pool, small(slice)).await?;
        self.bury(pool, doomed).await
    }

    /// How many files [`Files::purge_unused`] would remove.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_unused(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
        store::count_unused(pool, before).await
    }

    /// How many files [`Files::purge_deleted`] and [`Files::purge_of_rooms`] would remove.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_deleted(pool: &PgPool, before: DateTime<Utc>) -> Result<i64, sqlx::Error> {
        store::count_deleted(pool, before).await
    }

    /// Removes one file.
    pub(crate) async fn forget(
        &self,
        pool: &PgPool,
        id: i64,
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        let doomed = store::doom(pool, id, now).await?;
        self.bury(pool, doomed.into_iter().collect()).await?;
        Ok(())
    }

    /// Removes bytes and then rows. Whoever else does the same at this moment finds nothing left,
    /// which is no error.
    async fn bury(&self, pool: &PgPool, doomed: Vec<Doomed>) -> Result<Purged, sqlx::Error> {
        let reached = doomed.iter().map(|file| file.ended_at).max();
        let removals: Vec<_> = doomed.into_iter().map(|file| self.remove(file)).collect();
        let removals: Vec<_> = stream::iter(removals).buffer_unordered(AT_ONCE).collect().await;
        let mut failure = None;
        let mut gone = Vec::with_capacity(removals.len());
        for removal in removals {
            match removal {
                Ok(id) => gone.push(id),
                Err(error) => failure = Some(error),
            }
        }
        let rows = store::delete_files(pool, &gone).await?;
        match failure {
            Some(error) => Err(sqlx::Error::Io(std::io::Error::other(error))),
            None => Ok(Purged { rows, reached }),
        }
    }

    async fn remove(&self, file: Doomed) -> Result<i64, object_store::Error> {
        let name = stored_name(&file.handle);
        self.storage().remove(&name, file.upload_id.as_deref()).await?;
        Ok(file.id)
    }
}

fn small(slice: Slice) -> Slice {
    Slice { limit: slice.limit.min(MOST), ..slice }
}

//! Handing files out.

use std::{io, ops::Range};

use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use tokio_util::bytes::Bytes;

use super::{address::AddressError, stored_name};
use crate::chat::{Chat, log::FileRef, store};

/// A file that may be read.
#[derive(Debug)]
pub struct OpenFile {
    /// The file.
    pub file: FileRef,
    /// When its address stops to work.
    pub until: DateTime<Utc>,
}

/// Why an address opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address was made here and is too old.
    #[error("expired")]
    Expired,
    /// There is no such file, or not any more.
    #[error("no such file")]
    NotFound,
    /// The database is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The storage is away, or has lost the file.
    #[error("the storage does not give it")]
    Storage(#[source] object_store::Error),
}

impl From<AddressError> for OpenError {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::Forged => Self::NotFound,
            AddressError::Expired => Self::Expired,
        }
    }
}

impl Chat {
    /// The file at an address: its day (`2026/01/05`) and its last part.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_file(&self, day: &str, name: &str) -> Result<OpenFile, OpenError> {
        let addressed = self.files.0.addresses.read(day, name, self.clock.now())?;
        let file = store::find_file(&self.pool, &addressed.handle).await?;
        Ok(OpenFile { file: file.ok_or(OpenError::NotFound)?, until: addressed.until })
    }

    /// A part of a file, as it comes from the storage.
    ///
    /// # Errors
    /// [`OpenError::Storage`].
    pub async fn read_file(
        &self,
        file: &FileRef,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, OpenError> {
        let name = stored_name(&file.handle);
        self.files.storage().read(&name, range).await.map_err(OpenError::Storage)
    }
}

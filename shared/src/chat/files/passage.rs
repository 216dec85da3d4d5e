//! The way of a file's bytes into the storage, the same for all files: what does not belong to a picture
//! is left behind on it.

use sqlx::PgPool;

use super::{Files, UploadError, kind::Picture, storage::Writer, stored_name, strip::Stripper};
use crate::chat::store;

/// A file on its way. It is in the storage after [`Passage::finish`].
pub(super) struct Passage<'a> {
    id: i64,
    most: u64,
    came: u64,
    bytes: i64,
    stripper: Option<Stripper>,
    writer: Writer<'a>,
}

impl Files {
    /// Begins the way of a file that has a row, of `most` bytes.
    ///
    /// # Errors
    /// When the storage does not take it.
    pub(super) async fn passage(
        &self,
        (id, handle): (i64, &str),
        picture: Option<Picture>,
        most: u64,
    ) -> Result<Passage<'_>, UploadError> {
        let writer = self.storage().write(&stored_name(handle)).await?;
        Ok(Passage { id, most, came: 0, bytes: 0, stripper: picture.map(Stripper::new), writer })
    }
}

impl Passage<'_> {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`UploadError`].
    pub(super) async fn write(&mut self, pool: &PgPool, bytes: &[u8]) -> Result<(), UploadError> {
        self.came += bytes.len() as u64;
        if self.came > self.most {
            return Err(UploadError::TooLarge);
        }
        let waiting = self.writer.waiting();
        let before = waiting.len();
        match &mut self.stripper {
            Some(stripper) => stripper.push(bytes, waiting)?,
            None => waiting.extend_from_slice(bytes),
        }
        self.bytes += i64::try_from(waiting.len() - before).unwrap_or(i64::MAX);
        if self.writer.is_full() {
            if let Some(upload) = self.writer.begin().await? {
                store::note_upload(pool, self.id, &upload).await?;
            }
            self.writer.flush().await?;
        }
        Ok(())
    }

    /// The bytes are over and stored: so many.
    ///
    /// # Errors
    /// [`UploadError`].
    pub(super) async fn finish(self) -> Result<i64, UploadError> {
        if let Some(stripper) = &self.stripper {
            stripper.finish()?;
        }
        self.writer.finish().await?;
        Ok(self.bytes)
    }
}

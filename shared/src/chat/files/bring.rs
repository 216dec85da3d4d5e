//! Files of another system, on a disk here. They come as uploads do, with the same checks.

use std::{
    io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::{fs::File, io::AsyncReadExt};

use super::{
    Files, HEAD_BYTES, UploadError,
    kind::{self, Picture},
    name, stored_name,
    strip::Stripper,
};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// A file that may come. Not open: there may be thousands at a time.
#[derive(Debug)]
pub(crate) struct Found {
    /// What people see.
    pub(crate) name: String,
    /// What it is.
    pub(crate) mime: &'static str,
    picture: Option<Picture>,
    most: u64,
    path: PathBuf,
}

impl Found {
    /// Looks at a file of `most` bytes.
    ///
    /// # Errors
    /// What an upload of it would be refused with; [`UploadError::Disk`] if there is none.
    pub(crate) async fn look(path: &Path, most: u64) -> Result<Self, UploadError> {
        // Before it is opened: a pipe would be waited for.
        let about = tokio::fs::metadata(path).await?;
        if !about.is_file() {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        if about.len() > most {
            return Err(UploadError::TooLarge);
        }
        let file = File::open(path).await?;
        let mut head = Vec::new();
        file.take(HEAD_BYTES as u64).read_to_end(&mut head).await?;
        if head.is_empty() {
            return Err(UploadError::Empty);
        }
        let given = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name::clean(&given);
        let sniffed = kind::sniff(&head, &name)?;
        let path = path.to_owned();
        Ok(Self { name, mime: sniffed.mime, picture: sniffed.picture, most, path })
    }

    /// Looks at the rest of it: whether it is all of a picture, if it is one.
    ///
    /// # Errors
    /// [`UploadError`].
    pub(crate) async fn examine(self) -> Result<(), UploadError> {
        let Some(picture) = self.picture else { return Ok(()) };
        let mut stripper = Stripper::new(picture);
        let mut file = File::open(&self.path).await?;
        let (mut piece, mut kept) = (vec![0; PIECE], Vec::new());
        loop {
            let count = file.read(&mut piece).await?;
            if count == 0 {
                return Ok(stripper.finish()?);
            }
            stripper.push(&piece[..count], &mut kept)?;
            kept.clear();
        }
    }
}

impl Files {
    /// Removes what is stored under a handle, and an upload of it that broke off.
    ///
    /// # Errors
    /// When the storage is away.
    pub(crate) async fn clear(
        &self,
        handle: &str,
        upload: Option<&str>,
    ) -> Result<(), UploadError> {
        Ok(self.storage().remove(&stored_name(handle), upload).await?)
    }

    /// Stores a file whose row is there; so many bytes of it are kept. One that is refused leaves
    /// nothing; what is broken off otherwise leaves its row, for whoever tries again.
    ///
    /// # Errors
    /// [`UploadError`].
    pub(crate) async fn bring(
        &self,
        pool: &PgPool,
        (id, handle): (i64, &str),
        found: Found,
        now: DateTime<Utc>,
    ) -> Result<i64, UploadError> {
        let result = self.pass(pool, (id, handle), found).await;
        let is_refused = matches!(
            result,
            Err(UploadError::BrokenPicture | UploadError::TooLarge | UploadError::Disk(_))
        );
        if is_refused {
            self.forget(pool, id, now).await?;
        }
        result
    }

    async fn pass(
        &self,
        pool: &PgPool,
        row: (i64, &str),
        found: Found,
    ) -> Result<i64, UploadError> {
        let mut file = File::open(&found.path).await?;
        let mut passage = self.passage(row, found.picture, found.most).await?;
        let mut piece = vec![0; PIECE];
        loop {
            let count = file.read(&mut piece).await?;
            if count == 0 {
                return passage.finish().await;
            }
            passage.write(pool, &piece[..count]).await?;
        }
    }
}

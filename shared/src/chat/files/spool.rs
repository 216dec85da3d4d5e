//! A place for files whose room the uploader names behind them. It has no name on the disk, so
//! nothing is left of it whatever happens.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
};

use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
    sync::OwnedSemaphorePermit,
};

use super::UploadError;
use crate::{chat::Chat, ids};

/// A file that waits for its room.
pub struct Spool {
    file: File,
    came: u64,
    most: u64,
    slot: OwnedSemaphorePermit,
}

impl Chat {
    /// Makes a place for a file.
    ///
    /// # Errors
    /// [`UploadError::TooMany`], [`UploadError::Disk`].
    pub async fn spool(&self) -> Result<Spool, UploadError> {
        let slot = self.files.spool_slot().ok_or(UploadError::TooMany)?;
        let made = tokio::task::spawn_blocking(|| nameless(&std::env::temp_dir())).await;
        let file = File::from_std(made.map_err(io::Error::other)??);
        Ok(Spool { file, came: 0, most: u64::from(self.rules.files.max_mb) << 20, slot })
    }
}

impl Spool {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`UploadError::TooLarge`], [`UploadError::Disk`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.came += bytes.len() as u64;
        if self.came > self.most {
            return Err(UploadError::TooLarge);
        }
        Ok(self.file.write_all(bytes).await?)
    }

    /// The file from its beginning, and what holds its place.
    ///
    /// # Errors
    /// [`UploadError::Disk`].
    pub async fn rewind(mut self) -> Result<(File, OwnedSemaphorePermit), UploadError> {
        self.file.flush().await?;
        self.file.rewind().await?;
        Ok((self.file, self.slot))
    }
}

/// A new file that has lost its name.
fn nameless(folder: &Path) -> io::Result<fs::File> {
    let path = folder.join(format!("peyk-{}", ids::random_handle(&mut rand::rng())));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn nothing_of_it_is_in_the_folder() {
        let name = ids::random_handle(&mut rand::rng());
        let folder = std::env::temp_dir().join(format!("peyk-spool-{name}"));
        fs::create_dir(&folder).unwrap();
        let mut file = nameless(&folder).unwrap();
        file.write_all(b"abc").unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
        fs::remove_dir(&folder).unwrap();
    }
}

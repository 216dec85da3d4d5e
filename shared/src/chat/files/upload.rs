//! Uploading. The row is there before the first byte is stored and is complete after the last, so no
//! byte is without a row: whatever breaks off is found by its row.

use chrono::TimeDelta;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    kind::{self, Mismatch},
    name,
    passage::Passage,
    strip::Broken,
};
use crate::{
    chat::{Chat, ChatError, RoomId, log::FileRef, permissions::Action, store},
    ids,
};

/// Uploads that one person may have under way at once.
const AT_ONCE: i64 = 8;

/// A file that somebody wants to upload.
#[derive(Debug)]
pub struct NewFile<'a> {
    /// Where it is to go.
    pub room: RoomId,
    /// Whose it is.
    pub user_id: i64,
    /// What they call it.
    pub name: &'a str,
    /// Its first [`super::HEAD_BYTES`], or all of it.
    pub head: &'a [u8],
    /// How long it may become, if that is known to be less than what is allowed.
    pub expected: Option<u64>,
}

/// A file that was uploaded.
#[derive(Debug)]
pub struct Uploaded {
    /// The file.
    pub file: FileRef,
    /// Where it may go.
    pub room: RoomId,
    /// What was said of it.
    pub text: Option<String>,
}

/// Why a file is not taken. It leaves nothing then.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It may not be sent to the room.
    #[error(transparent)]
    Room(#[from] ChatError),
    /// There is nothing in it.
    #[error("empty")]
    Empty,
    /// It is not what its name says.
    #[error("not what its name says")]
    Mismatch,
    /// It begins as a picture and is none, or not all of one.
    #[error("a broken picture")]
    BrokenPicture,
    /// It is longer than `chat.files.max_mb`.
    #[error("too large")]
    TooLarge,
    /// The uploader had their share of `chat.files.daily_mb`.
    #[error("the share of today is used up")]
    Share,
    /// The uploader, or everybody together, uploads as much at once as they may.
    #[error("too many uploads at once")]
    TooMany,
    /// There is no place for a file whose room is not known yet.
    #[error("no place on the disk")]
    Disk(#[from] std::io::Error),
    /// The storage does not take it.
    #[error("the storage does not take it")]
    Storage(#[source] object_store::Error),
    /// The row is gone: it took longer than a file waits for its message.
    #[error("it took too long")]
    TooLate,
}

impl From<object_store::Error> for UploadError {
    fn from(error: object_store::Error) -> Self {
        Self::Storage(error)
    }
}

impl From<sqlx::Error> for UploadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Room(error.into())
    }
}

impl From<Mismatch> for UploadError {
    fn from(_: Mismatch) -> Self {
        Self::Mismatch
    }
}

impl From<Broken> for UploadError {
    fn from(_: Broken) -> Self {
        Self::BrokenPicture
    }
}

impl Chat {
    /// Begins an upload. The file's bytes, the head among them, follow by [`Upload::write`].
    ///
    /// # Errors
    /// [`UploadError`].
    pub async fn begin_upload(&self, new: NewFile<'_>) -> Result<Upload<'_>, UploadError> {
        if new.head.is_empty() {
            return Err(UploadError::Empty);
        }
        self.check(new.room, new.user_id, Action::Post).await?;
        let name = name::clean(new.name);
        let sniffed = kind::sniff(new.head, &name)?;
        let slot = self.files.slot().ok_or(UploadError::TooMany)?;
        let most = u64::from(self.rules.files.max_mb) << 20;
        let now = self.clock.now();
        let row = store::NewAttachment {
            handle: ids::random_handle(&mut rand::rng()),
            room: new.room,
            user_id: new.user_id,
            name,
            mime: sniffed.mime,
            expected: i64::try_from(new.expected.map_or(most, |given| given.min(most)))
                .unwrap_or(i64::MAX),
            created_at: now,
        };
        let share = store::Share {
            since: now - TimeDelta::hours(24),
            bytes: i64::from(self.rules.files.daily_mb) << 20,
            at_once: AT_ONCE,
        };
        let id = match store::begin_upload(&self.pool, &row, &share).await? {
            store::Begun::Row(id) => id,
            store::Begun::OverShare => return Err(UploadError::Share),
            store::Begun::TooMany => return Err(UploadError::TooMany),
        };
        let file = FileRef {
            id,
            handle: row.handle,
            name: row.name,
            mime: row.mime.to_owned(),
            bytes: 0,
            created_at: now,
        };
        let trace = Trace { chat: self.clone(), file: Some(file.clone()) };
        let passage = self.files.passage((id, &file.handle), sniffed.picture, most).await?;
        Ok(Upload { chat: self, file, room: new.room, passage, trace, _slot: slot })
    }
}

/// A file on its way. Dropped before [`Upload::finish`], it leaves nothing.
pub struct Upload<'a> {
    chat: &'a Chat,
    file: FileRef,
    room: RoomId,
    passage: Passage<'a>,
    trace: Trace,
    _slot: OwnedSemaphorePermit,
}

impl Upload<'_> {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`UploadError`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.passage.write(&self.chat.pool, bytes).await
    }

    /// The bytes are over: the file is there, with what its uploader says of it.
    ///
    /// # Errors
    /// [`UploadError`].
    pub async fn finish(mut self, text: Option<String>) -> Result<Uploaded, UploadError> {
        self.file.bytes = self.passage.finish().await?;
        let now = self.chat.clock.now();
        let done = (self.file.bytes, text.as_deref());
        if !store::finish_upload(&self.chat.pool, self.file.id, done, now).await? {
            return Err(UploadError::TooLate);
        }
        self.trace.file = None;
        Ok(Uploaded { file: self.file, room: self.room, text })
    }
}

/// Removes what is left of an upload that did not come to its end. What this does not get to is left
/// to the purge.
struct Trace {
    chat: Chat,
    file: Option<FileRef>,
}

impl Drop for Trace {
    fn drop(&mut self) {
        let (Some(file), Ok(runtime)) = (self.file.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let chat = self.chat.clone();
        runtime.spawn(async move {
            if let Err(error) = chat.files.forget(&chat.pool, file.id, chat.now()).await {
                tracing::debug!(file.id, %error, "An upload that broke off is left to the purge");
            }
        });
    }
}

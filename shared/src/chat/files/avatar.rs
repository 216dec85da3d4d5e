//! Pictures of rooms.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Picture;
use crate::chat::{Chat, RoomId, store};

/// Why a file does not become the picture of a room.
#[derive(Debug, thiserror::Error)]
pub enum AvatarError {
    /// There is no such file, or it is somebody else's, of another room, or in a message.
    #[error("no such file")]
    NotFound,
    /// It is no picture that browsers show.
    #[error("no picture")]
    NoPicture,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Chat {
    /// Gives a room the picture that somebody uploaded to it, or takes it away (`None`). The one it had
    /// goes as files of deleted messages do. The room is locked by the caller, who asked
    /// whether they may and announces it; the file is locked here.
    ///
    /// # Errors
    /// [`AvatarError`].
    pub async fn take_avatar(
        connection: &mut PgConnection,
        room: RoomId,
        user_id: i64,
        attachment_id: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<(), AvatarError> {
        if let Some(id) = attachment_id {
            let mime = store::lock_unused_file(connection, room, user_id, id).await?;
            Picture::of_mime(&mime.ok_or(AvatarError::NotFound)?).ok_or(AvatarError::NoPicture)?;
        }
        Ok(store::change_avatar(connection, room, attachment_id, now).await?)
    }
}

//! `message/file/upload/`, and where files are served.

mod form;
mod range;
mod serving;

use std::time::Duration;

use chrono::DateTime;
use poem::web::Data;
use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json, types::Example};
use shared::{
    chat::{
        ChatError,
        files::{UploadError, Uploaded},
    },
    config::Config,
};

use self::form::UploadForm;
pub(crate) use self::serving::serve;
use crate::{
    caller::SignedIn,
    error::{Code, Problem, problems},
    limits,
    middleware::Uploads,
    routes::Tag,
    state::SharedState,
    timestamp::Timestamp,
};

/// The operation's path below every prefix.
const PATH: &str = "/message/file/upload";

/// What a form may have beside its file, in bytes.
const REST_OF_FORM: usize = 64 * 1024;

/// Bytes a second that a client sends at least, over a whole upload.
const LEAST_PER_SECOND: u64 = 32 * 1024;

/// Seconds after which it makes sense to try again where nobody knows when there is room.
const LATER: u32 = 5;
const MUCH_LATER: u32 = 3_600;

problems!(
    /// What can go wrong with an upload.
    pub(crate) UploadProblem: 400, 401, 403, 408, 413, 415, 429, 500, 503
);

/// The bounds of uploads, for the edge.
pub(crate) fn uploads(config: &Config) -> Uploads {
    let file = u64::from(config.chat.files.max_mb) << 20;
    let takes = Duration::from_secs(file / LEAST_PER_SECOND);
    Uploads {
        paths: config.http.prefixes.iter().map(|prefix| format!("{prefix}{PATH}")).collect(),
        max_body_bytes: usize::try_from(file).unwrap_or(usize::MAX).saturating_add(REST_OF_FORM),
        timeout: config.http.request_timeout() + takes,
    }
}

/// A file that was uploaded.
#[derive(Debug, Object)]
#[oai(rename = "UploadedFile", example)]
pub(crate) struct UploadedFile {
    /// Its number: the `attach_id` of its message.
    id: i64,
    /// The path at which it is, for some time, at this server.
    file: String,
    /// The room it may go to.
    chatroom: i64,
    /// What was said of it.
    text: Option<String>,
    /// When it was uploaded.
    created_at: Timestamp,
    /// What it is called.
    name: String,
    /// What it is: found out from its contents.
    mime: String,
    /// How long it is; without what was taken out of a picture.
    bytes: i64,
}

impl UploadedFile {
    fn new(uploaded: Uploaded, path: String) -> Self {
        let Uploaded { file, room, text } = uploaded;
        Self {
            id: file.id,
            file: path,
            chatroom: room.0,
            text,
            created_at: Timestamp(file.created_at),
            name: file.name,
            mime: file.mime,
            bytes: file.bytes,
        }
    }
}

impl Example for UploadedFile {
    fn example() -> Self {
        let name = "0f5c0a7c9d6d4bd0a5d1c0ffee000001.1772355600.Zm9vYmFyYmF6cXV4cXV1eA.jpg";
        Self {
            id: 31,
            file: format!("/media/uploads/chat_files/2026/02/28/{name}"),
            chatroom: 5,
            text: None,
            created_at: Timestamp(DateTime::UNIX_EPOCH),
            name: "photo.jpg".to_owned(),
            mime: "image/jpeg".to_owned(),
            bytes: 48_211,
        }
    }
}

/// A file is there.
#[derive(ApiResponse)]
pub(crate) enum UploadResponse {
    /// It was uploaded. It waits for its message, `chat.files.unused_hours` at most.
    #[oai(status = 201)]
    Created(Json<UploadedFile>),
}

/// The operations on files.
pub(crate) struct FileApi;

#[OpenApi(tag = "Tag::Chat")]
impl FileApi {
    /// Upload a file
    ///
    /// To a room you may write in. It belongs to one message of yours there, which names its `id`, or
    /// becomes the room's picture. What it is is found out from its contents: JPEG, PNG, GIF and WebP are
    /// pictures, which lose what cameras and programs wrote into them (place, time, device); other files
    /// are for saving only. A name that says it is a picture or a PDF and lies is refused.
    #[oai(path = "/message/file/upload", method = "post", operation_id = "uploadChatFile")]
    async fn upload(
        &self,
        state: Data<&SharedState>,
        caller: SignedIn,
        mut form: UploadForm,
    ) -> Result<UploadResponse, UploadProblem> {
        let ask = limits::chat_writes(&state.config, caller.user_id);
        caller.measured.ask(state.0, &[ask]).await.map_err(Problem::from)?;
        match form.receive(&state.chat, caller.user_id).await {
            Ok(uploaded) => {
                let path = state.chat.file_path(&uploaded.file);
                Ok(UploadResponse::Created(Json(UploadedFile::new(uploaded, path))))
            }
            Err(problem) => {
                form.read_on().await;
                Err(problem)?
            }
        }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        let of_file = |code, message| Self::new(Code::Validation).with_field("file", code, message);
        match error {
            // Where it is not known which, `form` says which room.
            UploadError::Room(error) => error.into(),
            UploadError::Empty => of_file("empty", "The submitted file is empty."),
            UploadError::Mismatch => of_file("mismatch", "The file is not what its name says."),
            UploadError::BrokenPicture => of_file(
                "invalid_image",
                "Upload a valid image. The file you uploaded was either not an image or a corrupted image.",
            ),
            UploadError::TooLarge => Self::new(Code::PayloadTooLarge),
            UploadError::Share => Self::new(Code::DailyUploadLimit).with_retry_after(MUCH_LATER),
            UploadError::TooMany => Self::new(Code::RateLimited).with_retry_after(LATER),
            UploadError::TooLate => Self::new(Code::RequestTimeout),
            UploadError::Disk(error) => unavailable(error),
            UploadError::Storage(error) => unavailable(error),
        }
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> Problem {
    Problem::new(Code::Unavailable).with_retry_after(LATER).with_cause(error)
}

/// What is not there for the uploader, and what is not theirs: the same words.
fn of_room(room: i64, error: UploadError) -> Problem {
    match error {
        UploadError::Room(ChatError::NotFound) => {
            let message = format!("Invalid pk \"{room}\" - object does not exist.");
            Problem::new(Code::Validation).with_field("chatroom", "does_not_exist", message)
        }
        other => other.into(),
    }
}

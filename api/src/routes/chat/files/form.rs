//! The form of an upload, read as it comes.

use std::pin::{Pin, pin};

use poem::{FromRequest, Request, RequestBody, Result, http::header, web::Multipart};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
};
use serde_json::Value;
use shared::chat::{
    Chat, RoomId, content,
    files::{HEAD_BYTES, NewFile, Spool, Upload, Uploaded},
};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::of_room;
use crate::error::{Code, FieldError, Problem};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Bytes of a field that is no file, at most.
const LONGEST_FIELD: u64 = 32 * 1024;

/// Characters of what is said of a file, at most.
const LONGEST_TEXT: u32 = 4_000;

/// The name of the form in the document.
const SCHEMA: &str = "UploadFile";

/// A form with `chatroom`, `file` and `text`.
pub(crate) struct UploadForm {
    parts: Multipart,
    /// How long all of it is, if the client said.
    length: Option<u64>,
}

impl<'a> ApiExtractor<'a> for UploadForm {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_schema::<Self, _>(SCHEMA.to_owned(), |_| {
            let described = |mut schema: MetaSchema, description| {
                schema.description = Some(description);
                MetaSchemaRef::Inline(Box::new(schema))
            };
            let room = MetaSchema::new_with_format("integer", "int64");
            let file = MetaSchema::new_with_format("string", "binary");
            let text = MetaSchema { max_length: Some(4_000), ..MetaSchema::new("string") };
            MetaSchema {
                description: Some("A file for a room."),
                required: vec!["chatroom", "file"],
                properties: vec![
                    ("chatroom", described(room, "The room it is to go to.")),
                    ("file", described(file, "The file, with a name. Best behind the others.")),
                    ("text", described(text, "What you say of it.")),
                ],
                ..MetaSchema::new("object")
            }
        });
    }

    fn request_meta() -> Option<MetaRequest> {
        let schema = MetaSchemaRef::Reference(SCHEMA.to_owned());
        let content = vec![MetaMediaType { content_type: "multipart/form-data", schema }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let sent = request.content_type().unwrap_or_default();
        let essence = sent.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("multipart/form-data") {
            let problem = Problem::new(Code::UnsupportedMediaType);
            return Err(problem.with_argument(sent.to_owned()).into());
        }
        let length = request.header(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        // Without a boundary it is none.
        let parts = <Multipart as FromRequest>::from_request(request, body).await;
        Ok(Self { parts: parts.map_err(|_| broken())?, length })
    }
}

fn broken() -> Problem {
    let sentence = "Multipart form parse error - The body is no complete form.";
    Problem::new(Code::BadRequest).sentence(sentence)
}

/// What the form brought so far.
#[derive(Default)]
struct Read<'a> {
    room: Option<i64>,
    text: Option<String>,
    file: Option<Incoming<'a>>,
    errors: Vec<FieldError>,
}

/// A file that came.
enum Incoming<'a> {
    /// On its way to where it stays.
    Stored(Box<Upload<'a>>),
    /// Not yet, because its room was not named; with what it is called.
    Waiting(Spool, String),
}

impl UploadForm {
    /// Reads the form and stores its file.
    ///
    /// # Errors
    /// What is wrong with it. Nothing is left of the file then.
    pub(super) async fn receive(&mut self, chat: &Chat, user_id: i64) -> Result<Uploaded, Problem> {
        let mut read = Read::default();
        while let Some(part) = self.parts.next_field().await.map_err(|_| broken())? {
            let (name, file_name) =
                (part.name().map(str::to_owned), part.file_name().map(str::to_owned));
            let mut bytes = pin!(part.into_async_read());
            match (name.as_deref(), file_name) {
                (Some("file"), Some(called)) if read.file.is_none() => {
                    let uploader = Uploader { chat, user_id, expected: self.length };
                    read.file = Some(uploader.take(read.room, called, bytes).await?);
                }
                (Some("file"), Some(_)) => {
                    read.wrong("file", "invalid", "Only one file can be submitted.");
                }
                (Some("file"), None) => read.wrong(
                    "file",
                    "invalid",
                    "The submitted data was not a file. Check the encoding type on the form.",
                ),
                (Some("chatroom"), None) => {
                    let given = field(bytes.as_mut()).await?;
                    read.take_room(&given);
                }
                (Some("text"), None) => {
                    let given = field(bytes.as_mut()).await?;
                    read.take_text(given, chat.rules().message_chars.min(LONGEST_TEXT));
                }
                _ => {}
            }
        }
        read.finish(chat, user_id, self.length).await
    }

    /// Reads what was not read: a client that is still writing does not see an answer.
    pub(super) async fn read_on(&mut self) {
        while let Ok(Some(_)) = self.parts.next_field().await {}
    }
}

/// A field that is no file.
async fn field(bytes: Pin<&mut impl AsyncRead>) -> Result<String, Problem> {
    let mut given = Vec::new();
    let read = bytes.take(LONGEST_FIELD).read_to_end(&mut given).await;
    read.map_err(|_| broken())?;
    Ok(String::from_utf8_lossy(&given).into_owned())
}

impl Read<'_> {
    fn wrong(&mut self, field: &'static str, code: &'static str, message: &'static str) {
        let (code, message) = (code.into(), message.into());
        self.errors.push(FieldError { field: Some(field.into()), code, message });
    }

    fn take_room(&mut self, given: &str) {
        match given.trim().parse() {
            Ok(room) => self.room = Some(room),
            Err(_) if given.trim().is_empty() => {
                self.wrong("chatroom", "null", "This field may not be null.");
            }
            Err(_) => self.wrong(
                "chatroom",
                "incorrect_type",
                "Incorrect type. Expected pk value, received str.",
            ),
        }
    }

    fn take_text(&mut self, given: String, most: u32) {
        match content::read_text(Some(Value::String(given)), most, true) {
            Ok(text) => self.text = Some(text),
            Err(error) => {
                let (code, message) = (error.code.into(), error.message);
                self.errors.push(FieldError { field: Some("text".into()), code, message });
            }
        }
    }

    async fn finish(
        mut self,
        chat: &Chat,
        user_id: i64,
        expected: Option<u64>,
    ) -> Result<Uploaded, Problem> {
        let has = |errors: &[FieldError], name| {
            errors.iter().any(|error: &FieldError| error.field.as_deref() == Some(name))
        };
        if self.file.is_none() && !has(&self.errors, "file") {
            self.wrong("file", "required", "No file was submitted.");
        }
        if self.room.is_none() && !has(&self.errors, "chatroom") {
            self.wrong("chatroom", "required", "This field is required.");
        }
        let (Some(file), Some(room), true) = (self.file, self.room, self.errors.is_empty()) else {
            return Err(Problem::validation(self.errors));
        };
        let upload = match file {
            Incoming::Stored(upload) => upload,
            Incoming::Waiting(spool, called) => {
                let (mut file, _slot) = spool.rewind().await?;
                let uploader = Uploader { chat, user_id, expected };
                Box::new(uploader.store(room, &called, Pin::new(&mut file)).await?)
            }
        };
        upload.finish(self.text).await.map_err(|error| of_room(room, error))
    }
}

/// Whose file it is, and where it goes.
struct Uploader<'a> {
    chat: &'a Chat,
    user_id: i64,
    expected: Option<u64>,
}

impl<'a> Uploader<'a> {
    /// Takes a file as far as that is possible now.
    async fn take(
        self,
        room: Option<i64>,
        called: String,
        mut bytes: Pin<&mut impl AsyncRead>,
    ) -> Result<Incoming<'a>, Problem> {
        if let Some(room) = room {
            return Ok(Incoming::Stored(Box::new(self.store(room, &called, bytes).await?)));
        }
        let mut spool = self.chat.spool().await?;
        let mut piece = Vec::with_capacity(PIECE);
        while more(&mut bytes, &mut piece, PIECE).await? {
            spool.write(&piece).await?;
            piece.clear();
        }
        Ok(Incoming::Waiting(spool, called))
    }

    /// Stores a file of a room.
    async fn store(
        self,
        room: i64,
        called: &str,
        mut bytes: Pin<&mut impl AsyncRead>,
    ) -> Result<Upload<'a>, Problem> {
        let mut piece = Vec::with_capacity(PIECE);
        while piece.len() < HEAD_BYTES && more(&mut bytes, &mut piece, PIECE).await? {}
        let new = NewFile {
            room: RoomId(room),
            user_id: self.user_id,
            name: called,
            head: &piece[..piece.len().min(HEAD_BYTES)],
            expected: self.expected,
        };
        let begun = self.chat.begin_upload(new).await;
        let mut upload = begun.map_err(|error| of_room(room, error))?;
        loop {
            upload.write(&piece).await?;
            piece.clear();
            if !more(&mut bytes, &mut piece, PIECE).await? {
                return Ok(upload);
            }
        }
    }
}

/// Adds what comes next, so that there are `most` bytes at the most; `false` at the end.
async fn more(
    bytes: &mut Pin<&mut impl AsyncRead>,
    piece: &mut Vec<u8>,
    most: usize,
) -> Result<bool, Problem> {
    let room = most.saturating_sub(piece.len()) as u64;
    let read = bytes.as_mut().take(room).read_buf(piece).await.map_err(|_| broken())?;
    Ok(read > 0)
}

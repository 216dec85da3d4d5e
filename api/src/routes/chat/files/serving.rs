//! `/media/uploads/chat_files/…`: files, for whoever has a good address. Not in the document: the
//! address comes from an answer, whole.

use std::fmt::Write;

use poem::{
    Body, Request, Response, Result, handler,
    http::{HeaderName, HeaderValue, StatusCode, header},
    web::{Data, Path},
};
use shared::chat::{
    files::{OpenError, OpenFile, Picture},
    log::FileRef,
};

use super::{
    range::{self, Asked},
    unavailable,
};
use crate::{
    error::{Code, Problem},
    state::SharedState,
};

/// Seconds a browser keeps a file without asking.
const KEPT_SECONDS: i64 = 3_600;

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Nothing in a file runs, loads or frames anything, whatever it is taken for.
const POLICY: &str = "default-src 'none'; sandbox";

/// `GET` and `HEAD`, with parts and with a look whether it changed, which it never does.
#[handler]
pub(crate) async fn serve(
    Data(state): Data<&SharedState>,
    Path((year, month, day, name)): Path<(String, String, String, String)>,
    request: &Request,
) -> Result<Response> {
    let opened = state.chat.open_file(&format!("{year}/{month}/{day}"), &name).await;
    let OpenFile { file, until } = opened.map_err(Problem::from)?;
    let kept = (until - state.chat.now()).num_seconds().clamp(0, KEPT_SECONDS);
    let etag = format!("\"{}\"", file.handle);
    let cached = Response::builder()
        .header(header::CACHE_CONTROL, format!("private, max-age={kept}, immutable"))
        .header(header::ETAG, &etag)
        .header(CORP, "cross-origin");
    if header_of(request, header::IF_NONE_MATCH).is_some_and(|known| is_among(known, &etag)) {
        return Ok(cached.status(StatusCode::NOT_MODIFIED).finish());
    }
    let bytes = u64::try_from(file.bytes).unwrap_or_default();
    // A part of what is not there any more is of no use: then all of it.
    let is_of_this = header_of(request, header::IF_RANGE).is_none_or(|tag| tag == etag);
    let asked = range::asked(header_of(request, header::RANGE).filter(|_| is_of_this), bytes);
    let (status, part) = match asked {
        Asked::Whole => (StatusCode::OK, 0..bytes),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Asked::Nothing => {
            let range = HeaderValue::from_str(&format!("bytes */{bytes}"));
            let range = range.unwrap_or(HeaderValue::from_static("bytes */0"));
            let problem = Problem::new(Code::RangeNotSatisfiable);
            return Err(problem.with_header(header::CONTENT_RANGE, range).into());
        }
    };
    let mut answer = cached
        .status(status)
        .content_type(content_type(&file.mime))
        .header(header::CONTENT_DISPOSITION, disposition(&file))
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_LENGTH, part.end - part.start);
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{bytes}", part.start, part.end - 1);
        answer = answer.header(header::CONTENT_RANGE, range);
    }
    let content = state.chat.read_file(&file, part).await.map_err(Problem::from)?;
    Ok(answer.body(Body::from_bytes_stream(content)))
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Expired => Self::new(Code::FileAddressExpired),
            OpenError::NotFound => Self::new(Code::NotFound),
            OpenError::Database(error) => error.into(),
            OpenError::Storage(error) => unavailable(error),
        }
    }
}

fn header_of(request: &Request, name: HeaderName) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}

fn is_among(known: &str, etag: &str) -> bool {
    known
        .split(',')
        .any(|tag| matches!(tag.trim().trim_start_matches("W/"), tag if tag == etag || tag == "*"))
}

fn content_type(mime: &str) -> String {
    if mime.starts_with("text/") { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}

/// Pictures are shown; everything else is for saving. The name in a form that old programs read, and
/// as it is (RFC 6266, RFC 5987).
fn disposition(file: &FileRef) -> String {
    let kind = if Picture::of_mime(&file.mime).is_some() { "inline" } else { "attachment" };
    let plain = |c: char| c.is_ascii_alphanumeric() || " -_.".contains(c);
    let old: String = file.name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    format!("{kind}; filename=\"{old}\"; filename*=UTF-8''{}", percent_encoded(&file.name))
}

fn percent_encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len() * 3);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn file(name: &str, mime: &str) -> FileRef {
        FileRef {
            id: 1,
            handle: "a".to_owned(),
            name: name.to_owned(),
            mime: mime.to_owned(),
            bytes: 1,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn only_pictures_are_shown_and_names_end_no_header() {
        for (name, mime, expected) in [
            ("a b.png", "image/png", "inline; filename=\"a b.png\"; filename*=UTF-8''a%20b.png"),
            ("a.pdf", "application/pdf", "attachment; filename=\"a.pdf\"; filename*=UTF-8''a.pdf"),
            (
                "a\"; x=\r\n.txt",
                "text/plain",
                "attachment; filename=\"a__ x___.txt\"; filename*=UTF-8''a%22%3B%20x%3D%0D%0A.txt",
            ),
            (
                "نامه.txt",
                "text/plain",
                "attachment; filename=\"____.txt\"; filename*=UTF-8''%D9%86%D8%A7%D9%85%D9%87.txt",
            ),
        ] {
            assert_eq!(disposition(&file(name, mime)), expected);
        }
    }

    #[test]
    fn text_says_how_it_is_written() {
        assert_eq!(content_type("text/plain"), "text/plain; charset=utf-8");
        assert_eq!(content_type("image/png"), "image/png");
    }
}

//! What may be said: the rules of a message's contents, the same over HTTP and WebSockets. Pure.

use std::borrow::Cow;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{RoomId, log::MessageType};
use crate::phone::ascii_digit;

/// Longest name a client gives a message.
const CLIENT_ID_CHARS: usize = 64;
/// Longest word that is repeated to whoever sent it.
const REPEATED_CHARS: usize = 64;
/// Longest emoji: the longest there are have ten characters.
const EMOJI_CHARS: usize = 16;

/// A field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// What it says.
    Text,
    /// What it is.
    Kind,
    /// The file that goes with it.
    Attachment,
    /// Degrees north.
    Lat,
    /// Degrees east.
    Lng,
    /// What its client calls it.
    ClientId,
    /// The message it answers.
    ReplyTo,
    /// A reaction.
    Emoji,
}

impl Field {
    /// Its name over HTTP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Kind => "message_type",
            Self::Attachment => "attach_id",
            Self::Lat => "lat",
            Self::Lng => "lng",
            Self::ClientId => "client_id",
            Self::ReplyTo => "reply_to",
            Self::Emoji => "emoji",
        }
    }

    /// Its name in frames.
    pub const fn in_frames(self) -> &'static str {
        match self {
            Self::Text => "message",
            other => other.as_str(),
        }
    }
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentError {
    /// Which.
    pub field: Field,
    /// The stable name of the rule that was broken.
    pub code: &'static str,
    /// The English sentence of the old system.
    pub message: Cow<'static, str>,
}

impl ContentError {
    fn new(field: Field, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field, code, message: message.into() }
    }

    fn required(field: Field) -> Self {
        Self::new(field, "required", "This field is required.")
    }

    fn not_null(field: Field) -> Self {
        Self::new(field, "null", "This field may not be null.")
    }

    fn not_a_string(field: Field) -> Self {
        Self::new(field, "invalid", "Not a valid string.")
    }

    fn blank(field: Field) -> Self {
        Self::new(field, "blank", "This field may not be blank.")
    }

    fn too_long(field: Field, most: usize) -> Self {
        let message = format!("Ensure this field has no more than {most} characters.");
        Self::new(field, "max_length", message)
    }
}

/// A message as a client sent it: each field's value, `None` where there was none.
#[derive(Clone, Default)]
pub struct Draft {
    /// What it says.
    pub text: Option<Value>,
    /// What it is; a text if absent.
    pub kind: Option<Value>,
    /// The file that goes with it.
    pub attachment: Option<Value>,
    /// Degrees north.
    pub lat: Option<Value>,
    /// Degrees east.
    pub lng: Option<Value>,
    /// What its client calls it.
    pub client_id: Option<Value>,
    /// The message it answers.
    pub reply_to: Option<Value>,
}

/// What a message contains.
#[derive(Clone, PartialEq)]
pub struct Content {
    /// What it is.
    pub kind: MessageType,
    /// What it says; empty only where a file or a place says something.
    pub text: String,
    /// Degrees north and east.
    pub place: Option<(f64, f64)>,
    /// The file that goes with it.
    pub attachment_id: Option<i64>,
}

/// A message to post.
#[derive(Clone, PartialEq)]
pub struct NewMessage {
    /// Where.
    pub room: RoomId,
    /// What it contains.
    pub content: Content,
    /// What its client calls it: the same name and contents again are the same message.
    pub client_id: Option<String>,
    /// The message it answers.
    pub reply_to: Option<i64>,
}

impl NewMessage {
    /// What it says as a number, to recognise the same.
    pub(super) fn fingerprint(&self) -> i64 {
        let Content { kind, text, place, attachment_id } = &self.content;
        let mut hash = Sha256::new_with_prefix(kind.as_str());
        for number in [*attachment_id, self.reply_to] {
            hash.update(number.unwrap_or_default().to_be_bytes());
        }
        if let Some((lat, lng)) = place {
            hash.update(lat.to_be_bytes());
            hash.update(lng.to_be_bytes());
        }
        hash.update(b"\0");
        hash.update(text);
        let hash: [u8; 32] = hash.finalize().into();
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        i64::from_be_bytes(first)
    }
}

impl Draft {
    /// Reads it as a message to a room, of `most_chars` characters at most.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(self, room: RoomId, most_chars: u32) -> Result<NewMessage, Vec<ContentError>> {
        let mut errors = Vec::new();
        let kind = keep(read_kind(self.kind), &mut errors);
        let attachment_id = keep(read_id(Field::Attachment, self.attachment), &mut errors);
        let lat = keep(read_degrees(Field::Lat, self.lat, 90), &mut errors);
        let lng = keep(read_degrees(Field::Lng, self.lng, 180), &mut errors);
        let place = match (lat, lng) {
            (Some(lat), Some(lng)) => {
                keep(read_place(lat, lng, kind == Some(MessageType::Location)), &mut errors)
            }
            _ => None,
        };
        let says_enough = matches!(attachment_id, Some(Some(_)))
            || (kind == Some(MessageType::Location) && matches!(place, Some(Some(_))));
        let text = keep(read_text(self.text, most_chars, says_enough), &mut errors);
        let client_id = keep(read_client_id(self.client_id), &mut errors);
        let reply_to = keep(read_id(Field::ReplyTo, self.reply_to), &mut errors);
        match (kind, text, place, attachment_id, client_id, reply_to) {
            (
                Some(kind),
                Some(text),
                Some(place),
                Some(attachment_id),
                Some(client_id),
                Some(to),
            ) if errors.is_empty() => {
                let content = Content { kind, text, place, attachment_id };
                Ok(NewMessage { room, content, client_id, reply_to: to })
            }
            _ => Err(errors),
        }
    }
}

fn keep<T>(read: Result<T, ContentError>, errors: &mut Vec<ContentError>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}

/// Reads what a message says: blanks around it are taken off, and lines end in one way. `may_be_empty`: a
/// file or a place says enough.
///
/// # Errors
/// What is wrong with it.
pub fn read_text(
    value: Option<Value>,
    most_chars: u32,
    may_be_empty: bool,
) -> Result<String, ContentError> {
    const FIELD: Field = Field::Text;
    let text = match value {
        None if may_be_empty => return Ok(String::new()),
        None => return Err(ContentError::required(FIELD)),
        Some(Value::Null) => return Err(ContentError::not_null(FIELD)),
        Some(value) => as_text(FIELD, value)?,
    };
    let text = text.trim_matches(is_blank).replace("\r\n", "\n").replace('\r', "\n");
    if text.is_empty() && !may_be_empty {
        return Err(ContentError::blank(FIELD));
    }
    let most = usize::try_from(most_chars).unwrap_or(usize::MAX);
    if text.chars().count() > most {
        return Err(ContentError::too_long(FIELD, most));
    }
    match text.chars().find_map(forbidden) {
        Some((code, message)) => Err(ContentError::new(FIELD, code, message)),
        None => Ok(text),
    }
}

/// Reads a reaction: a few characters, none of them blank.
///
/// # Errors
/// What is wrong with it.
pub fn read_emoji(value: Option<Value>) -> Result<String, ContentError> {
    const FIELD: Field = Field::Emoji;
    let text = match value {
        None => return Err(ContentError::required(FIELD)),
        Some(Value::Null) => return Err(ContentError::not_null(FIELD)),
        Some(value) => as_text(FIELD, value)?,
    };
    if text.is_empty() {
        return Err(ContentError::blank(FIELD));
    }
    if text.chars().count() > EMOJI_CHARS {
        return Err(ContentError::too_long(FIELD, EMOJI_CHARS));
    }
    if text.chars().any(|c| is_blank(c) || c.is_control() || overrides_direction(c)) {
        return Err(ContentError::new(FIELD, "invalid", "This is not an emoji."));
    }
    Ok(text)
}

fn read_kind(value: Option<Value>) -> Result<MessageType, ContentError> {
    const FIELD: Field = Field::Kind;
    let word = match value {
        None => return Ok(MessageType::Text),
        Some(Value::Null) => return Err(ContentError::not_null(FIELD)),
        Some(Value::String(word)) => word,
        Some(other) => other.to_string(),
    };
    MessageType::parse(&word).ok_or_else(|| {
        let word: String = word.chars().take(REPEATED_CHARS).collect();
        ContentError::new(FIELD, "invalid_choice", format!("\"{word}\" is not a valid choice."))
    })
}

fn read_id(field: Field, value: Option<Value>) -> Result<Option<i64>, ContentError> {
    let number = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => plain_digits(&text).parse().ok(),
        Some(Value::Number(number)) => number.as_i64(),
        Some(_) => None,
    };
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(ContentError::new(field, "invalid", "A valid integer is required.")),
    }
}

fn read_degrees(
    field: Field,
    value: Option<Value>,
    most: i32,
) -> Result<Option<f64>, ContentError> {
    let number = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => plain_digits(&text).parse().ok(),
        Some(Value::Number(number)) => number.as_f64(),
        Some(_) => None,
    };
    let Some(number) = number.filter(|number: &f64| number.is_finite()) else {
        return Err(ContentError::new(field, "invalid", "A valid number is required."));
    };
    if number > f64::from(most) {
        let message = format!("Ensure this value is less than or equal to {most}.");
        return Err(ContentError::new(field, "max_value", message));
    }
    if number < f64::from(-most) {
        let message = format!("Ensure this value is greater than or equal to -{most}.");
        return Err(ContentError::new(field, "min_value", message));
    }
    Ok(Some(number))
}

fn read_place(
    lat: Option<f64>,
    lng: Option<f64>,
    is_needed: bool,
) -> Result<Option<(f64, f64)>, ContentError> {
    match (lat, lng) {
        (Some(lat), Some(lng)) => Ok(Some((lat, lng))),
        (None, None) if !is_needed => Ok(None),
        (None, _) => Err(ContentError::required(Field::Lat)),
        (Some(_), None) => Err(ContentError::required(Field::Lng)),
    }
}

fn read_client_id(value: Option<Value>) -> Result<Option<String>, ContentError> {
    const FIELD: Field = Field::ClientId;
    let text = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => as_text(FIELD, value)?,
    };
    if text.is_empty() {
        return Err(ContentError::blank(FIELD));
    }
    if text.chars().count() > CLIENT_ID_CHARS {
        return Err(ContentError::too_long(FIELD, CLIENT_ID_CHARS));
    }
    if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        let message = "Only printable ASCII characters are allowed.";
        return Err(ContentError::new(FIELD, "invalid", message));
    }
    Ok(Some(text))
}

/// Numbers are taken for texts, as the old system did.
fn as_text(field: Field, value: Value) -> Result<String, ContentError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(ContentError::not_a_string(field)),
    }
}

fn plain_digits(text: &str) -> String {
    text.trim_matches(is_blank).chars().map(|c| ascii_digit(c).unwrap_or(c)).collect()
}

/// What is in no text: what shows as nothing and does something, to a terminal, a database or the text
/// around it. The rule's name and what it says.
pub fn forbidden(c: char) -> Option<(&'static str, &'static str)> {
    match c {
        '\0' => Some(("null_characters_not_allowed", "Null characters are not allowed.")),
        '\n' | '\t' => None,
        c if c.is_control() => {
            Some(("control_characters_not_allowed", "Control characters are not allowed."))
        }
        c if overrides_direction(c) => Some((
            "direction_overrides_not_allowed",
            "Characters that override the direction of text are not allowed.",
        )),
        _ => None,
    }
}

fn overrides_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What Python's `str.strip` takes off.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn draft(fields: &Value) -> Draft {
        let field = |name: &str| fields.get(name).cloned();
        Draft {
            text: field("text"),
            kind: field("message_type"),
            attachment: field("attach_id"),
            lat: field("lat"),
            lng: field("lng"),
            client_id: field("client_id"),
            reply_to: field("reply_to"),
        }
    }

    fn wrong(fields: &Value) -> Vec<(&'static str, &'static str, String)> {
        let read = draft(fields).read(RoomId(1), 10);
        let errors = read.err().unwrap_or_default().into_iter();
        errors.map(|e| (e.field.as_str(), e.code, e.message.into_owned())).collect()
    }

    fn read(fields: &Value) -> NewMessage {
        draft(fields).read(RoomId(1), 10).unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    #[test]
    fn what_the_old_system_took_is_taken() {
        let plain = read(&json!({"text": " سلام \n", "lat": null}));
        assert_eq!(plain.content.text, "سلام");
        assert_eq!(plain.content.kind, MessageType::Text);
        assert_eq!(read(&json!({"text": 12})).content.text, "12");
        assert_eq!(read(&json!({"text": "a\r\nb\rc"})).content.text, "a\nb\nc");
        let place = read(&json!({"message_type": "location", "lat": "۳۵.۷", "lng": 51.4}));
        assert_eq!((place.content.place, &*place.content.text), (Some((35.7, 51.4)), ""));
        let image = read(&json!({"text": "img", "message_type": "image"}));
        assert_eq!(image.content.kind, MessageType::Image);
        let file = read(&json!({"message_type": "file", "attach_id": "7", "text": ""}));
        assert_eq!(file.content.attachment_id, Some(7));
        let named = read(&json!({"text": "x", "client_id": 5, "reply_to": 9}));
        assert_eq!((named.client_id.as_deref(), named.reply_to), (Some("5"), Some(9)));
    }

    #[test]
    fn what_is_wrong_is_said_in_the_old_words() {
        let text = |code, message: &str| vec![("text", code, message.to_owned())];
        for (fields, errors) in [
            (json!({}), text("required", "This field is required.")),
            (json!({"text": null}), text("null", "This field may not be null.")),
            (json!({"text": " \t"}), text("blank", "This field may not be blank.")),
            (json!({"text": ["x"]}), text("invalid", "Not a valid string.")),
            (
                json!({"text": "12345678901"}),
                text("max_length", "Ensure this field has no more than 10 characters."),
            ),
            (
                json!({"text": "a\0b"}),
                text("null_characters_not_allowed", "Null characters are not allowed."),
            ),
            (
                json!({"text": "x", "message_type": "video"}),
                vec![(
                    "message_type",
                    "invalid_choice",
                    "\"video\" is not a valid choice.".to_owned(),
                )],
            ),
            (
                json!({"text": "x", "lat": "north", "lng": 1}),
                vec![("lat", "invalid", "A valid number is required.".to_owned())],
            ),
        ] {
            assert_eq!(wrong(&fields), errors, "{fields}");
        }
    }

    #[test]
    fn what_shows_as_nothing_and_does_something_is_in_no_text() {
        for c in ['\u{1b}', '\u{8}', '\u{7f}', '\u{85}', '\u{9b}'] {
            let errors = wrong(&json!({"text": format!("a{c}b")}));
            assert_eq!(errors[0].1, "control_characters_not_allowed", "{c:?}");
        }
        for c in ['\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'] {
            let errors = wrong(&json!({"text": format!("a{c}b")}));
            assert_eq!(errors[0].1, "direction_overrides_not_allowed", "{c:?}");
        }
        // A joiner and a mark are part of how Persian is written.
        assert!(wrong(&json!({"text": "می\u{200c}روم\u{200f}"})).is_empty());
    }

    #[test]
    fn a_place_is_whole_and_on_earth() {
        for (fields, field, code) in [
            (json!({"text": "x", "lat": 1}), "lng", "required"),
            (json!({"text": "x", "lng": 1}), "lat", "required"),
            (json!({"message_type": "location", "text": "x"}), "lat", "required"),
            (json!({"text": "x", "lat": 90.1, "lng": 1}), "lat", "max_value"),
            (json!({"text": "x", "lat": -91, "lng": 1}), "lat", "min_value"),
            (json!({"text": "x", "lat": 1, "lng": "-180.5"}), "lng", "min_value"),
            (json!({"text": "x", "lat": "NaN", "lng": 1}), "lat", "invalid"),
            (json!({"text": "x", "lat": true, "lng": 1}), "lat", "invalid"),
        ] {
            let errors = wrong(&fields);
            let found: Vec<_> = errors.iter().map(|(field, code, _)| (*field, *code)).collect();
            assert_eq!(found, [(field, code)], "{fields}");
        }
        // Words need no place, and coordinates alone are no words.
        assert_eq!(wrong(&json!({"lat": 1, "lng": 1}))[0].0, "text");
    }

    #[test]
    fn names_and_numbers_of_clients_are_bounded() {
        for (fields, field) in [
            (json!({"text": "x", "client_id": ""}), "client_id"),
            (json!({"text": "x", "client_id": "x".repeat(65)}), "client_id"),
            (json!({"text": "x", "client_id": "é"}), "client_id"),
            (json!({"text": "x", "client_id": {}}), "client_id"),
            (json!({"text": "x", "reply_to": 1.5}), "reply_to"),
            (json!({"text": "x", "reply_to": "99999999999999999999"}), "reply_to"),
            (json!({"text": "x", "attach_id": "seven"}), "attach_id"),
        ] {
            assert_eq!(wrong(&fields)[0].0, field, "{fields}");
        }
    }

    #[test]
    fn reactions_are_a_few_characters_without_blanks() {
        for emoji in ["👍", "👩‍👩‍👧‍👦", "❤️", "+1"] {
            assert_eq!(read_emoji(Some(json!(emoji))), Ok(emoji.to_owned()));
        }
        for value in [json!(""), json!("a b"), json!("\u{1b}"), json!("x".repeat(17)), json!([])] {
            assert!(read_emoji(Some(value.clone())).is_err(), "{value}");
        }
        assert!(read_emoji(None).is_err());
    }

    #[test]
    fn other_contents_have_another_fingerprint() {
        let base = json!({"text": "x"});
        let first = read(&base).fingerprint();
        assert_eq!(read(&json!({"text": " x "})).fingerprint(), first);
        for other in [
            json!({"text": "y"}),
            json!({"text": "x", "message_type": "file"}),
            json!({"text": "x", "attach_id": 1}),
            json!({"text": "x", "reply_to": 1}),
            json!({"text": "x", "lat": 1, "lng": 2}),
        ] {
            assert_ne!(read(&other).fingerprint(), first, "{other}");
        }
    }
}

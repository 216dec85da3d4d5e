//! The claims Peyk reads, in every form that writers of tokens give them.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

/// Seconds that no clock here will show, and that a float still holds exactly.
const BEYOND: i64 = 9_000_000_000_000_000;
const BEYOND_FLOAT: f64 = 9.0e15;

/// What a token says, its signature checked and nothing else.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) token_type: String,
    #[serde(deserialize_with = "seconds")]
    pub(super) exp: i64,
    #[serde(default, deserialize_with = "optional_seconds")]
    pub(super) nbf: Option<i64>,
    /// As its maker says; it matters to old tokens alone.
    #[serde(default, deserialize_with = "optional_seconds")]
    pub(super) iat: Option<i64>,
    pub(super) iss: Option<String>,
    #[serde(default)]
    pub(super) aud: Audience,
    /// Number of the refresh token in its family. Those of versions that could not refresh are all
    /// the first, and do not say it.
    pub(super) generation: Option<i32>,
    /// The others: whose it is, and of which session.
    #[serde(flatten)]
    pub(super) others: Map<String, Value>,
}

impl Claims {
    /// A claim that holds an id: a number, or as simplejwt writes it, a string of digits.
    pub(super) fn id(&self, name: &str) -> Option<i64> {
        let id = match self.others.get(name)? {
            Value::Number(number) => number.as_i64(),
            // Nobody writes a sign or a blank.
            Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok()
            }
            _ => None,
        };
        id.filter(|id| *id > 0)
    }
}

/// For whom a token is: one, or several.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    /// Nobody is named.
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self, wanted: &str) -> bool {
        match self {
            Self::None => false,
            Self::One(name) => name == wanted,
            Self::Many(names) => names.iter().any(|name| name == wanted),
        }
    }
}

/// Seconds since 1970, a fraction cut off (RFC 7519, section 2). What no clock will ever show is no
/// time.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    read_seconds(&Value::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("no time"))
}

fn optional_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    seconds(deserializer).map(Some)
}

fn read_seconds(value: &Value) -> Option<i64> {
    let Value::Number(number) = value else { return None };
    if let Some(seconds) = number.as_i64() {
        return (-BEYOND..BEYOND).contains(&seconds).then_some(seconds);
    }
    let seconds = number.as_f64().filter(|it| it.abs() < BEYOND_FLOAT)?;
    #[expect(clippy::cast_possible_truncation, reason = "it is within what i64 holds")]
    Some(seconds.floor() as i64)
}

//! What is asked of rooms and the people in them.

use poem_openapi::{Enum, Object, types::Example};
use serde_json::Value;
use shared::chat::{
    change::Changes,
    content::forbidden,
    create::About,
    moderation::{Outcome, Reason},
    permissions::{Level, Levels, Status},
};

use crate::input::{Fields, FromFields, Text};

/// Characters of a room's name, of what it is about, and of the words of a ban or a report.
const NAME: usize = 45;
const DESCRIPTIONS: usize = 1_000;
const WORDS: usize = 500;
/// Seconds a member can be silenced for: a year.
const LONGEST_MUTE: i64 = 31_536_000;
/// Seconds between two messages of a member, at most: a day.
const SLOWEST: i64 = 86_400;
/// People named in one request.
const MANY: usize = 1_000;

/// A room to make: with one person (`user_id`, or `user`), or with several (`users`).
#[derive(Debug, Object)]
#[oai(rename = "CreateChatRoom", example)]
pub(crate) struct CreateRoom {
    /// With whom: the number of an account, also your own. There is one such room.
    #[oai(skip_serializing_if_is_none)]
    user_id: Option<i64>,
    /// The same, as the old README has it.
    #[oai(skip_serializing_if_is_none)]
    user: Option<i64>,
    /// Makes a group with these accounts, which you own.
    #[oai(skip_serializing_if_is_none, validator(max_items = 1000))]
    users: Option<Vec<i64>>,
    /// What it is called.
    #[oai(skip_serializing_if_is_none, validator(max_length = 45))]
    name: Option<String>,
    /// What it is about.
    #[oai(skip_serializing_if_is_none, validator(max_length = 1000))]
    descriptions: Option<String>,
    /// The organization whose members alone can be in it; you have to belong to it.
    #[oai(skip_serializing_if_is_none)]
    organization: Option<i64>,
}

impl Example for CreateRoom {
    fn example() -> Self {
        Self {
            user_id: Some(18),
            user: None,
            users: None,
            name: None,
            descriptions: None,
            organization: None,
        }
    }
}

/// Who is to be in a new room.
pub(crate) enum With {
    /// One person.
    One(i64),
    /// Several.
    Several(Vec<i64>),
    /// The request does not say.
    Nobody,
}

/// A room to make, read.
pub(crate) struct NewRoom {
    pub(super) with: With,
    pub(super) about: About,
}

impl FromFields for NewRoom {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let users = read_ids(fields, "users");
        let user_id = read_nullable(fields, "user_id");
        let user = read_nullable(fields, "user");
        let about = About {
            name: read_words(fields, "name", NAME).flatten(),
            descriptions: read_words(fields, "descriptions", DESCRIPTIONS).flatten(),
            organization_id: read_nullable(fields, "organization"),
        };
        let with = match (users, user_id.or(user)) {
            (Some(mut users), one) => {
                users.extend(one);
                With::Several(users)
            }
            (None, Some(one)) => With::One(one),
            (None, None) => With::Nobody,
        };
        Some(Self { with, about })
    }
}

/// What is to change of a room; what is absent stays. Its members, levels and bans have operations of
/// their own.
#[derive(Debug, Object)]
#[oai(rename = "UpdateChatRoom", example)]
pub(crate) struct UpdateRoom {
    /// What it is called; `null` or empty: nothing. Level 10.
    #[oai(skip_serializing_if_is_none, validator(max_length = 45))]
    name: Option<String>,
    /// What it is about; `null` or empty: nothing. Level 10.
    #[oai(skip_serializing_if_is_none, validator(max_length = 1000))]
    descriptions: Option<String>,
    /// 1: open (level 9), 2: closed (level 8), 3: held (level 8).
    #[oai(skip_serializing_if_is_none, validator(minimum(value = "1"), maximum(value = "3")))]
    status: Option<i32>,
    /// Seconds between two messages of a member; 0: as fast as they like. Level 8.
    #[oai(skip_serializing_if_is_none, validator(minimum(value = "0"), maximum(value = "86400")))]
    slow_seconds: Option<i32>,
    /// Whether members who are not there are texted. Level 10.
    #[oai(skip_serializing_if_is_none)]
    tells_by_sms: Option<bool>,
    /// The number of a picture that you uploaded to it; `null`: none. Level 11.
    avatar_id: Option<i64>,
}

impl Example for UpdateRoom {
    fn example() -> Self {
        Self {
            name: Some("پشتیبانی".to_owned()),
            descriptions: Some("پرسش‌های خریداران".to_owned()),
            status: Some(1),
            slow_seconds: Some(0),
            tells_by_sms: Some(false),
            avatar_id: Some(9),
        }
    }
}

/// What is to change, read.
pub(crate) struct RoomChanges(pub(super) Changes);

impl FromFields for RoomChanges {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self(Changes {
            name: read_words(fields, "name", NAME),
            descriptions: read_words(fields, "descriptions", DESCRIPTIONS),
            status: read_status(fields),
            slow_seconds: read_between(fields, "slow_seconds", 0, SLOWEST)
                .and_then(|seconds| i32::try_from(seconds).ok()),
            tells_by_sms: read_bool(fields, "tells_by_sms"),
            avatar_id: read_avatar(fields),
        }))
    }
}

#[expect(clippy::option_option, reason = "unsaid, none, or this one")]
fn read_avatar(fields: &mut Fields) -> Option<Option<i64>> {
    if fields.is_null("avatar_id") {
        return Some(None);
    }
    fields.optional_integer("avatar_id").map(Some)
}

/// People to let in: `users`, or one as `user_id`.
#[derive(Debug, Object)]
#[oai(rename = "AddChatRoomMembers", example)]
pub(crate) struct AddMembers {
    /// The numbers of their accounts.
    #[oai(skip_serializing_if_is_none, validator(max_items = 1000))]
    users: Option<Vec<i64>>,
    /// The number of one account.
    #[oai(skip_serializing_if_is_none)]
    user_id: Option<i64>,
}

impl Example for AddMembers {
    fn example() -> Self {
        Self { users: Some(vec![18]), user_id: None }
    }
}

/// People to let in, read.
pub(crate) struct Newcomers(pub(super) Vec<i64>);

impl FromFields for Newcomers {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let users = read_ids(fields, "users");
        let one = read_nullable(fields, "user_id");
        let people: Vec<_> = users.unwrap_or_default().into_iter().chain(one).collect();
        if people.is_empty() {
            fields.error("users", "required", "This field is required.");
        }
        Some(Self(people))
    }
}

/// Somebody.
#[derive(Debug, Object)]
#[oai(rename = "ChatUser", example)]
pub(crate) struct Somebody {
    /// The number of their account.
    pub(super) user_id: i64,
}

impl FromFields for Somebody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { user_id: fields.integer("user_id")? })
    }
}

impl Example for Somebody {
    fn example() -> Self {
        Self { user_id: 18 }
    }
}

/// For how long a member is to be silent.
#[derive(Debug, Object)]
#[oai(rename = "MuteChatRoomMember", example)]
pub(crate) struct Mute {
    /// Seconds, a year at most.
    #[oai(validator(minimum(value = "1"), maximum(value = "31536000")))]
    pub(super) seconds: u32,
}

impl FromFields for Mute {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let seconds = fields.integer("seconds");
        let seconds = seconds.and_then(|it| check_between(fields, "seconds", it, 1, LONGEST_MUTE));
        Some(Self { seconds: u32::try_from(seconds?).ok()? })
    }
}

impl Example for Mute {
    fn example() -> Self {
        Self { seconds: 3_600 }
    }
}

/// Somebody to put out for good.
#[derive(Debug, Object)]
#[oai(rename = "BanFromChatRoom", example)]
pub(crate) struct NewBan {
    /// The number of their account, be they a member or not.
    pub(super) user_id: i64,
    /// Why; for those who may ban.
    #[oai(skip_serializing_if_is_none, validator(max_length = 500))]
    pub(super) reason: Option<String>,
}

impl FromFields for NewBan {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let user_id = fields.integer("user_id");
        let reason = read_words(fields, "reason", WORDS).flatten();
        Some(Self { user_id: user_id?, reason })
    }
}

impl Example for NewBan {
    fn example() -> Self {
        Self { user_id: 18, reason: Some("تبلیغات".to_owned()) }
    }
}

/// Levels for a member.
#[derive(Debug, Object)]
#[oai(rename = "GrantChatPermissions", example)]
pub(crate) struct Grant {
    /// The number of their account.
    user_id: i64,
    /// The levels, 0 to 12. You can give those you hold yourself.
    #[oai(validator(min_items = 1, max_items = 13))]
    access: Vec<i32>,
}

impl Example for Grant {
    fn example() -> Self {
        Self { user_id: 18, access: vec![2, 3] }
    }
}

/// Levels for a member, read.
pub(crate) struct Given {
    pub(super) user_id: i64,
    pub(super) levels: Levels,
}

impl FromFields for Given {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let user_id = fields.integer("user_id");
        if !fields.has("access") {
            fields.error("access", "required", "This field is required.");
        }
        let numbers = read_ids(fields, "access").unwrap_or_default();
        let mut levels = Levels::NONE;
        for number in numbers {
            match Level::from_number(number) {
                Some(level) => levels = levels.and([level].into_iter().collect()),
                None => not_a_choice(fields, "access", &number.to_string()),
            }
        }
        Some(Self { user_id: user_id?, levels })
    }
}

/// Why staff should look at a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ChatReportReason", rename_all = "snake_case")]
pub(crate) enum ReportReason {
    /// It is advertising.
    Spam,
    /// It hurts somebody.
    Abuse,
    /// It breaks a law.
    Illegal,
    /// Something else.
    Other,
}

impl From<Reason> for ReportReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Spam => Self::Spam,
            Reason::Abuse => Self::Abuse,
            Reason::Illegal => Self::Illegal,
            Reason::Other => Self::Other,
        }
    }
}

/// Why staff should look at a message.
#[derive(Debug, Object)]
#[oai(rename = "ReportChatMessage", example)]
pub(crate) struct ReportMessage {
    /// The kind of reason.
    reason: ReportReason,
    /// More about it.
    #[oai(skip_serializing_if_is_none, validator(max_length = 500))]
    note: Option<String>,
}

impl Example for ReportMessage {
    fn example() -> Self {
        Self { reason: ReportReason::Spam, note: None }
    }
}

/// Why, read.
pub(crate) struct Complaint {
    pub(super) reason: Reason,
    pub(super) note: Option<String>,
}

impl FromFields for Complaint {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let word = fields.text("reason", Text::any());
        let reason = word.and_then(|word| {
            let reason = Reason::parse(&word);
            if reason.is_none() {
                not_a_choice(fields, "reason", &word);
            }
            reason
        });
        let note = read_words(fields, "note", WORDS).flatten();
        Some(Self { reason: reason?, note })
    }
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ChatReportOutcome", rename_all = "snake_case")]
pub(crate) enum ReportOutcome {
    /// The message is deleted.
    Removed,
    /// The message stays.
    Dismissed,
}

impl From<Outcome> for ReportOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Removed => Self::Removed,
            Outcome::Dismissed => Self::Dismissed,
        }
    }
}

/// What is to become of a report.
#[derive(Debug, Object)]
#[oai(rename = "SettleChatReport", example)]
pub(crate) struct SettleReport {
    /// Whether the message goes.
    outcome: ReportOutcome,
}

impl Example for SettleReport {
    fn example() -> Self {
        Self { outcome: ReportOutcome::Dismissed }
    }
}

/// What is to become of it, read.
pub(crate) struct Settlement(pub(super) Outcome);

impl FromFields for Settlement {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let word = fields.text("outcome", Text::any())?;
        let outcome = Outcome::parse(&word);
        if outcome.is_none() {
            not_a_choice(fields, "outcome", &word);
        }
        Some(Self(outcome?))
    }
}

fn not_a_choice(fields: &mut Fields, name: &'static str, value: &str) {
    fields.error(name, "invalid_choice", format!("\"{value}\" is not a valid choice."));
}

/// Words for people, in which nothing hides. `None`: absent, or an error was recorded; `Some(None)`:
/// null or empty.
#[expect(clippy::option_option, reason = "absent stays, null empties")]
fn read_words(fields: &mut Fields, name: &'static str, most: usize) -> Option<Option<String>> {
    if fields.is_null(name) {
        fields.value(name);
        return Some(None);
    }
    let text = fields.optional_text(name, Text::max(most).or_blank())?;
    match text.chars().find_map(forbidden) {
        Some((code, message)) => {
            fields.error(name, code, message);
            None
        }
        None => Some(Some(text).filter(|text| !text.is_empty())),
    }
}

/// A number that may be absent or null.
fn read_nullable(fields: &mut Fields, name: &'static str) -> Option<i64> {
    if fields.is_null(name) {
        return None;
    }
    fields.optional_integer(name)
}

fn read_between(fields: &mut Fields, name: &'static str, least: i64, most: i64) -> Option<i64> {
    let number = fields.optional_integer(name)?;
    check_between(fields, name, number, least, most)
}

fn check_between(
    fields: &mut Fields,
    name: &'static str,
    number: i64,
    least: i64,
    most: i64,
) -> Option<i64> {
    if number < least {
        let message = format!("Ensure this value is greater than or equal to {least}.");
        fields.error(name, "min_value", message);
    } else if number > most {
        let message = format!("Ensure this value is less than or equal to {most}.");
        fields.error(name, "max_value", message);
    } else {
        return Some(number);
    }
    None
}

/// A status by its number, in the old system's words.
fn read_status(fields: &mut Fields) -> Option<Status> {
    if !fields.has("status") {
        return None;
    }
    if fields.is_null("status") {
        fields.error("status", "null", "This field may not be null.");
        return None;
    }
    let value = fields.value("status")?;
    let text = match &value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let status = text.trim().parse().ok().and_then(Status::from_number);
    if status.is_none() {
        let shown: String = text.chars().take(100).collect();
        not_a_choice(fields, "status", &shown);
    }
    status
}

fn read_bool(fields: &mut Fields, name: &'static str) -> Option<bool> {
    if !fields.has(name) {
        return None;
    }
    let value = fields.value(name)?;
    let read = match &value {
        Value::Bool(on) => Some(*on),
        Value::String(word) => match word.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Some(true),
            "false" | "0" | "off" | "no" => Some(false),
            _ => None,
        },
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        _ => None,
    };
    if read.is_none() {
        fields.error(name, "invalid", "Must be a valid boolean.");
    }
    read
}

/// Whole numbers: a list of them or of texts, one alone, or a text with commas. `None`: absent, null,
/// or an error was recorded.
fn read_ids(fields: &mut Fields, name: &'static str) -> Option<Vec<i64>> {
    if !fields.has(name) || fields.is_null(name) {
        return None;
    }
    let ids: Option<Vec<i64>> = match fields.value(name)? {
        Value::Array(items) => items.iter().map(read_id).collect(),
        Value::String(text) => text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().ok())
            .collect(),
        one => read_id(&one).map(|id| vec![id]),
    };
    match ids {
        None => fields.error(name, "invalid", "A valid integer is required."),
        Some(ids) if ids.len() > MANY => {
            let message = format!("Ensure this field has no more than {MANY} elements.");
            fields.error(name, "max_length", message);
        }
        Some(ids) => return Some(ids),
    }
    None
}

fn read_id(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

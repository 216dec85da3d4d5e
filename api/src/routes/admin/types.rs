//! What staff are shown.

use std::collections::HashMap;

use chrono::DateTime;
use poem_openapi::{Enum, Object, types::Example};
use serde_json::Value;
use shared::{
    admin::{Person, roles::Role},
    audit::Event,
};

use super::listing::staff_page;
use crate::timestamp::Timestamp;

/// What somebody is on the staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum StaffRole {
    /// Looks, and sees personal data masked.
    Viewer,
    /// Helps people with their accounts.
    Support,
    /// Looks after money; sees personal data masked.
    Finance,
    /// Everything.
    Admin,
}

impl From<Role> for StaffRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Support => Self::Support,
            Role::Finance => Self::Finance,
            Role::Admin => Self::Admin,
        }
    }
}

/// An account as staff see it. Viewers and finance see its personal data masked (`0912***89`).
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffUser {
    /// The account's number.
    id: i64,
    /// Its unique name.
    username: String,
    /// Its mobile number, in the national form for Iran; absent if it has none.
    #[oai(skip_serializing_if_is_none)]
    mobile_number: Option<String>,
    /// Its group.
    group: i32,
    /// Its e-mail address, unchecked; empty if there is none.
    email: String,
    /// Empty unless given.
    first_name: String,
    /// Empty unless given.
    last_name: String,
    /// Whether its owner may log in.
    is_active: bool,
    /// What its owner is on the staff; absent if nothing.
    #[oai(skip_serializing_if_is_none)]
    role: Option<StaffRole>,
    /// Whether a password opens it.
    has_password: bool,
    /// When it was made.
    created_at: Timestamp,
    /// When it was erased; absent if it was not.
    #[oai(skip_serializing_if_is_none)]
    erased_at: Option<Timestamp>,
}

impl From<Person> for StaffUser {
    fn from(person: Person) -> Self {
        Self {
            id: person.id,
            username: person.username,
            mobile_number: person.mobile_number,
            group: person.group,
            email: person.email,
            first_name: person.first_name,
            last_name: person.last_name,
            is_active: person.is_active,
            role: person.role.map(StaffRole::from),
            has_password: person.has_password,
            created_at: Timestamp(person.created_at),
            erased_at: person.erased_at.map(Timestamp),
        }
    }
}

impl Example for StaffUser {
    fn example() -> Self {
        Self {
            id: 17,
            username: "G0-09123456789".to_owned(),
            mobile_number: Some("09123456789".to_owned()),
            group: 0,
            email: "sara@example.com".to_owned(),
            first_name: "Sara".to_owned(),
            last_name: "Ahmadi".to_owned(),
            is_active: true,
            role: Some(StaffRole::Support),
            has_password: false,
            created_at: Timestamp(DateTime::UNIX_EPOCH),
            erased_at: Some(Timestamp(DateTime::UNIX_EPOCH)),
        }
    }
}

staff_page!(
    /// A page of accounts.
    StaffUserPage of StaffUser, "admin/users/"
);

/// What was done to an account.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffDone {
    /// In words.
    pub(super) details: String,
    /// How many sessions were ended; absent where none are.
    #[oai(skip_serializing_if_is_none)]
    pub(super) sessions: Option<i32>,
}

impl Example for StaffDone {
    fn example() -> Self {
        Self { details: "The sessions were ended.".to_owned(), sessions: Some(2) }
    }
}

/// An event of the audit log.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct AuditEvent {
    /// Its number.
    id: i64,
    /// When it happened.
    at: Timestamp,
    /// Who did it: `user`, `cli` (a command on the server) or `system`.
    actor: String,
    /// Whose account did it; absent unless `actor` is `user`.
    #[oai(skip_serializing_if_is_none)]
    actor_user_id: Option<i64>,
    /// What was done, such as `user.disabled`.
    action: String,
    /// The kind of thing it was done to, such as `user`.
    subject: String,
    /// Its number; absent if it was done to no single one.
    #[oai(skip_serializing_if_is_none)]
    subject_id: Option<i64>,
    /// The address it came from; absent if it came from none.
    #[oai(skip_serializing_if_is_none)]
    ip: Option<String>,
    /// The `X-Request-Id` of the request; absent if there was none.
    #[oai(skip_serializing_if_is_none)]
    request_id: Option<String>,
    /// More, by name; what is no text is written as JSON.
    detail: HashMap<String, String>,
}

impl From<Event> for AuditEvent {
    fn from(event: Event) -> Self {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let Value::Object(detail) = event.detail else {
            unreachable!("the database keeps objects only")
        };
        Self {
            id: event.id,
            at: Timestamp(event.at),
            actor: event.actor,
            actor_user_id: event.actor_user_id,
            action: event.action,
            subject: event.subject,
            subject_id: event.subject_id,
            ip: event.ip.map(|ip| ip.to_string()),
            request_id: event.request_id,
            detail: detail.into_iter().map(|(name, value)| (name, text(value))).collect(),
        }
    }
}

impl Example for AuditEvent {
    fn example() -> Self {
        Self {
            id: 4107,
            at: Timestamp(DateTime::UNIX_EPOCH),
            actor: "user".to_owned(),
            actor_user_id: Some(3),
            action: "user.disabled".to_owned(),
            subject: "user".to_owned(),
            subject_id: Some(17),
            ip: Some("203.0.113.7".to_owned()),
            request_id: Some("c1e33e54549f58270c4bb34c85894bd2".to_owned()),
            detail: HashMap::from([("sessions".to_owned(), "2".to_owned())]),
        }
    }
}

staff_page!(
    /// A page of the audit log.
    AuditPage of AuditEvent, "admin/audit/"
);

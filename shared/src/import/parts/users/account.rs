//! What a row of the old table of accounts means. Pure.

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::{
    import::{
        report::Reason,
        source::{Row, Unreadable},
    },
    phone::{PhoneNumber, PhoneRules},
};

/// The columns of an account, in the order they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Username,
    Password,
    Email,
    FirstName,
    LastName,
    IsActive,
    IsStaff,
    IsSuperuser,
    DateJoined,
    /// The column of the table that has the phone.
    Phone,
    /// Of `drfchelseru_user`.
    Mobile,
    /// Of `drfchelseru_user`.
    Group,
}

/// An account as it will be here.
#[derive(Debug)]
pub(in crate::import) struct Account {
    pub(in crate::import) id: i64,
    pub(in crate::import) username: String,
    pub(in crate::import) phone: Option<PhoneNumber>,
    pub(in crate::import) group: i32,
    pub(in crate::import) is_active: bool,
    pub(in crate::import) created_at: DateTime<Utc>,
    pub(in crate::import) password: Option<String>,
    pub(in crate::import) email: String,
    pub(in crate::import) first_name: String,
    pub(in crate::import) last_name: String,
    pub(in crate::import) role: Option<&'static str>,
}

/// How rows are read.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) phones: PhoneRules,
    pub(super) groups: Vec<i32>,
    pub(super) time_zone: Tz,
    /// Whether staff stays staff.
    pub(super) staff: bool,
    /// Whether [`Field::Phone`] may be something else, as a username may.
    pub(super) phone_is_optional: bool,
    /// Whether there is a column that says who is active.
    pub(super) has_is_active: bool,
}

impl Rules {
    /// The account of a row and what is left out of it, or why there is none.
    pub(super) fn account(&self, row: &Row) -> Result<(Account, Vec<Reason>), Reason> {
        let mut notes = Vec::new();
        let username = username(row)?;
        let phone = self.phone(row)?;
        let group = group(row)?;
        if is_named_after_another(username, phone.as_ref(), group, &self.phones) {
            return Err(Reason::UsernameReserved);
        }
        let password = password(row, &mut notes);
        if phone.is_some() && !self.groups.contains(&group) {
            notes.push(Reason::GroupNotOffered);
        }
        if phone.is_none() && password.is_none() {
            notes.push(Reason::NoWayIn);
        }
        let created_at = self.created_at(row).unwrap_or_else(|| {
            notes.push(Reason::DateUnreadable);
            DateTime::UNIX_EPOCH
        });
        let account = Account {
            id: row.id,
            username: username.to_owned(),
            phone,
            group,
            is_active: !self.has_is_active || row.flag(Field::IsActive as usize),
            created_at,
            password,
            email: optional(row, Field::Email, 254, Reason::EmailLeftOut, &mut notes),
            first_name: optional(row, Field::FirstName, 150, Reason::NameLeftOut, &mut notes),
            last_name: optional(row, Field::LastName, 150, Reason::NameLeftOut, &mut notes),
            role: self.role(row, &mut notes),
        };
        notes.dedup();
        Ok((account, notes))
    }

    /// When an account was made. With its id it tells an account that was imported from one that was
    /// made here.
    pub(super) fn created_at(&self, row: &Row) -> Option<DateTime<Utc>> {
        let text = row.text(Field::DateJoined as usize).ok()??.replace('T', " ");
        if let Ok(time) = DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f%#z") {
            return Some(time.to_utc());
        }
        let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
        Some(self.time_zone.from_local_datetime(&time).earliest()?.to_utc())
    }

    fn phone(&self, row: &Row) -> Result<Option<PhoneNumber>, Reason> {
        if let Some(mobile) = text(row, Field::Mobile)?.filter(|mobile| !mobile.is_empty()) {
            return self.phones.parse(mobile).map(Some).map_err(|_| Reason::PhoneBad);
        }
        match text(row, Field::Phone)?.filter(|phone| !phone.is_empty()) {
            Some(phone) if self.phone_is_optional => Ok(self.phones.parse(phone).ok()),
            Some(phone) => self.phones.parse(phone).map(Some).map_err(|_| Reason::PhoneBad),
            None => Ok(None),
        }
    }

    fn role(&self, row: &Row, notes: &mut Vec<Reason>) -> Option<&'static str> {
        let role = if row.flag(Field::IsSuperuser as usize) {
            "admin"
        } else if row.flag(Field::IsStaff as usize) {
            // What else staff might do was said by permissions, which mean nothing here.
            "viewer"
        } else {
            return None;
        };
        notes.push(if self.staff { Reason::StaffKept } else { Reason::StaffLeftOut });
        self.staff.then_some(role)
    }
}

fn text(row: &Row, field: Field) -> Result<Option<&str>, Reason> {
    row.text(field as usize).map_err(|Unreadable| Reason::Unreadable)
}

fn username(row: &Row) -> Result<&str, Reason> {
    let username = match text(row, Field::Username)? {
        Some(username) => username,
        None => text(row, Field::Phone)?.unwrap_or_default(),
    };
    match username.chars().count() {
        0 => Err(Reason::UsernameEmpty),
        1..=150 => Ok(username),
        _ => Err(Reason::UsernameTooLong),
    }
}

fn group(row: &Row) -> Result<i32, Reason> {
    let group = text(row, Field::Group)?.map_or(Ok(0), str::parse);
    group.ok().filter(|group| *group >= 0).ok_or(Reason::GroupBad)
}

/// A name that the first login of (number, group) would give an account, on an account of others: its
/// owner could never be told from the number's.
fn is_named_after_another(
    username: &str,
    phone: Option<&PhoneNumber>,
    group: i32,
    rules: &PhoneRules,
) -> bool {
    let named = username.strip_prefix('G').and_then(|rest| rest.split_once('-'));
    let Some((named_group, named_phone)) = named else { return false };
    let (Ok(named_group), Ok(named_phone)) = (named_group.parse::<i32>(), rules.parse(named_phone))
    else {
        return false;
    };
    named_group != group || phone != Some(&named_phone)
}

/// What no login checks is left out: `!…` is Django's way to say that there is no password.
fn password(row: &Row, notes: &mut Vec<Reason>) -> Option<String> {
    let hash = match row.text(Field::Password as usize) {
        Ok(Some(hash)) if hash.is_empty() || hash.starts_with('!') => return None,
        Ok(Some(hash)) => Some(hash),
        Ok(None) => return None,
        Err(Unreadable) => None,
    };
    let known = hash.filter(|hash| is_known(hash) && hash.len() <= 1024);
    if known.is_none() {
        notes.push(Reason::PasswordUnknown);
    }
    known.map(str::to_owned)
}

fn is_known(hash: &str) -> bool {
    const KNOWN: [&str; 5] =
        ["pbkdf2_sha256$", "pbkdf2_sha1$", "bcrypt_sha256$", "scrypt$", "argon2$"];
    KNOWN.iter().any(|known| hash.starts_with(known))
}

fn optional(
    row: &Row,
    field: Field,
    max_chars: usize,
    left_out: Reason,
    notes: &mut Vec<Reason>,
) -> String {
    match row.text(field as usize) {
        Ok(Some(text)) if text.chars().count() <= max_chars => text.to_owned(),
        Ok(None) => String::new(),
        Ok(Some(_)) | Err(Unreadable) => {
            notes.push(left_out);
            String::new()
        }
    }
}

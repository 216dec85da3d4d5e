//! What a row of the old table of accounts means. Pure.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::{
    admin::roles::Role,
    auth::passwords,
    import::{
        report::Reason,
        source::{Row, Unreadable, read_time},
    },
    phone::{PhoneNumber, PhoneRules},
    users::username::{Username, UsernameError, normal_form},
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
    pub(in crate::import) role: Option<Role>,
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
        if !may_be_called(&username, phone.as_ref(), group, &self.phones) {
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
            username,
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
        read_time(row.text(Field::DateJoined as usize).ok()??, self.time_zone)
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

    fn role(&self, row: &Row, notes: &mut Vec<Reason>) -> Option<Role> {
        let role = if row.flag(Field::IsSuperuser as usize) {
            Role::Admin
        } else if row.flag(Field::IsStaff as usize) {
            // What else staff might do was said by permissions, which mean nothing here.
            Role::Viewer
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

/// In the one spelling that logins look for.
fn username(row: &Row) -> Result<String, Reason> {
    let username = match text(row, Field::Username)? {
        Some(username) => username,
        None => text(row, Field::Phone)?.unwrap_or_default(),
    };
    let username = normal_form(username);
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

/// Not by the name that the first login of another (number, group) gives an account, nor by one that
/// looks like those: its owner could never be told from the number's.
fn may_be_called(
    username: &str,
    phone: Option<&PhoneNumber>,
    group: i32,
    rules: &PhoneRules,
) -> bool {
    let named = username.strip_prefix('G').and_then(|rest| rest.split_once('-'));
    let named = named
        .and_then(|(group, phone)| Some((group.parse::<i32>().ok()?, rules.parse(phone).ok()?)));
    match named {
        Some((named_group, named_phone)) => named_group == group && phone == Some(&named_phone),
        None => Username::parse(username) != Err(UsernameError::Reserved),
    }
}

/// What no login checks is left out: `!…` is Django's way to say that there is no password.
fn password(row: &Row, notes: &mut Vec<Reason>) -> Option<String> {
    let hash = match row.text(Field::Password as usize) {
        Ok(Some(hash)) if hash.is_empty() || hash.starts_with('!') => return None,
        Ok(Some(hash)) => Some(hash),
        Ok(None) => return None,
        Err(Unreadable) => None,
    };
    let known = hash.filter(|hash| hash.len() <= 1024 && passwords::is_known(hash));
    if known.is_none() {
        notes.push(Reason::PasswordUnknown);
    }
    known.map(str::to_owned)
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

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: usize = Field::Group as usize + 1;

    fn rules() -> Rules {
        Rules {
            phones: PhoneRules::new(&["IR".to_owned()], "IR").unwrap(),
            groups: vec![0, 1],
            time_zone: chrono_tz::UTC,
            staff: false,
            phone_is_optional: false,
            has_is_active: true,
        }
    }

    /// An active account called `sara` with a password, and these cells.
    fn row<'a>(cells: &[(Field, &'a str)]) -> Row {
        let mut all: [Option<&'a str>; FIELDS] = [None; FIELDS];
        let usual = [
            (Field::Username, "sara"),
            (Field::Password, "pbkdf2_sha256$1$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            (Field::IsActive, "true"),
            (Field::DateJoined, "2024-03-01 10:00:00+00"),
        ];
        for (field, text) in usual.iter().chain(cells) {
            all[*field as usize] = Some(text);
        }
        Row::of(17, &all)
    }

    fn refusal(cells: &[(Field, &str)]) -> Option<Reason> {
        rules().account(&row(cells)).err()
    }

    fn notes(cells: &[(Field, &str)]) -> Vec<Reason> {
        rules().account(&row(cells)).unwrap().1
    }

    #[test]
    fn an_account_keeps_what_it_has() {
        let row = row(&[
            (Field::Mobile, "۰۹۱۲۳۴۵۶۷۸۹"),
            (Field::Group, "1"),
            (Field::Email, "s@example.org"),
            (Field::FirstName, "سارا"),
        ]);
        let (account, notes) = rules().account(&row).unwrap();
        assert_eq!(notes, []);
        assert_eq!((account.id, account.username.as_str(), account.group), (17, "sara", 1));
        assert_eq!(account.phone.unwrap().as_e164(), "+989123456789");
        assert_eq!(
            account.password.as_deref(),
            Some("pbkdf2_sha256$1$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        );
        assert_eq!(
            (account.email.as_str(), account.first_name.as_str()),
            ("s@example.org", "سارا")
        );
        assert!(account.is_active && account.role.is_none());
    }

    #[test]
    fn what_is_refused_has_its_reason() {
        let long = "x".repeat(151);
        for (cells, expected) in [
            (vec![(Field::Username, "")], Reason::UsernameEmpty),
            (vec![(Field::Username, long.as_str())], Reason::UsernameTooLong),
            (vec![(Field::Username, "G0-09123456789")], Reason::UsernameReserved),
            (vec![(Field::Username, "G0-+989123456789")], Reason::UsernameReserved),
            (vec![(Field::Username, "gO-09123456789")], Reason::UsernameReserved),
            (vec![(Field::Username, "erased-17")], Reason::UsernameReserved),
            (
                vec![(Field::Username, "G0-09123456789"), (Field::Mobile, "09123456780")],
                Reason::UsernameReserved,
            ),
            (
                vec![
                    (Field::Username, "G1-09123456789"),
                    (Field::Mobile, "09123456789"),
                    (Field::Group, "0"),
                ],
                Reason::UsernameReserved,
            ),
            (vec![(Field::Mobile, "02188776655")], Reason::PhoneBad),
            (vec![(Field::Phone, "nobody's")], Reason::PhoneBad),
            (vec![(Field::Group, "-1")], Reason::GroupBad),
            (vec![(Field::Group, "2147483648")], Reason::GroupBad),
        ] {
            assert_eq!(refusal(&cells), Some(expected), "{cells:?}");
        }
        for cells in [
            vec![(Field::Username, "G0-09123456789"), (Field::Mobile, "+98 912 345 6789")],
            vec![(Field::Username, "G0-۰۹۱۲۳۴۵۶۷۸۹"), (Field::Mobile, "09123456789")],
            vec![(Field::Username, "a b!")],
            vec![(Field::Username, "Gx-09123456789")],
            vec![(Field::Username, "x".repeat(150).leak())],
        ] {
            assert_eq!(refusal(&cells), None, "{cells:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_noted() {
        let long = "x".repeat(255);
        for (cells, expected) in [
            (vec![(Field::Password, "crypt$x$y")], vec![Reason::PasswordUnknown, Reason::NoWayIn]),
            (vec![(Field::Password, "!abc")], vec![Reason::NoWayIn]),
            (vec![(Field::Password, "")], vec![Reason::NoWayIn]),
            (vec![(Field::Password, "!"), (Field::Mobile, "09123456789")], vec![]),
            (
                vec![(Field::Mobile, "09123456789"), (Field::Group, "5")],
                vec![Reason::GroupNotOffered],
            ),
            (vec![(Field::Group, "5")], vec![]),
            (vec![(Field::Email, long.as_str())], vec![Reason::EmailLeftOut]),
            (
                vec![(Field::FirstName, long.as_str()), (Field::LastName, long.as_str())],
                vec![Reason::NameLeftOut],
            ),
            (vec![(Field::DateJoined, "0000-00-00 00:00:00")], vec![Reason::DateUnreadable]),
            (vec![(Field::IsStaff, "1")], vec![Reason::StaffLeftOut]),
        ] {
            assert_eq!(notes(&cells), expected, "{cells:?}");
        }
    }

    #[test]
    fn staff_stays_staff_only_if_asked_for() {
        let role = |staff, field| {
            let rules = Rules { staff, ..rules() };
            rules.account(&row(&[(field, "1")])).unwrap().0.role
        };
        assert_eq!(role(false, Field::IsSuperuser), None);
        assert_eq!(role(true, Field::IsSuperuser), Some(Role::Admin));
        assert_eq!(role(true, Field::IsStaff), Some(Role::Viewer));
        assert_eq!(role(true, Field::IsActive), None);
    }

    #[test]
    fn times_are_read_as_each_database_writes_them() {
        let tehran = Rules { time_zone: chrono_tz::Asia::Tehran, ..rules() };
        for (text, utc, local) in [
            ("2024-03-01 10:00:00", "10:00:00", "06:30:00"),
            ("2024-03-01 10:00:00.123456", "10:00:00.123456", "06:30:00.123456"),
            ("2024-03-01T10:00:00.5", "10:00:00.500", "06:30:00.500"),
            ("2024-03-01 10:00:00+00", "10:00:00", "10:00:00"),
            ("2024-03-01 10:00:00.25+03:30", "06:30:00.250", "06:30:00.250"),
        ] {
            let row = row(&[(Field::DateJoined, text)]);
            let time = |rules: &Rules| rules.created_at(&row).unwrap().time().to_string();
            assert_eq!(
                (time(&rules()), time(&tehran)),
                (utc.to_owned(), local.to_owned()),
                "{text}"
            );
        }
        for text in ["", "infinity", "0000-00-00 00:00:00", "yesterday"] {
            assert_eq!(rules().created_at(&row(&[(Field::DateJoined, text)])), None, "{text}");
        }
    }

    #[test]
    fn a_username_may_be_a_phone_and_need_not_be() {
        let rules = Rules { phone_is_optional: true, ..rules() };
        let phone = |username| {
            let row = row(&[(Field::Username, username), (Field::Phone, username)]);
            rules.account(&row).unwrap().0.phone.map(|phone| phone.as_e164().to_owned())
        };
        assert_eq!(phone("+989123456789").as_deref(), Some("+989123456789"));
        assert_eq!(phone("boss"), None);
    }

    #[test]
    fn a_username_comes_in_the_spelling_that_logins_look_for() {
        let account = rules().account(&row(&[(Field::Username, "ｓａｒａ")])).unwrap().0;
        assert_eq!(account.username, "sara");
    }

    #[test]
    fn who_has_no_username_is_called_as_the_phone() {
        let mut cells = [None; FIELDS];
        cells[Field::Phone as usize] = Some("+989123456789");
        let (account, notes) =
            Rules { has_is_active: false, ..rules() }.account(&Row::of(1, &cells)).unwrap();
        assert_eq!(account.username, "+989123456789");
        assert!(account.is_active);
        assert_eq!(notes, [Reason::DateUnreadable]);
    }
}

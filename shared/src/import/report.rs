//! What is said about rows that are not imported, or not whole.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Refused: something that was made here has its id.
    IdTaken,
    /// Refused: a column it cannot do without is not text.
    Unreadable,
    /// Refused: no username.
    UsernameEmpty,
    /// Refused: a username of more than 150 characters.
    UsernameTooLong,
    /// Refused: an account here has the username.
    UsernameTaken,
    /// Refused: called as the account of another number would be.
    UsernameReserved,
    /// Refused: no phone number by the rules of `[phone]`.
    PhoneBad,
    /// Refused: another account has the number in the same group.
    PhoneTaken,
    /// Refused: the group is no number from 0 up.
    GroupBad,
    /// Refused: another organization has the uname.
    UnameTaken,
    /// Refused: no uname, or one of more than 255 characters.
    UnameBad,
    /// Refused: a name that is empty, too long or hides what it is.
    NameBad,
    /// Refused: its owner is not here.
    OwnerMissing,
    /// Refused: an amount that is negative, no number or beyond counting.
    AmountBad,
    /// Refused: a currency other than IRR and IRT.
    CurrencyBad,
    /// Refused: a purpose that is none.
    PayModeBad,
    /// Refused: a status that is none.
    StatusBad,
    /// Refused: a room in which nobody is who is here.
    RoomEmpty,
    /// Refused: its room is not here.
    RoomMissing,
    /// Refused: its sender is not here.
    SenderMissing,
    /// Refused: its message is not here.
    MessageMissing,
    /// Refused: somebody else's file, or one of another room, than its message.
    FileForeign,
    /// Refused: there is no such file.
    FileMissing,
    /// Refused: a file of more than `chat.files.max_mb`.
    FileTooLarge,
    /// Refused: a file that nobody could upload here.
    FileBad,
    /// Noted: the group is none of `auth.groups`.
    GroupNotOffered,
    /// Noted: a hash that cannot be checked.
    PasswordUnknown,
    /// Noted: neither a phone nor a password.
    NoWayIn,
    /// Noted: an email address that is too long or no text.
    EmailLeftOut,
    /// Noted: a name that is too long or no text.
    NameLeftOut,
    /// Noted: the day it was made is not known.
    DateUnreadable,
    /// Noted: staff there, not here.
    StaffLeftOut,
    /// Noted: staff there and here.
    StaffKept,
    /// Noted: a page of no known gateway, or with too long a name.
    AuthorityLeftOut,
    /// Noted: another payment has the gateway's page.
    AuthorityTaken,
    /// Noted: another payment has the gateway's reference.
    RefIdTaken,
    /// Noted: somebody who was in the room is not here.
    MemberMissing,
    /// Noted: a room of an organization belongs to none here.
    OrganizationLeftOut,
    /// Noted: the two have another room, and this one is a group.
    PairTaken,
    /// Noted: levels of somebody who is not in the room, or that are none.
    LevelsLeftOut,
    /// Noted: the status of a room is none, and it is closed.
    RoomStatusUnknown,
    /// Noted: a text without what must not be in one, or cut.
    TextChanged,
    /// Noted: the type of a message is none, and it is a text.
    TypeUnknown,
    /// Noted: a place that is none on earth.
    PlaceLeftOut,
    /// Noted: no message has the file.
    FileUnused,
    /// Noted: the message shows another file.
    FileNotShown,
}

impl Reason {
    /// The word in reports.
    pub const fn code(self) -> &'static str {
        WORDS[self as usize].1
    }

    /// What it means, for people.
    pub const fn why(self) -> &'static str {
        WORDS[self as usize].2
    }

    /// Whether such a row is not imported at all.
    pub const fn refuses(self) -> bool {
        (self as usize) < Self::GroupNotOffered as usize
    }

    /// The reason of a word.
    pub fn from_code(code: &str) -> Option<Self> {
        WORDS.iter().find(|words| words.1 == code).map(|words| words.0)
    }
}

/// In the order of the variants.
const WORDS: &[(Reason, &str, &str)] = &[
    (Reason::IdTaken, "id_taken", "something that was made here has this id"),
    (Reason::Unreadable, "unreadable", "a column is not UTF-8, or has a NUL in it"),
    (Reason::UsernameEmpty, "username_empty", "there is no username"),
    (Reason::UsernameTooLong, "username_too_long", "the username has more than 150 characters"),
    (Reason::UsernameTaken, "username_taken", "another account has this username"),
    (
        Reason::UsernameReserved,
        "username_reserved",
        "it is named as the account of another number would be",
    ),
    (Reason::PhoneBad, "phone_bad", "the number is no mobile number of phone.countries"),
    (Reason::PhoneTaken, "phone_taken", "another account has this number and group"),
    (Reason::GroupBad, "group_bad", "the group is no number from 0 up"),
    (Reason::UnameTaken, "uname_taken", "another organization has this uname, whatever its case"),
    (Reason::UnameBad, "uname_bad", "there is no uname, or it has more than 255 characters"),
    (Reason::NameBad, "name_bad", "there is no name, it is too long or has control characters"),
    (Reason::OwnerMissing, "owner_missing", "its owner is not here"),
    (
        Reason::AmountBad,
        "amount_bad",
        "the amount is negative, no number or beyond counting; a payment's: no whole number above 0",
    ),
    (Reason::CurrencyBad, "currency_bad", "the currency is neither IRR nor IRT"),
    (Reason::PayModeBad, "pay_mode_bad", "pay_mode is neither 1 nor 2"),
    (Reason::StatusBad, "status_bad", "the status is none of paid, unpaid, canceled, refounded"),
    (Reason::RoomEmpty, "room_empty", "nobody is in the room who is here and not banned from it"),
    (Reason::RoomMissing, "room_missing", "its room is not here"),
    (Reason::SenderMissing, "sender_missing", "its sender is not here"),
    (Reason::MessageMissing, "message_missing", "its message is not here"),
    (
        Reason::FileForeign,
        "file_foreign",
        "its message is somebody else's or in another room: they could take any file",
    ),
    (
        Reason::FileMissing,
        "file_missing",
        "there is no such file in the folder of --media, or it cannot be read",
    ),
    (Reason::FileTooLarge, "file_too_large", "the file is larger than chat.files.max_mb"),
    (Reason::FileBad, "file_bad", "the file is empty, a broken picture, or not what its name says"),
    (
        Reason::GroupNotOffered,
        "group_not_offered",
        "auth.groups does not have the group: no code opens it",
    ),
    (
        Reason::PasswordUnknown,
        "password_unknown",
        "the password's hash is of no known kind: left out",
    ),
    (Reason::NoWayIn, "no_way_in", "neither a number nor a password: nobody can log in"),
    (Reason::EmailLeftOut, "email_left_out", "the email address is too long or no text"),
    (Reason::NameLeftOut, "name_left_out", "a first or last name is too long or no text"),
    (Reason::DateUnreadable, "date_unreadable", "the day it was made is no date: 1970-01-01 here"),
    (Reason::StaffLeftOut, "staff_left_out", "staff there, nobody special here without --staff"),
    (Reason::StaffKept, "staff_kept", "staff there and, by --staff, here"),
    (
        Reason::AuthorityLeftOut,
        "authority_left_out",
        "a page of no known gateway, or with more than 128 characters: it cannot be asked about",
    ),
    (
        Reason::AuthorityTaken,
        "authority_taken",
        "another payment has the gateway's page: left out here",
    ),
    (
        Reason::RefIdTaken,
        "ref_id_taken",
        "another payment has the gateway's reference: left out here",
    ),
    (Reason::MemberMissing, "member_missing", "somebody who was in the room is not here"),
    (
        Reason::OrganizationLeftOut,
        "organization_left_out",
        "in rooms of an organization are its members alone, which there were none of: of none here",
    ),
    (Reason::PairTaken, "pair_taken", "the two have another room: a group here"),
    (
        Reason::LevelsLeftOut,
        "levels_left_out",
        "levels of somebody who is not in the room, or other than 0 to 12",
    ),
    (
        Reason::RoomStatusUnknown,
        "room_status_unknown",
        "the room is neither open (1), closed (2) nor held (3): closed here",
    ),
    (
        Reason::TextChanged,
        "text_changed",
        "a text without its control characters, or cut because nothing here is so long",
    ),
    (Reason::TypeUnknown, "type_unknown", "the type of the message is none: a text here"),
    (Reason::PlaceLeftOut, "place_left_out", "half a place, or none on earth"),
    (Reason::FileUnused, "file_unused", "no message has the file: it stays where it is"),
    (Reason::FileNotShown, "file_not_shown", "its message shows another file, as it did there"),
];

/// One thing to say about one row.
#[derive(Debug)]
pub(super) struct Finding {
    /// The row's id in the old system.
    pub(super) id: i64,
    pub(super) reason: Reason,
    /// The account it collides with.
    pub(super) other: Option<i64>,
    /// What the row holds, for `--full`.
    pub(super) values: Option<Value>,
}

/// What became of the rows of one part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Rows looked at.
    pub read: u64,
    /// Rows that are here now and were not before; with `--check`, that would be.
    pub imported: u64,
    /// Rows an earlier run had imported.
    pub present: u64,
    /// Rows that are not here.
    pub refused: u64,
    /// Rows by what was said of them; some say nothing, others several things.
    pub reasons: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn note(&mut self, finding: &Finding) {
        *self.reasons.entry(finding.reason.code().to_owned()).or_default() += 1;
        self.refused += u64::from(finding.reason.refuses());
    }
}

/// The file of `--report`: one JSON object per line.
pub(super) struct Report {
    file: Option<BufWriter<File>>,
}

impl Report {
    /// Begins the file anew, or goes on after the lines of rows that `done` says are settled: a run
    /// that was killed may have written more than it committed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn open(
        path: Option<&Path>,
        done: &dyn Fn(&str, i64) -> bool,
    ) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self { file: None }) };
        let context = || format!("--report {}", path.display());
        let kept = kept_lines(path, done).with_context(context)?;
        let fresh = path.with_added_extension("new");
        // It names people's ids, with --full more.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = BufWriter::new(options.open(&fresh).with_context(context)?);
        for line in kept {
            writeln!(file, "{line}").with_context(context)?;
        }
        file.flush().with_context(context)?;
        std::fs::rename(&fresh, path).with_context(context)?;
        Ok(Self { file: Some(file) })
    }

    /// Writes a batch's findings; on return the system has them.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn write(&mut self, part: &str, findings: &[Finding]) -> anyhow::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        for finding in findings {
            let outcome = if finding.reason.refuses() { "refused" } else { "noted" };
            let mut line = json!({ "part": part, "id": finding.id, "outcome": outcome,
                "reason": finding.reason.code(), "why": finding.reason.why() });
            if let Some(other) = finding.other {
                line["other_id"] = other.into();
            }
            if let Some(values) = &finding.values {
                line["values"] = values.clone();
            }
            writeln!(file, "{line}")?;
        }
        file.flush().context("--report")
    }
}

fn kept_lines(path: &Path, done: &dyn Fn(&str, i64) -> bool) -> std::io::Result<Vec<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let lines: Vec<String> = BufReader::new(file).lines().collect::<Result<_, _>>()?;
    let settled = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["part"].as_str().zip(line["id"].as_i64()).is_some_and(|(part, id)| done(part, id))
    };
    Ok(lines.into_iter().filter(settled).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_words_and_the_refusals_come_first() {
        for (index, (reason, code, _)) in WORDS.iter().copied().enumerate() {
            assert_eq!(reason as usize, index);
            assert_eq!(reason.code(), code);
            assert_eq!(Reason::from_code(code), Some(reason));
        }
        assert!(Reason::IdTaken.refuses() && Reason::OwnerMissing.refuses());
        assert!(!Reason::GroupNotOffered.refuses() && !Reason::StaffKept.refuses());
    }

    #[test]
    fn a_report_that_goes_on_keeps_the_lines_of_settled_rows_only() {
        let path = std::env::temp_dir().join(format!("peyk-report-{}", std::process::id()));
        let finding = |id| Finding { id, reason: Reason::PhoneBad, other: None, values: None };
        let mut report = Report::open(Some(&path), &|_, _| false).unwrap();
        report.write("users", &[finding(3), finding(7)]).unwrap();
        report.write("things", &[finding(1)]).unwrap();
        let mut report = Report::open(Some(&path), &|part, id| part == "users" && id <= 5).unwrap();
        report.write("users", &[finding(7)]).unwrap();
        let lines = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let ids: Vec<i64> = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_i64().unwrap())
            .collect();
        assert_eq!(ids, [3, 7]);
    }
}

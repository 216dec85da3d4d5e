//! What a room of the old system becomes, judged by itself. Pure.
//!
//! There a room had no kind and no owner. Here a room of one or two people is theirs, and a group has
//! one owner.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{clean, people::Around};
use crate::{
    chat::{
        create::owners,
        permissions::{Level, Levels, Role, Status},
    },
    import::{
        report::Reason,
        source::{Row, read_time},
    },
};

/// Characters of a name and of a description at most: the table's.
const NAME_CHARS: usize = 45;
const DESCRIPTION_CHARS: usize = 1_000;

/// The columns, in the order they are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    User1,
    User2,
    Organization,
    Status,
    Name,
    Descriptions,
    CreatedAt,
    UpdatedAt,
}

impl Field {
    /// Their names there, in order.
    pub(super) const NAMES: [&'static str; 8] = [
        "user_1_id",
        "user_2_id",
        "organization_id",
        "status",
        "name",
        "descriptions",
        "created_at",
        "updated_at",
    ];
}

/// A room as it will be here.
#[derive(Debug, PartialEq)]
pub(super) struct Room {
    pub(super) id: i64,
    /// Whose it is, the lower id first; `None`: a group.
    pub(super) direct: Option<[i64; 2]>,
    pub(super) name: Option<String>,
    pub(super) descriptions: Option<String>,
    pub(super) status: Status,
    pub(super) user_1: Option<i64>,
    pub(super) user_2: Option<i64>,
    pub(super) seats: Vec<Seat>,
    pub(super) banned: Vec<i64>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl Room {
    /// Everybody its rows refer to.
    pub(super) fn people(&self) -> impl Iterator<Item = i64> {
        let named = [self.user_1, self.user_2].into_iter().flatten();
        named.chain(self.seats.iter().map(|seat| seat.user_id)).chain(self.banned.iter().copied())
    }
}

/// Somebody's place in a room.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seat {
    pub(super) user_id: i64,
    pub(super) role: Role,
    pub(super) levels: Levels,
    pub(super) is_pinned: bool,
}

/// What there is to note of a room, and which other one is in the way.
pub(super) type Note = (Reason, Option<i64>);

/// What a room is judged by beside its row.
pub(super) struct Facts<'a> {
    /// Who is around it.
    pub(super) around: &'a Around,
    /// Who owns its organization.
    pub(super) organization_owner: Option<i64>,
    /// Whether an account is here.
    pub(super) is_here: &'a (dyn Fn(i64) -> bool + Sync),
    /// Which room two people have already.
    pub(super) room_of: &'a (dyn Fn([i64; 2]) -> Option<i64> + Sync),
}

pub(super) fn created_at(row: &Row, time_zone: Tz) -> Option<DateTime<Utc>> {
    time(row, Field::CreatedAt, time_zone)
}

fn time(row: &Row, field: Field, time_zone: Tz) -> Option<DateTime<Utc>> {
    read_time(row.text(field as usize).ok()??, time_zone)
}

/// Everybody a row and what is around it name: those in it first, each once.
pub(super) fn named(row: &Row, around: &Around) -> Vec<i64> {
    let mut people = Vec::new();
    let both = [Field::User1, Field::User2].map(|field| row.number(field as usize));
    for id in both.into_iter().flatten().chain(around.people.iter().copied()) {
        if !people.contains(&id) {
            people.push(id);
        }
    }
    people
}

/// A room and what there is to note of it, or why it cannot come.
pub(super) fn judge(
    row: &Row,
    facts: &Facts<'_>,
    time_zone: Tz,
) -> Result<(Room, Vec<Note>), Reason> {
    let mut notes = Vec::new();
    let around = facts.around;
    let people = named(row, around);
    let here: Vec<i64> = people.iter().copied().filter(|id| (facts.is_here)(*id)).collect();
    notes.extend((here.len() < people.len()).then_some((Reason::MemberMissing, None)));
    let seats: Vec<i64> = here.into_iter().filter(|id| !around.banned.contains(id)).collect();
    if seats.is_empty() {
        return Err(Reason::RoomEmpty);
    }
    let is_whole = seats.len() == people.len();
    let is_plain = around.banned.is_empty() && around.levels.is_empty() && !around.has_odd_levels;
    let mut direct = match seats[..] {
        [one] if is_whole && is_plain => Some([one, one]),
        [one, other] if is_whole && is_plain => Some([one.min(other), one.max(other)]),
        _ => None,
    };
    if let Some(other) = direct.and_then(facts.room_of) {
        notes.push((Reason::PairTaken, Some(other)));
        direct = None;
    }
    if row.number(Field::Organization as usize).is_some() {
        notes.push((Reason::OrganizationLeftOut, None));
    }
    let stranger = around.levels.keys().any(|id| !seats.contains(id));
    if around.has_odd_levels || stranger {
        notes.push((Reason::LevelsLeftOut, None));
    }
    let status = status(row, &mut notes);
    let name = words(row, Field::Name, NAME_CHARS, &mut notes);
    let descriptions = words(row, Field::Descriptions, DESCRIPTION_CHARS, &mut notes);
    let made = created_at(row, time_zone);
    notes.extend(made.is_none().then_some((Reason::DateUnreadable, None)));
    let created_at = made.unwrap_or_default();
    let user = |field| row.number(field as usize).filter(|id| (facts.is_here)(*id));
    let banned = around.banned.iter().copied().filter(|id| (facts.is_here)(*id));
    let room = Room {
        id: row.id,
        direct,
        name,
        descriptions,
        status,
        user_1: user(Field::User1),
        user_2: user(Field::User2),
        seats: seated(&seats, row, facts, direct.is_some()),
        banned: banned.collect(),
        created_at,
        updated_at: time(row, Field::UpdatedAt, time_zone).unwrap_or(created_at),
    };
    Ok((room, notes))
}

/// Everybody's place. Whom nobody gave levels takes part, and who may do anything does so too.
fn seated(seats: &[i64], row: &Row, facts: &Facts<'_>, is_direct: bool) -> Vec<Seat> {
    let owner = owner(seats, row, facts);
    let seat = |id: &i64| {
        let is_owner = is_direct || *id == owner;
        let held = facts.around.levels.get(id).copied().unwrap_or(Levels::MEMBER);
        let levels = match (is_owner, held.contains(Level::ReadOnly)) {
            (true, _) => owners(),
            (false, true) => held,
            (false, false) => held.and(Levels::MEMBER),
        };
        let role = if is_owner { Role::Owner } else { Role::Member };
        let is_pinned = facts.around.pinned.contains(id);
        Seat { user_id: *id, role, levels, is_pinned }
    };
    seats.iter().map(seat).collect()
}

/// Who answers for a group: whoever has the most to look after it with, else its first person, else the
/// owner of its organization, else whoever came first.
fn owner(seats: &[i64], row: &Row, facts: &Facts<'_>) -> i64 {
    let first = row.number(Field::User1 as usize);
    let weight = |(place, id): (usize, &i64)| {
        let levels = facts.around.levels.get(id).copied().unwrap_or_default();
        let looks_after = levels.are_an_admins() && !levels.contains(Level::ReadOnly);
        let count = if looks_after { levels.iter().count() } else { 0 };
        let reads = levels.contains(Level::ReadOnly);
        let is_first = first == Some(*id);
        let is_owner = facts.organization_owner == Some(*id);
        (count, !reads, is_first, is_owner, Reverse(place), *id)
    };
    seats.iter().enumerate().map(weight).max().map(|best| best.5).unwrap_or_default()
}

fn status(row: &Row, notes: &mut Vec<Note>) -> Status {
    let column = Field::Status as usize;
    if matches!(row.text(column), Ok(None)) {
        return Status::Open;
    }
    row.number(column).and_then(Status::from_number).unwrap_or_else(|| {
        notes.push((Reason::RoomStatusUnknown, None));
        Status::Closed
    })
}

fn words(row: &Row, field: Field, most: usize, notes: &mut Vec<Note>) -> Option<String> {
    let (text, is_changed) = match row.text(field as usize) {
        Ok(text) => clean(text.unwrap_or_default(), most),
        Err(_) => (String::new(), true),
    };
    if is_changed && !notes.contains(&(Reason::TextChanged, None)) {
        notes.push((Reason::TextChanged, None));
    }
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;

//! Messages: in each room they take the numbers of its log in the order of their ids.
//!
//! `read_by` had a place for who has read what, which the package never wrote to. Where it is empty, everything
//! counts as read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use super::{
    Tables, clean, people, reading,
    store::{self, MessagesHere, Rise},
};
use crate::{
    chat::log::MessageType,
    import::{
        Options,
        parts::{Batch, Made, Part},
        report::{Finding, Reason},
        source::{Reading, Row, Source, Unreadable, read_time},
    },
};

const READ_BY: &str = "drfchelseru_messagechat_read_by";

/// Characters of a text at most: PostgreSQL's index of words takes no more than a megabyte.
const TEXT_CHARS: usize = 65_536;

/// The columns, in the order they are read.
pub(super) const NAMES: [&str; 8] =
    ["chat_room_id", "sender_id", "message_type", "text", "lat", "lng", "created_at", "timestamp"];
const ROOM: usize = 0;
const SENDER: usize = 1;
const KIND: usize = 2;
const TEXT: usize = 3;
const LAT: usize = 4;
const LNG: usize = 5;
const CREATED_AT: usize = 6;
const TIMESTAMP: usize = 7;

/// The part.
pub(super) struct Messages {
    reading: Reading,
    time_zone: Tz,
    full: bool,
    /// Whether the old system kept who has read what.
    has_marks: bool,
    /// Who has read which of the messages that come next.
    marks: Vec<(i64, i64)>,
}

/// A message as it will be here. Has no `Debug`: it says something.
pub(super) struct Message {
    pub(super) id: i64,
    pub(super) room_id: i64,
    pub(super) sender_id: i64,
    pub(super) kind: MessageType,
    pub(super) text: String,
    /// Degrees north and east.
    pub(super) place: Option<(f64, f64)>,
    pub(super) created_at: DateTime<Utc>,
}

/// A message, and what there is to note of it.
type Judged = (Message, Vec<Reason>);

impl Messages {
    pub(super) async fn find(
        source: &mut Source,
        tables: Tables,
        options: &Options,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            reading: reading(source, tables.messages, &NAMES).await?,
            time_zone: options.time_zone,
            full: options.full,
            has_marks: source.has(READ_BY) && source.count(READ_BY).await? > 0,
            marks: Vec::new(),
        })
    }

    /// What a row becomes, with what there is to note: nothing, if it is here or was. Or why not.
    fn fate(
        &self,
        row: &Row,
        here: &MessagesHere,
        made: &Made,
    ) -> Result<Option<Judged>, (Reason, Option<i64>)> {
        let refuse = |reason| (reason, None);
        match here.by_id.get(&row.id) {
            Some(at) if *at == created_at(row, self.time_zone).unwrap_or_default() => {
                return Ok(None);
            }
            Some(_) => return Err((Reason::IdTaken, Some(row.id))),
            None => {}
        }
        let (message, notes) = judge(row, self.time_zone).map_err(refuse)?;
        let room = message.room_id;
        if here.gone.contains(&room) {
            return Ok(None);
        }
        if !here.heads.contains_key(&room) && !made.rooms.contains(&room) {
            return Err(refuse(Reason::RoomMissing));
        }
        let sender = message.sender_id;
        if !here.senders.contains(&sender) && !made.accounts.contains(&sender) {
            return Err(refuse(Reason::SenderMissing));
        }
        Ok(Some((message, notes)))
    }

    /// What a message says is nobody's business, with `--full` either.
    fn finding(&self, row: &Row, reason: Reason, other: Option<i64>) -> Finding {
        let text = |column| row.text(column).ok().flatten();
        let values = self.full.then(|| {
            json!({ "chat_room": text(ROOM), "sender": text(SENDER), "message_type": text(KIND),
                "timestamp": text(TIMESTAMP) })
        });
        Finding { id: row.id, reason, other, values }
    }

    async fn write(
        &self,
        target: &mut PgConnection,
        messages: Vec<Message>,
        here: MessagesHere,
    ) -> Result<(), sqlx::Error> {
        let (numbered, rises) = number(messages, here.heads);
        store::insert_messages(target, &numbered).await?;
        store::raise_heads(target, &rises, !self.has_marks).await?;
        let new: BTreeSet<i64> = numbered.iter().map(|(message, _)| message.id).collect();
        let marks = self.marks.iter().copied().filter(|(message, _)| new.contains(message));
        store::mark_read(target, &marks.collect::<Vec<_>>()).await
    }
}

/// Gives each message the next number of its room, in their order; how far that brings the rooms.
fn number(
    messages: Vec<Message>,
    mut heads: HashMap<i64, i64>,
) -> (Vec<(Message, i64)>, Vec<Rise>) {
    let mut rises: BTreeMap<i64, Rise> = BTreeMap::new();
    let mut numbered = Vec::with_capacity(messages.len());
    for message in messages {
        let (room_id, at) = (message.room_id, message.created_at);
        let head = heads.entry(room_id).or_default();
        let rise = rises.entry(room_id).or_insert(Rise { room_id, from: *head, to: *head, at });
        *head += 1;
        rise.to = *head;
        rise.at = rise.at.max(at);
        numbered.push((message, *head));
    }
    (numbered, rises.into_values().collect())
}

/// When a message was written. Its table had `timestamp` first: older messages have as their `created_at`
/// the day on which the site got that column.
fn created_at(row: &Row, time_zone: Tz) -> Option<DateTime<Utc>> {
    let time = |column| read_time(row.text(column).ok()??, time_zone);
    match (time(CREATED_AT), time(TIMESTAMP)) {
        (Some(made), Some(first)) if made - first > TimeDelta::seconds(1) => Some(first),
        (made, first) => made.or(first),
    }
}

/// A message and what there is to note of it, or why it cannot come.
pub(super) fn judge(row: &Row, time_zone: Tz) -> Result<Judged, Reason> {
    let mut notes = Vec::new();
    let text = row.text(TEXT).map_err(|Unreadable| Reason::Unreadable)?.unwrap_or_default();
    let (text, is_changed) = clean(text, TEXT_CHARS);
    notes.extend(is_changed.then_some(Reason::TextChanged));
    let kind = match row.text(KIND) {
        Ok(None) => Some(MessageType::Text),
        Ok(Some(word)) => MessageType::parse(word),
        Err(Unreadable) => None,
    };
    notes.extend(kind.is_none().then_some(Reason::TypeUnknown));
    let (place, is_whole) = place(row);
    notes.extend((!is_whole).then_some(Reason::PlaceLeftOut));
    let made = created_at(row, time_zone);
    notes.extend(made.is_none().then_some(Reason::DateUnreadable));
    let message = Message {
        id: row.id,
        room_id: row.number(ROOM).ok_or(Reason::RoomMissing)?,
        sender_id: row.number(SENDER).ok_or(Reason::SenderMissing)?,
        kind: kind.unwrap_or(MessageType::Text),
        text,
        place,
        created_at: made.unwrap_or_default(),
    };
    Ok((message, notes))
}

/// Where a message points to, and whether that is all that its row says of it.
fn place(row: &Row) -> (Option<(f64, f64)>, bool) {
    let degrees = |column, most: f64| {
        let number = row.text(column).ok().flatten().and_then(|text| text.parse::<f64>().ok());
        number.filter(|number| number.abs() <= most)
    };
    let is_empty = |column| matches!(row.text(column), Ok(None));
    let place = degrees(LAT, 90.0).zip(degrees(LNG, 180.0));
    let is_whole = place.is_some() || (is_empty(LAT) && is_empty(LNG));
    (place, is_whole)
}

#[async_trait]
impl Part for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn rule(&self) -> Option<String> {
        let rule = if self.has_marks {
            "everybody has read up to the last message that read_by has of them"
        } else {
            "everybody has read everything: the old system did not keep who had read what"
        };
        Some(rule.to_owned())
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    async fn lock(&self, target: &mut PgConnection, greatest: i64) -> Result<i64, sqlx::Error> {
        store::lock_messages(target).await?;
        store::messages_up_to(target, greatest).await
    }

    async fn take_ids(&self, target: &mut PgConnection, greatest: i64) -> Result<(), sqlx::Error> {
        store::take_message_ids(target, greatest).await
    }

    async fn prepare(
        &mut self,
        rows: &[Row],
        source: &mut Source,
        _target: Option<&PgPool>,
        _made: &Made,
    ) -> anyhow::Result<()> {
        if self.has_marks {
            let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
            let marks = ("messagechat_id", "user_id");
            self.marks = people::links(source, READ_BY, marks, &ids).await?;
        }
        Ok(())
    }

    async fn take(
        &mut self,
        rows: &[Row],
        mut target: Option<&mut PgConnection>,
        made: &mut Made,
    ) -> Result<Batch, sqlx::Error> {
        let here = match &mut target {
            Some(target) => {
                let all = |column| rows.iter().filter_map(move |row: &Row| row.number(column));
                let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
                let senders: Vec<i64> = all(SENDER).collect();
                let rooms: Vec<i64> = all(ROOM).collect();
                store::messages_here(target, &ids, &senders, &rooms).await?
            }
            None => MessagesHere::default(),
        };
        let (mut batch, mut messages) = (Batch::default(), Vec::new());
        for row in rows {
            match self.fate(row, &here, made) {
                Ok(None) => batch.present += 1,
                Ok(Some((message, notes))) => {
                    let notes = notes.into_iter();
                    batch.findings.extend(notes.map(|note| self.finding(row, note, None)));
                    messages.push(message);
                }
                Err((reason, other)) => batch.findings.push(self.finding(row, reason, other)),
            }
        }
        batch.imported = messages.len();
        if let Some(target) = target {
            // Rooms and accounts that were taken back cannot be referred to.
            messages.retain(|it| {
                here.heads.contains_key(&it.room_id) && here.senders.contains(&it.sender_id)
            });
            self.write(target, messages, here).await?;
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [Option<&str>; 8]) -> Row {
        Row::of(1, &cells)
    }

    const NOW: Option<&str> = Some("2024-03-01 10:00:00.5");

    #[test]
    fn a_message_is_read_and_what_does_not_fit_is_noted() {
        let judged = |cells| {
            judge(&row(cells), Tz::UTC)
                .map(|(it, notes)| (it.kind.as_str(), it.text, it.place, notes))
        };
        let (five, seven) = (Some("5"), Some("7"));
        for (cells, expected) in [
            (
                [five, seven, Some("text"), Some("سلام"), None, None, NOW, NOW],
                Ok(("text", "سلام", None, vec![])),
            ),
            (
                [five, seven, Some("location"), Some(""), Some("35.7"), Some("-51.4e0"), NOW, NOW],
                Ok(("location", "", Some((35.7, -51.4)), vec![])),
            ),
            (
                [five, seven, Some("voice"), Some("a\u{202e}"), Some("91"), Some("1"), None, None],
                Ok((
                    "text",
                    "a",
                    None,
                    vec![
                        Reason::TextChanged,
                        Reason::TypeUnknown,
                        Reason::PlaceLeftOut,
                        Reason::DateUnreadable,
                    ],
                )),
            ),
            (
                [five, seven, None, Some("x"), Some("NaN"), Some("1"), NOW, None],
                Ok(("text", "x", None, vec![Reason::PlaceLeftOut])),
            ),
            ([None, seven, None, Some("x"), None, None, NOW, NOW], Err(Reason::RoomMissing)),
            ([five, None, None, Some("x"), None, None, NOW, NOW], Err(Reason::SenderMissing)),
        ] {
            let expected =
                expected.map(|(kind, text, place, notes)| (kind, text.to_owned(), place, notes));
            assert_eq!(judged(cells), expected, "{cells:?}");
        }
    }

    #[test]
    fn a_message_is_as_old_as_the_older_of_its_times_says() {
        let at = |made, first| {
            let cells = [None, None, None, None, None, None, made, first];
            created_at(&row(cells), Tz::UTC).map(|at| at.timestamp_millis() - 1_709_287_200_000)
        };
        for (made, first, expected) in [
            (NOW, NOW, Some(500)),
            (NOW, Some("2024-03-01 10:00:00.499"), Some(500)),
            (NOW, Some("2024-03-01 09:00:00"), Some(-3_600_000)),
            (NOW, None, Some(500)),
            (None, NOW, Some(500)),
            (None, None, None),
        ] {
            assert_eq!(at(made, first), expected, "{made:?} {first:?}");
        }
    }

    #[test]
    fn messages_go_on_in_the_log_of_their_room() {
        let message = |id, room_id| Message {
            id,
            room_id,
            sender_id: 1,
            kind: MessageType::Text,
            text: String::new(),
            place: None,
            created_at: DateTime::from_timestamp(100 - id, 0).unwrap(),
        };
        let messages = vec![message(1, 7), message(2, 8), message(4, 7)];
        let (numbered, rises) = number(messages, HashMap::from([(7, 10), (8, 0)]));
        let seqs: Vec<_> = numbered.iter().map(|(message, seq)| (message.id, *seq)).collect();
        assert_eq!(seqs, [(1, 11), (2, 1), (4, 12)]);
        let rises: Vec<_> =
            rises.iter().map(|it| (it.room_id, it.from, it.to, it.at.timestamp())).collect();
        assert_eq!(rises, [(7, 10, 12, 99), (8, 0, 1, 98)]);
    }
}

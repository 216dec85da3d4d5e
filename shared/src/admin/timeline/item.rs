//! One thing that happened, and its place among the others. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::codes::Code;

/// What an item leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The kind of row.
    pub kind: LinkKind,
    /// The row.
    pub id: i64,
}

/// A kind of row that an item leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// An account.
    User,
    /// A text.
    Message,
    /// A payment.
    Payment,
}

impl LinkKind {
    /// The word in answers and before the colon of a search.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Message => "message",
            Self::Payment => "payment",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub code: Code,
    /// Where there is more of it.
    pub link: Option<Link>,
    /// More, by name: bounded words, ids and amounts. `ip` is the one that names a person.
    pub params: BTreeMap<&'static str, String>,
    /// Of a code that was asked for: when it is over.
    pub(super) until: Option<DateTime<Utc>>,
    /// What sets it apart from others of its moment and code.
    pub(super) id: i64,
}

impl Item {
    /// An item; `id` sets it apart from others of this moment and code.
    pub(super) const fn new(at: DateTime<Utc>, code: Code, id: i64) -> Self {
        Self { at, code, link: None, params: BTreeMap::new(), until: None, id }
    }

    /// Leads to this.
    #[must_use]
    pub(super) const fn of(mut self, kind: LinkKind, id: i64) -> Self {
        self.link = Some(Link { kind, id });
        self
    }

    /// Says this, too.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers have values and references")]
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.params.insert(name, value.to_string());
        self
    }

    /// Says this, too, if there is anything to say.
    #[must_use]
    pub(super) fn with_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The item about this text.
    pub(super) fn is_of_message(&self, id: i64) -> bool {
        self.link == Some(Link { kind: LinkKind::Message, id })
    }

    /// The same for those who may not see personal data.
    #[must_use]
    pub(super) fn masked(mut self) -> Self {
        self.params.remove("ip");
        self
    }

    /// Its place in the timeline.
    pub(super) fn place(&self) -> Place {
        Place { micros: self.at.timestamp_micros(), rank: self.code.rank(), id: self.id }
    }
}

/// A place in the timeline; later things are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    micros: i64,
    rank: u8,
    id: i64,
}

impl Place {
    /// Later than everything.
    pub(super) const LAST: Self = Self { micros: i64::MAX, rank: u8::MAX, id: i64::MAX };

    /// Reads what [`Place::encode`] wrote; `None` for anything else.
    pub fn decode(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let micros = parts.next()?.parse().ok()?;
        let place =
            Self { micros, rank: parts.next()?.parse().ok()?, id: parts.next()?.parse().ok()? };
        DateTime::from_timestamp_micros(micros).map(|_| place)
    }

    /// The cursor of the page that follows it.
    pub fn encode(self) -> String {
        format!("{}.{}.{}", self.micros, self.rank, self.id)
    }

    /// Rows that began after this have nothing before the place.
    pub(super) fn at(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let item = Item::new(DateTime::UNIX_EPOCH, Code::CodeAsked, 41);
        assert_eq!(Place::decode(&item.place().encode()), Some(item.place()));
        for junk in ["", "1", "1.2", "1.2.x", "1.300.4", "9223372036854775807.0.0", "1.2.3.4"] {
            assert_eq!(Place::decode(junk), None, "{junk}");
        }
    }

    #[test]
    fn what_names_a_person_is_masked() {
        let item = Item::new(DateTime::UNIX_EPOCH, Code::CodeAsked, 1);
        let item = item.with("ip", "203.0.113.7").with("purpose", "login").masked();
        assert_eq!(item.params.into_iter().collect::<Vec<_>>(), [("purpose", "login".into())]);
    }
}

//! The timeline: everything that happened to a number, an account or a payment, in one order, and the
//! answer to "why does no code come".
//!
//! It is put together from the rows that the features write anyway, each kind found by an index, at
//! most so many of each. Nothing of a text or a code is in it.

use super::{Admin, Shown, mask, queues};
use crate::{
    audit::{self, Entry, Source, Subject},
    blocks::Blocks,
    jobs::Queue,
};

pub mod codes;
mod gather;
mod item;
mod items;
pub mod kept;
mod search;
mod store;
pub mod verdict;

use self::{
    gather::Found,
    verdict::{Answer, Conditions},
};
pub use self::{
    item::{Item, Link, LinkKind, Place},
    kept::Kept,
    search::Search,
};

/// Items of a page at most.
pub const LONGEST_PAGE: usize = 200;

/// Whom and what a timeline is about.
#[derive(Debug, Clone, Default)]
pub struct Subjects {
    /// Numbers, in the national form for Iran.
    pub numbers: Vec<String>,
    /// Accounts.
    pub users: Vec<i64>,
    /// Payments; of an account's own only those the page is about.
    pub payments: Vec<i64>,
    /// Texts, where the search was for them.
    pub messages: Vec<i64>,
    /// The request that was searched for.
    pub request_id: Option<String>,
}

impl Subjects {
    fn masked(self) -> Self {
        let numbers = self.numbers.iter().map(|number| mask::number(number)).collect();
        Self { numbers, ..self }
    }
}

/// A part of the timeline, the latest first.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// Whom it is about.
    pub subjects: Subjects,
    /// Why no code came, or that one did; only on the first page, and of numbers and texts.
    pub answer: Option<Answer>,
    /// What happened.
    pub items: Vec<Item>,
    /// Where the next page begins, if there is one.
    pub next: Option<Place>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What was typed.
    pub search: Search,
    /// Only what was before this.
    pub before: Option<Place>,
    /// Items at most.
    pub limit: usize,
    /// How much of people is shown.
    pub shown: Shown,
    /// Whether it is said who on the staff did something.
    pub names_staff: bool,
    /// How long things are kept.
    pub kept: Kept,
}

impl Admin {
    /// What happened to whoever is searched for, and writes down who looked.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn timeline(
        &self,
        source: &Source,
        wanted: &Wanted,
        blocks: &Blocks,
    ) -> Result<Timeline, sqlx::Error> {
        let now = self.clock.now();
        let before = wanted.before.unwrap_or(Place::LAST);
        let found = Found::of(&self.pool, &wanted.search).await?;
        let mut items = found.gather(&self.pool, before.at(), now, wanted.names_staff).await?;
        if !items.is_empty() {
            items.extend(wanted.kept.items(now));
        }
        let (items, _) = page(items, before, usize::MAX);
        let answer = match (wanted.before, found.is_of_codes()) {
            (None, true) => {
                let paused = queues::paused(&self.pool).await?;
                let conditions = Conditions {
                    queue_paused: paused.iter().any(|name| name == Queue::Otp.name()),
                    blocked: found.number().is_some_and(|phone| blocks.number(phone)),
                };
                Some(verdict::answer(&items, conditions, now))
            }
            _ => None,
        };
        let (items, next) = page(items, before, wanted.limit);
        let looked = looked(source, wanted, &found, items.len());
        audit::record(&mut *self.pool.acquire().await?, &looked, now).await?;
        let subjects = found.subjects();
        let whole = wanted.shown == Shown::Whole;
        let show = |item: Item| if whole { item } else { item.masked() };
        Ok(Timeline {
            subjects: if whole { subjects } else { subjects.masked() },
            answer,
            items: items.into_iter().map(show).collect(),
            next,
        })
    }
}

/// The latest of what was before a place, and where the next page begins.
///
/// Each source was read from the same moment back, and one that has more than a page has a page of its
/// own: so whatever is missing is older than this page.
fn page(mut items: Vec<Item>, before: Place, limit: usize) -> (Vec<Item>, Option<Place>) {
    items.retain(|item| item.place() < before);
    items.sort_by_key(|item| std::cmp::Reverse(item.place()));
    items.dedup_by_key(|item| item.place());
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(Item::place);
    (items, next)
}

/// One account is looked at by itself; everything else in the audit log is a look at timelines.
fn looked<'a>(source: &'a Source, wanted: &Wanted, found: &Found, items: usize) -> Entry<'a> {
    let subject = match found.users() {
        [one] => Subject::user(*one),
        _ => Subject::timelines(),
    };
    Entry::new(source, "timeline.viewed", subject)
        .with("by", wanted.search.as_str())
        .with("shown", if wanted.shown == Shown::Whole { "whole" } else { "masked" })
        .with("users", found.users().to_vec())
        .with("payments", found.payments().to_vec())
        .with("items", items)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{codes::Code, *};

    fn item(second: i64, code: Code, id: i64) -> Item {
        Item::new(DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second), code, id)
    }

    #[test]
    fn pages_are_whole_the_latest_first_and_nothing_is_on_two() {
        let all: Vec<_> = (0..7)
            .flat_map(|second| {
                let codes = [Code::ProviderAccepted, Code::CodeAsked, Code::ReportDelivered];
                codes.map(|code| item(second, code, 1))
            })
            .collect();
        let (mut seen, mut before) = (Vec::new(), Place::LAST);
        loop {
            let (page, next) = page(all.clone(), before, 4);
            assert!(page.len() <= 4);
            seen.extend(page);
            let Some(next) = next else { break };
            before = next;
        }
        let mut whole = all;
        whole.sort_by_key(|item| std::cmp::Reverse((item.at, item.code)));
        assert_eq!(seen, whole);
    }

    #[test]
    fn what_two_sources_tell_is_told_once() {
        let twice = vec![item(1, Code::CodeWrong, 5), item(1, Code::CodeWrong, 5)];
        assert_eq!(page(twice, Place::LAST, 10).0.len(), 1);
    }
}

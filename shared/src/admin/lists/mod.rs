//! The one engine of the lists that staff look at: searched, filtered, sorted, page by page, masked
//! by role, and written down.
//!
//! A list is data: a [`Listing`] says where its rows come from, what they can be filtered and sorted
//! by; [`sql`] composes the statement of a page from its constants, with every value bound. No page
//! looks at more than [`Listing::window`] rows, whatever it is filtered by: of the filters of a request one
//! that an index serves chooses the rows (the first in the listing's order), the others are asked of
//! each row in the order of the list. A page that comes up short because of that says how far it
//! looked, and its next page goes on from there. So no filter can be slow, and no table carries an
//! index for one.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool, Row as _, postgres::PgRow};

use super::{Admin, Shown};
use crate::audit::{self, Entry, Source, Subject};

pub mod api_keys;
pub mod audit_events;
pub mod blocks;
mod cursor;
pub mod guard;
pub mod messages;
pub mod organizations;
pub mod otp_requests;
pub mod payments;
pub mod queue_items;
pub mod reports;
pub mod room_messages;
pub mod rooms;
pub mod sessions;
mod sql;
#[cfg(test)]
mod tests;
pub mod users;
pub mod values;
pub mod wallet_entries;
pub mod wallets;
pub mod webhooks;

use self::{cursor::Cursor, sql::Composed};

/// Rows that one page looks at, at most, where looking at one costs a line of an index; see
/// [`Listing::window`].
pub const WINDOW: i64 = 10_000;
/// Rows of a page unless asked otherwise.
const PAGE: i64 = 30;
/// Rows of a page at most, for those who ask over HTTP.
pub const LONGEST_PAGE: i64 = 100;
/// What a filter of few rows finds at most; one that finds more is asked of each row instead.
const FEW: i64 = 2_000;
/// No statement of a page takes longer, whatever the machine does.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
    SET LOCAL statement_timeout = '2s'";

/// Every list there is, for the tests that try all they offer.
pub const ALL: [&Listing; 20] = [
    &users::LISTING,
    &sessions::LISTING,
    &otp_requests::LISTING,
    &messages::LISTING,
    &webhooks::LISTING,
    &guard::LISTING,
    &api_keys::LISTING,
    &audit_events::LISTING,
    &organizations::LISTING,
    &payments::LISTING,
    &reports::LISTING,
    &room_messages::LISTING,
    &rooms::LISTING,
    &wallet_entries::LISTING,
    &wallets::LISTING,
    &blocks::LISTING,
    &queue_items::texts::LISTING,
    &queue_items::deliveries::LISTING,
    &queue_items::payments::LISTING,
    &queue_items::returns::LISTING,
];

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// A text.
    Text,
    /// A time.
    Time,
    /// Yes or no.
    Flag,
    /// An address.
    Ip,
}

/// A value of a filter or of a sort's key.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// See [`Kind::Integer`].
    Integer(i64),
    /// See [`Kind::Text`].
    Text(String),
    /// See [`Kind::Time`].
    Time(DateTime<Utc>),
    /// See [`Kind::Flag`].
    Flag(bool),
    /// See [`Kind::Ip`].
    Ip(IpAddr),
}

/// A list that staff look at. All texts are SQL and constants: nothing of a request is ever in them.
#[derive(Debug)]
pub struct Listing {
    /// What its rows are in the audit log.
    pub subject: &'static str,
    /// What a look at it is called in the audit log: `user.listed`.
    pub listed: &'static str,
    /// The same when it was searched or filtered: `user.searched`.
    pub searched: &'static str,
    /// The columns of a row, as its `FromRow` reads them.
    pub columns: &'static str,
    /// The table with its alias, and those that filters and sorts need: `users u`.
    pub from: &'static str,
    /// Further joins, which only [`Listing::columns`] need: made for the rows of the page alone.
    pub joins: &'static str,
    /// What tells rows with the same key apart; a number if [`Listing::names_rows`].
    pub id: Key,
    /// Whether the ids of the rows that were shown are written down: not if they tell nobody anything.
    pub names_rows: bool,
    /// When a row came to be: a time that is never null.
    pub at: &'static str,
    /// Rows that one page looks at: [`WINDOW`], or fewer where a filter makes each dearer by a join.
    pub window: i64,
    /// What it can be filtered by; where several are given, the first that an index serves chooses.
    pub filters: &'static [&'static Filter],
    /// How it can be sorted; the first unless asked otherwise.
    pub sorts: &'static [Sort],
}

/// An expression that is never null, by which rows have an order.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// In SQL.
    pub sql: &'static str,
    /// What it is.
    pub kind: Kind,
}

impl Key {
    /// The usual row id.
    pub const fn id(sql: &'static str) -> Self {
        Self { sql, kind: Kind::Integer }
    }
}

/// Something that lists are filtered by.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// Its name in the audit log and, but for searches, in the query of a request.
    pub name: &'static str,
    /// What it is given.
    pub kind: Kind,
    /// The condition; each `?` is its value.
    pub sql: &'static str,
    /// How it finds its rows.
    pub serves: Serves,
}

/// How a filter finds its rows.
#[derive(Debug, Clone, Copy)]
pub enum Serves {
    /// By an index: one in the order of the list, or of few rows.
    Index,
    /// By this query of ids, which an index serves, as long as it finds few; each `?` is the value.
    Few(&'static str),
    /// By being asked of each row.
    Scan,
}

impl Filter {
    /// One that an index serves, in the order of the list or because it finds few rows.
    pub const fn indexed(name: &'static str, kind: Kind, sql: &'static str) -> Self {
        Self { name, kind, sql, serves: Serves::Index }
    }

    /// One that is asked of each row.
    pub const fn scanned(name: &'static str, kind: Kind, sql: &'static str) -> Self {
        Self { name, kind, sql, serves: Serves::Scan }
    }

    /// One that `ids` finds the rows of, as long as they are few.
    pub const fn few(name: &'static str, kind: Kind, sql: &'static str, ids: &'static str) -> Self {
        Self { name, kind, sql, serves: Serves::Few(ids) }
    }
}

/// An order of a list.
#[derive(Debug, Clone, Copy)]
pub struct Sort {
    /// Its name in requests.
    pub name: &'static str,
    /// What comes before the id; `None`: the id alone.
    pub key: Option<Key>,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// Only rows of one of these filters have this order, if there are any: no index has it for all.
    pub within: &'static [&'static Filter],
}

impl Sort {
    /// The latest row first.
    pub const NEWEST: Self = Self { name: "newest", key: None, descending: true, within: &[] };
    /// The first row first.
    pub const OLDEST: Self = Self { name: "oldest", key: None, descending: false, within: &[] };

    /// By a key that an index has, together with the id or almost unique without it.
    pub const fn by(name: &'static str, key: Key, descending: bool) -> Self {
        Self { name, key: Some(key), descending, within: &[] }
    }

    /// Offered only together with one of these filters of few rows, because no index has it.
    #[must_use]
    pub const fn within(self, filters: &'static [&'static Filter]) -> Self {
        Self { within: filters, ..self }
    }
}

/// A row of a list.
pub trait Listed: Sized + Send + Unpin + for<'r> FromRow<'r, PgRow> {
    /// Where it is from.
    const LISTING: &'static Listing;

    /// The same for those who may not see personal data.
    #[must_use]
    fn masked(self) -> Self;
}

/// What is wanted of a list.
#[derive(Default)]
pub struct Wanted {
    /// What rows have to be like; each is one of the listing's.
    pub filters: Vec<(&'static Filter, Value)>,
    /// The name of an order.
    pub sort: Option<String>,
    /// Where an earlier page ended.
    pub cursor: Option<String>,
    /// Rows, at most [`WINDOW`].
    pub limit: Option<i64>,
    /// What all of its rows belong to, if that is what is looked at: a room, somebody's wallet. Written
    /// down in the place of the list.
    pub about: Option<Subject>,
}

impl Wanted {
    fn rows(&self) -> i64 {
        self.limit.unwrap_or(PAGE).clamp(1, WINDOW)
    }
}

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// Its rows; may be fewer than asked for although there is a next page.
    pub rows: Vec<T>,
    /// Where the next page begins; `None`: this is the last.
    pub next: Option<String>,
    /// If it has fewer rows than asked for because enough were looked at: when the last of those
    /// came to be.
    pub looked_back_to: Option<DateTime<Utc>>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The cursor is of no page of this list in this order.
    #[error("not a cursor of this list")]
    Cursor,
    /// The list has no such order.
    #[error("no such order")]
    Sort,
    /// This order is only there together with the filter of this name.
    #[error("the order needs the filter {0}")]
    SortNeeds(&'static str),
    /// The database refused, took too long or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The last row of a page, or that it looked at.
struct End {
    cursor: Cursor,
    at: DateTime<Utc>,
}

impl Admin {
    /// A page of a list; see [`list`].
    ///
    /// # Errors
    /// [`ListError`]; nothing is shown then.
    pub async fn list<T: Listed>(
        &self,
        source: &Source,
        wanted: &Wanted,
        shown: Shown,
    ) -> Result<Page<T>, ListError> {
        list(&self.pool, source, wanted, shown, self.clock.now()).await
    }
}

/// A page of a list, and an event that says who looked at it, by the names of what it was filtered
/// by.
///
/// # Errors
/// [`ListError`]; nothing is shown then.
pub async fn list<T: Listed>(
    pool: &PgPool,
    source: &Source,
    wanted: &Wanted,
    shown: Shown,
    now: DateTime<Utc>,
) -> Result<Page<T>, ListError> {
    let Read { rows, next, looked_back_to } = read(pool, T::LISTING, wanted).await?;
    let looked = looked(source, T::LISTING, wanted, shown, &rows)?;
    audit::record(&mut *pool.acquire().await?, &looked, now).await?;
    let rows = rows.iter().map(T::from_row).collect::<Result<Vec<_>, _>>()?;
    let show = |row: T| if shown == Shown::Whole { row } else { row.masked() };
    Ok(Page { rows: rows.into_iter().map(show).collect(), next, looked_back_to })
}

/// One row, by a filter that finds no more; the caller writes down who looks at it.
pub(super) async fn one<T: Listed>(
    pool: &PgPool,
    filter: &'static Filter,
    value: Value,
    shown: Shown,
) -> Result<Option<T>, sqlx::Error> {
    let wanted = Wanted { filters: vec![(filter, value)], limit: Some(1), ..Wanted::default() };
    let found = read(pool, T::LISTING, &wanted).await.map_err(|error| match error {
        ListError::Database(error) => error,
        other => sqlx::Error::Decode(Box::new(other)),
    })?;
    let row = found.rows.first().map(T::from_row).transpose()?;
    Ok(row.map(|row: T| if shown == Shown::Whole { row } else { row.masked() }))
}

/// A page as the database hands it over.
struct Read {
    rows: Vec<PgRow>,
    next: Option<String>,
    looked_back_to: Option<DateTime<Utc>>,
}

/// In one snapshot, so that what is looked at twice is the same.
async fn read(
    pool: &PgPool,
    listing: &'static Listing,
    wanted: &Wanted,
) -> Result<Read, ListError> {
    let mut tx = pool.begin_with(BEGIN).await?;
    let composed = Composed::new(&mut tx, listing, wanted).await?;
    let limit = wanted.rows();
    let mut page = composed.page(limit + 1);
    let mut rows = page.build().persistent(false).fetch_all(&mut *tx).await?;
    let length = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_full = rows.len() > length;
    rows.truncate(length);
    let mut end = None;
    if is_full {
        end = rows.last().map(|row| End::of(&composed, row)).transpose()?;
    } else if composed.is_scan() {
        let mut last = composed.last_of_window();
        let last = last.build().persistent(false).fetch_optional(&mut *tx).await?;
        end = last.map(|row| End::of(&composed, &row)).transpose()?;
    }
    tx.commit().await?;
    let looked_back_to = end.as_ref().filter(|_| !is_full).map(|end| end.at);
    let next = end.map(|end| end.cursor.encode(composed.sort));
    Ok(Read { rows, next, looked_back_to })
}

impl End {
    fn of(composed: &Composed<'_>, row: &PgRow) -> Result<Self, sqlx::Error> {
        let cursor = Cursor::of(row, composed.listing, composed.sort)?;
        Ok(Self { cursor, at: row.try_get("list_at")? })
    }
}

/// What is written down of a look.
fn looked<'a>(
    source: &'a Source,
    listing: &'static Listing,
    wanted: &Wanted,
    shown: Shown,
    rows: &[PgRow],
) -> Result<Entry<'a>, sqlx::Error> {
    let by: Vec<_> = wanted.filters.iter().map(|(filter, _)| filter.name).collect();
    let action = if by.is_empty() { listing.listed } else { listing.searched };
    let subject = wanted.about.unwrap_or(Subject { kind: listing.subject, id: None });
    let entry = Entry::new(source, action, subject)
        .with("by", by)
        .with("shown", shown.as_str())
        .with("rows", rows.len());
    if !listing.names_rows {
        return Ok(entry);
    }
    let ids = rows.iter().map(|row| row.try_get::<i64, _>("list_id"));
    Ok(entry.with("ids", ids.collect::<Result<Vec<_>, _>>()?))
}

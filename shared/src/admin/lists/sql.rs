//! The statements of a page, composed from the constants of its listing with every value bound: the
//! only composed SQL there is, because written out there would be a statement for each set of
//! filters in each order. A test runs all that is offered against a real database.

use std::fmt::Display;

use sqlx::{PgConnection, Postgres, QueryBuilder, types::ipnetwork::IpNetwork};

use super::{Cursor, FEW, Filter, ListError, Listing, Serves, Sort, Value, Wanted};

type Given = (&'static Filter, Value);

/// What is wanted, and how it is found.
pub(super) struct Composed<'a> {
    pub(super) listing: &'static Listing,
    pub(super) sort: &'static Sort,
    after: Option<Cursor>,
    /// What chooses the rows.
    inside: Option<&'a Given>,
    /// What is asked of each.
    asked: Vec<&'a Given>,
}

impl<'a> Composed<'a> {
    /// Decides which filter chooses the rows.
    ///
    /// # Errors
    /// When the list has no such order or the cursor is none of its, or the database is away.
    pub(super) async fn new(
        connection: &mut PgConnection,
        listing: &'static Listing,
        wanted: &'a Wanted,
    ) -> Result<Self, ListError> {
        let sort = sort_of(listing, wanted)?;
        let cursor = wanted.cursor.as_deref();
        let after = cursor.map(|text| Cursor::decode(text, listing, sort)).transpose()?;
        let mut asked: Vec<_> = wanted.filters.iter().collect();
        let place =
            |given: &&Given| listing.filters.iter().position(|filter| filter.name == given.0.name);
        asked.sort_by_key(place);
        let mut inside = None;
        for (i, given) in asked.iter().enumerate() {
            if chooses(connection, given).await? {
                inside = Some(i);
                break;
            }
        }
        Ok(Self { listing, sort, after, inside: inside.map(|i| asked.remove(i)), asked })
    }

    /// Whether rows are looked at that are not shown.
    pub(super) fn is_scan(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The page: its rows are found first, and read whole only then.
    pub(super) fn page(&self, rows: i64) -> QueryBuilder<Postgres> {
        let Listing { columns, from, joins, id, at, window, .. } = self.listing;
        let begin =
            format!("SELECT {columns}, page.list_id, page.list_key, {at} AS list_at FROM (");
        let mut query = QueryBuilder::new(begin);
        if self.is_scan() {
            query.push("SELECT list_id, list_key FROM (");
            self.push_looked(&mut query, &self.asked);
            query.push(format!(" LIMIT {window}) looked WHERE list_fits"));
            self.push_order(&mut query, "list_key", "list_id");
        } else {
            self.push_looked(&mut query, &[]);
        }
        query.push(format!(" LIMIT {rows}) page JOIN {from} ON {} = page.list_id {joins}", id.sql));
        self.push_order(&mut query, "page.list_key", "page.list_id");
        query
    }

    /// The last row that the page looks at, if there are so many.
    pub(super) fn last_of_window(&self) -> QueryBuilder<Postgres> {
        let Listing { from, id, at, window, .. } = self.listing;
        let mut query =
            QueryBuilder::new(format!("SELECT list_id, list_key, {at} AS list_at FROM ("));
        self.push_looked(&mut query, &[]);
        let last = window - 1;
        query.push(format!(" OFFSET {last} LIMIT 1) last JOIN {from} ON {} = list_id", id.sql));
        query
    }

    /// The rows that are looked at, in order, each with whether it is as `asked`.
    fn push_looked(&self, query: &mut QueryBuilder<Postgres>, asked: &[&Given]) {
        let Listing { from, id, .. } = self.listing;
        let key = self.sort.key.map_or("NULL::bigint", |key| key.sql);
        let id = id.sql;
        query.push(format!("SELECT {id} AS list_id, {key} AS list_key"));
        if !asked.is_empty() {
            query.push(", true");
            for (filter, value) in asked {
                query.push(" AND (");
                push_bound(query, filter.sql, value);
                query.push(")");
            }
            query.push(" AS list_fits");
        }
        query.push(format!(" FROM {from} WHERE true"));
        if let Some((filter, value)) = self.inside {
            query.push(" AND (");
            if let Serves::Few(ids) = filter.serves {
                query.push(format!("{id} = ANY(ARRAY("));
                push_bound(query, ids, value);
                query.push("))");
            } else {
                push_bound(query, filter.sql, value);
            }
            query.push(")");
        }
        self.push_after(query);
        self.push_order(query, key, id);
    }

    fn push_after(&self, query: &mut QueryBuilder<Postgres>) {
        let Some(after) = &self.after else { return };
        let than = if self.sort.descending { "<" } else { ">" };
        let id = self.listing.id.sql;
        if let (Some(value), Some(key)) = (&after.key, self.sort.key) {
            query.push(format!(" AND ({}, {id}) {than} (", key.sql));
            push_value(query, value);
            query.push(", ");
            push_value(query, &after.id);
            query.push(")");
        } else {
            query.push(format!(" AND {id} {than} "));
            push_value(query, &after.id);
        }
    }

    fn push_order(&self, query: &mut QueryBuilder<Postgres>, key: impl Display, id: impl Display) {
        let direction = if self.sort.descending { "DESC" } else { "ASC" };
        query.push(" ORDER BY ");
        if self.sort.key.is_some() {
            query.push(format!("{key} {direction}, "));
        }
        query.push(format!("{id} {direction}"));
    }
}

fn sort_of(listing: &'static Listing, wanted: &Wanted) -> Result<&'static Sort, ListError> {
    let mut sorts = listing.sorts.iter();
    let sort = match wanted.sort.as_deref() {
        Some(name) => sorts.find(|sort| sort.name == name),
        None => sorts.next(),
    };
    let sort = sort.ok_or(ListError::Sort)?;
    let given = |needed: &&Filter| wanted.filters.iter().any(|(it, _)| it.name == needed.name);
    match sort.within.first() {
        Some(needed) if !sort.within.iter().any(given) => Err(ListError::SortNeeds(needed.name)),
        _ => Ok(sort),
    }
}

/// Whether a filter may choose the rows.
async fn chooses(connection: &mut PgConnection, given: &Given) -> Result<bool, sqlx::Error> {
    let (filter, value) = given;
    let ids = match filter.serves {
        Serves::Index => return Ok(true),
        Serves::Scan => return Ok(false),
        Serves::Few(ids) => ids,
    };
    let mut query = QueryBuilder::new("SELECT count(*) FROM (");
    push_bound(&mut query, ids, value);
    query.push(format!(" LIMIT {}) few", FEW + 1));
    let found: i64 = query.build_query_scalar().persistent(false).fetch_one(connection).await?;
    Ok(found <= FEW)
}

/// A condition with its value wherever it says `?`.
fn push_bound(query: &mut QueryBuilder<Postgres>, sql: &'static str, value: &Value) {
    for (i, part) in sql.split('?').enumerate() {
        if i > 0 {
            push_value(query, value);
        }
        query.push(part);
    }
}

fn push_value(query: &mut QueryBuilder<Postgres>, value: &Value) {
    match value {
        Value::Integer(number) => query.push_bind(*number),
        Value::Text(text) => query.push_bind(text.clone()),
        Value::Time(at) => query.push_bind(*at),
        Value::Flag(flag) => query.push_bind(*flag),
        Value::Ip(ip) => query.push_bind(IpNetwork::from(*ip)),
    };
}

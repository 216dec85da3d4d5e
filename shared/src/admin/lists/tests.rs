//! Everything that lists offer, run against a real database.

use super::*;
use crate::{
    admin::Person,
    clock::{Clock, SystemClock},
};

fn sample(kind: Kind) -> Value {
    match kind {
        Kind::Integer => Value::Integer(1),
        Kind::Text => Value::Text("x".to_owned()),
        Kind::Time => Value::Time(DateTime::UNIX_EPOCH),
        Kind::Flag => Value::Flag(true),
        Kind::Ip => Value::Ip(IpAddr::from([127, 0, 0, 1])),
    }
}

/// Each filter alone, then none, then all at once.
fn choices(listing: &Listing) -> Vec<Vec<&'static Filter>> {
    let mut choices: Vec<_> = listing.filters.iter().map(|filter| vec![*filter]).collect();
    choices.extend([Vec::new(), listing.filters.to_vec()]);
    choices
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn every_list_can_be_filtered_and_sorted_by_all_it_offers(pool: PgPool) {
    let mut tried = 0;
    for listing in ALL {
        for sort in listing.sorts {
            let key = sort.key.map(|key| sample(key.kind));
            let cursor = Cursor { key, id: sample(listing.id.kind) }.encode(sort);
            for filters in choices(listing) {
                let within = sort.within.first().copied();
                let within = within.filter(|it| filters.iter().all(|f| f.name != it.name));
                let filters = filters.iter().copied().chain(within);
                let filters: Vec<_> = filters.map(|filter| (filter, sample(filter.kind))).collect();
                for cursor in [None, Some(cursor.clone())] {
                    let sort = Some(sort.name.to_owned());
                    let filters = filters.clone();
                    let wanted = Wanted { filters, sort, cursor, limit: Some(3), about: None };
                    let by: Vec<_> = wanted.filters.iter().map(|(f, _)| f.name).collect();
                    let read = read(&pool, listing, &wanted).await;
                    assert!(read.is_ok(), "{} by {by:?}: {:?}", listing.subject, read.err());
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 32, "{tried}");
}

#[test]
fn names_of_filters_and_sorts_are_their_own() {
    for listing in ALL {
        let mut names: Vec<_> = listing.filters.iter().map(|filter| filter.name).collect();
        names.extend(listing.sorts.iter().map(|sort| sort.name));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{}: {names:?}", listing.subject);
        assert!(listing.sorts.first().is_some_and(|sort| sort.within.is_empty()));
    }
}

async fn people(pool: &PgPool, from: i32, to: i32, group: i32) {
    sqlx::query(
        r#"INSERT INTO users (username, "group", created_at)
           SELECT 'u' || n, $3, now() FROM generate_series($1, $2) AS n"#,
    )
    .bind(from)
    .bind(to)
    .bind(group)
    .execute(pool)
    .await
    .unwrap();
}

/// Walks all pages, adding people on the way; gives the ids, and how many pages said how far they
/// looked.
async fn walk(pool: &PgPool, wanted: impl Fn(Option<String>) -> Wanted) -> (Vec<i64>, usize) {
    let (mut ids, mut short, mut cursor, mut added) = (Vec::new(), 0, None, 100_000);
    loop {
        let page = read(pool, &users::LISTING, &wanted(cursor)).await.unwrap();
        ids.extend(page.rows.iter().map(|row| row.get::<i64, _>("id")));
        short += usize::from(page.looked_back_to.is_some());
        people(pool, added, added, 3).await;
        added += 1;
        cursor = page.next;
        if cursor.is_none() {
            return (ids, short);
        }
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn pages_are_complete_and_without_doubles_while_rows_are_added(pool: PgPool) {
    people(&pool, 1, 25, 3).await;
    let wanted = |cursor| Wanted { cursor, limit: Some(10), ..Wanted::default() };
    let (ids, short) = walk(&pool, wanted).await;
    assert_eq!((ids, short), ((1..=25).rev().collect(), 0));
}

/// Few of many rows fit: they are found page by page, with nothing twice and nothing left out, and
/// each page that gave up says so.
#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_filter_without_an_index_finds_everything_a_window_at_a_time(pool: PgPool) {
    people(&pool, 1, 3, 7).await;
    people(&pool, 4, 12_000, 0).await;
    people(&pool, 12_001, 12_002, 7).await;
    people(&pool, 12_003, 21_000, 0).await;
    let wanted = |cursor| {
        let filters = vec![(&users::GROUP, Value::Integer(7))];
        Wanted { filters, cursor, ..Wanted::default() }
    };
    let (ids, short) = walk(&pool, wanted).await;
    assert_eq!((ids, short), (vec![12_002, 12_001, 3, 2, 1], 2));
    let filters = vec![(&users::GROUP, Value::Integer(7))];
    let (limit, sort) = (Some(2), Some("oldest".to_owned()));
    let wanted = Wanted { filters, sort, limit, ..Wanted::default() };
    let page = read(&pool, &users::LISTING, &wanted).await.unwrap();
    assert!(page.rows.len() == 2 && page.next.is_some(), "there are more");
    assert!(page.looked_back_to.is_none(), "a full page looked far enough");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_prefix_that_finds_many_is_asked_of_each_row_and_finds_the_same(pool: PgPool) {
    people(&pool, 1, 5_000, 0).await;
    for (prefix, expected) in [("u1234", 1), ("u123", 11), ("u", 5_000), ("v", 0)] {
        let wanted = |cursor| {
            let filters = vec![(&users::USERNAME_PREFIX, Value::Text(prefix.to_owned()))];
            let sort = Some("newest".to_owned());
            Wanted { filters, cursor, limit: Some(100), sort, about: None }
        };
        let (mut found, mut cursor) = (0, None);
        loop {
            let page = read(&pool, &users::LISTING, &wanted(cursor)).await.unwrap();
            found += page.rows.len();
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{prefix}");
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_look_is_written_down_by_the_names_of_what_was_looked_by(pool: PgPool) {
    people(&pool, 1, 2, 0).await;
    let filters = vec![(&users::USERNAME, Value::Text("u2".to_owned()))];
    let wanted = Wanted { filters, ..Wanted::default() };
    for wanted in [&Wanted::default(), &wanted] {
        let (source, now) = (Source::cli(), SystemClock.now());
        list::<Person>(&pool, &source, wanted, Shown::Masked, now).await.unwrap();
    }
    let events: Vec<(String, serde_json::Value)> =
        sqlx::query_as("SELECT action, detail FROM audit_events ORDER BY id")
            .fetch_all(&pool)
            .await
            .unwrap();
    let detail = |by: &[&str], ids: &[i64]| serde_json::json!({"by": by, "ids": ids, "rows": ids.len(), "shown": "masked"});
    assert_eq!(events[0], ("user.listed".to_owned(), detail(&[], &[2, 1])));
    assert_eq!(events[1], ("user.searched".to_owned(), detail(&["username"], &[2])));
}

//! People's accounts.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{
    phone::PhoneNumber,
    webhooks::{
        Outbox,
        events::{Kind, NewEvent},
    },
};

pub mod email;
mod store;
pub mod username;

/// A person's account. One phone may own one account per group.
#[derive(Debug, Clone)]
pub struct User {
    /// The row.
    pub id: i64,
    /// Unique name; for accounts made by a code `G{group}-{mobile}`.
    pub username: String,
    /// The number it was made with.
    pub phone: Option<PhoneNumber>,
    /// The group ("user level" of the old system).
    pub group: i32,
    /// A disabled account is refused everywhere.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The accounts of each (phone, group), made where they are not there, inside the caller's
/// transaction; in the order given. No two may be equal. Accounts that were there are locked
/// against changes.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_or_create(
    connection: &mut PgConnection,
    outbox: &Outbox,
    asked: &[(&PhoneNumber, i32)],
    now: DateTime<Utc>,
) -> Result<Vec<User>, sqlx::Error> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = store::find_by_phone(connection, asked).await?;
    let key = |(phone, group): &(&PhoneNumber, i32)| (phone.as_e164().to_owned(), *group);
    let missing: Vec<_> =
        asked.iter().filter(|one| !found.contains_key(&key(one))).copied().collect();
    if !missing.is_empty() {
        let made = store::insert(connection, &missing, now).await?;
        let events = made.iter().filter(|(_, is_new)| *is_new).map(|(user, _)| user.created());
        outbox.emit(connection, &events.collect::<Vec<_>>()).await?;
        found.extend(made.into_iter().filter_map(|(user, _)| {
            let phone = user.phone.as_ref()?.as_e164().to_owned();
            Some(((phone, user.group), user))
        }));
    }
    asked.iter().map(|one| found.remove(&key(one)).ok_or(sqlx::Error::RowNotFound)).collect()
}

impl User {
    /// That the account was made; to be emitted in the transaction that does.
    pub fn created(&self) -> NewEvent {
        NewEvent::of_user(Kind::UserCreated, self.id, [("group", self.group.into())])
    }
}

/// What an account's owner sees of it.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The row.
    pub id: i64,
    /// Unique name.
    pub username: String,
    /// The number codes for logging in are sent to.
    pub phone: Option<PhoneNumber>,
    /// The group ("user level" of the old system).
    pub group: i32,
    /// Never checked; empty if there is none.
    pub email: String,
    /// Empty unless given.
    pub first_name: String,
    /// Empty unless given.
    pub last_name: String,
    /// Whether a password opens the account.
    pub has_password: bool,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
}

/// The profile of an active account.
///
/// # Errors
/// When the database is away.
pub async fn profile(pool: &PgPool, id: i64) -> Result<Option<Profile>, sqlx::Error> {
    store::profile(pool, id).await
}

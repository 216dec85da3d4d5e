//! People's accounts.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::{
    db,
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

/// The username of an account that is made by a code, unless somebody has it already.
fn machine_made(phone: &PhoneNumber, group: i32) -> String {
    format!("G{group}-{}", phone.to_national())
}

/// An account with what rules of changing it look at.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account.
    pub user: User,
    /// When its number was changed last.
    pub phone_changed_at: Option<DateTime<Utc>>,
}

/// The account with this id, disabled ones too.
///
/// # Errors
/// When the database is away.
pub async fn find(executor: impl PgExecutor<'_>, id: i64) -> Result<Option<Account>, sqlx::Error> {
    store::find(executor, id).await
}

/// The same, locked until the transaction ends: meanwhile nobody logs in to it or changes it.
///
/// # Errors
/// When the database is away.
pub async fn lock(connection: &mut PgConnection, id: i64) -> Result<Option<Account>, sqlx::Error> {
    store::lock(connection, id).await
}

/// Why an account does not get a number.
#[derive(Debug, thiserror::Error)]
pub enum ChangePhoneError {
    /// Another account of the group has it.
    #[error("another account has the number")]
    Taken,
    /// Another account got it at this moment: the transaction is lost.
    #[error("another account got the number")]
    TakenMeanwhile,
    /// The database refused or is away.
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for ChangePhoneError {
    fn from(error: sqlx::Error) -> Self {
        match db::violated_unique(&error) {
            // Usernames like this one are made of the number alone.
            Some("users_phone_group_key" | "users_username_key") => Self::TakenMeanwhile,
            _ => Self::Database(error),
        }
    }
}

/// Gives an account that is locked in the caller's transaction another number. A username that was
/// made of the old number follows.
///
/// # Errors
/// [`ChangePhoneError`].
pub async fn change_phone(
    connection: &mut PgConnection,
    user: &User,
    phone: &PhoneNumber,
    now: DateTime<Utc>,
) -> Result<User, ChangePhoneError> {
    if store::has_phone(connection, phone, user.group).await? {
        return Err(ChangePhoneError::Taken);
    }
    let follows =
        user.phone.as_ref().is_some_and(|old| is_made_of(&user.username, old, user.group));
    let username = follows.then(|| machine_made(phone, user.group));
    Ok(store::change_phone(connection, user.id, phone, username.as_deref(), now).await?)
}

/// Whether a username was made of this number, perhaps with an id behind it.
fn is_made_of(username: &str, phone: &PhoneNumber, group: i32) -> bool {
    let rest = username.strip_prefix(&machine_made(phone, group));
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(is_id))
}

/// The account with this number, locked against being disabled, inside the caller's transaction.
///
/// # Errors
/// When the database is away.
pub async fn find_by_id(
    connection: &mut PgConnection,
    id: i64,
) -> Result<Option<User>, sqlx::Error> {
    store::find_by_id(connection, id).await
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

/// What an account's owner changes of it; `None`: it stays.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    /// At most 254 characters; may be empty.
    pub email: Option<String>,
    /// At most 150 characters; may be empty.
    pub first_name: Option<String>,
    /// At most 150 characters; may be empty.
    pub last_name: Option<String>,
}

/// Changes the profile of an active account and gives it as it is then; `None`: there is no such one.
///
/// # Errors
/// When the database refuses or is away.
pub async fn change_profile(
    pool: &PgPool,
    id: i64,
    change: &ProfileChange,
) -> Result<Option<Profile>, sqlx::Error> {
    store::change_profile(pool, id, change).await
}

/// What the owner of an active account may do beyond their own, as words; `None`: there is no such
/// account.
///
/// # Errors
/// When the database is away.
pub async fn scopes(pool: &PgPool, id: i64) -> Result<Option<Vec<String>>, sqlx::Error> {
    store::scopes(pool, id).await
}

/// Takes everything from an account's row that names a person, and every right, inside the caller's
/// transaction. The row stays, for what refers to it; nobody ever logs in to it again.
///
/// # Errors
/// When the database refuses or is away.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    id: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    store::forget(connection, id, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_username_made_of_the_number_follows_it() {
        let phone = PhoneNumber::from_e164("+989123456789").unwrap();
        for (username, group, follows) in [
            ("G0-09123456789", 0, true),
            ("G1-09123456789", 1, true),
            ("G0-09123456789-17", 0, true),
            ("G1-09123456789", 0, false),
            ("G0-09123456789-", 0, false),
            ("G0-09123456789-a", 0, false),
            ("G0-091234567890", 0, false),
            ("sara", 0, false),
        ] {
            assert_eq!(is_made_of(username, &phone, group), follows, "{username}");
        }
        assert_eq!(phone.masked(), "0912***89");
    }
}

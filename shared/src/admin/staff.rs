//! Who is on the staff: commands on the server change it, nobody else.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{
    roles::Role,
    store::{self, Locked},
};
use crate::{
    audit::{self, Entry, Source, Subject},
    users::username::normal_form,
};

/// Somebody on the staff.
#[derive(Debug, Clone)]
pub struct Member {
    /// The account.
    pub id: i64,
    /// Its user name.
    pub username: String,
    /// What they are.
    pub role: Role,
    /// Whether they may log in.
    pub is_active: bool,
}

/// Why somebody stays what they are.
#[derive(Debug, thiserror::Error)]
pub enum StaffError {
    /// Nobody has this user name.
    #[error("there is no account with this user name")]
    NoSuchUser,
    /// They are that already, or are not on the staff.
    #[error("this changes nothing")]
    Unchanged,
    /// Nobody would be left who can do everything.
    #[error("this is the last admin")]
    LastAdmin,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Everybody on the staff, by user name.
///
/// # Errors
/// When the database is away.
pub async fn list(pool: &PgPool) -> Result<Vec<Member>, sqlx::Error> {
    store::staff(pool).await
}

/// Makes the owner of an account this on the staff (`None`: nothing any more). `force`: even if they
/// are the last active admin.
///
/// # Errors
/// [`StaffError`].
pub async fn set_role(
    pool: &PgPool,
    username: &str,
    role: Option<Role>,
    force: bool,
    now: DateTime<Utc>,
) -> Result<(), StaffError> {
    let mut tx = pool.begin().await?;
    let username = normal_form(username);
    let id = store::id_of(&mut tx, &username).await?.ok_or(StaffError::NoSuchUser)?;
    let locked: Locked = store::lock(&mut tx, id).await?.ok_or(StaffError::NoSuchUser)?;
    if locked.role == role {
        return Err(StaffError::Unchanged);
    }
    if locked.is_last_admin() && !force {
        return Err(StaffError::LastAdmin);
    }
    store::set_role(&mut tx, id, role).await?;
    let source = Source::cli();
    let action = if role.is_some() { "staff.granted" } else { "staff.revoked" };
    let entry = Entry::new(&source, action, Subject::user(id))
        .with("role", role.map(Role::as_str))
        .with("was", locked.role.map(Role::as_str));
    audit::record(&mut tx, &entry, now).await?;
    tx.commit().await?;
    Ok(())
}

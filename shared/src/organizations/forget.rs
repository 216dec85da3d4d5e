//! What becomes of organizations when a person is erased.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{of, record, roles::Role, store};
use crate::audit::{Entry, Source};

/// Why a person cannot be forgotten yet.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// They own organizations with other members, these: they hand them over first, or delete them.
    #[error("owns organizations with other members")]
    Owns(Vec<i64>),
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Locks all of a person's organizations: the first step of what erases a person, before rooms are
/// locked, as everything that changes both does it.
///
/// # Errors
/// When the database refuses or is away.
pub async fn lock_of_user(connection: &mut PgConnection, user_id: i64) -> Result<(), sqlx::Error> {
    store::lock_all_of(connection, user_id).await.map(drop)
}

/// Takes a person out of every organization, inside the caller's transaction, in which the account is
/// locked and still has its number: their places go, and organizations that have no other member; open
/// invitations they made are withdrawn, and those of their number deleted unless another account has
/// it. Nothing is done if they own an organization with others in it.
///
/// # Errors
/// [`ForgetError`].
pub async fn forget_user(
    connection: &mut PgConnection,
    user_id: i64,
    source: &Source,
    now: DateTime<Utc>,
) -> Result<(), ForgetError> {
    let places = store::lock_all_of(connection, user_id).await?;
    let shared = places.iter().filter(|place| place.role == Role::Owner && place.members > 1);
    let shared: Vec<_> = shared.map(|place| place.organization_id).collect();
    if !shared.is_empty() {
        return Err(ForgetError::Owns(shared));
    }
    for place in places {
        let id = place.organization_id;
        let action = if place.role == Role::Owner {
            store::delete(connection, id).await?;
            "organization.deleted"
        } else {
            store::delete_member(connection, id, user_id).await?;
            store::withdraw_of(connection, id, user_id, now).await?;
            "organization.left"
        };
        let entry = Entry::new(source, action, of(id)).with("user", user_id).with("erased", true);
        record(connection, entry, now).await?;
    }
    store::forget_number(connection, user_id).await?;
    Ok(())
}

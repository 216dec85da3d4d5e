//! What staff see of organizations.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{Invitation, Member, store};

/// Members, and invitations, that are shown with an organization at most.
const SHOWN: i64 = 100;

/// Who belongs to an organization, the newest accounts first, and who was asked to, the latest first.
pub(crate) async fn people_of(
    pool: &PgPool,
    id: i64,
    now: DateTime<Utc>,
) -> Result<(Vec<Member>, Vec<Invitation>), sqlx::Error> {
    let members = store::members(pool, id, i64::MAX, SHOWN).await?;
    let invitations = store::invitations(pool, id, now, i64::MAX, SHOWN).await?;
    Ok((members, invitations))
}

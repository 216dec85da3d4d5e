//! All SQL of the `organization_invitations` table.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::{
    super::{Invitation, InvitationStatus, MyInvitation, roles::Role},
    read_phone,
};
use crate::phone::PhoneNumber;

/// Says of open invitations whose time is over that they are: their numbers may be invited again.
pub(in crate::organizations) async fn expire_invitations(
    connection: &mut PgConnection,
    id: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE organization_invitations SET status = 'expired', settled_at = expires_at
         WHERE organization_id = $1 AND status = 'open' AND expires_at <= $2",
        id,
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(in crate::organizations) async fn is_invited(
    connection: &mut PgConnection,
    id: i64,
    phone: &PhoneNumber,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM organization_invitations
               WHERE organization_id = $1 AND phone = $2 AND status = 'open') AS "is!""#,
        id,
        phone.as_e164(),
    )
    .fetch_one(connection)
    .await
}

pub(in crate::organizations) async fn open_invitations(
    connection: &mut PgConnection,
    id: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM organization_invitations
           WHERE organization_id = $1 AND status = 'open'"#,
        id,
    )
    .fetch_one(connection)
    .await
}

pub(in crate::organizations) async fn insert_invitation(
    connection: &mut PgConnection,
    id: i64,
    new: &Invitation,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO organization_invitations
             (organization_id, phone, role, invited_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        id,
        new.phone.as_e164(),
        new.role.as_str(),
        new.invited_by,
        new.created_at,
        new.expires_at,
    )
    .fetch_one(connection)
    .await
}

pub(in crate::organizations) async fn invitations(
    pool: &PgPool,
    id: i64,
    now: DateTime<Utc>,
    before: i64,
    limit: i64,
) -> Result<Vec<Invitation>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, phone, role AS "role: Role", invited_by, created_at, expires_at,
               CASE WHEN status = 'open' AND expires_at <= $4 THEN 'expired' ELSE status END
                   AS "status!"
           FROM organization_invitations
           WHERE organization_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"#,
        id,
        before,
        limit,
        now,
    )
    .fetch_all(pool)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(Invitation {
            id: row.id,
            phone: read_phone(&row.phone)?,
            role: row.role,
            invited_by: row.invited_by,
            status: read_status(&row.status)?,
            created_at: row.created_at,
            expires_at: row.expires_at,
        });
    }
    Ok(found)
}

pub(in crate::organizations) async fn my_invitations(
    pool: &PgPool,
    user_id: i64,
    now: DateTime<Utc>,
    before: i64,
    limit: i64,
) -> Result<Vec<MyInvitation>, sqlx::Error> {
    sqlx::query_as!(
        MyInvitation,
        r#"SELECT i.id, i.organization_id, o.name, o.uname, i.role AS "role: Role", i.created_at, i.expires_at
         FROM organization_invitations i JOIN organizations o ON o.id = i.organization_id
         WHERE i.phone = (SELECT phone FROM users WHERE id = $1 AND is_active)
             AND i.status = 'open' AND i.expires_at > $2 AND i.id < $3
         ORDER BY i.id DESC LIMIT $4"#,
        user_id,
        now,
        before,
        limit,
    )
    .fetch_all(pool)
    .await
}

/// The organization that an invitation of this number is to.
pub(in crate::organizations) async fn invited_to(
    connection: &mut PgConnection,
    invitation: i64,
    phone: &PhoneNumber,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT organization_id FROM organization_invitations WHERE id = $1 AND phone = $2",
        invitation,
        phone.as_e164(),
    )
    .fetch_optional(connection)
    .await
}

/// An invitation whose row is locked.
pub(in crate::organizations) struct LockedInvitation {
    pub(in crate::organizations) organization_id: i64,
    pub(in crate::organizations) role: Role,
    status: InvitationStatus,
    accepted_by: Option<i64>,
    expires_at: DateTime<Utc>,
}

impl LockedInvitation {
    pub(in crate::organizations) fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.status == InvitationStatus::Open && self.expires_at > now
    }

    pub(in crate::organizations) fn was_accepted_by(&self, user_id: i64) -> bool {
        self.status == InvitationStatus::Accepted && self.accepted_by == Some(user_id)
    }
}

/// Locks an invitation until the transaction ends; after its organization, where that is locked.
pub(in crate::organizations) async fn lock_invitation(
    connection: &mut PgConnection,
    invitation: i64,
) -> Result<Option<LockedInvitation>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT organization_id, role AS "role: Role", status, accepted_by, expires_at
           FROM organization_invitations WHERE id = $1 FOR UPDATE"#,
        invitation,
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(LockedInvitation {
        organization_id: row.organization_id,
        role: row.role,
        status: read_status(&row.status)?,
        accepted_by: row.accepted_by,
        expires_at: row.expires_at,
    }))
}

/// Settles an open invitation whose row is locked.
pub(in crate::organizations) async fn settle(
    connection: &mut PgConnection,
    invitation: i64,
    status: InvitationStatus,
    accepted_by: Option<i64>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE organization_invitations SET status = $2, accepted_by = $3, settled_at = $4
         WHERE id = $1 AND status = 'open'",
        invitation,
        status.as_str(),
        accepted_by,
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Withdraws what somebody, who may not invite any more, invited to.
pub(in crate::organizations) async fn withdraw_of(
    connection: &mut PgConnection,
    id: i64,
    user_id: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE organization_invitations SET status = 'withdrawn', settled_at = $3
         WHERE organization_id = $1 AND invited_by = $2 AND status = 'open'",
        id,
        user_id,
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Deletes the invitations of somebody's number, unless another account has it, too.
pub(in crate::organizations) async fn forget_number(
    connection: &mut PgConnection,
    user_id: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM organization_invitations i USING users u
         WHERE u.id = $1 AND i.phone = u.phone
             AND NOT EXISTS (SELECT FROM users o WHERE o.phone = u.phone AND o.id <> u.id)",
        user_id,
    )
    .execute(connection)
    .await
    .map(drop)
}

crate::purge_table!(pub(in crate::organizations) purge_invitations, count_ended_invitations,
    "organization_invitations", "least(expires_at, settled_at)", "");

fn read_status(word: &str) -> Result<InvitationStatus, sqlx::Error> {
    InvitationStatus::parse(word)
        .ok_or_else(|| sqlx::Error::Decode(format!("no status is called {word:?}").into()))
}

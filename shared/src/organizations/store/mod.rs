//! All SQL of organizations: the `organizations` and `organization_members` tables here, invitations
//! in a file of their own.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::{
    Member, Organization,
    names::{Name, Uname},
    roles::Role,
};
use crate::phone::PhoneNumber;

mod invitations;

pub(super) use invitations::*;

pub(super) async fn list(
    pool: &PgPool,
    user_id: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<Organization>, sqlx::Error> {
    sqlx::query_as!(
        Organization,
        r#"SELECT o.id, o.name, o.uname, o.owner_id, m.role AS "role: Role", o.created_at
         FROM organization_members m JOIN organizations o ON o.id = m.organization_id
         WHERE m.user_id = $1 AND m.organization_id < $2
         ORDER BY m.organization_id DESC LIMIT $3"#,
        user_id,
        before,
        limit,
    )
    .fetch_all(pool)
    .await
}

pub(super) async fn find(
    pool: &PgPool,
    user_id: i64,
    id: i64,
) -> Result<Option<Organization>, sqlx::Error> {
    sqlx::query_as!(
        Organization,
        r#"SELECT o.id, o.name, o.uname, o.owner_id, m.role AS "role: Role", o.created_at
         FROM organization_members m JOIN organizations o ON o.id = m.organization_id
         WHERE m.user_id = $1 AND m.organization_id = $2"#,
        user_id,
        id,
    )
    .fetch_optional(pool)
    .await
}

/// Locks an active account until the transaction ends, before any organization; its number.
pub(super) async fn lock_person(
    connection: &mut PgConnection,
    user_id: i64,
) -> Result<Option<Option<PhoneNumber>>, sqlx::Error> {
    let row = sqlx::query_scalar!(
        "SELECT phone FROM users WHERE id = $1 AND is_active FOR NO KEY UPDATE",
        user_id,
    )
    .fetch_optional(connection)
    .await?;
    row.map(|phone| phone.as_deref().map(read_phone).transpose()).transpose()
}

/// Locks an organization until the transaction ends. Whether it is there.
pub(super) async fn lock(connection: &mut PgConnection, id: i64) -> Result<bool, sqlx::Error> {
    let row = sqlx::query_scalar!("SELECT id FROM organizations WHERE id = $1 FOR UPDATE", id)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// Somebody's place in an organization.
pub(super) struct Place {
    pub(super) organization_id: i64,
    pub(super) role: Role,
    /// Everybody in it.
    pub(super) members: i64,
}

/// Locks all of somebody's organizations, in order, and then says what they are there: what was
/// read while others had a lock may have changed.
pub(super) async fn lock_all_of(
    connection: &mut PgConnection,
    user_id: i64,
) -> Result<Vec<Place>, sqlx::Error> {
    sqlx::query!(
        "SELECT id FROM organizations WHERE id IN (
             SELECT organization_id FROM organization_members WHERE user_id = $1)
         ORDER BY id FOR UPDATE",
        user_id,
    )
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query_as!(
        Place,
        r#"SELECT organization_id, role AS "role: Role", (
               SELECT count(*) FROM organization_members o
               WHERE o.organization_id = m.organization_id) AS "members!"
           FROM organization_members m WHERE user_id = $1 ORDER BY organization_id"#,
        user_id,
    )
    .fetch_all(connection)
    .await
}

/// As [`role_of`], with their place locked: nothing that needs it begins from here on.
pub(super) async fn lock_role_of(
    connection: &mut PgConnection,
    id: i64,
    user_id: i64,
) -> Result<Option<Role>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT role AS "role: Role" FROM organization_members WHERE organization_id = $1 AND user_id = $2
         FOR UPDATE"#,
        id,
        user_id,
    )
    .fetch_optional(connection)
    .await
}

pub(super) async fn role_of(
    connection: &mut PgConnection,
    id: i64,
    user_id: i64,
) -> Result<Option<Role>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT role AS "role: Role" FROM organization_members
           WHERE organization_id = $1 AND user_id = $2"#,
        id,
        user_id,
    )
    .fetch_optional(connection)
    .await
}

/// How many organizations somebody has.
pub(super) struct Count {
    pub(super) owned: i64,
    pub(super) memberships: i64,
}

pub(super) async fn count_of(
    connection: &mut PgConnection,
    user_id: i64,
) -> Result<Count, sqlx::Error> {
    sqlx::query_as!(
        Count,
        r#"SELECT count(*) FILTER (WHERE role = 'owner') AS "owned!", count(*) AS "memberships!"
           FROM organization_members WHERE user_id = $1"#,
        user_id,
    )
    .fetch_one(connection)
    .await
}

pub(super) async fn count_members(
    connection: &mut PgConnection,
    id: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM organization_members WHERE organization_id = $1"#,
        id,
    )
    .fetch_one(connection)
    .await
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    name: &Name,
    uname: &Uname,
    owner_id: i64,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO organizations (name, uname, owner_id, created_at) VALUES ($1, $2, $3, $4)
         RETURNING id",
        name.as_str(),
        uname.as_str(),
        owner_id,
        now,
    )
    .fetch_one(connection)
    .await
}

/// Whether it was called something else before.
pub(super) async fn rename(
    connection: &mut PgConnection,
    id: i64,
    name: Option<&Name>,
    uname: Option<&Uname>,
) -> Result<bool, sqlx::Error> {
    let renamed = sqlx::query!(
        "UPDATE organizations SET name = coalesce($2, name), uname = coalesce($3, uname)
         WHERE id = $1 AND (name, uname) <> (coalesce($2, name), coalesce($3, uname))",
        id,
        name.map(Name::as_str),
        uname.map(Uname::as_str),
    )
    .execute(connection)
    .await?;
    Ok(renamed.rows_affected() == 1)
}

pub(super) async fn uname(connection: &mut PgConnection, id: i64) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!("SELECT uname FROM organizations WHERE id = $1", id)
        .fetch_one(connection)
        .await
}

pub(super) async fn delete(connection: &mut PgConnection, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM organizations WHERE id = $1", id).execute(connection).await.map(drop)
}

pub(super) async fn members(
    pool: &PgPool,
    id: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<Member>, sqlx::Error> {
    sqlx::query_as!(
        Member,
        r#"SELECT u.id AS user_id, u.username, u.first_name, u.last_name, m.role AS "role: Role", m.joined_at
         FROM organization_members m JOIN users u ON u.id = m.user_id
         WHERE m.organization_id = $1 AND m.user_id < $2 ORDER BY m.user_id DESC LIMIT $3"#,
        id,
        before,
        limit,
    )
    .fetch_all(pool)
    .await
}

pub(super) async fn member(
    pool: &PgPool,
    id: i64,
    user_id: i64,
) -> Result<Option<Member>, sqlx::Error> {
    sqlx::query_as!(
        Member,
        r#"SELECT u.id AS user_id, u.username, u.first_name, u.last_name, m.role AS "role: Role", m.joined_at
         FROM organization_members m JOIN users u ON u.id = m.user_id
         WHERE m.organization_id = $1 AND m.user_id = $2"#,
        id,
        user_id,
    )
    .fetch_optional(pool)
    .await
}

pub(super) async fn insert_member(
    connection: &mut PgConnection,
    id: i64,
    user_id: i64,
    role: Role,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO organization_members (organization_id, user_id, role, joined_at)
         VALUES ($1, $2, $3, $4)",
        id,
        user_id,
        role.as_str(),
        now,
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn set_role(
    connection: &mut PgConnection,
    id: i64,
    user_id: i64,
    role: Role,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE organization_members SET role = $3 WHERE organization_id = $1 AND user_id = $2",
        id,
        user_id,
        role.as_str(),
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn delete_member(
    connection: &mut PgConnection,
    id: i64,
    user_id: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2",
        id,
        user_id,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Whether somebody is a member who may log in.
pub(super) async fn may_own(
    connection: &mut PgConnection,
    id: i64,
    user_id: i64,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM organization_members m JOIN users u ON u.id = m.user_id
               WHERE m.organization_id = $1 AND m.user_id = $2 AND u.is_active) AS "may!""#,
        id,
        user_id,
    )
    .fetch_one(connection)
    .await
}

/// The old owner steps back first: there is never more than one.
pub(super) async fn transfer(
    connection: &mut PgConnection,
    id: i64,
    from: i64,
    to: i64,
) -> Result<(), sqlx::Error> {
    set_role(connection, id, from, Role::Admin).await?;
    set_role(connection, id, to, Role::Owner).await?;
    sqlx::query!("UPDATE organizations SET owner_id = $2 WHERE id = $1", id, to)
        .execute(connection)
        .await
        .map(drop)
}

fn read_phone(text: &str) -> Result<PhoneNumber, sqlx::Error> {
    PhoneNumber::from_e164(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

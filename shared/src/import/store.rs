//! All SQL of an import on Peyk's side: the rows it makes and how far it is.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, types::Json};

use super::{
    parts::{organizations::Organization, users::Account},
    report::Tally,
};
use crate::{admin::roles::Role, phone::PhoneNumber};

/// How far a part is.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// The last row of the last committed batch.
    pub(super) last_id: Option<i64>,
    /// All batches so far.
    pub(super) tally: Tally,
    /// When the first began.
    pub(super) started_at: DateTime<Utc>,
    /// Whether there was nothing left.
    pub(super) finished: bool,
}

/// Every part that was begun, by its name.
pub(super) async fn progress(pool: &PgPool) -> Result<BTreeMap<String, Progress>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT part, last_id, tally AS "tally: Json<Tally>", started_at,
               finished_at IS NOT NULL AS "finished!"
           FROM import_progress"#
    )
    .fetch_all(pool)
    .await?;
    let progress = rows.into_iter().map(|row| {
        let (tally, started_at, finished) = (row.tally.0, row.started_at, row.finished);
        (row.part, Progress { last_id: row.last_id, tally, started_at, finished })
    });
    Ok(progress.collect())
}

/// Notes that a part is being imported from where `from` says.
pub(super) async fn begin(
    connection: &mut PgConnection,
    part: &str,
    from: &Progress,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO import_progress (part, last_id, tally) VALUES ($1, $2, $3)
         ON CONFLICT (part) DO UPDATE
             SET last_id = $2, tally = $3, updated_at = now(), finished_at = NULL",
        part,
        from.last_id,
        Json(&from.tally) as _,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Notes that a part went on from `before` to `now`. False if somebody else moved it.
pub(super) async fn advance(
    connection: &mut PgConnection,
    part: &str,
    before: Option<i64>,
    now: &Progress,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE import_progress SET last_id = $3, tally = $4, updated_at = now(),
             finished_at = CASE WHEN $5 THEN now() END
         WHERE part = $1 AND last_id IS NOT DISTINCT FROM $2",
        part,
        before,
        now.last_id,
        Json(&now.tally) as _,
        now.finished,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps everybody else from making or changing accounts until the transaction ends.
pub(super) async fn lock_users(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE").execute(connection).await.map(drop)
}

/// How many accounts have ids up to `greatest`.
pub(super) async fn users_up_to(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM users WHERE id <= $1"#, greatest)
        .fetch_one(connection)
        .await
}

/// Makes accounts that are made from now on have ids above `greatest`. The table is locked.
pub(super) async fn take_user_ids(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT setval('users_id_seq', greatest($1, (SELECT last_value FROM users_id_seq)))",
        greatest,
    )
    .fetch_one(connection)
    .await
    .map(drop)
}

/// Which of these ids are accounts, and when those were made.
pub(super) async fn users_by_id(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<BTreeMap<i64, DateTime<Utc>>, sqlx::Error> {
    let rows = sqlx::query!("SELECT id, created_at FROM users WHERE id = ANY($1)", ids)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.created_at)).collect())
}

/// An account that may be in the way of others.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) id: i64,
    pub(super) username: String,
    pub(super) phone: Option<String>,
    pub(super) group: i32,
}

/// Accounts with one of these usernames or phones.
pub(super) async fn holders(
    connection: &mut PgConnection,
    usernames: &[&str],
    phones: &[&str],
) -> Result<Vec<Holder>, sqlx::Error> {
    sqlx::query_as!(
        Holder,
        r#"SELECT id AS "id!", username AS "username!", phone, "group" AS "group!" FROM users
           WHERE username = ANY($1::text[])
           UNION SELECT id, username, phone, "group" FROM users WHERE phone = ANY($2::text[])"#,
        usernames as _,
        phones as _,
    )
    .fetch_all(connection)
    .await
}

/// Makes accounts with the ids they had. Nothing of them is here; see [`lock_users`].
pub(super) async fn insert_users(
    connection: &mut PgConnection,
    accounts: &[Account],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"INSERT INTO users (id, username, phone, "group", is_active, created_at, password, email,
               first_name, last_name, role)
           OVERRIDING SYSTEM VALUE
           SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::integer[], $5::boolean[],
               $6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])"#,
        &column(accounts, |account| account.id),
        &column(accounts, |account| account.username.as_str()) as _,
        &column(accounts, |account| account.phone.as_ref().map(PhoneNumber::as_e164)) as _,
        &column(accounts, |account| account.group),
        &column(accounts, |account| account.is_active),
        &column(accounts, |account| account.created_at),
        &column(accounts, |account| account.password.as_deref()) as _,
        &column(accounts, |account| account.email.as_str()) as _,
        &column(accounts, |account| account.first_name.as_str()) as _,
        &column(accounts, |account| account.last_name.as_str()) as _,
        &column(accounts, |account| account.role.map(Role::as_str)) as _,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// One column of all rows.
fn column<'a, R, T>(rows: &'a [R], cell: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(cell).collect()
}

/// Keeps everybody else from making or changing organizations until the transaction ends. Their
/// owners' rows come first, as everywhere.
pub(super) async fn lock_organizations(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let lock = sqlx::query!("LOCK TABLE organizations IN SHARE ROW EXCLUSIVE MODE");
    lock.execute(connection).await.map(drop)
}

/// How many organizations have ids up to `greatest`.
pub(super) async fn organizations_up_to(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<i64, sqlx::Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM organizations WHERE id <= $1"#,
        greatest
    );
    count.fetch_one(connection).await
}

/// Makes organizations that are made from now on have ids above `greatest`. The table is locked.
pub(super) async fn take_organization_ids(
    connection: &mut PgConnection,
    greatest: i64,
) -> Result<(), sqlx::Error> {
    let take = sqlx::query!(
        "SELECT setval('organizations_id_seq',
             greatest($1, (SELECT last_value FROM organizations_id_seq)))",
        greatest,
    );
    take.fetch_one(connection).await.map(drop)
}

/// What is here of some organizations.
#[derive(Debug, Default)]
pub(super) struct OrganizationsHere {
    /// Those with the ids, and when they were made.
    pub(super) by_id: BTreeMap<i64, DateTime<Utc>>,
    /// Who has the unames.
    pub(super) by_uname: HashMap<String, i64>,
    /// Which owners there are.
    pub(super) owners: HashSet<i64>,
}

/// Looks, and locks owners and organizations against changes.
pub(super) async fn organizations_here(
    connection: &mut PgConnection,
    ids: &[i64],
    owners: &[i64],
    unames: &[String],
) -> Result<OrganizationsHere, sqlx::Error> {
    let owners = sqlx::query_scalar!(
        "SELECT id FROM users WHERE id = ANY($1) AND erased_at IS NULL ORDER BY id FOR KEY SHARE",
        owners,
    )
    .fetch_all(&mut *connection)
    .await?;
    lock_organizations(connection).await?;
    let by_id = sqlx::query!("SELECT id, created_at FROM organizations WHERE id = ANY($1)", ids)
        .fetch_all(&mut *connection)
        .await?;
    let by_uname = sqlx::query!(
        r#"SELECT w.uname AS "uname!", o.id FROM unnest($1::text[]) w (uname)
           JOIN organizations o ON lower(o.uname) = lower(w.uname)"#,
        unames,
    )
    .fetch_all(connection)
    .await?;
    Ok(OrganizationsHere {
        by_id: by_id.into_iter().map(|row| (row.id, row.created_at)).collect(),
        by_uname: by_uname.into_iter().map(|row| (row.uname, row.id)).collect(),
        owners: owners.into_iter().collect(),
    })
}

/// Makes organizations with the ids they had, each with its owner in it.
pub(super) async fn insert_organizations(
    connection: &mut PgConnection,
    organizations: &[Organization],
) -> Result<(), sqlx::Error> {
    let ids = column(organizations, |it| it.id);
    let owners = column(organizations, |it| it.owner_id);
    let times = column(organizations, |it| it.created_at);
    sqlx::query!(
        "INSERT INTO organizations (id, name, uname, owner_id, created_at)
         OVERRIDING SYSTEM VALUE
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[],
             $5::timestamptz[])",
        &ids,
        &column(organizations, |it| it.name.as_str()) as _,
        &column(organizations, |it| it.uname.as_str()) as _,
        &owners,
        &times,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO organization_members (organization_id, user_id, role, joined_at)
         SELECT id, owner_id, 'owner', joined_at
         FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS it (id, owner_id, joined_at)",
        &ids,
        &owners,
        &times,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// What is here of some wallets.
#[derive(Debug, Default)]
pub(super) struct WalletsHere {
    /// Keys of movements that were made.
    pub(super) keys: HashSet<String>,
    /// Users that have a wallet.
    pub(super) wallets: HashSet<i64>,
    /// Which owners there are.
    pub(super) owners: HashSet<i64>,
}

/// Looks, and locks owners against being erased.
pub(super) async fn wallets_here(
    connection: &mut PgConnection,
    keys: &[String],
    owners: &[i64],
) -> Result<WalletsHere, sqlx::Error> {
    let found = sqlx::query_scalar!(
        "SELECT id FROM users WHERE id = ANY($1) AND erased_at IS NULL ORDER BY id FOR KEY SHARE",
        owners,
    )
    .fetch_all(&mut *connection)
    .await?;
    let keys = sqlx::query_scalar!("SELECT key FROM ledger_transactions WHERE key = ANY($1)", keys)
        .fetch_all(&mut *connection)
        .await?;
    let wallets =
        sqlx::query_scalar!("SELECT user_id FROM wallets WHERE user_id = ANY($1)", owners)
            .fetch_all(connection)
            .await?;
    Ok(WalletsHere {
        keys: keys.into_iter().collect(),
        wallets: wallets.into_iter().collect(),
        owners: found.into_iter().collect(),
    })
}

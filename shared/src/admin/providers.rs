//! What staff do with SMS providers: look how they do, stop using one for a while.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::accounts::Acting;
use crate::{
    audit::{self, Entry, Source, Subject},
    clock::Clock,
    sms::{
        learning::{self, Hour},
        standing::{self, Standing},
    },
};

/// What is known of all providers: how they stand, and what was counted of each since an hour.
///
/// Writes down who looked.
///
/// # Errors
/// When the database is away: nothing is shown then.
pub async fn list(
    pool: &PgPool,
    clock: &dyn Clock,
    source: &Source,
    since: DateTime<Utc>,
) -> Result<(Vec<Standing>, Vec<Hour>), sqlx::Error> {
    let known = (standing::all(pool).await?, learning::counted(pool, since).await?);
    let looked = Entry::new(source, "provider.listed", SUBJECT);
    audit::record(&mut *pool.acquire().await?, &looked, clock.now()).await?;
    Ok(known)
}

/// Lets a provider rest: within a second no worker sends through it. What it has is still asked about.
/// One that rests already does so for the reason it had.
///
/// # Errors
/// When the database is away.
pub async fn pause(
    pool: &PgPool,
    clock: &dyn Clock,
    acting: &Acting,
    provider: &str,
    reason: &str,
) -> Result<(), sqlx::Error> {
    let now = clock.now();
    let mut tx = pool.begin().await?;
    if standing::pause(&mut tx, provider, acting.account(), reason, now).await? {
        let entry = Entry::new(&acting.source, "provider.paused", SUBJECT)
            .with("provider", provider)
            .with("reason", reason);
        audit::record(&mut tx, &entry, now).await?;
    }
    tx.commit().await
}

/// Lets a provider be used again, in every worker within a second.
///
/// # Errors
/// When the database is away.
pub async fn resume(
    pool: &PgPool,
    clock: &dyn Clock,
    acting: &Acting,
    provider: &str,
) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    if standing::resume(&mut tx, provider).await? {
        let entry =
            Entry::new(&acting.source, "provider.resumed", SUBJECT).with("provider", provider);
        audit::record(&mut tx, &entry, clock.now()).await?;
    }
    tx.commit().await
}

const SUBJECT: Subject = Subject { kind: "provider", id: None };

//! What staff do with API keys.

use rand::Rng;

use super::{
    Admin, Shown,
    lists::{
        self, Value,
        api_keys::{ID, StaffApiKey},
    },
};
use crate::{
    audit::{self, Entry, Source, Subject},
    auth::api_keys::{self, NewApiKey},
};

const fn subject(id: i64) -> Subject {
    Subject { kind: "api_key", id: Some(id) }
}

impl Admin {
    /// Makes a key; gives it with its only readable copy.
    ///
    /// # Errors
    /// When the database refuses or is away.
    pub async fn create_api_key(
        &self,
        source: &Source,
        new: &NewApiKey,
        rng: &mut (impl Rng + Send),
    ) -> Result<(StaffApiKey, String), sqlx::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let (id, key) = api_keys::create(&mut *tx, new, now, rng).await?;
        let scopes: Vec<_> = new.scopes.iter().map(|scope| scope.as_str()).collect();
        let entry = Entry::new(source, "api_key.created", subject(id)).with("scopes", scopes);
        audit::record(&mut tx, &entry, now).await?;
        tx.commit().await?;
        let made = self.key(id).await?.ok_or(sqlx::Error::RowNotFound)?;
        Ok((made, key))
    }

    /// Ends a key at once; also one that has ended. `None`: there is none.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn revoke_api_key(
        &self,
        source: &Source,
        id: i64,
    ) -> Result<Option<StaffApiKey>, sqlx::Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        if api_keys::revoke(&mut *tx, id, now).await? {
            let entry = Entry::new(source, "api_key.revoked", subject(id));
            audit::record(&mut tx, &entry, now).await?;
        }
        tx.commit().await?;
        self.key(id).await
    }

    async fn key(&self, id: i64) -> Result<Option<StaffApiKey>, sqlx::Error> {
        lists::one(&self.pool, &ID, Value::Integer(id), Shown::Whole).await
    }
}

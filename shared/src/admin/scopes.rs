//! What the owners of accounts may do beyond their own: granted by commands on the server.

use super::{Admin, ChangeError, store};
use crate::{
    audit::{self, Entry, Source, Subject},
    auth::api_keys::Scope,
};

/// What happens to a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// The account has it from now on.
    Give,
    /// The account has it no more.
    Take,
}

impl Admin {
    /// Gives an account a scope or takes it; at once, in every process. `false`: that was so before.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn grant(
        &self,
        source: &Source,
        id: i64,
        scope: Scope,
        grant: Grant,
    ) -> Result<bool, ChangeError> {
        let mut tx = self.pool.begin().await?;
        store::lock(&mut tx, id).await?.ok_or(ChangeError::NoSuchAccount)?;
        let (changed, action) = match grant {
            Grant::Give => (store::give(&mut tx, id, scope.as_str()).await?, "user.scope_granted"),
            Grant::Take => {
                (store::take(&mut tx, id, scope.as_str()).await?, "user.scope_withdrawn")
            }
        };
        if changed {
            let entry = Entry::new(source, action, Subject::user(id));
            let entry = entry.with("scope", scope.as_str());
            audit::record(&mut tx, &entry, self.clock.now()).await?;
        }
        tx.commit().await?;
        Ok(changed)
    }
}

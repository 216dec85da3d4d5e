//! Ending one session of somebody's.

use super::{Acting, Admin, ChangeError, accounts, store};
use crate::{
    audit::{self, Entry, Subject},
    sessions::{EndReason, Which},
};

impl Admin {
    /// Ends a session, in every process within a second. `false`: it had ended before.
    ///
    /// # Errors
    /// [`ChangeError`]; [`ChangeError::NoSuchAccount`] also without such a session.
    pub async fn end_session(&self, acting: &Acting, id: i64) -> Result<bool, ChangeError> {
        let mut tx = self.pool.begin().await?;
        let owner = store::owner_of_session(&mut tx, id).await?;
        let owner = owner.ok_or(ChangeError::NoSuchAccount)?;
        accounts::target(&mut tx, acting, owner).await?;
        let ended = self.endings.end(&mut tx, owner, Which::One(id), EndReason::Staff).await?;
        if ended.count() > 0 {
            let subject = Subject { kind: "session", id: Some(id) };
            let entry = Entry::new(&acting.source, "session.ended", subject).with("user", owner);
            audit::record(&mut tx, &entry, self.clock.now()).await?;
        }
        tx.commit().await?;
        let any = ended.count() > 0;
        self.endings.announce(ended);
        Ok(any)
    }
}

//! Who comes into the console.

use super::{Admin, roles::Role, store};
use crate::audit::{self, Entry, Source, Subject};

impl Admin {
    /// What somebody who just logged in is on the staff, and writes down that they came; `None`: they
    /// are not on it.
    ///
    /// # Errors
    /// When the database is away: nobody comes in then.
    pub async fn enter_console(
        &self,
        source: &Source,
        user_id: i64,
    ) -> Result<Option<Role>, sqlx::Error> {
        let Some(role) = store::role_of(&self.pool, user_id).await? else { return Ok(None) };
        let came = Entry::new(source, "console.entered", Subject::user(user_id));
        let came = came.with("role", role.as_str());
        audit::record(&mut *self.pool.acquire().await?, &came, self.clock.now()).await?;
        Ok(Some(role))
    }
}

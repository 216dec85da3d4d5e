//! What a code's text says: derived at the moment it is needed.

use sqlx::PgConnection;

use super::{Otp, store};
use crate::{
    batch::{BatchWrite, WriteError},
    sms::templates::Wording,
};

/// A text as it can be shown in the sandbox.
#[derive(Debug, Clone)]
pub struct ReadableMessage {
    /// The text; for a code that was replaced since, a note in its place.
    pub text: String,
    /// The code, unless it was replaced since.
    pub code: Option<String>,
}

impl Otp {
    /// What the message with this idempotency key says now; `None` when its code is over, used or
    /// replaced, so that there is nothing worth sending.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn wording(&self, local_id: i64) -> Result<Option<Wording>, WriteError> {
        let Some(row) = self.codes.write(local_id).await? else { return Ok(None) };
        if row.consumed_at.is_some() || row.expires_at <= self.clock.now() {
            return Ok(None);
        }
        let Some(code) = self.derive(&row) else { return Ok(None) };
        let text = Some(self.text_with(&code));
        let token = |name: &String| (name.clone(), vec![("token".to_owned(), code.clone())]);
        let template = self.config.template.as_ref().map(token);
        Ok(Some(Wording { text, template }))
    }

    /// What the message said, derived now; for the sandbox inbox only.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn readable(&self, local_id: i64) -> Result<ReadableMessage, WriteError> {
        let row = self.codes.write(local_id).await?;
        let code = row.and_then(|row| self.derive(&row));
        let text = match &code {
            Some(code) => self.text_with(code),
            None => "(this code was replaced by a newer one)".to_owned(),
        };
        Ok(ReadableMessage { text, code })
    }

    fn text_with(&self, code: &str) -> String {
        self.config.text.replace("{code}", code)
    }
}

/// Reads codes: every delivery needs one, and questions share a round trip as writes share a
/// commit.
pub(super) struct ReadCodes;

impl BatchWrite for ReadCodes {
    const NAME: &'static str = "read_codes";
    const ONE_STATEMENT: bool = true;

    type Item = i64;
    type Answer = Option<store::CodeRow>;
    type Key = i64;

    fn key(&self, local_id: &i64) -> i64 {
        *local_id
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        local_ids: &[i64],
    ) -> Result<Vec<Option<store::CodeRow>>, sqlx::Error> {
        let mut codes = store::codes_of_messages(connection, local_ids).await?;
        Ok(local_ids.iter().map(|local_id| codes.remove(local_id)).collect())
    }
}

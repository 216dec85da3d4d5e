//! What a code's text says: derived at the moment it is needed.

use secrecy::ExposeSecret;
use sqlx::PgConnection;

use super::{Otp, Purpose, store};
use crate::{
    batch::{BatchWrite, WriteError},
    config::Otp as OtpConfig,
    phone::PhoneNumber,
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
        let text = Some(self.text_with(&row, &code));
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
        let read = row.and_then(|row| Some((self.derive(&row)?, row)));
        let text = match &read {
            Some((code, row)) => self.text_with(row, code),
            None => "(this code was replaced by a newer one)".to_owned(),
        };
        Ok(ReadableMessage { text, code: read.map(|(code, _)| code) })
    }

    /// Whether the number gets no texts because it always has the same code.
    pub fn is_test_number(&self, phone: &PhoneNumber) -> bool {
        self.test_code(phone).is_some()
    }

    /// The code of a test number whose time is not over.
    pub(super) fn test_code(&self, phone: &PhoneNumber) -> Option<String> {
        let number = self.config.test_numbers.get(phone.as_e164())?;
        let ended = number.until.is_some_and(|until| until <= self.clock.now());
        (!ended).then(|| number.code.expose_secret().to_owned())
    }

    fn text_with(&self, row: &store::CodeRow, code: &str) -> String {
        let of_mount = row.mount.as_ref().and_then(|mount| self.mount_texts.get(mount));
        let text = match (row.purpose, of_mount) {
            (Purpose::Login, Some(text)) => text,
            (Purpose::Login, None) => &self.config.text,
            _ => &self.config.confirmation_text,
        };
        fill(&self.config, text, code)
    }
}

/// The text that carries a code for logging in.
pub(crate) fn text_of(config: &OtpConfig, code: &str) -> String {
    fill(config, &config.text, code)
}

/// Last come what programs read: the hash of the Android app, then the line for browsers, which must
/// be the last one.
fn fill(config: &OtpConfig, text: &str, code: &str) -> String {
    let mut text = text.replace("{code}", code);
    if let Some(hash) = &config.android_hash {
        text = format!("{}\n\n{hash}", text.trim_end());
    }
    if let Some(domain) = &config.webotp_domain {
        text = format!("{}\n\n@{domain} #{code}", text.trim_end());
    }
    text
}

/// Reads codes: every delivery needs one, and questions share a round trip as writes share a
/// commit.
pub(super) struct ReadCodes;

impl BatchWrite for ReadCodes {
    const NAME: &'static str = "read_codes";

    type Item = i64;
    type Answer = Option<store::CodeRow>;
    type Key = i64;

    fn key(&self, local_id: &i64) -> i64 {
        *local_id
    }

    fn is_one_statement(&self) -> bool {
        true
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_find_the_code_in_the_last_lines() {
        let plain = OtpConfig { text: "کد:\n{code}\n".to_owned(), ..OtpConfig::default() };
        assert_eq!(text_of(&plain, "0042"), "کد:\n0042\n");
        let android = OtpConfig { android_hash: Some("FA+9qCX9VSu".to_owned()), ..plain };
        assert_eq!(text_of(&android, "0042"), "کد:\n0042\n\nFA+9qCX9VSu");
        let both = OtpConfig { webotp_domain: Some("shop.example".to_owned()), ..android };
        assert_eq!(text_of(&both, "0042"), "کد:\n0042\n\nFA+9qCX9VSu\n\n@shop.example #0042");
    }
}

//! The templates of texts, as staff look at them.

use super::Admin;
use crate::{
    audit::{self, Entry, Source, Subject},
    config::{Sms, SmsTemplate},
    sms::segments::segments,
};

/// A template with the size of its texts.
#[derive(Debug, Clone)]
pub struct StaffTemplate {
    /// What it is asked for with.
    pub name: String,
    /// As it is configured.
    pub template: SmsTemplate,
    /// Parts of its Persian text, its variables counted as they are written.
    pub segments: Option<i16>,
    /// The same of the English one.
    pub segments_en: Option<i16>,
}

impl Admin {
    /// The configured templates by name; who looked is written down.
    ///
    /// # Errors
    /// When the database is away: nothing is shown then.
    pub async fn templates(
        &self,
        source: &Source,
        config: &Sms,
    ) -> Result<Vec<StaffTemplate>, sqlx::Error> {
        let subject = Subject { kind: "template", id: None };
        let looked =
            Entry::new(source, "template.listed", subject).with("rows", config.templates.len());
        audit::record(&mut *self.pool.acquire().await?, &looked, self.clock.now()).await?;
        let parts = |text: &Option<String>| text.as_deref().map(|text| segments(text).count);
        let templates = config.templates.iter().map(|(name, template)| StaffTemplate {
            name: name.clone(),
            segments: parts(&template.text),
            segments_en: parts(&template.text_en),
            template: template.clone(),
        });
        Ok(templates.collect())
    }
}

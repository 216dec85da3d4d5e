//! Texts that tell people what became of their accounts, written in the transaction that makes it
//! true.
//!
//! They take nothing of the caps of the day: nobody can keep one from going out by using those up.
//! What they are about needs a code first, and codes are capped.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{
    MessageKind,
    messages::{NewMessage, PendingMessage, Repeat},
    segments, store,
    templates::Wording,
};
use crate::{config::Config, ids, jobs::RowId, phone::PhoneNumber};

/// How notices are written.
#[derive(Debug)]
pub(crate) struct Notices {
    /// How long after its time one may still go out.
    life: TimeDelta,
    price_rials: Option<i64>,
}

impl Notices {
    pub(crate) fn new(config: &Config) -> Self {
        let price = i64::try_from(config.sms.price_rials).unwrap_or(i64::MAX);
        Self {
            life: TimeDelta::seconds(config.sms.message_ttl_seconds.into()),
            price_rials: (price > 0).then_some(price),
        }
    }

    /// Writes one text in the caller's transaction; its id may be pushed once that has committed.
    ///
    /// # Errors
    /// When the database refuses or is away.
    pub(crate) async fn accept(
        &self,
        connection: &mut PgConnection,
        phone: &PhoneNumber,
        wording: Wording,
        now: DateTime<Utc>,
    ) -> Result<RowId, sqlx::Error> {
        let segments = wording.text.as_deref().map(|text| segments::segments(text).count);
        let price = |price: i64| price.saturating_mul(i64::from(segments.unwrap_or(1)));
        let new = NewMessage {
            phone: phone.clone(),
            wording,
            kind: MessageKind::Text,
            send_at: None,
            sender: None,
            bulk_id: None,
            reply_to: None,
            repeat: Repeat::Unknown,
        };
        let local_id = ids::random_local_id(&mut rand::rng());
        let price_rials = self.price_rials.map(price);
        let pending = PendingMessage { new, local_id, segments, price_rials };
        let ids = store::insert_messages(connection, now, self.life, &[&pending]).await?;
        ids.get(&local_id).map(|id| RowId(*id)).ok_or(sqlx::Error::RowNotFound)
    }
}

//! What the world is told of messages: never what they say.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{MessageKind, MessageStatus, providers::DeliveryStatus, store};
use crate::{
    phone::PhoneNumber,
    webhooks::{
        Outbox,
        events::{Kind, NewEvent},
    },
};

/// When something is told of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Nobody will work on them any more.
    Settled,
    /// Their provider said whether they arrived.
    Reported,
}

/// A message as it is told of.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) id: i64,
    pub(super) kind: MessageKind,
    pub(super) phone: PhoneNumber,
    pub(super) status: MessageStatus,
    pub(super) delivery: Option<DeliveryStatus>,
    pub(super) reason: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) provider_message_id: Option<String>,
    pub(super) segments: Option<i16>,
    pub(super) bulk_id: Option<String>,
    /// The beginning of the key it was asked for with, and what people call that.
    pub(super) api_key: Option<(String, String)>,
    /// The account whose access token it was asked for with.
    pub(super) user_id: Option<i64>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) settled_at: Option<DateTime<Utc>>,
    pub(super) delivery_at: Option<DateTime<Utc>>,
}

/// Emits what became of messages in the transaction that changed them. No statement if nobody
/// wants to know.
pub(super) async fn tell(
    connection: &mut PgConnection,
    outbox: &Outbox,
    ids: &[i64],
    moment: Moment,
) -> Result<(), sqlx::Error> {
    if ids.is_empty() || !outbox.wants(moment.kinds()) {
        return Ok(());
    }
    let rows = store::told(connection, ids).await?;
    let events: Vec<_> = rows.iter().filter_map(|row| row.event(moment)).collect();
    outbox.emit(connection, &events).await.map(drop)
}

impl Moment {
    /// What may be told then.
    pub(super) const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Settled => &[
                Kind::SmsSent,
                Kind::SmsFailed,
                Kind::SmsUnknown,
                Kind::OtpSent,
                Kind::OtpFailed,
                Kind::OtpUnknown,
            ],
            Self::Reported => &[
                Kind::SmsDelivered,
                Kind::SmsUndelivered,
                Kind::OtpDelivered,
                Kind::OtpUndelivered,
            ],
        }
    }
}

impl Told {
    /// `None`: there is nothing to tell at this moment.
    fn event(&self, moment: Moment) -> Option<NewEvent> {
        let (sms, otp) = match moment {
            Moment::Settled => self.settled()?,
            Moment::Reported => self.reported()?,
        };
        let kind = if self.kind == MessageKind::Otp { otp } else { sms };
        Some(NewEvent { kind, subject: format!("sms:{}", self.id), data: self.data(moment) })
    }

    fn settled(&self) -> Option<(Kind, Kind)> {
        match self.status {
            MessageStatus::Sent => Some((Kind::SmsSent, Kind::OtpSent)),
            MessageStatus::Failed | MessageStatus::Expired => {
                Some((Kind::SmsFailed, Kind::OtpFailed))
            }
            MessageStatus::Unknown => Some((Kind::SmsUnknown, Kind::OtpUnknown)),
            MessageStatus::Queued | MessageStatus::Sending | MessageStatus::Cancelled => None,
        }
    }

    fn reported(&self) -> Option<(Kind, Kind)> {
        match self.delivery? {
            DeliveryStatus::Delivered => Some((Kind::SmsDelivered, Kind::OtpDelivered)),
            DeliveryStatus::Undelivered => Some((Kind::SmsUndelivered, Kind::OtpUndelivered)),
            DeliveryStatus::Accepted | DeliveryStatus::Carried => None,
        }
    }

    fn data(&self, moment: Moment) -> Value {
        let delivery = self.delivery.filter(|_| moment == Moment::Reported);
        let status = delivery.map_or(self.status.as_str(), DeliveryStatus::as_str);
        let key = self.api_key.as_ref();
        json!({
            "id": self.id,
            "kind": self.kind.as_str(),
            "receiver": self.phone.as_e164(),
            "status": status,
            "reason": self.reason,
            "provider": self.provider,
            "provider_message_id": self.provider_message_id,
            "segments": self.segments,
            "bulk_id": self.bulk_id,
            "api_key": key.map(|(prefix, name)| json!({ "prefix": prefix, "name": name })),
            "user_id": self.user_id,
            "created_at": shown(self.created_at),
            "settled_at": self.settled_at.map(shown),
            "delivered_at": self.delivery_at.filter(|_| delivery.is_some()).map(shown),
        })
    }
}

fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: MessageKind, status: MessageStatus, delivery: Option<DeliveryStatus>) -> Told {
        Told {
            id: 41,
            kind,
            phone: PhoneNumber::from_e164("+989123456789").unwrap(),
            status,
            delivery,
            reason: None,
            provider: Some("a".to_owned()),
            provider_message_id: Some("7".to_owned()),
            segments: Some(1),
            bulk_id: None,
            api_key: Some(("peyk_0123".to_owned(), "shop".to_owned())),
            user_id: None,
            created_at: DateTime::UNIX_EPOCH,
            settled_at: None,
            delivery_at: None,
        }
    }

    #[test]
    fn states_become_events_and_codes_have_events_of_their_own() {
        use DeliveryStatus::{Carried, Delivered, Undelivered};
        use MessageStatus::{Cancelled, Expired, Failed, Queued, Sending, Sent, Unknown};
        for (status, delivery, settled, reported) in [
            (Sent, None, Some("sent"), None),
            (Sent, Some(Carried), Some("sent"), None),
            (Sent, Some(Delivered), Some("sent"), Some("delivered")),
            (Sent, Some(Undelivered), Some("sent"), Some("undelivered")),
            (Failed, None, Some("failed"), None),
            (Expired, None, Some("failed"), None),
            (Unknown, None, Some("unknown"), None),
            (Queued, None, None, None),
            (Sending, None, None, None),
            (Cancelled, None, None, None),
        ] {
            for (moment, expected) in [(Moment::Settled, settled), (Moment::Reported, reported)] {
                for (kind, group) in [
                    (MessageKind::Text, "sms"),
                    (MessageKind::Bulk, "sms"),
                    (MessageKind::Otp, "otp"),
                ] {
                    let event = told(kind, status, delivery).event(moment);
                    let name = event.as_ref().map(|event| event.kind.as_str().to_owned());
                    assert_eq!(name, expected.map(|word| format!("{group}.{word}")));
                    let asked = event.is_none_or(|event| moment.kinds().contains(&event.kind));
                    assert!(asked, "{moment:?} does not ask who wants {name:?}");
                }
            }
        }
    }

    #[test]
    fn the_state_that_is_told_is_that_of_the_moment() {
        let row = told(MessageKind::Text, MessageStatus::Sent, Some(DeliveryStatus::Delivered));
        let status = |moment| row.data(moment)["status"].clone();
        assert_eq!(status(Moment::Settled), "sent");
        assert_eq!(status(Moment::Reported), "delivered");
        assert_eq!(row.data(Moment::Settled)["api_key"]["name"], "shop");
        let of_somebody = Told { api_key: None, user_id: Some(17), ..row };
        let data = of_somebody.data(Moment::Settled);
        assert_eq!((&data["api_key"], &data["user_id"]), (&Value::Null, &json!(17)));
    }
}

//! What endpoints of webhooks were told, and what staff did.

use crate::admin::timeline::{
    Item, LinkKind,
    codes::Code,
    store::{AuditRow, WebhookRow},
};

/// What endpoints were told.
pub(in crate::admin::timeline) fn of_webhooks(events: &[WebhookRow]) -> Vec<Item> {
    events.iter().map(of_webhook).collect()
}

fn of_webhook(event: &WebhookRow) -> Item {
    let code = match event.status.as_str() {
        "sent" => Code::WebhookTold,
        "failed" => Code::WebhookFailed,
        _ => Code::WebhookWaiting,
    };
    let item = Item::new(event.settled_at.unwrap_or(event.created_at), code, event.id)
        .with("endpoint", &event.endpoint)
        .with("event", &event.kind)
        .with("attempt", event.attempt)
        .with_some("response_status", event.response_status)
        .with_some("reason", event.reason.as_deref());
    let Some((kind, id)) = event.subject.split_once(':') else { return item };
    let Ok(id) = id.parse() else { return item };
    match kind {
        "sms" => item.of(LinkKind::Message, id),
        "payment" => item.of(LinkKind::Payment, id),
        _ => item.of(LinkKind::User, id),
    }
}

/// What events of the audit log are about, of whoever the timeline is about.
pub(in crate::admin::timeline) fn audited(
    users: &[i64],
    payments: &[i64],
    messages: &[i64],
) -> Vec<(&'static str, i64)> {
    let of =
        |kind: &'static str, ids: &[i64]| -> Vec<_> { ids.iter().map(|id| (kind, *id)).collect() };
    let kinds =
        [(LinkKind::User, users), (LinkKind::Payment, payments), (LinkKind::Message, messages)];
    kinds.into_iter().flat_map(|(kind, ids)| of(kind.as_str(), ids)).collect()
}

/// What staff changed. Who it was is for those who may read the audit log.
pub(in crate::admin::timeline) fn of_staff(events: &[AuditRow], names_staff: bool) -> Vec<Item> {
    events.iter().map(|event| of_event(event, names_staff)).collect()
}

fn of_event(event: &AuditRow, names_staff: bool) -> Item {
    let actor = event.actor_user_id.filter(|_| names_staff);
    let reason = event.detail.get("reason").and_then(serde_json::Value::as_str);
    let item = Item::new(event.at, Code::StaffActed, event.id)
        .with("action", &event.action)
        .with("actor", &event.actor)
        .with_some("actor_user_id", actor)
        .with_some("reason", reason);
    match (event.subject.as_str(), event.subject_id) {
        ("user", Some(id)) => item.of(LinkKind::User, id),
        ("payment", Some(id)) => item.of(LinkKind::Payment, id),
        ("message", Some(id)) => item.of(LinkKind::Message, id),
        _ => item,
    }
}

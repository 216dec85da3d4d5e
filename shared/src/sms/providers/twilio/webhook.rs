//! What Twilio tells: status callbacks and texts to our numbers.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::super::{InboundSms, Report, WebhookEvent, WebhookRefused, WebhookRequest};
use super::{codes, signature, wire};

/// Reads a request that the account's token signed and that is about this account. Without a
/// token nothing can be believed: an API key signs nothing.
pub(super) fn read(
    request: &WebhookRequest,
    auth_token: Option<&SecretString>,
    account_sid: &str,
) -> Result<Vec<WebhookEvent>, WebhookRefused> {
    let genuine =
        auth_token.is_some_and(|token| signature::is_genuine(request, token.expose_secret()));
    let fields = request.fields();
    if !genuine || fields.get("AccountSid").is_some_and(|sid| sid != account_sid) {
        return Err(WebhookRefused::Forged);
    }
    report(&fields)
        .or_else(|| inbound(&fields))
        .map(|event| vec![event])
        .ok_or(WebhookRefused::Unreadable)
}

fn report(fields: &BTreeMap<String, String>) -> Option<WebhookEvent> {
    let status = fields.get("MessageStatus")?;
    let error_code = fields.get("ErrorCode").and_then(|code| code.parse().ok());
    Some(WebhookEvent::Report(Report {
        provider_message_id: message_sid(fields)?,
        status: codes::delivery_status(status),
        code: codes::status_code(error_code, status),
    }))
}

fn inbound(fields: &BTreeMap<String, String>) -> Option<WebhookEvent> {
    Some(WebhookEvent::Inbound(InboundSms {
        provider_message_id: Some(message_sid(fields)?),
        from: fields.get("From")?.clone(),
        to: fields.get("To")?.clone(),
        text: fields.get("Body")?.clone(),
    }))
}

fn message_sid(fields: &BTreeMap<String, String>) -> Option<String> {
    let sid = fields.get("MessageSid").or_else(|| fields.get("SmsSid"))?;
    wire::id(&Value::String(sid.clone()))
}

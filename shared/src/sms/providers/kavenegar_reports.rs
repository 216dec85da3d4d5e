//! What Kavenegar says of messages it took (<https://kavenegar.com/rest.html>, "وضعیت پیامک‌ها"),
//! asked for or told to the webhook.

use std::collections::BTreeMap;

use serde_json::Value;

use super::wire::hundredths;
use super::{DeliveryStatus, InboundSms, Report, WebhookEvent, WebhookRefused, WebhookRequest};

/// `messageid`s of one `sms/status` call at most (414 beyond).
pub(super) const STATUSES_AT_ONCE: usize = 500;

/// One message and its status, if that is what the entry is.
pub(super) fn report(message_id: Option<i64>, status: Option<i64>) -> Option<Report> {
    let provider_message_id = message_id.filter(|id| *id > 0)?.to_string();
    let status = status?;
    Some(Report { provider_message_id, status: delivery_status(status), code: code(status) })
}

/// 100 is an id that is unknown, or older than the 48 hours that can be asked about; 50 is a text
/// that came in.
fn delivery_status(status: i64) -> Option<DeliveryStatus> {
    match status {
        // Queued, scheduled.
        1 | 2 => Some(DeliveryStatus::Accepted),
        4 | 5 => Some(DeliveryStatus::Carried),
        // Failed at the carrier, not delivered, cancelled, blocked by the recipient.
        6 | 11 | 13 | 14 => Some(DeliveryStatus::Undelivered),
        10 => Some(DeliveryStatus::Delivered),
        _ => None,
    }
}

fn code(status: i64) -> String {
    match status {
        0..=999 => format!("kavenegar.{status}"),
        _ => "kavenegar.other".to_owned(),
    }
}

/// A report (`messageid`, `status`) or a text that came in (`from`, `to`, `message`, `messageid`):
/// a form, or for some lines the query of a GET. Nothing is signed.
pub(super) fn read_webhook(request: &WebhookRequest) -> Result<Vec<WebhookEvent>, WebhookRefused> {
    let fields = request.fields().into_iter();
    let fields: BTreeMap<_, _> =
        fields.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let field = |name: &str| fields.get(name).map(String::as_str);
    let number = |name: &str| field(name)?.trim().parse::<i64>().ok();
    let event = match (field("from"), field("to"), field("message")) {
        (Some(from), Some(to), Some(text)) => Some(WebhookEvent::Inbound(InboundSms {
            provider_message_id: number("messageid").filter(|id| *id > 0).map(|id| id.to_string()),
            from: from.to_owned(),
            to: to.to_owned(),
            text: text.to_owned(),
        })),
        _ => report(number("messageid"), number("status")).map(WebhookEvent::Report),
    };
    event.map(|event| vec![event]).ok_or(WebhookRefused::Unreadable)
}

/// `remaincredit` of `account/info`: rials. A fraction of one is dropped.
pub(super) fn credit(entry: &Value) -> Option<i64> {
    entry.get("remaincredit").and_then(hundredths).map(|credit| credit / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, kind: &str, body: &str, query: &[(&str, &str)]) -> WebhookEvent {
        let query = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        let body = body.as_bytes().to_vec();
        let request = WebhookRequest { headers, query, body, ..WebhookRequest::default() };
        let mut events = read_webhook(&request).unwrap_or_else(|_| panic!("{name}"));
        assert_eq!(events.len(), 1);
        events.remove(0)
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn a_report_is_read_from_a_form_a_query_and_json() {
        let expected = WebhookEvent::Report(Report {
            provider_message_id: "8792343".to_owned(),
            status: Some(DeliveryStatus::Delivered),
            code: "kavenegar.10".to_owned(),
        });
        assert_eq!(event("form", FORM, "messageid=8792343&status=10", &[]), expected);
        let query = [("messageId", "8792343"), ("Status", "10")];
        assert_eq!(event("query", "", "", &query), expected);
        let json = r#"{"messageid":8792343,"status":"10"}"#;
        assert_eq!(event("json", "application/json", json, &[]), expected);
    }

    #[test]
    fn a_text_that_came_in_keeps_its_words_and_may_have_no_id() {
        let inbound = |provider_message_id: Option<&str>| {
            WebhookEvent::Inbound(InboundSms {
                provider_message_id: provider_message_id.map(str::to_owned),
                from: "09123456789".to_owned(),
                to: "30002225".to_owned(),
                text: "لغو ۱۱".to_owned(),
            })
        };
        let text = "from=09123456789&to=30002225&message=%D9%84%D8%BA%D9%88+%DB%B1%DB%B1";
        assert_eq!(event("id", FORM, &format!("{text}&messageid=77"), &[]), inbound(Some("77")));
        assert_eq!(event("none", FORM, text, &[]), inbound(None));
        assert_eq!(event("zero", FORM, &format!("{text}&messageid=0"), &[]), inbound(None));
    }

    #[test]
    fn anything_else_is_refused() {
        for body in
            ["", "status=10", "messageid=7", "messageid=0&status=10", "messageid=7&status=x"]
        {
            let headers = vec![("content-type".to_owned(), FORM.to_owned())];
            let body = body.as_bytes().to_vec();
            let request = WebhookRequest { headers, body, ..WebhookRequest::default() };
            assert_eq!(read_webhook(&request), Err(WebhookRefused::Unreadable));
        }
    }

    #[test]
    fn strange_statuses_say_nothing_and_make_no_strange_codes() {
        for (status, expected) in
            [(0, "kavenegar.0"), (50, "kavenegar.50"), (-1, "kavenegar.other")]
        {
            let report = report(Some(1), Some(status)).unwrap();
            assert_eq!((report.status, &*report.code), (None, expected));
        }
    }
}

//! Texts to the account's lines (<https://www.melipayamak.com/api/transfering-massage/>): a GET of
//! the address in the panel, whose query names where the parts go,
//! `…?to=$TO$&body=$TEXT$&from=$FROM$`. A text has no id; deliveries are not told.

use super::super::{InboundSms, WebhookEvent, WebhookRefused, WebhookRequest};

/// Nothing is signed: the secret in the path is all there is.
pub(super) fn read_webhook(request: &WebhookRequest) -> Result<Vec<WebhookEvent>, WebhookRefused> {
    let fields = request.fields();
    let field = |name: &str| fields.get(name).cloned();
    match (field("from"), field("to"), field("body").or_else(|| field("text"))) {
        (Some(from), Some(to), Some(text)) => Ok(vec![WebhookEvent::Inbound(InboundSms {
            provider_message_id: None,
            from,
            to,
            text,
        })]),
        _ => Err(WebhookRefused::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Vec<WebhookEvent>, WebhookRefused> {
        let query = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        read_webhook(&WebhookRequest { query, ..WebhookRequest::default() })
    }

    #[test]
    fn a_text_is_read_from_the_documented_query() {
        let expected = WebhookEvent::Inbound(InboundSms {
            provider_message_id: None,
            from: "09123456789".to_owned(),
            to: "50004001".to_owned(),
            text: "لغو ۱۱".to_owned(),
        });
        for name in ["body", "text"] {
            let query = [("from", "09123456789"), ("to", "50004001"), (name, "لغو ۱۱")];
            assert_eq!(read(&query), Ok(vec![expected.clone()]));
        }
        for missing in [&[("from", "1"), ("to", "2")][..], &[("body", "x"), ("to", "2")], &[]] {
            assert_eq!(read(missing), Err(WebhookRefused::Unreadable));
        }
    }
}

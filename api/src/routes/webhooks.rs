//! `webhooks/sms/{provider}/{secret}/`: what providers tell by themselves. Not in the document: no
//! client calls it.

use std::borrow::Cow;

use poem::{
    IntoResponse, Request, Response, Result, handler,
    http::{HeaderMap, StatusCode, Uri},
    web::{Data, Path},
};
use shared::sms::providers::{
    SmsProvider, WebhookAnswer, WebhookEvent, WebhookRefused, WebhookRequest,
};

use crate::{
    error::{Code, Problem},
    state::{SharedState, State},
};

/// `GET` and `POST`: providers differ.
#[handler]
pub(crate) async fn receive(
    Data(state): Data<&SharedState>,
    Path((provider, secret)): Path<(String, String)>,
    request: &Request,
    body: Vec<u8>,
) -> Result<Response> {
    let (provider, answer) =
        find(state, &provider, &secret).ok_or_else(|| Problem::new(Code::NotFound))?;
    let (uri, headers) = (request.original_uri(), request.headers());
    let request = read(&state.config.http.public_url, uri, headers, body);
    let events = provider.read_webhook(&request).map_err(|refused| {
        tracing::warn!(provider = provider.name(), ?refused, "webhook refused");
        Problem::new(match refused {
            WebhookRefused::Forged => Code::PermissionDenied,
            WebhookRefused::Unreadable => Code::BadRequest,
        })
    })?;
    take_down(state, provider.name(), events).await?;
    Ok(match answer {
        WebhookAnswer::Ok => "OK".into_response(),
        WebhookAnswer::NoContent => StatusCode::NO_CONTENT.into_response(),
    })
}

/// The provider this address is of. Whether the name or the secret is wrong is not told, also not
/// by the time it takes.
fn find<'a>(
    state: &'a State,
    name: &str,
    secret: &str,
) -> Option<(&'a dyn SmsProvider, WebhookAnswer)> {
    let is_secret = state.callbacks.as_ref()?.is_secret(name, secret);
    let provider = state.providers.iter().find(|provider| provider.name() == name);
    let provider = provider.filter(|_| is_secret)?;
    Some((provider.as_ref(), provider.webhook_answer()?))
}

/// The request as the provider sent it: to our public address, whatever stands between.
fn read(public_url: &str, uri: &Uri, headers: &HeaderMap, body: Vec<u8>) -> WebhookRequest {
    let query = uri.query().unwrap_or_default();
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let headers = headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    WebhookRequest {
        url: format!("{public_url}{path}"),
        headers: headers.collect(),
        query: form_urlencoded::parse(query.as_bytes()).map(owned).collect(),
        body,
    }
}

fn owned((name, value): (Cow<'_, str>, Cow<'_, str>)) -> (String, String) {
    (name.into_owned(), value.into_owned())
}

async fn take_down(
    state: &State,
    provider: &str,
    events: Vec<WebhookEvent>,
) -> Result<(), Problem> {
    let (mut reports, mut texts) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            WebhookEvent::Report(report) => reports.push(report),
            WebhookEvent::Inbound(text) => texts.push(text),
        }
    }
    if !texts.is_empty() {
        state.inbound.receive(provider, &texts).await?;
    }
    if !reports.is_empty() {
        state.reports.told(provider, &reports).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    #[test]
    fn a_provider_signs_the_public_address_however_we_are_reached() {
        let uri: Uri = "/api/webhooks/sms/a/b/?x=%2B&y".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("10.0.0.1:8080"));
        headers.insert("x-forwarded-host", HeaderValue::from_static("evil.example"));
        let read = read("https://peyk.example/sub", &uri, &headers, b"z".to_vec());
        assert_eq!(read.url, "https://peyk.example/sub/api/webhooks/sms/a/b/?x=%2B&y");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read.query, [pair("x", "+"), pair("y", "")]);
        assert_eq!((read.header("host"), &*read.body), (Some("10.0.0.1:8080"), &b"z"[..]));
    }
}

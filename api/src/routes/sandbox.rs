//! The sandbox inbox: the texts that would have been sent. Only mounted in sandbox mode.

use std::fmt::Write;

use poem::{
    IntoResponse, Response, Result, handler,
    http::header,
    web::{Data, Html, Json, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{otp::ReadableMessage, phone::PhoneNumber, sms};

use super::parse_phone;
use crate::{
    error::Problem,
    state::{SharedState, State},
};

/// Messages shown at most.
const PAGE: i64 = 50;

/// Which messages to show.
#[derive(Debug, Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    mobile_number: String,
}

struct Shown {
    phone: PhoneNumber,
    message: sms::MessageView,
    readable: ReadableMessage,
}

/// `GET /sandbox/messages/?mobile_number=`: newest first, codes derived now.
#[handler]
pub(crate) async fn messages(
    Data(state): Data<&SharedState>,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>> {
    let results: Vec<_> = inbox(state, &filter)
        .await?
        .into_iter()
        .map(|shown| {
            json!({
                "id": shown.message.id,
                "mobile_number": shown.phone.to_national(),
                "text": shown.readable.text,
                "code": shown.readable.code,
                "status": shown.message.status,
                "created_at": shown.message.created_at,
            })
        })
        .collect();
    Ok(Json(json!({ "next": null, "previous": null, "results": results })))
}

/// `GET /sandbox/`: the same as a page that reloads itself.
#[handler]
pub(crate) async fn page(
    Data(state): Data<&SharedState>,
    Query(filter): Query<Filter>,
) -> Result<Response> {
    let shown = inbox(state, &filter).await?;
    Ok(Html(render(&filter, &shown))
        .with_header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
        )
        .into_response())
}

async fn inbox(state: &State, filter: &Filter) -> Result<Vec<Shown>, Problem> {
    let phone = match filter.mobile_number.trim() {
        "" => None,
        number => Some(parse_phone(&state.phones, "mobile_number", number)?),
    };
    let mut shown = Vec::new();
    for (phone, message) in sms::latest(&state.pool, phone.as_ref(), PAGE).await? {
        let readable = match &message.text {
            Some(text) => ReadableMessage { text: text.clone(), code: None },
            None => state.otp.readable(message.local_id).await?,
        };
        shown.push(Shown { phone, message, readable });
    }
    Ok(shown)
}

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="3">
<title>Peyk sandbox inbox</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } header p { opacity: .7; }
form { display: flex; gap: .5rem; margin: 1rem 0; }
input, button { font: inherit; padding: .4rem .7rem; border-radius: .4rem; border: 1px solid #8888; }
input { flex: 1; min-width: 0; }
article { border: 1px solid #8886; border-radius: .6rem; padding: .8rem 1rem; margin: .8rem 0; }
article header { display: flex; flex-wrap: wrap; gap: .2rem 1rem; opacity: .75; font-size: .85rem; }
article p { white-space: pre-line; margin: .5rem 0 0; }
code { font-size: 1.6rem; letter-spacing: .12em; user-select: all; display: block; margin: .4rem 0 0; }
</style></head><body>
<header><h1>Sandbox inbox <span lang="fa">صندوق پیامک آزمایشی</span></h1>
<p>Texts that would have been sent. The page reloads itself.</p></header>
"#;

fn render(filter: &Filter, shown: &[Shown]) -> String {
    let mut html = HEAD.to_owned();
    let number = escape(&filter.mobile_number);
    let _ = writeln!(
        html,
        "<form><input name=\"mobile_number\" value=\"{number}\" placeholder=\"09123456789\" \
         inputmode=\"tel\" aria-label=\"Mobile number\"><button>Filter</button></form>"
    );
    if shown.is_empty() {
        html.push_str("<p>No messages yet.</p>\n");
    }
    for shown in shown {
        let code =
            shown.readable.code.as_deref().map(|code| format!("<code>{}</code>", escape(code)));
        let _ = writeln!(
            html,
            "<article><header><b>{}</b><time>{}</time><span>{}</span></header>{}<p dir=\"auto\">{}</p></article>",
            escape(&shown.phone.to_national()),
            shown.message.created_at.format("%Y-%m-%d %H:%M:%S UTC"),
            shown.message.status.as_str(),
            code.unwrap_or_default(),
            escape(&shown.readable.text),
        );
    }
    html.push_str("</body></html>\n");
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

//! The inbox: the texts that would have been sent.

use poem::{
    Response, Result, handler,
    web::{Data, Json, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{otp::ReadableMessage, phone::PhoneNumber, sms};

use super::layout::{Head, Sheet, escape};
use crate::{
    error::Problem,
    routes::parse_phone,
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
    Ok(render(&filter, &shown))
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

const HEAD: Head = Head {
    language: "lang=\"en\"",
    title: "Peyk sandbox inbox",
    more: "<meta http-equiv=\"refresh\" content=\"3\">\n",
};

fn render(filter: &Filter, shown: &[Shown]) -> Response {
    let mut sheet = Sheet::new(&HEAD);
    sheet.allow("form-action 'self'");
    sheet.push(
        "<header><h1>Sandbox inbox <span lang=\"fa\">صندوق پیامک آزمایشی</span></h1>\n\
         <p>Texts that would have been sent. The page reloads itself.</p></header>",
    );
    let number = escape(&filter.mobile_number);
    sheet.push(&format!(
        "<form class=\"search\"><input name=\"mobile_number\" value=\"{number}\" \
         placeholder=\"09123456789\" inputmode=\"tel\" aria-label=\"Mobile number\">\
         <button>Filter</button></form>"
    ));
    if shown.is_empty() {
        sheet.push("<p>No messages yet.</p>");
    }
    for shown in shown {
        let code =
            shown.readable.code.as_deref().map(|code| format!("<code>{}</code>", escape(code)));
        sheet.push(&format!(
            "<article><header><b>{}</b><time>{}</time><span>{}</span></header>{}<p dir=\"auto\">{}</p></article>",
            escape(&shown.phone.to_national()),
            shown.message.created_at.format("%Y-%m-%d %H:%M:%S UTC"),
            shown.message.status.as_str(),
            code.unwrap_or_default(),
            escape(&shown.readable.text),
        ));
    }
    sheet.finish()
}

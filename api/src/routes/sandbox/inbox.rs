//! The inbox: the texts that would have been sent.

use poem::{
    Result, handler,
    web::{Data, Json, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{otp::ReadableMessage, phone::PhoneNumber, sms};

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

//! `message/inbound/`: texts people sent to our lines.

use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Query, payload::Json, types::Example};
use shared::sms::inbound::InboundText;

use super::{LONGEST_PAGE, ListMessagesProblem, PAGE, example_id, example_limit, url};
use crate::{
    caller::{Program, scope},
    error::Problem,
    routes::Tag,
    state::SharedState,
    timestamp::Timestamp,
};

/// The operation.
pub(crate) struct InboundApi;

#[OpenApi(tag = "Tag::Messages")]
impl InboundApi {
    /// List inbound messages
    ///
    /// Texts people sent to the lines of this service, newest first, whatever key asks. Needs an API
    /// key with the scope `sms:read`: they are nobody's own, so no account's token opens them.
    #[oai(path = "/message/inbound", method = "get", operation_id = "listInboundMessages")]
    async fn list_inbound_messages(
        &self,
        state: Data<&SharedState>,
        _program: Program<scope::SmsRead>,
        /// Only messages before this id.
        #[oai(example = "example_id")]
        before: Query<Option<i64>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<InboundPage>, ListMessagesProblem> {
        let limit = limit.0.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
        let found = state.inbound.list(before.0, limit + 1).await;
        let mut found = found.map_err(Problem::from)?;
        let more = i64::try_from(found.len()).is_ok_and(|count| count > limit);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let last = found.last().filter(|_| more).map(|text| text.id);
        let next = last.map(|id| url(state.0, &format!("inbound/?before={id}&limit={limit}")));
        let results = found.into_iter().map(InboundMessage::from).collect();
        Ok(Json(InboundPage { next, previous: None, results }))
    }
}

/// A text somebody sent to one of our lines.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct InboundMessage {
    /// The text here.
    id: i64,
    /// Who sent it: the national form for Iran, E.164 elsewhere, else as the provider wrote it.
    sender: String,
    /// Our line it was sent to, as the provider wrote it.
    line: String,
    /// What it says.
    message: String,
    /// The provider whose line it is.
    provider: String,
    /// The provider's id.
    #[oai(skip_serializing_if_is_none)]
    provider_message_id: Option<String>,
    /// When it came here.
    received_at: Timestamp,
}

impl Example for InboundMessage {
    fn example() -> Self {
        Self {
            id: 7,
            sender: "09123456789".to_owned(),
            line: "10004346".to_owned(),
            message: "لغو11".to_owned(),
            provider: "kavenegar".to_owned(),
            provider_message_id: Some("8792343".to_owned()),
            received_at: super::types::example_time(),
        }
    }
}

impl From<InboundText> for InboundMessage {
    fn from(text: InboundText) -> Self {
        Self {
            id: text.id,
            sender: text.sender(),
            line: text.line,
            message: text.body,
            provider: text.provider,
            provider_message_id: text.provider_message_id,
            received_at: Timestamp(text.received_at),
        }
    }
}

/// A page of inbound messages, newest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct InboundPage {
    /// The next page; null on the last.
    next: Option<String>,
    /// Pages go one way: always null.
    previous: Option<String>,
    /// The messages.
    results: Vec<InboundMessage>,
}

impl Example for InboundPage {
    fn example() -> Self {
        let url =
            |before: i64| format!("https://peyk.example/api/message/inbound/?before={before}");
        Self {
            next: Some(url(7)),
            previous: Some(url(107)),
            results: vec![InboundMessage::example()],
        }
    }
}

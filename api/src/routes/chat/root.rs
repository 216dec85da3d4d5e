//! `chat/`: where things are, as the old system says it.

use poem::web::Data;
use poem_openapi::{Object, OpenApi, payload::Json, types::Example};

use super::super::Tag;
use crate::{caller::SignedIn, error::problems, state::SharedState};

problems!(
    /// What can go wrong with the list of addresses.
    pub(crate) ChatRootProblem: 401, 408, 413, 500, 503
);

/// Where things are.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ChatRoot {
    /// Rooms.
    chatrooms: String,
    /// Messages.
    messages: String,
}

impl Example for ChatRoot {
    fn example() -> Self {
        Self {
            chatrooms: "https://peyk.example/api/chat/chatrooms/".to_owned(),
            messages: "https://peyk.example/api/chat/messages/".to_owned(),
        }
    }
}

/// The operation.
pub(crate) struct ChatRootApi;

#[OpenApi(tag = "Tag::Chat")]
impl ChatRootApi {
    /// Where things are
    #[oai(path = "/chat", method = "get", operation_id = "getChatRoot")]
    #[expect(clippy::unused_async, reason = "operations are async, this one awaits nothing")]
    async fn get(
        &self,
        state: Data<&SharedState>,
        _caller: SignedIn,
    ) -> Result<Json<ChatRoot>, ChatRootProblem> {
        let prefix = state.config.http.prefixes.first().map_or("", String::as_str);
        let url = |name| format!("{}{prefix}/chat/{name}/", state.config.http.public_url);
        Ok(Json(ChatRoot { chatrooms: url("chatrooms"), messages: url("messages") }))
    }
}

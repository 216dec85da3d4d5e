//! `admin/api_keys/…`: keys of programs.

use poem::web::Data;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::admin::lists::api_keys::{self as by, StaffApiKey as Found};

use super::{
    StaffChangeProblem, StaffListProblem,
    key_types::{
        ApiKeyScope, CreateApiKey, CreateApiKeyResponse, KeyAsked, StaffApiKey, StaffApiKeyPage,
        StaffNewApiKey,
    },
    listing::{Asked, ByAge, example_cursor, example_flag, example_sort, text_value},
};
use crate::{
    caller::{Staff, task},
    error::{Code, Problem, problems},
    input::Input,
    routes::{Tag, paging::example_limit},
    state::SharedState,
};

problems!(
    /// What can go wrong with a new key.
    pub(crate) CreateApiKeyProblem: 400, 401, 403, 408, 413, 415, 500, 503
);

/// The operations.
pub(crate) struct StaffKeyApi;

#[OpenApi(tag = "Tag::Staff")]
impl StaffKeyApi {
    /// Find API keys
    ///
    /// Also those that have ended; of each only its beginning. For admins. Written down in the audit
    /// log.
    #[oai(path = "/admin/api_keys", method = "get", operation_id = "listApiKeys")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::LookAtKeys>,
        /// A part of a key's name, or the beginning of a key as far as it is shown.
        #[oai(example = "example_search", validator(max_length = 64))]
        search: Query<Option<String>>,
        /// Only keys for this use.
        #[oai(example = "example_scope")]
        scope: Query<Option<ApiKeyScope>>,
        /// Only keys that open something, or that have ended.
        #[oai(example = "example_flag")]
        is_active: Query<Option<bool>>,
        /// In which order; `newest` unless given.
        #[oai(example = "example_sort")]
        sort: Query<Option<ByAge>>,
        /// Where the page before ended: from its `next`.
        #[oai(example = "example_cursor", validator(max_length = 500))]
        cursor: Query<Option<String>>,
        /// How many, at most 100.
        #[oai(example = "example_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<StaffApiKeyPage>, StaffListProblem> {
        let asked = Asked::new(state.0, "admin/api_keys/", (sort.0, cursor.0, limit.0))
            .search(search.0, |text| Some((&by::SEARCH, text_value(text))))
            .with(&by::SCOPE, scope.0)
            .with(&by::IS_ACTIVE, is_active.0);
        Ok(Json(asked.page::<Found, StaffApiKeyPage>(&staff).await?))
    }

    /// Make an API key
    ///
    /// The answer has it, this once: only its hash is kept. For admins, after a recent login; written
    /// down in the audit log.
    #[oai(path = "/admin/api_keys", method = "post", operation_id = "createApiKey")]
    async fn create(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::ManageKeys>,
        input: Input<KeyAsked, CreateApiKey>,
    ) -> Result<CreateApiKeyResponse, CreateApiKeyProblem> {
        let new = input.0.check(state.config.sms.price_rials, state.messages.now())?;
        let mut rng = rand::make_rng::<rand::rngs::StdRng>();
        let made = state.admin.create_api_key(&staff.caller.source(), &new, &mut rng).await;
        let (found, key) = made.map_err(Problem::from)?;
        Ok(CreateApiKeyResponse::Created(Json(StaffNewApiKey { key, api_key: found.into() })))
    }

    /// End an API key
    ///
    /// At once, for good; one that has ended stays as it is. For admins, after a recent login; written
    /// down in the audit log.
    #[oai(path = "/admin/api_keys/:id/revoke", method = "post", operation_id = "revokeApiKey")]
    async fn revoke(
        &self,
        state: Data<&SharedState>,
        staff: Staff<task::ManageKeys>,
        /// The key.
        #[oai(example = "example_key")]
        id: Path<i64>,
    ) -> Result<Json<StaffApiKey>, StaffChangeProblem> {
        let ended = state.admin.revoke_api_key(&staff.caller.source(), id.0).await;
        let ended = ended.map_err(Problem::from)?.ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(Json(ended.into()))
    }
}

fn example_key() -> i64 {
    3
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_search() -> Option<String> {
    Some("shop".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "poem-openapi wants the type of the parameter")]
fn example_scope() -> Option<ApiKeyScope> {
    Some(ApiKeyScope::SmsSend)
}

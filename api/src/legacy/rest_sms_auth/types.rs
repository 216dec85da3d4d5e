//! What is asked and answered, in the fields of the old system.

use poem::{IntoResponse, Response};
use poem_openapi::{
    ApiResponse, Object,
    payload::Payload,
    registry::{MetaSchemaRef, Registry},
    types::{Example, ToJSON, Type},
};
use shared::{auth::tokens::TokenPair, config::Mount, users::Profile};

use crate::input::{Fields, FromFields, Text};

/// Asks for a code.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SmsAuthSignIn {
    /// A mobile number in its international form.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub(super) phone_number: String,
}

impl Example for SmsAuthSignIn {
    fn example() -> Self {
        Self { phone_number: "+989123456789".to_owned() }
    }
}

impl FromFields for SmsAuthSignIn {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { phone_number: fields.text("phone_number", Text::any())? })
    }
}

/// A number with the code that was sent to it.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SmsAuthCode {
    /// The number the code was sent to, in its international form.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub(super) phone_number: String,
    /// The code; zeros that a number lost in front are put back.
    #[oai(validator(max_length = 64))]
    pub(super) code: String,
}

impl Example for SmsAuthCode {
    fn example() -> Self {
        Self { phone_number: "+989123456789".to_owned(), code: "40719365".to_owned() }
    }
}

impl FromFields for SmsAuthCode {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let phone_number = fields.text("phone_number", Text::any());
        let code = fields.integer("code").filter(|code| *code >= 0).map(|code| code.to_string());
        Some(Self { phone_number: phone_number?, code: code.unwrap_or_default() })
    }
}

/// Asks for a code to a new number.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SmsAuthNewNumber {
    /// The new number in its international form.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub(super) new_phone_number: String,
}

impl Example for SmsAuthNewNumber {
    fn example() -> Self {
        Self { new_phone_number: "+989123456780".to_owned() }
    }
}

impl FromFields for SmsAuthNewNumber {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { new_phone_number: fields.text("new_phone_number", Text::any())? })
    }
}

/// What was asked for is done, or on its way.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SmsAuthDone {
    /// A sentence for people.
    pub(super) detail: String,
}

impl Example for SmsAuthDone {
    fn example() -> Self {
        Self { detail: Mount::default().request_success }
    }
}

/// The account, and its tokens if it logged in.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SmsAuthAccount {
    /// The account's number.
    pk: i64,
    /// Empty unless given.
    first_name: String,
    /// Empty unless given.
    last_name: String,
    /// The access token; the member's name is `success_key` of the mount. Absent after a change of
    /// number: the token that asked for it goes on.
    #[oai(skip_serializing_if_is_none)]
    jwt_token: Option<String>,
    /// The same.
    #[oai(skip_serializing_if_is_none)]
    access: Option<String>,
    /// For new access tokens.
    #[oai(skip_serializing_if_is_none)]
    refresh: Option<String>,
}

impl SmsAuthAccount {
    pub(super) fn new(pk: i64, profile: Option<Profile>, tokens: Option<TokenPair>) -> Self {
        let (first_name, last_name) =
            profile.map(|profile| (profile.first_name, profile.last_name)).unwrap_or_default();
        let access = tokens.as_ref().map(|tokens| tokens.access.clone());
        let refresh = tokens.map(|tokens| tokens.refresh);
        Self { pk, first_name, last_name, jwt_token: access.clone(), access, refresh }
    }
}

impl Example for SmsAuthAccount {
    fn example() -> Self {
        let access = "eyJhbGciOiJFUzI1NiJ9.eyJ1c2VyX2lkIjoiMTcifQ.c2lnbmF0dXJl".to_owned();
        Self {
            pk: 17,
            first_name: String::new(),
            last_name: String::new(),
            jwt_token: Some(access.clone()),
            access: Some(access),
            refresh: Some("eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiI1ZjBjIn0.c2lnbmF0dXJl".to_owned()),
        }
    }
}

/// [`SmsAuthAccount`] with the access token under the mount's name for it.
pub(crate) struct Named {
    pub(super) account: SmsAuthAccount,
    pub(super) success_key: String,
}

impl Payload for Named {
    const CONTENT_TYPE: &'static str = "application/json";

    fn schema_ref() -> MetaSchemaRef {
        SmsAuthAccount::schema_ref()
    }

    fn register(registry: &mut Registry) {
        SmsAuthAccount::register(registry);
    }
}

impl IntoResponse for Named {
    fn into_response(self) -> Response {
        let mut body = self.account.to_json().unwrap_or_default();
        let members = body.as_object_mut();
        if let Some((members, token)) =
            members.and_then(|members| members.remove("jwt_token").map(|token| (members, token)))
        {
            members.insert(self.success_key, token);
        }
        poem::web::Json(body).into_response()
    }
}

#[derive(ApiResponse)]
pub(crate) enum SmsAuthResponse {
    /// Who logged in, or whose number was changed.
    #[oai(status = 200)]
    Account(Named),
}

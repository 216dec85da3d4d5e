//! The API of django-rest-sms-auth, once for each path in `rest_sms_auth`: its fields, its texts, and
//! its errors, over the same actions as the other operations.

use poem::{
    FromRequest, IntoResponse, Request, RequestBody, Response, Result, http::header::AUTHORIZATION,
    web::Data,
};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    payload::{Json, Payload},
    registry::{MetaSchemaRef, Registry},
    types::{Example, ToJSON, Type},
};
use shared::{
    auth::{CodeLogin, LoggedIn, tokens::TokenPair},
    config::{LoginMethod, Mount},
    otp::Purpose,
    phone::PhoneNumber,
    telemetry::OTP_CHECKS,
    users::{self, Profile},
};

use crate::{
    caller::{Client, SignedIn, Stranger},
    error::{Code, Problem, problems},
    input::{Fields, FromFields, Input, Text},
    language::Language,
    limits::Measured,
    routes::{
        Tag,
        authenticate::{allowed_group, refuse},
        otp::{Asked, send_code},
        phone,
    },
    state::{SharedState, State},
};

/// The path the document shows it at; where it really is says `rest_sms_auth`.
pub(crate) const DOCUMENTED_MOUNT: &str = "/auth";

/// Where a request came in, and what is said there.
#[derive(Clone)]
pub(crate) struct Mounted {
    /// The path, without slashes around.
    pub(crate) path: String,
    /// Its settings.
    pub(crate) settings: Mount,
}

/// Asks for a code.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SmsAuthSignIn {
    /// A mobile number in its international form.
    #[oai(validator(min_length = 1, max_length = 64))]
    phone_number: String,
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
    phone_number: String,
    /// The code; zeros that a number lost in front are put back.
    #[oai(validator(max_length = 64))]
    code: String,
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
    new_phone_number: String,
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
    detail: String,
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
    fn new(pk: i64, profile: Option<Profile>, tokens: Option<TokenPair>) -> Self {
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
    account: SmsAuthAccount,
    success_key: String,
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

problems!(
    /// What can go wrong with asking for a code.
    pub(crate) SmsAuthSignInProblem: 400, 403, 408, 413, 415, 429, 500, 503
);

problems!(
    /// What can go wrong with a code.
    pub(crate) SmsAuthCodeProblem: 400, 401, 403, 408, 413, 415, 429, 500, 503
);

problems!(
    /// What can go wrong with asking for another number.
    pub(crate) SmsAuthChangeProblem: 400, 401, 403, 408, 413, 415, 429, 500, 503
);

/// The operations, below each mount.
pub(crate) struct RestSmsAuthApi;

#[OpenApi]
impl RestSmsAuthApi {
    /// Send a code (django-rest-sms-auth)
    ///
    /// Answers at once; the text is on its way then.
    #[oai(
        path = "/sign-in",
        method = "post",
        operation_id = "smsAuthSignIn",
        tag = "Tag::Authentication"
    )]
    async fn sign_in(
        &self,
        state: Data<&SharedState>,
        mount: Data<&Mounted>,
        stranger: Stranger,
        input: Input<SmsAuthSignIn>,
    ) -> Result<Json<SmsAuthDone>, SmsAuthSignInProblem> {
        state.need_method(LoginMethod::Otp)?;
        let phone = phone_number(state.0, "phone_number", &input.0.phone_number)?;
        let Stranger { ip, measured, request, .. } = stranger;
        let mount = mount.0;
        let asked = Asked {
            phone,
            purpose: Purpose::Login,
            ip,
            wait: false,
            keyed: None,
            request,
            mount: Some(mount.path.clone()),
        };
        send_code(state.0, asked, &measured).await.map_err(|problem| too_early(mount, problem))?;
        Ok(done(mount))
    }

    /// Log in with a code, or confirm a new number (django-rest-sms-auth)
    ///
    /// With the access token of an account that asked for a new number, and that number, the code
    /// confirms it. Otherwise the code logs in; the first login with a number makes its account.
    #[oai(
        path = "/auth",
        method = "post",
        operation_id = "smsAuthAuth",
        tag = "Tag::Authentication"
    )]
    async fn auth(
        &self,
        state: Data<&SharedState>,
        mount: Data<&Mounted>,
        entrant: Entrant,
        input: Input<SmsAuthCode>,
    ) -> Result<SmsAuthResponse, SmsAuthCodeProblem> {
        state.need_method(LoginMethod::Otp)?;
        let started = tokio::time::Instant::now();
        let SmsAuthCode { phone_number: number, code } = input.0;
        let phone = phone_number(state.0, "phone_number", &number)?;
        let proof = (&phone, code.as_str());
        let Entrant { client, measured, caller, language } = entrant;
        let changing = changing(state.0, caller, &phone).await?;
        let account = if let Some(caller) = changing {
            change_number(state.0, mount.0, &caller, language, &code).await?
        } else {
            log_in(state.0, mount.0, client, &measured, proof, started).await?
        };
        let success_key = mount.settings.success_key.clone();
        Ok(SmsAuthResponse::Account(Named { account, success_key }))
    }

    /// Ask for another number (django-rest-sms-auth)
    ///
    /// Sends a code to the new number, which the mount's `auth/` takes together with the access token
    /// that asked. Needs a login of a moment ago.
    #[oai(
        path = "/change-phonenumber",
        method = "post",
        operation_id = "smsAuthChangePhone",
        tag = "Tag::Account"
    )]
    async fn change_phone(
        &self,
        state: Data<&SharedState>,
        mount: Data<&Mounted>,
        caller: SignedIn,
        input: Input<SmsAuthNewNumber>,
    ) -> Result<Json<SmsAuthDone>, SmsAuthChangeProblem> {
        state.need_method(LoginMethod::Otp)?;
        let phone = phone_number(state.0, "new_phone_number", &input.0.new_phone_number)?;
        caller.need_recent(state.0).await?;
        phone::begin(state.0, &caller, &phone).await?;
        let mount = mount.0;
        let asked = Asked {
            phone,
            purpose: Purpose::ChangePhone,
            ip: caller.ip,
            wait: false,
            keyed: None,
            request: caller.request,
            mount: Some(mount.path.clone()),
        };
        let sent = send_code(state.0, asked, &caller.measured).await;
        sent.map_err(|problem| too_early(mount, problem))?;
        Ok(done(mount))
    }
}

/// Somebody with a code, and perhaps with an access token; one that is not good is refused, as
/// everywhere.
pub(crate) struct Entrant {
    client: Client,
    measured: Measured,
    caller: Option<SignedIn>,
    language: Language,
}

impl<'a> FromRequest<'a> for Entrant {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let scheme = header.unwrap_or_default().split_ascii_whitespace().next();
        let bears = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"));
        let caller = if bears { Some(SignedIn::from_request(request, body).await?) } else { None };
        Ok(Self {
            client: Client::from_request(request, body).await?,
            measured: Measured::from_request(request, body).await?,
            caller,
            language: Language::from_request(request, body).await?,
        })
    }
}

/// The caller, if their session asked for this number.
async fn changing(
    state: &State,
    caller: Option<SignedIn>,
    phone: &PhoneNumber,
) -> Result<Option<SignedIn>, Problem> {
    let Some(caller) = caller else { return Ok(None) };
    let asked = state.auth.asked_phone(caller.user_id, caller.session_id).await?;
    Ok(Some(caller).filter(|_| asked.as_ref() == Some(phone)))
}

async fn change_number(
    state: &State,
    mount: &Mounted,
    caller: &SignedIn,
    language: Language,
    code: &str,
) -> Result<SmsAuthAccount, Problem> {
    let changed = phone::confirm(state, caller, language, code, None).await;
    let changed = changed.map_err(|problem| match problem.code() {
        Code::PhoneTaken => said(Code::SmsAuthUserExists, &mount.settings.user_already_exist),
        _ => not_found(mount, problem),
    })?;
    let profile = users::profile(&state.pool, changed.user.id).await?;
    Ok(SmsAuthAccount::new(changed.user.id, profile, None))
}

async fn log_in(
    state: &State,
    mount: &Mounted,
    client: Client,
    measured: &Measured,
    (phone, code): (&PhoneNumber, &str),
    started: tokio::time::Instant,
) -> Result<SmsAuthAccount, Problem> {
    let Client { ip, origin } = client;
    let group = allowed_group(state, mount.settings.group)?;
    let login = CodeLogin { phone, code, group, request_id: None, origin: &origin };
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let LoggedIn { user, tokens } = match state.auth.login_by_code(&login, &mut rng).await {
        Ok(logged_in) => logged_in,
        Err(error) => {
            let problem = refuse(state, error, ip, measured, started).await;
            return Err(not_found(mount, problem));
        }
    };
    OTP_CHECKS.with_label_values(&["accepted"]).inc();
    let profile = users::profile(&state.pool, user.id).await?;
    Ok(SmsAuthAccount::new(user.id, profile, Some(tokens)))
}

/// Its own words for a wrong code, with status 400.
fn not_found(mount: &Mounted, problem: Problem) -> Problem {
    if matches!(problem.code(), Code::OtpNotFound | Code::OtpNotValid) {
        return said(Code::SmsAuthCodeNotFound, &mount.settings.code_not_found);
    }
    problem
}

fn done(mount: &Mounted) -> Json<SmsAuthDone> {
    Json(SmsAuthDone { detail: mount.settings.request_success.clone() })
}

/// The old system took numbers in their international form only.
fn phone_number(state: &State, field: &'static str, input: &str) -> Result<PhoneNumber, Problem> {
    let written = input.trim_start();
    let international = ["+", "\u{ff0b}", "00"].iter().any(|sign| written.starts_with(sign));
    let phone = state.phones.parse(input).ok().filter(|_| international);
    phone.ok_or_else(|| {
        Problem::new(Code::Validation).with_field(field, "invalid", "Enter a valid phone number.")
    })
}

/// Its own words for a cool-down, with status 400.
fn too_early(mount: &Mounted, problem: Problem) -> Problem {
    if problem.code() != Code::OtpCooldown {
        return problem;
    }
    let early = said(Code::SmsAuthTooEarly, &mount.settings.wait_time);
    match problem.retry_after() {
        Some(seconds) => early.with_retry_after(seconds),
        None => early,
    }
}

/// A problem as the old system writes all of its own: one error without a field, and no message.
fn said(code: Code, sentence: &str) -> Problem {
    Problem::new(code)
        .sentence(sentence.to_owned())
        .without_message()
        .with_whole("0000", sentence.to_owned())
}

//! The API of django-rest-sms-auth, once for each path in `rest_sms_auth`: its fields, its texts, and
//! its errors, over the same actions as the other operations.

use poem::{FromRequest, Request, RequestBody, Result, http::header::AUTHORIZATION, web::Data};
use poem_openapi::{OpenApi, payload::Json};
use shared::{
    auth::{CodeLogin, LoggedIn},
    config::{LoginMethod, Mount},
    otp::Purpose,
    phone::PhoneNumber,
    telemetry::OTP_CHECKS,
    users,
};

use self::{
    types::{
        Named, SmsAuthAccount, SmsAuthCode, SmsAuthDone, SmsAuthNewNumber, SmsAuthResponse,
        SmsAuthSignIn,
    },
    words::{done, not_found, phone_number, said, too_early},
};
use crate::{
    caller::{Client, SignedIn, Stranger},
    error::{Code, Problem, problems},
    input::Input,
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

mod types;
mod words;

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
        state.refuse_blocked(entrant.client.ip.0)?;
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
    let named = mount.settings.user_field;
    let login = CodeLogin { phone, code, group, named, request_id: None, origin: &origin };
    let mut rng = rand::make_rng::<rand::rngs::StdRng>();
    let LoggedIn { user, tokens, .. } = match state.auth.login_by_code(&login, &mut rng).await {
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

//! Operations: one file per noun. A handler parses, calls one action and answers.

pub(crate) mod admin;
pub(crate) mod authenticate;
pub(crate) mod chat;
pub(crate) mod confirm;
pub(crate) mod me;
pub(crate) mod messages;
pub(crate) mod operations;
pub(crate) mod organizations;
pub(crate) mod otp;
pub(crate) mod paging;
pub(crate) mod passwords;
pub(crate) mod payments;
pub(crate) mod phone;
pub(crate) mod returns;
pub(crate) mod sandbox;
pub(crate) mod sessions;
pub(crate) mod tokens;
pub(crate) mod wallets;
pub(crate) mod webhooks;
pub(crate) mod well_known;

use poem_openapi::{OpenApi, OpenApiService, Tags};
use shared::{
    batch::WriteError,
    db,
    phone::{PhoneError, PhoneNumber, PhoneRules},
};

use crate::{
    error::{Code, Problem},
    legacy::rest_sms_auth::RestSmsAuthApi,
};

/// The prefix the document shows; every configured one serves the same.
pub(crate) const DOCUMENTED_PREFIX: &str = "/api";

/// The documented operations: one line per file in `routes/`.
fn operations() -> impl OpenApi {
    (
        otp::OtpApi,
        authenticate::AuthenticateApi,
        tokens::TokenApi,
        me::MeApi,
        confirm::ConfirmApi,
        phone::PhoneApi,
        sessions::SessionsApi,
        passwords::PasswordApi,
        messages::MessageApi,
        messages::InboundApi,
        (organizations::OrganizationApi, organizations::MemberApi, organizations::InvitationApi),
        (
            admin::AdminApi,
            admin::QueueApi,
            admin::QueueItemApi,
            admin::ProviderApi,
            admin::CronApi,
            admin::StaffBlockApi,
            admin::session::ConsoleSessionApi,
            admin::TimelineApi,
            admin::OverviewApi,
            admin::StaffUserApi,
            admin::StaffSessionApi,
            admin::StaffMessageApi,
            admin::StaffOtpApi,
            admin::StaffWebhookApi,
            admin::StaffGuardApi,
            (
                admin::StaffTemplateApi,
                admin::StaffKeyApi,
                admin::StaffOrganizationApi,
                admin::StaffRoomApi,
            ),
        ),
        (wallets::WalletApi, wallets::WalletServerApi, wallets::WalletStaffApi),
        (
            payments::PaymentApi,
            payments::VerifyPaymentApi,
            payments::StaffPaymentApi,
            payments::StaffPaymentActionApi,
            returns::ReturnApi,
        ),
        (
            chat::ChatRootApi,
            chat::RoomSeatApi,
            chat::RoomMemberApi,
            chat::RoomRankApi,
            chat::BlockApi,
            chat::ChatReportApi,
            chat::ChatStaffApi,
        ),
        (chat::RoomApi, chat::ChatMessageApi, chat::ChatLogApi, chat::SocketApi, chat::FileApi),
    )
}

/// The operations as a service with its document.
pub(crate) fn service() -> OpenApiService<impl OpenApi, ()> {
    OpenApiService::new(operations(), "Peyk", env!("CARGO_PKG_VERSION"))
}

/// The operations of django-rest-sms-auth, which are mounted as they are.
pub(crate) fn mounted_service() -> OpenApiService<impl OpenApi, ()> {
    OpenApiService::new(RestSmsAuthApi, "Peyk", env!("CARGO_PKG_VERSION"))
}

/// Groups of operations in the document.
#[derive(Tags)]
pub(crate) enum Tag {
    /// Log in with a phone number and a one-time code.
    Authentication,
    /// What becomes of the tokens of a login: refreshed, checked, ended.
    Tokens,
    /// One's own account; with the access token of a login.
    Account,
    /// Where one is logged in; with the access token of a login.
    Sessions,
    /// Send text messages and see what became of them; with an API key, or the access token of an
    /// account that may.
    Messages,
    /// Money from somebody's card to the shop or into a wallet; with the access token of a login.
    Payments,
    /// What users have with the shop; one's own with the access token of a login, anybody's with an
    /// API key.
    Wallets,
    /// What several people run together; with the access token of a login.
    Organizations,
    /// Rooms, their members and what is said in them; with the access token of a login.
    Chat,
    /// People's accounts and the audit log; with the access token of somebody on the staff.
    Staff,
}

/// Reads the phone number of a request.
///
/// # Errors
/// A validation problem that names the field.
pub(crate) fn parse_phone(
    rules: &PhoneRules,
    field: &'static str,
    input: &str,
) -> Result<PhoneNumber, Problem> {
    parse_phone_up_to(11, rules, field, input)
}

/// As [`parse_phone`], where the old system took numbers of so many characters.
pub(crate) fn parse_phone_up_to(
    characters: usize,
    rules: &PhoneRules,
    field: &'static str,
    input: &str,
) -> Result<PhoneNumber, Problem> {
    rules.parse(input).map_err(|error| {
        let (code, message) = match error {
            PhoneError::Empty => ("blank", "This field may not be blank."),
            // What the old system says of anything longer than 09123456789.
            PhoneError::NotANumber if input.chars().count() > characters => {
                let message =
                    format!("Ensure this field has no more than {characters} characters.");
                return Problem::new(Code::Validation).with_field(field, "max_length", message);
            }
            PhoneError::NotANumber => ("invalid", "Enter a valid mobile number."),
            PhoneError::CountryNotAllowed => {
                ("country_not_allowed", "Mobile numbers of this country are not accepted.")
            }
            PhoneError::NotMobile => ("not_mobile", "This number cannot receive text messages."),
        };
        Problem::new(Code::Validation).with_field(field, code, message)
    })
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        if db::is_unavailable(&error) {
            Self::new(Code::Unavailable).with_retry_after(1).with_cause(error)
        } else {
            Self::internal(error)
        }
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(error) => error.into(),
            WriteError::Away | WriteError::Full => {
                Self::new(Code::Unavailable).with_retry_after(1).with_cause(error)
            }
        }
    }
}

//! `[rest_sms_auth.<path>]`: the API of django-rest-sms-auth, once for each place it is mounted at.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The mounts by their paths, without slashes around; one, at `auth`, unless any is configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct RestSmsAuth(pub BTreeMap<String, Mount>);

impl Default for RestSmsAuth {
    fn default() -> Self {
        Self(BTreeMap::from([("auth".to_owned(), Mount::default())]))
    }
}

/// One mount. The names in brackets are the old settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// The group of its accounts, one of `auth.groups`. Default: that of logins that name none.
    pub group: Option<i32>,
    /// Digits of its codes, 4 to 10 (`SMS_AUTH_CODE_LEN`). Default: `otp.length`.
    pub code_length: Option<u8>,
    /// Seconds its codes are valid, 30 to 600 (`SMS_TIMELIFE`). Default: `otp.ttl_seconds`.
    pub ttl_seconds: Option<u32>,
    /// The text its codes are sent with; holds `{code}` (`SMS_AUTH_MESSAGE`). Default: `otp.text`.
    pub text: Option<String>,
    /// What names the accounts it makes (`SMS_USER_FIELD`). Default `phone`.
    pub user_field: UserField,
    /// The member its answer has the access token in (`SMS_AUTH_SUCCESS_KEY`). Default `jwt_token`.
    pub success_key: String,
    /// Said of a wrong code (`SMS_CODE_NOT_FOUND`).
    pub code_not_found: String,
    /// Said of a send that comes too early (`SMS_WAIT_TIME`).
    pub wait_time: String,
    /// Said of an accepted send (`SMS_REQUEST_SUCCESS`).
    pub request_success: String,
    /// Said of a new number that another account has (`SMS_USER_ALREADY_EXIST`).
    pub user_already_exist: String,
}

impl Default for Mount {
    fn default() -> Self {
        Self {
            group: None,
            code_length: None,
            ttl_seconds: None,
            text: None,
            user_field: UserField::Phone,
            success_key: "jwt_token".to_owned(),
            code_not_found: "Code not found".to_owned(),
            wait_time: "Code was send early".to_owned(),
            request_success: "Your request was successfully processed".to_owned(),
            user_already_exist: "User with this phone number already exists".to_owned(),
        }
    }
}

/// What names an account that is made by a code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserField {
    /// Its number, kept beside a name of its own such as `G0-09123456789`.
    #[default]
    Phone,
    /// Its username, which is the number in its international form, as the old system made it.
    Username,
}

//! API keys as staff see and make them.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use ipnetwork::IpNetwork;
use poem_openapi::{ApiResponse, Enum, Object, payload::Json, types::Example};
use serde_json::Value;
use shared::{
    admin::lists::api_keys::StaffApiKey as Found,
    auth::api_keys::{NewApiKey, Scope},
};

use super::{listing::staff_page, words::word};
use crate::{
    error::{Code, Problem},
    input::{Fields, FromFields, Text},
    timestamp::Timestamp,
};

/// Networks that a key may be used from, at most.
const NETWORKS: usize = 100;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ApiKeyScope {
    /// Sending texts.
    #[oai(rename = "sms:send")]
    SmsSend,
    /// Looking at texts that were sent with the same key.
    #[oai(rename = "sms:read")]
    SmsRead,
    /// Moving money in and out of wallets.
    #[oai(rename = "wallet:write")]
    WalletWrite,
    /// Looking at anybody's wallet.
    #[oai(rename = "wallet:read")]
    WalletRead,
}

/// A key to make.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CreateApiKey {
    /// What people call it.
    #[oai(validator(min_length = 1, max_length = 64))]
    name: String,
    /// What it is for.
    #[oai(validator(min_items = 1))]
    scopes: Vec<ApiKeyScope>,
    /// Where it may be used from, such as `203.0.113.7` or `10.0.0.0/8`; anywhere if there is none.
    #[oai(skip_serializing_if_is_none, validator(max_items = 100))]
    allowed_ips: Option<Vec<String>>,
    /// Texts per UTC day; as many as there are if absent.
    #[oai(skip_serializing_if_is_none, validator(minimum(value = "1")))]
    daily_sends: Option<i64>,
    /// Rials per UTC day, at `sms.price_rials` a part; as many as there are if absent.
    #[oai(skip_serializing_if_is_none, validator(minimum(value = "1")))]
    daily_spend_rials: Option<i64>,
    /// When it ends; never if absent.
    #[oai(skip_serializing_if_is_none)]
    expires_at: Option<Timestamp>,
}

impl Example for CreateApiKey {
    fn example() -> Self {
        Self {
            name: "shop".to_owned(),
            scopes: vec![ApiKeyScope::SmsSend, ApiKeyScope::SmsRead],
            allowed_ips: Some(vec!["203.0.113.7".to_owned()]),
            daily_sends: Some(10_000),
            daily_spend_rials: None,
            expires_at: None,
        }
    }
}

/// A key that is asked for, read.
pub(crate) struct KeyAsked(NewApiKey);

impl FromFields for KeyAsked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let name = fields.text("name", Text::max(64));
        let scopes = scopes(fields);
        let allowed_ips = networks(fields);
        let daily_sends = cap(fields, "daily_sends");
        let daily_spend_rials = cap(fields, "daily_spend_rials");
        let expires_at = moment(fields);
        Some(Self(NewApiKey {
            name: name?,
            scopes,
            allowed_ips,
            daily_sends,
            daily_spend_rials,
            expires_at,
        }))
    }
}

impl KeyAsked {
    /// What the settings and the hour say of it.
    ///
    /// # Errors
    /// A validation problem that names the field.
    pub(super) fn check(self, price_rials: u64, now: DateTime<Utc>) -> Result<NewApiKey, Problem> {
        let Self(new) = self;
        let wrong = |field: &'static str, message: &'static str| {
            Err(Problem::new(Code::Validation).with_field(field, "invalid", message))
        };
        if new.expires_at.is_some_and(|at| at <= now) {
            return wrong("expires_at", "Enter a time that is to come.");
        }
        if new.daily_spend_rials.is_some() && price_rials == 0 {
            let message = "Only where sms.price_rials says what a part of a text costs.";
            return wrong("daily_spend_rials", message);
        }
        Ok(new)
    }
}

/// The texts of a list; of a form also several with commas between them.
fn words(fields: &mut Fields, name: &'static str) -> Vec<String> {
    let split = |text: &str| text.split(',').map(|part| part.trim().to_owned()).collect();
    let words: Option<Vec<String>> = match fields.value(name) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(text)) => Some(split(&text)),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map(|text| text.trim().to_owned())).collect()
        }
        Some(_) => None,
    };
    if words.is_none() {
        fields.error(name, "invalid", "Enter a list of texts.");
    }
    words.unwrap_or_default().into_iter().filter(|word| !word.is_empty()).collect()
}

fn scopes(fields: &mut Fields) -> Vec<Scope> {
    let (is_there, words) = (fields.has("scopes"), words(fields, "scopes"));
    let mut scopes = Vec::new();
    for word in &words {
        match Scope::parse(word) {
            Some(scope) => scopes.push(scope),
            None => fields.error("scopes", "invalid_choice", "There is no such scope."),
        }
    }
    if !is_there {
        fields.error("scopes", "required", "This field is required.");
    } else if words.is_empty() {
        fields.error("scopes", "empty", "This list may not be empty.");
    }
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

fn networks(fields: &mut Fields) -> Vec<IpNetwork> {
    let words = words(fields, "allowed_ips");
    if words.len() > NETWORKS {
        fields.error("allowed_ips", "max_length", "These are too many networks.");
        return Vec::new();
    }
    let mut networks = Vec::new();
    for word in words {
        let network = IpNetwork::from_str(&word).ok();
        if let Some(network) = network.and_then(|network| crate::keys::network(network).ok()) {
            networks.push(network);
        } else {
            let message = "Enter addresses or networks such as 10.0.0.0/8.";
            fields.error("allowed_ips", "invalid", message);
        }
    }
    networks
}

/// `None`: there is none, or an error was recorded.
fn cap(fields: &mut Fields, name: &'static str) -> Option<i64> {
    if fields.is_null(name) {
        return None;
    }
    let cap = fields.optional_integer(name)?;
    if cap < 1 {
        let message = "Ensure this value is greater than or equal to 1.";
        fields.error(name, "min_value", message);
    }
    Some(cap)
}

/// `None`: there is none, or an error was recorded.
fn moment(fields: &mut Fields) -> Option<DateTime<Utc>> {
    if fields.is_null("expires_at") {
        return None;
    }
    let text = fields.optional_text("expires_at", Text::any())?;
    let time = DateTime::parse_from_rfc3339(&text).ok();
    if time.is_none() {
        fields.error("expires_at", "invalid", "Enter a time such as 2027-01-31T12:00:00Z.");
    }
    time.map(|time| time.to_utc())
}

/// A key, without what opens anything.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct StaffApiKey {
    /// Its number.
    id: i64,
    /// What people call it.
    name: String,
    /// Its beginning.
    prefix: String,
    /// What it is for.
    scopes: Vec<ApiKeyScope>,
    /// Where it may be used from; empty: anywhere.
    allowed_ips: Vec<String>,
    /// Texts per UTC day; absent: as many as there are.
    #[oai(skip_serializing_if_is_none)]
    daily_sends: Option<i64>,
    /// Rials per UTC day; absent: as many as there are.
    #[oai(skip_serializing_if_is_none)]
    daily_spend_rials: Option<i64>,
    /// Whether it opens anything now.
    is_active: bool,
    /// When it was made.
    created_at: Timestamp,
    /// When it ends; absent if it never does.
    #[oai(skip_serializing_if_is_none)]
    expires_at: Option<Timestamp>,
    /// When it was ended; absent if it was not.
    #[oai(skip_serializing_if_is_none)]
    revoked_at: Option<Timestamp>,
    /// When it was used last, to within a minute; absent if it never was.
    #[oai(skip_serializing_if_is_none)]
    last_used_at: Option<Timestamp>,
}

impl From<Found> for StaffApiKey {
    fn from(found: Found) -> Self {
        // A scope of a later version is none of this one.
        let known = found.scopes.iter().filter(|scope| Scope::parse(scope).is_some());
        Self {
            id: found.id,
            name: found.name,
            prefix: found.prefix,
            scopes: known.map(|scope| word(scope)).collect(),
            allowed_ips: found.allowed_ips,
            daily_sends: found.daily_sends,
            daily_spend_rials: found.daily_spend_rials,
            is_active: found.is_active,
            created_at: Timestamp(found.created_at),
            expires_at: found.expires_at.map(Timestamp),
            revoked_at: found.revoked_at.map(Timestamp),
            last_used_at: found.last_used_at.map(Timestamp),
        }
    }
}

impl Example for StaffApiKey {
    fn example() -> Self {
        let at = Timestamp(DateTime::UNIX_EPOCH);
        Self {
            id: 3,
            name: "shop".to_owned(),
            prefix: "peyk_1f3a9c0".to_owned(),
            scopes: vec![ApiKeyScope::SmsSend, ApiKeyScope::SmsRead],
            allowed_ips: vec!["203.0.113.7/32".to_owned()],
            daily_sends: Some(10_000),
            daily_spend_rials: Some(5_000_000),
            is_active: false,
            created_at: at,
            expires_at: Some(at),
            revoked_at: Some(at),
            last_used_at: Some(at),
        }
    }
}

staff_page!(
    /// A page of keys.
    StaffApiKeyPage of StaffApiKey, "admin/api_keys/"
);

/// A key that was made.
#[derive(Object)]
#[oai(example)]
pub(crate) struct StaffNewApiKey {
    /// The key itself. It is not shown again.
    pub(super) key: String,
    /// The rest of it.
    #[oai(flatten)]
    pub(super) api_key: StaffApiKey,
}

impl Example for StaffNewApiKey {
    fn example() -> Self {
        let key = "peyk_1f3a9c0d2b4e6f8a1f3a9c0d2b4e6f8a1f3a9c0d2b4e6f8a1f3a9c0d2b4e6f8a";
        Self { key: key.to_owned(), api_key: StaffApiKey::example() }
    }
}

/// The answer to a new key.
#[derive(ApiResponse)]
pub(crate) enum CreateApiKeyResponse {
    /// It was made, and is shown this once.
    #[oai(status = 201)]
    Created(Json<StaffNewApiKey>),
}

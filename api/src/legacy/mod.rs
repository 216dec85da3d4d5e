//! What the systems Peyk replaces do in ways of their own.

pub(crate) mod python_json;
pub(crate) mod rest_sms_auth;

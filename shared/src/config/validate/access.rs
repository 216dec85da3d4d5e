//! Checks of `[auth] [otp] [phone]`: who logs in, and with what.

use std::str::FromStr;

use p256::pkcs8::DecodePrivateKey;
use phonenumber::country;
use secrecy::{ExposeSecret, SecretString};

use super::{Checks, is_name};
use crate::{
    config::{Algorithm, Auth, Config, Mode, Otp, Passwords, Phone, SigningKey, decode_key},
    phone::PhoneNumber,
};

/// Bytes a symmetric key has at least: the output of SHA-256, below which HMAC weakens
/// (RFC 2104, section 3).
const KEY_BYTES: usize = 32;
const KEY_MESSAGE: &str = "must be base64 of at least 32 bytes";
const KEY_ID_MESSAGE: &str = "must have an id of 1 to 32 of a-z 0-9 _ -";

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    auth(checks, &config.auth);
    for (id, key) in &config.auth.keys {
        signing_key(checks, &format!("auth.keys.{id}"), key);
        checks.require(&format!("auth.keys.{id}"), is_name(id, 1, 32), KEY_ID_MESSAGE);
    }
    otp(checks, &config.otp);
    test_numbers(checks, config);
    otp_keys(checks, &config.otp);
    phone(checks, &config.phone);
}

fn auth(checks: &mut Checks<'_>, auth: &Auth) {
    let fine = !auth.groups.is_empty() && auth.groups.iter().all(|group| *group >= 0);
    checks.require("auth.groups", fine, "must be at least one number, none of them negative");
    checks.require("auth.methods", !auth.methods.is_empty(), "must name otp, password or both");
    passwords(checks, &auth.passwords);
    checks.range("auth.access_ttl_seconds", auth.access_ttl_seconds, 1..=86_400);
    checks.range("auth.refresh_ttl_seconds", auth.refresh_ttl_seconds, 1..=31_536_000);
    checks.relate(
        "auth.refresh_ttl_seconds",
        "auth.access_ttl_seconds",
        auth.refresh_ttl_seconds >= auth.access_ttl_seconds,
        "must not be less than auth.access_ttl_seconds",
    );
    checks.range("auth.session_ttl_seconds", auth.session_ttl_seconds, 1..=315_360_000);
    checks.relate(
        "auth.session_ttl_seconds",
        "auth.refresh_ttl_seconds",
        auth.session_ttl_seconds >= auth.refresh_ttl_seconds,
        "must not be less than auth.refresh_ttl_seconds",
    );
    checks.range("auth.refresh_grace_seconds", auth.refresh_grace_seconds, 0..=60);
    checks.range("auth.step_up_seconds", auth.step_up_seconds, 30..=86_400);
    checks.range(
        "auth.phone_change_every_seconds",
        auth.phone_change_every_seconds,
        0..=31_536_000,
    );
    let fine = auth.phone_notice_template.as_deref() != Some("");
    checks.require("auth.phone_notice_template", fine, "must not be empty; leave it out");
    checks.range("auth.max_sessions", auth.max_sessions, 0..=10_000);
    checks.range("auth.last_seen_every_seconds", auth.last_seen_every_seconds, 1..=600);
    checks.range("auth.failure_floor_ms", auth.failure_floor_ms, 0..=5_000);
    chosen_key(checks, "auth", "signing_key", &auth.signing_key, auth.keys.keys());
    let signing = auth.keys.get(&auth.signing_key);
    checks.relate(
        &format!("auth.keys.{}.verify_until", auth.signing_key),
        "auth.signing_key",
        signing.is_none_or(|key| key.verify_until.is_none()),
        "has no place in the key that signs",
    );
    required_key(checks, "auth.refresh_key", &auth.refresh_key);
    if let Some(other) = &auth.other_refresh_key {
        required_key(checks, "auth.other_refresh_key", other);
        let differs = other.expose_secret() != auth.refresh_key.expose_secret();
        let message = "must be another key; leave it out";
        checks.relate("auth.other_refresh_key", "auth.refresh_key", differs, message);
    }
    if let Some(legacy) = &auth.legacy_refresh {
        let fine = legacy.secret.expose_secret().len() >= KEY_BYTES;
        checks.require("auth.legacy_refresh.secret", fine, "must have at least 32 bytes");
        let fine = !legacy.user_id_claim.is_empty();
        checks.require("auth.legacy_refresh.user_id_claim", fine, "must not be empty");
    }
    for (path, text) in [("auth.issuer", &auth.issuer), ("auth.audience", &auth.audience)] {
        checks.require(path, text.as_deref() != Some(""), "must not be empty; leave it out");
    }
}

/// Less work than OWASP asks for is no protection; much more would be a weapon of whoever logs in.
fn passwords(checks: &mut Checks<'_>, passwords: &Passwords) {
    checks.range("auth.passwords.max_parallel", passwords.max_parallel, 0..=1_024);
    checks.range("auth.passwords.max_waiting", passwords.max_waiting, 0..=100_000);
    checks.range("auth.passwords.memory_kib", passwords.memory_kib, 7_168..=262_144);
    checks.range("auth.passwords.passes", passwords.passes, 1..=64);
    checks.range("auth.passwords.lanes", passwords.lanes, 1..=64);
    let work = u64::from(passwords.memory_kib) * u64::from(passwords.passes);
    checks.relate(
        "auth.passwords.passes",
        "auth.passwords.memory_kib",
        (35_840..=1_048_576).contains(&work),
        "must make 35840 to 1048576 together with memory_kib (memory_kib times passes)",
    );
}

fn signing_key(checks: &mut Checks<'_>, path: &str, key: &SigningKey) {
    let [algorithm, private_key, secret] =
        ["algorithm", "private_key", "secret"].map(|name| format!("{path}.{name}"));
    match key.algorithm {
        Algorithm::ES256 => {
            let fine = key.secret.is_none();
            checks.relate(&secret, &algorithm, fine, "has no place in an ES256 key");
            let text = key.private_key.as_ref().map_or("", |text| text.expose_secret());
            let fine = p256::SecretKey::from_pkcs8_pem(text).is_ok();
            let message = "must be a P-256 private key, PKCS#8 in PEM";
            checks.relate(&private_key, &algorithm, fine, message);
        }
        Algorithm::HS256 => {
            let fine = key.private_key.is_none();
            checks.relate(&private_key, &algorithm, fine, "has no place in an HS256 key");
            let text = key.secret.as_ref().map_or("", |text| text.expose_secret());
            let fine = text.len() >= KEY_BYTES;
            checks.relate(&secret, &algorithm, fine, "must have at least 32 bytes");
        }
    }
}

fn otp(checks: &mut Checks<'_>, otp: &Otp) {
    checks.range("otp.length", otp.length, 4..=10);
    checks.range("otp.ttl_seconds", otp.ttl_seconds, 30..=600);
    checks.range("otp.resend_after_seconds", otp.resend_after_seconds, 0..=600);
    for (path, count) in [
        ("otp.attempts_per_request", otp.attempts_per_request),
        ("otp.attempts_per_target", otp.attempts_per_target),
        ("otp.daily_attempts_per_target", otp.daily_attempts_per_target),
        ("otp.daily_sends_per_target", otp.daily_sends_per_target),
    ] {
        // The row counts in 32 bits with a sign.
        checks.range(path, count, 1..=1_000_000);
    }
    checks.require("otp.text", otp.text.contains("{code}"), "must contain {code}");
    let fine = otp.confirmation_text.contains("{code}");
    checks.require("otp.confirmation_text", fine, "must contain {code}");
    let fine = otp.template.as_deref() != Some("");
    checks.require("otp.template", fine, "must not be empty; leave it out");
    let fine = otp.webotp_domain.as_deref().is_none_or(is_host_name);
    checks.require("otp.webotp_domain", fine, "must be a host name such as shop.example");
    android_hash(checks, otp);
}

/// SMS Retriever reads texts of up to 140 bytes
/// (<https://developers.google.com/identity/sms-retriever/verify>).
fn android_hash(checks: &mut Checks<'_>, otp: &Otp) {
    let Some(hash) = otp.android_hash.as_deref() else { return };
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let fine = hash.len() == 11 && hash.bytes().all(base64);
    checks.require("otp.android_hash", fine, "must be the 11 characters of an app's hash");
    let code = "0".repeat(otp.length.into());
    let bytes = crate::otp::text_of(otp, &code).len();
    let fine = bytes <= 140;
    let message = "makes the text longer than the 140 bytes Android reads: shorten otp.text";
    checks.require("otp.android_hash", fine, message);
}

/// A number that needs no text to log in is a door; in production it closes by itself.
fn test_numbers(checks: &mut Checks<'_>, config: &Config) {
    for (phone, number) in &config.otp.test_numbers {
        let at = format!("otp.test_numbers.{phone}");
        let fine = PhoneNumber::from_e164(phone).is_ok();
        checks.require(&at, fine, "must be a number such as +989120000000");
        let code = number.code.expose_secret();
        let fine = (4..=10).contains(&code.len()) && code.bytes().all(|it| it.is_ascii_digit());
        checks.require(&format!("{at}.code"), fine, "must be 4 to 10 digits");
        let fine = config.mode == Mode::Sandbox || number.until.is_some();
        checks.relate(&format!("{at}.until"), "mode", fine, "is required in production");
    }
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(plain)
    };
    text.contains('.') && text.len() <= 253 && text.split('.').all(label)
}

fn otp_keys(checks: &mut Checks<'_>, otp: &Otp) {
    chosen_key(checks, "otp", "active_key", &otp.active_key, otp.keys.keys());
    for (id, key) in &otp.keys {
        let path = format!("otp.keys.{id}");
        checks.require(&path, is_key(key), KEY_MESSAGE);
        checks.require(&path, is_name(id, 1, 32), KEY_ID_MESSAGE);
    }
}

/// `<section>.<setting>` names one of `<section>.keys`.
fn chosen_key<'a>(
    checks: &mut Checks<'_>,
    section: &str,
    setting: &str,
    chosen: &str,
    mut ids: impl Iterator<Item = &'a String>,
) {
    let path = format!("{section}.{setting}");
    let keys = format!("{section}.keys");
    checks.require(&path, !chosen.is_empty(), "is required");
    let fine = chosen.is_empty() || ids.any(|id| id == chosen);
    checks.relate(&path, &keys, fine, &format!("must be the id of one of {keys}"));
}

fn required_key(checks: &mut Checks<'_>, path: &str, key: &SecretString) {
    let empty = key.expose_secret().is_empty();
    checks.require(path, !empty, "is required");
    checks.require(path, empty || is_key(key), KEY_MESSAGE);
}

fn is_key(key: &SecretString) -> bool {
    decode_key(key).is_some_and(|bytes| bytes.len() >= KEY_BYTES)
}

fn phone(checks: &mut Checks<'_>, phone: &Phone) {
    let fine = !phone.countries.is_empty() && phone.countries.iter().all(|code| is_country(code));
    let message = "must be at least one country, such as IR (ISO 3166 alpha-2, upper case)";
    checks.require("phone.countries", fine, message);
    checks.relate(
        "phone.default_country",
        "phone.countries",
        phone.countries.is_empty() || phone.countries.contains(&phone.default_country),
        "must be one of phone.countries",
    );
}

pub(super) fn is_country(code: &str) -> bool {
    let upper = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    upper && country::Id::from_str(code).is_ok()
}

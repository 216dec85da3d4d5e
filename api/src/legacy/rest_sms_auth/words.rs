//! What the old system says, in its own words and shapes.

use poem_openapi::payload::Json;
use shared::phone::PhoneNumber;

use super::{Mounted, types::SmsAuthDone};
use crate::{
    error::{Code, Problem},
    state::State,
};

/// Its own words for a wrong code, with status 400.
pub(super) fn not_found(mount: &Mounted, problem: Problem) -> Problem {
    if matches!(problem.code(), Code::OtpNotFound | Code::OtpNotValid) {
        return said(Code::SmsAuthCodeNotFound, &mount.settings.code_not_found);
    }
    problem
}

pub(super) fn done(mount: &Mounted) -> Json<SmsAuthDone> {
    Json(SmsAuthDone { detail: mount.settings.request_success.clone() })
}

/// The old system took numbers in their international form only.
pub(super) fn phone_number(
    state: &State,
    field: &'static str,
    input: &str,
) -> Result<PhoneNumber, Problem> {
    let written = input.trim_start();
    let international = ["+", "\u{ff0b}", "00"].iter().any(|sign| written.starts_with(sign));
    let phone = state.phones.parse(input).ok().filter(|_| international);
    phone.ok_or_else(|| {
        Problem::new(Code::Validation).with_field(field, "invalid", "Enter a valid phone number.")
    })
}

/// Its own words for a cool-down, with status 400.
pub(super) fn too_early(mount: &Mounted, problem: Problem) -> Problem {
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
pub(super) fn said(code: Code, sentence: &str) -> Problem {
    Problem::new(code)
        .sentence(sentence.to_owned())
        .without_message()
        .with_whole("0000", sentence.to_owned())
}

//! Checks of `[rest_sms_auth.<path>]`.

use std::collections::BTreeSet;

use super::{Checks, is_name};
use crate::config::{Config, Mount};

/// Members of an answer that the token must not replace.
const TAKEN: [&str; 5] = ["pk", "first_name", "last_name", "access", "refresh"];

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    let prefixes: BTreeSet<_> =
        config.http.prefixes.iter().map(|it| it.trim_matches('/')).collect();
    for (path, mount) in &config.rest_sms_auth.0 {
        let at = format!("rest_sms_auth.{path}");
        let fine = path.len() <= 64 && path.split('/').all(|part| is_name(part, 1, 64));
        checks.require(&at, fine, "must be a path such as auth or api/v2/auth, of a-z 0-9 _ -");
        let fine = !prefixes.contains(path.as_str());
        checks.relate(&at, "http.prefixes", fine, "must not be one of http.prefixes");
        one(checks, &at, mount, &config.auth.groups);
    }
}

fn one(checks: &mut Checks<'_>, at: &str, mount: &Mount, groups: &[i32]) {
    let fine = mount.group.is_none_or(|group| groups.contains(&group));
    checks.relate(&format!("{at}.group"), "auth.groups", fine, "must be one of auth.groups");
    if let Some(length) = mount.code_length {
        checks.range(&format!("{at}.code_length"), length, 4..=10);
    }
    if let Some(seconds) = mount.ttl_seconds {
        checks.range(&format!("{at}.ttl_seconds"), seconds, 30..=600);
    }
    let fine = mount.text.as_deref().is_none_or(|text| text.contains("{code}"));
    checks.require(&format!("{at}.text"), fine, "must contain {code}");
    let key = mount.success_key.as_str();
    let fine = !key.is_empty() && key.len() <= 64 && !TAKEN.contains(&key);
    let message = "must be 1 to 64 characters, and no other member of the answer";
    checks.require(&format!("{at}.success_key"), fine, message);
}

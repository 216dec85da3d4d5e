//! Checks of `[audit]`.

use super::Checks;
use crate::config::Config;

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    // The database refuses to delete younger events.
    checks.range("audit.keep_days", config.audit.keep_days, 30..=36_500);
}

//! Checks of `[console]`.

use super::Checks;
use crate::config::Config;

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    let console = &config.console;
    checks.range("console.session_seconds", console.session_seconds, 300..=604_800);
    checks.range("console.idle_seconds", console.idle_seconds, 60..=604_800);
    let fits = console.idle_seconds <= console.session_seconds;
    let message = "must not be more than console.session_seconds";
    checks.relate("console.idle_seconds", "console.session_seconds", fits, message);
}

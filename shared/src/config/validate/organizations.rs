//! Checks of `[organizations]`.

use super::Checks;
use crate::config::Config;

/// Characters of a text at most, as everywhere.
const LONGEST_TEXT: usize = 600;

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    let rules = &config.organizations;
    for (path, count) in [
        ("organizations.owned_per_user", rules.owned_per_user),
        ("organizations.memberships_per_user", rules.memberships_per_user),
        ("organizations.members", rules.members),
        ("organizations.open_invitations", rules.open_invitations),
        ("organizations.daily_invitations", rules.daily_invitations),
    ] {
        checks.range(path, count, 1..=1_000_000);
    }
    checks.range("organizations.invitation_days", rules.invitation_days, 1..=365);
    let fine = rules.invitation_text.chars().count() <= LONGEST_TEXT;
    let message = "must have at most 600 characters";
    checks.require("organizations.invitation_text", fine, message);
}

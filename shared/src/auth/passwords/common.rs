//! Passwords that everybody tries first.
//!
//! The list is Django's (BSD, see `common_passwords.LICENSE.txt`): 20,000 common passwords collected
//! by Royce Williams, in lower case.

use std::{collections::HashSet, sync::LazyLock};

static COMMON: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// Whether the password is on the list, in whatever case.
pub(super) fn is_common(password: &str) -> bool {
    COMMON.contains(password.to_lowercase().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_case_does_not_matter() {
        assert!(COMMON.len() > 19_000, "{}", COMMON.len());
        for common in ["password", "PassWord", " 12345678 ", "1234", "qwertyuiop", "trustno1"] {
            assert!(is_common(common), "{common}");
        }
        for rare in ["", "S3cret-pass-77", "گذرواژه‌ای کمیاب"] {
            assert!(!is_common(rare), "{rare}");
        }
    }
}

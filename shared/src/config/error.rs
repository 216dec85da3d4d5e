//! What is wrong with a configuration: every setting, all at once.

use std::fmt;

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where: `sms.providers.kavenegar.api_key`, or the name of a file that cannot be read.
    pub path: String,
    /// What is wrong. Never holds the value: it may be a secret.
    pub message: String,
}

impl ConfigError {
    /// An error at `path`. `message` must not repeat the value.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// Whether this error is at `path`, inside it or around it.
    pub(super) fn touches(&self, path: &str) -> bool {
        is_within(&self.path, path) || is_within(path, &self.path)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Everything that is wrong with a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the configuration has {count} error{}", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Whether `path` is `outer` or lies below it: `a.b` and `a[0]` are within `a`, `ab` is not.
pub(super) fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_a_line_with_its_path() {
        let errors = ConfigErrors(vec![
            ConfigError::new("http.wait_ms", "unknown key"),
            ConfigError::new("otp.length", "must be 4 to 10"),
        ]);
        assert_eq!(
            errors.to_string(),
            "the configuration has 2 errors\n  http.wait_ms: unknown key\n  otp.length: must be 4 to 10"
        );
    }

    #[test]
    fn an_error_touches_its_parents_and_children_but_not_its_neighbours() {
        let error = ConfigError::new("auth.keys.main", "…");
        assert!(error.touches("auth.keys"));
        assert!(error.touches("auth.keys.main.secret"));
        assert!(error.touches("auth.keys.main[0]"));
        assert!(!error.touches("auth.keys.mainly"));
        assert!(!error.touches("auth.key"));
    }
}

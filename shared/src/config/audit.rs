//! `[audit]`: the log of who did what.

use serde::Deserialize;

/// How long the log is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Audit {
    /// Days events are kept, at least 30: the database refuses to delete younger ones. Default 400.
    pub keep_days: u32,
}

impl Default for Audit {
    fn default() -> Self {
        Self { keep_days: 400 }
    }
}

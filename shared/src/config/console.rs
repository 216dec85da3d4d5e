//! `[console]`: the pages for staff.

use serde::Deserialize;

/// How long somebody is logged in to the console.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Console {
    /// Seconds after which whoever logged in has to do so again. Default 28800 (8 hours).
    pub session_seconds: u32,
    /// Seconds without a request after which the same. Default 1800 (30 minutes).
    pub idle_seconds: u32,
}

impl Default for Console {
    fn default() -> Self {
        Self { session_seconds: 28_800, idle_seconds: 1_800 }
    }
}

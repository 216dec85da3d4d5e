//! `[organizations]`: what several people run together.

use serde::Deserialize;

/// How many there may be, and how people are invited.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Organizations {
    /// Organizations somebody may own. Default 5.
    pub owned_per_user: u32,
    /// Organizations somebody may belong to. Default 50.
    pub memberships_per_user: u32,
    /// Members of an organization. Default 200.
    pub members: u32,
    /// Open invitations of an organization. Default 50.
    pub open_invitations: u32,
    /// Invitations somebody may make in a UTC day. Default 20.
    pub daily_invitations: u32,
    /// Days an invitation can be accepted. Default 14.
    pub invitation_days: u32,
    /// What an invited number is texted; `{uname}` is the organization's. Empty (default): nothing.
    pub invitation_text: String,
}

impl Default for Organizations {
    fn default() -> Self {
        Self {
            owned_per_user: 5,
            memberships_per_user: 50,
            members: 200,
            open_invitations: 50,
            daily_invitations: 20,
            invitation_days: 14,
            invitation_text: String::new(),
        }
    }
}

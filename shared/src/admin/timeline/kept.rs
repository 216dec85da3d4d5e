//! How long what a timeline shows is kept, so that it says where it ends: what is not there may have
//! been purged. Pure.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use super::{Item, codes::Code};

/// Who asked for a code and from where, after it ended: `purge-expired-otps`.
const REQUESTS: TimeDelta = TimeDelta::days(1);
/// Texts and the calls about them: `purge-sms-messages`.
const MESSAGES: TimeDelta = TimeDelta::days(30);
/// What went wrong on the way in: `purge-login-events`.
pub const LOGIN_EVENTS: TimeDelta = TimeDelta::days(30);
/// Decisions of the guard: `purge-guard-decisions`.
const GUARD: TimeDelta = TimeDelta::days(30);
/// Sessions that ended: `purge-ended-sessions`.
const SESSIONS: TimeDelta = TimeDelta::days(30);

/// What the configuration says of it.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Events of webhooks, in days.
    pub webhooks_days: u32,
    /// The audit log, in days.
    pub audit_days: u32,
}

impl Kept {
    /// Where each part of the timeline begins.
    pub(super) fn items(self, now: DateTime<Utc>) -> Vec<Item> {
        let days = |days: u32| TimeDelta::days(days.into());
        let parts = [
            ("requests", REQUESTS),
            ("messages", MESSAGES),
            ("login_events", LOGIN_EVENTS),
            ("guard", GUARD),
            ("sessions", SESSIONS),
            ("webhooks", days(self.webhooks_days)),
            ("audit", days(self.audit_days)),
        ];
        // Whole days, so that the next page finds them where this one did.
        let today = now.date_naive().and_time(NaiveTime::MIN).and_utc();
        let item = |(place, (what, kept)): (usize, (&str, TimeDelta))| {
            let id = i64::try_from(place).unwrap_or_default();
            Item::new(today - kept, Code::Purged, id)
                .with("what", what)
                .with("days", kept.num_days())
        };
        parts.into_iter().enumerate().map(item).collect()
    }
}

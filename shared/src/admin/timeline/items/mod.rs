//! From rows to what happened. Pure.

pub(super) mod logins;
pub(super) mod messages;
pub(super) mod payments;
pub(super) mod people;
pub(super) mod told;

use chrono::{DateTime, Utc};

/// Whole milliseconds between two moments, never negative.
fn milliseconds(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_milliseconds().max(0)
}

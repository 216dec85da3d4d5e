//! What codes look like and how long they live: as `[otp]` says, or the mount they are asked from.

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::config::{Mount, Otp, RestSmsAuth};

/// The form of a code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) digits: i16,
    pub(super) ttl: TimeDelta,
}

impl Form {
    /// As `[otp]` says.
    pub(super) fn new(config: &Otp) -> Self {
        Self { digits: config.length.into(), ttl: TimeDelta::seconds(config.ttl_seconds.into()) }
    }

    /// As each mount says, by its path.
    pub(super) fn of_mounts(config: &Otp, mounts: &RestSmsAuth) -> HashMap<String, Self> {
        let of = |mount: &Mount| Self {
            digits: mount.code_length.unwrap_or(config.length).into(),
            ttl: TimeDelta::seconds(mount.ttl_seconds.unwrap_or(config.ttl_seconds).into()),
        };
        mounts.0.iter().map(|(path, mount)| (path.clone(), of(mount))).collect()
    }
}

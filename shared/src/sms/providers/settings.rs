//! What several providers read alike in their tables beside [`crate::settings`]: names.

use std::collections::BTreeMap;

use serde::Deserialize;

pub(super) use crate::settings::{Problems, base_url, filled, secret_header};

/// What a provider calls things we have another name for; without an entry the names are the same.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// The provider's name of `ours`.
    pub fn of<'a>(&'a self, ours: &'a str) -> &'a str {
        self.0.get(ours).map_or(ours, |theirs| theirs)
    }
}

//! All SQL of payments.

pub(super) mod create;
pub(super) mod read;

//! All SQL of payments.

pub(super) mod reports;
pub(super) mod returns;

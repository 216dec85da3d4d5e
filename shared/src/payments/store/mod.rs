//! All SQL of payments.

pub(super) mod returns;

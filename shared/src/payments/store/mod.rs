//! All SQL of payments.

pub(super) mod create;
pub(super) mod read;
pub(super) mod reports;
pub(super) mod returns;
pub(super) mod review;
pub(super) mod settle;
pub(super) mod verify;
pub(super) mod watch;

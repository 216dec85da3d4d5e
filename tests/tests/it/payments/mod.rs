//! Payments and wallets.

mod crash;
mod create;
mod create_again;
mod forged;
mod overtaken;
mod reading;
mod reconcile;
mod return_steps;
mod returns;
mod returns_crash;
mod steps;
mod verify;
pub(crate) mod verify_steps;
mod watch;

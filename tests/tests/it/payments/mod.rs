//! Payments and wallets.

mod crash;
mod create;
mod create_again;
mod forged;
mod reading;
mod steps;
mod verify;
mod verify_steps;
mod watch;

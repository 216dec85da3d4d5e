//! Payments and wallets.

mod create;
mod create_again;
mod reading;
mod reconcile;
mod return_steps;
mod returns;
mod returns_crash;
mod steps;

//! Payments and wallets.

mod create;
mod create_again;
mod reading;
mod steps;

//! Webhooks: what is told, in which order, and that neither a crash nor a bad receiver loses one.

mod commands;
mod order;
pub(crate) mod steps;
mod telling;
mod trouble;

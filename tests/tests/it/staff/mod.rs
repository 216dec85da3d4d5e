//! Staff: what each role may do, what they see, and that it is written down.

mod accounts;
mod commands;
mod edits;
mod lists;
mod matrix;
mod messages;
mod steps;
mod webhooks;

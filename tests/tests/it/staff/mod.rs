//! Staff: what each role may do, what they see, and that it is written down.

mod accounts;
mod commands;
mod edits;
mod keys;
mod lists;
mod matrix;
mod messages;
mod rooms;
mod steps;
mod webhooks;

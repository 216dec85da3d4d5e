//! Chat: rooms and what is said in them.

mod files;
mod message_matrix;
mod messages;
mod uploads;

//! Chat: rooms and what is said in them.

mod check;
mod files;
mod message_matrix;
mod messages;
mod room_matrix;
mod rooms;
mod sockets;
mod uploads;

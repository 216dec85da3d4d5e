//! Chat.

mod sockets;

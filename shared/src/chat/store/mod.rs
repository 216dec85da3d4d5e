//! All SQL of chat, in one file per kind of row.

mod log;
mod seats;
mod sockets;

pub(super) use self::{
    log::{append, heads, read_log},
    seats::{find_seat, lock_room},
    sockets::{insert_ticket, seated, take_ticket},
};

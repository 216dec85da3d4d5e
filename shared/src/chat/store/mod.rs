//! All SQL of chat, in one file per kind of row.

mod log;
mod rooms;
mod seats;

pub(super) use self::{
    log::{append, heads, read_log},
    rooms::{last_messages, rooms_of, seated, unread},
    seats::{find_seat, lock_room},
};

//! All SQL of chat, in one file per kind of row.

mod log;
mod messages;
mod posts;
mod seats;

pub(super) use self::{
    log::{append, heads, read_log},
    messages::{find_message, load_messages},
    posts::{find_senders, insert_messages, lock_files, lock_rooms},
    seats::{find_seat, lock_room},
};

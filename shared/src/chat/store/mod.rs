//! All SQL of chat, in one file per kind of row.

mod changes;
mod log;
mod messages;
mod posts;
mod reads;
mod rooms;
mod seats;
mod sockets;

pub(super) use self::{
    changes::{
        add_reaction, bury_message, count_others, count_reactions, edit_message, find_changing,
        find_room_of, reactions, remove_reaction,
    },
    log::{append, heads, read_log},
    messages::{find_message, load_messages},
    posts::{find_senders, insert_messages, lock_files, lock_rooms},
    reads::{find_seq, list_messages, move_cursor, read_state, rooms_to_search, search},
    rooms::{last_messages, rooms_of, seated, unread},
    seats::{find_seat, lock_room},
    sockets::{insert_ticket, memberships, take_ticket},
};

//! All SQL of chat, in one file per kind of row.

mod absent;
mod changes;
mod create;
mod files;
mod gone;
mod log;
mod members;
mod messages;
mod moderation;
mod posts;
mod reads;
mod rooms;
mod seats;
mod sockets;
mod state;

pub(super) use self::{
    absent::{count_absent, lock_absence_look, mark_told, messages_before, move_absence_look},
    changes::{
        add_reaction, bury_message, count_others, count_reactions, edit_message, find_changing,
        find_room_of, reactions, remove_reaction,
    },
    create::{
        append_joined, has_enough_rooms, insert_members, insert_room, is_blocked_by_any,
        lock_direct, lock_organization_members, lock_people,
    },
    files::{
        Begun, Doomed, NewAttachment, Share, begin_upload, change_avatar, count_deleted,
        count_unused, delete_files, doom, doom_unused, find_deleted, find_file,
        find_of_deleted_rooms, finish_upload, lock_unused_file, note_upload,
    },
    gone::{count_gone, delete_empty, purge_room},
    log::{append, heads, read_log},
    members::{
        banned_among, bans, count_members, delete_ban, delete_member, forget, insert_ban,
        lock_rooms_of, members, place_of, rank_of, set_muted, set_pinned, set_presence, set_rank,
        successor, unseated_among,
    },
    messages::{find_message, load_messages},
    moderation::{
        author_of, blocks, count_blocks, delete_block, gone_at, insert_block, insert_report,
        is_there, report, report_of, settle_reports,
    },
    posts::{find_senders, insert_messages, lock_files, lock_rooms},
    reads::{find_seq, list_messages, move_cursor, read_state, rooms_to_search, search},
    rooms::{last_messages, rooms_among, rooms_of, seated, unread},
    seats::{find_seat, lock_room},
    sockets::{count_old_tickets, insert_ticket, memberships, purge_tickets, take_ticket},
    state::{current, delete_room, delete_rooms_of, find_current, set_current},
};

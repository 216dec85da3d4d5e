//! All SQL of chat, in one file per kind of row.

mod files;
mod log;
mod seats;

pub(super) use self::{
    files::{
        Begun, Doomed, NewAttachment, Share, begin_upload, change_avatar, count_deleted, count_unused,
        delete_files, doom, doom_unused, find_deleted, find_file, find_of_deleted_rooms,
        finish_upload, lock_unused_file, note_upload,
    },
    log::{append, heads, read_log},
    seats::{find_seat, lock_room},
};

//! Checks of `[chat]`.

use super::Checks;
use crate::config::Config;

/// Characters of a text at most, as everywhere.
const LONGEST_TEXT: usize = 600;
const STORAGE: &str = "must be a directory, or s3://bucket/path with chat.files.s3";

pub(super) fn check(checks: &mut Checks<'_>, config: &Config) {
    let chat = &config.chat;
    for (path, count) in [
        ("chat.rooms_per_user", chat.rooms_per_user),
        ("chat.daily_rooms", chat.daily_rooms),
        ("chat.sockets.per_user", chat.sockets.per_user),
        ("chat.files.daily_mb", chat.files.daily_mb),
    ] {
        checks.range(path, count, 1..=1_000_000);
    }
    checks.range("chat.message_chars", chat.message_chars, 1..=20_000);
    checks.range("chat.members", chat.members, 2..=100_000);
    let fine = matches!(chat.absent_after_seconds, 0 | 5..=86_400);
    checks.require("chat.absent_after_seconds", fine, "must be 0, or 5 to 86400");
    checks.range("chat.deleted_days", chat.deleted_days, 0..=3_650);
    checks.range("chat.sockets.rooms", chat.sockets.rooms, 1..=10_000);
    checks.range("chat.sockets.frame_bytes", chat.sockets.frame_bytes, 512..=65_536);
    checks.range("chat.sockets.queue", chat.sockets.queue, 8..=65_536);
    checks.range("chat.sockets.ping_seconds", chat.sockets.ping_seconds, 5..=600);
    checks.range("chat.sockets.resume", chat.sockets.resume, 1..=10_000);
    checks.range("chat.files.max_mb", chat.files.max_mb, 1..=1_024);
    checks.range("chat.files.url_hours", chat.files.url_hours, 1..=720);
    checks.range("chat.files.unused_hours", chat.files.unused_hours, 1..=720);
    let fine = chat.absent_text.chars().count() <= LONGEST_TEXT;
    checks.require("chat.absent_text", fine, "must have at most 600 characters");
    let files = &chat.files;
    let fine = match files.storage.strip_prefix("s3://") {
        Some(bucket) => {
            let has_bucket = !bucket.is_empty() && !bucket.starts_with('/');
            has_bucket && !files.s3.access_key.is_empty()
        }
        None => !files.storage.is_empty() && !files.storage.contains("://"),
    };
    checks.require("chat.files.storage", fine, STORAGE);
}

//! What a page of messages costs in a room with a long history against one with a short one.

use std::time::Duration;

use super::{
    chat::access_tokens,
    pages::{MOST, page_times},
};
use crate::{
    Options, progress,
    report::{Report, Table},
    statistics::number,
    system::System,
};

/// Messages of a short history.
const SHORT: usize = 1_000;
/// Accounts, all members of all rooms.
const USERS: usize = 10;

/// The newest page, one of the middle, and the list of rooms with what is unread.
pub(crate) async fn measure(
    options: &Options,
    system: &mut System,
    report: &mut Report,
) -> anyhow::Result<()> {
    system.stop_worker().await;
    system.clear(0, 1, Duration::ZERO).await?;
    let (rows, _) = system.ready_chat(USERS, 2, USERS, 1).await?;
    let who = format!("Authorization: Bearer {}", access_tokens(system, &rows, USERS).await?[0]);
    let columns =
        ["Messages of the room", "p50 ms", "p99 ms", "p50 ms in the middle", "room p50 ms"];
    let mut table = Table::new(&columns);
    let mut medians = Vec::new();
    for (room, messages) in [(rows.room, SHORT), (rows.room + 1, options.messages)] {
        progress(&format!("pages of a room with {messages} messages"));
        system.ready_messages(room, rows.user, messages).await?;
        let middle = messages / 2;
        system.need_api().await?;
        let path = format!("/api/chat/messages/?chat_room={room}");
        let newest = page_times(system, &who, &path).await?;
        let older = page_times(system, &who, &format!("{path}&before={middle}")).await?;
        let whole = page_times(system, &who, &format!("/api/chat/chatrooms/{room}/")).await?;
        table.row(&[
            messages.to_string(),
            number(newest.p50_ms(), 2),
            number(newest.p99_ms(), 2),
            number(older.p50_ms(), 2),
            number(whole.p50_ms(), 2),
        ]);
        medians.push(newest.p50_ms().max(older.p50_ms()));
    }
    let [short, long] = medians[..] else { return Ok(()) };
    let what = format!("a page of {} messages against one of {SHORT}", options.messages);
    let ratio = long / short;
    let wanted = format!("<= {MOST}x");
    report.target(&what, &wanted, format!("{}x", number(ratio, 2)), ratio <= MOST);
    let about = "`GET /api/chat/messages/?chat_room=`, the newest 30 and 30 of the middle, and \
        `GET /api/chat/chatrooms/{id}/` with the count of what is unread, one after the other over one \
        connection.";
    report.table("Chat: pages", about, &table);
    Ok(())
}

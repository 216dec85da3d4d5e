//! Chat: rooms with everybody in them, what was said there, and the files of that.

use super::Part;
use crate::{
    chat::content,
    import::{
        Options,
        source::{Column, Reading, Source},
    },
};

mod file_store;
mod files;
mod messages;
mod people;
mod room;
mod rooms;
mod store;

/// Rooms and messages of the packages: django-chelseru, and django-chelseru-chat under the names it
/// had before it became that.
const PACKAGES: [Tables; 4] = [
    Tables { rooms: "drfchelseru_chatroom", messages: "drfchelseru_messagechat" },
    Tables { rooms: "drfchelseruchat_chatroom", messages: "drfchelseruchat_message" },
    Tables { rooms: "chelseru_chat_chatroom", messages: "chelseru_chat_message" },
    Tables { rooms: "chat_chatroom", messages: "chat_message" },
];

/// Where one package keeps its chat.
#[derive(Debug, Clone, Copy)]
struct Tables {
    rooms: &'static str,
    messages: &'static str,
}

/// Rooms, messages and files, in this order: of one package, the first that has any.
///
/// # Errors
/// When the old database is away, or `--media` names no folder.
pub(super) async fn find(
    source: &mut Source,
    options: &Options,
) -> anyhow::Result<Vec<Box<dyn Part>>> {
    let Some(tables) = tables(source).await? else { return Ok(Vec::new()) };
    let messages = messages::Messages::find(source, tables, options).await?;
    let mut parts: Vec<Box<dyn Part>> =
        vec![Box::new(rooms::Rooms::find(source, tables, options).await?), Box::new(messages)];
    if tables.rooms == PACKAGES[0].rooms && source.has(files::TABLE) {
        parts.push(Box::new(files::Files::find(tables, options)?));
    }
    Ok(parts)
}

async fn tables(source: &mut Source) -> anyhow::Result<Option<Tables>> {
    let mut empty = None;
    for tables in PACKAGES {
        // One of the names could be anybody's.
        let is_there = source.has(tables.rooms)
            && source.has(tables.messages)
            && source.columns(tables.rooms).await?.contains("user_1_id")
            && source.columns(tables.messages).await?.contains("chat_room_id");
        if is_there && source.count(tables.rooms).await? > 0 {
            return Ok(Some(tables));
        }
        empty = empty.or(is_there.then_some(tables));
    }
    Ok(empty)
}

/// Those of the columns that a table has, in their order.
async fn reading(source: &mut Source, table: &str, names: &[&str]) -> anyhow::Result<Reading> {
    let there = source.columns(table).await?;
    let column = |name: &&str| there.contains(*name).then(|| Column::Own((*name).to_owned()));
    let columns = names.iter().map(column).collect();
    Ok(Reading { table: table.to_owned(), join: None, columns })
}

/// A text without what is in none here, and cut to so many characters; and whether that changed it.
fn clean(text: &str, most: usize) -> (String, bool) {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let clean: String =
        lines.chars().filter(|c| content::forbidden(*c).is_none()).take(most).collect();
    let is_changed = clean.chars().count() < lines.chars().count();
    (clean, is_changed)
}

/// One column of all rows.
fn column<'a, R, T>(rows: &'a [R], cell: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lose_what_is_in_none_here_and_keep_the_rest() {
        for (text, expected) in [
            ("سلام\u{200c}ها 🌷\n\tx", ("سلام\u{200c}ها 🌷\n\tx", false)),
            ("a\r\nb\rc", ("a\nb\nc", false)),
            ("a\u{202e}b\u{7}c", ("abc", true)),
            ("a23456789abcdef", ("a23456789abc", true)),
        ] {
            assert_eq!(clean(text, 12), (expected.0.to_owned(), expected.1), "{text:?}");
        }
    }
}

//! Who is around rooms of the old system: six tables beside that of the rooms.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::{
    chat::permissions::{Level, Levels},
    import::source::{Column, Reading, Source},
};

const USERS: &str = "drfchelseru_chatroom_users";
const PINNED: &str = "drfchelseru_chatroom_pinned_for";
const BANNED: &str = "drfchelseru_chatroom_banneds";
/// A room has permissions, each of which is a level and has users.
const PERMISSIONS: &str = "drfchelseru_chatroom_permissions";
const LEVELS: &str = "drfchelseru_chatroompermissions";
const HOLDERS: &str = "drfchelseru_chatroompermissions_user";

/// Who is around one room.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    /// Who is in it, in the order in which they came.
    pub(super) people: Vec<i64>,
    pub(super) pinned: HashSet<i64>,
    pub(super) banned: BTreeSet<i64>,
    pub(super) levels: BTreeMap<i64, Levels>,
    /// Whether there are levels other than 0 to 12.
    pub(super) has_odd_levels: bool,
}

/// Who is around each of these rooms. Tables that are not there are empty.
pub(super) async fn around(
    source: &mut Source,
    rooms: &[i64],
) -> anyhow::Result<HashMap<i64, Around>> {
    let mut all: HashMap<i64, Around> = HashMap::new();
    for (room, user) in links(source, USERS, ("chatroom_id", "user_id"), rooms).await? {
        all.entry(room).or_default().people.push(user);
    }
    for (room, user) in links(source, PINNED, ("chatroom_id", "user_id"), rooms).await? {
        all.entry(room).or_default().pinned.insert(user);
    }
    for (room, user) in links(source, BANNED, ("chatroom_id", "user_id"), rooms).await? {
        all.entry(room).or_default().banned.insert(user);
    }
    let given =
        links(source, PERMISSIONS, ("chatroom_id", "chatroompermissions_id"), rooms).await?;
    let ids: BTreeSet<i64> = given.iter().map(|(_, permission)| *permission).collect();
    let ids: Vec<i64> = ids.into_iter().collect();
    let levels: HashMap<i64, i64> =
        links(source, LEVELS, ("id", "access"), &ids).await?.into_iter().collect();
    let mut holders: HashMap<i64, Vec<i64>> = HashMap::new();
    for (permission, user) in
        links(source, HOLDERS, ("chatroompermissions_id", "user_id"), &ids).await?
    {
        holders.entry(permission).or_default().push(user);
    }
    for (room, permission) in given {
        let around = all.entry(room).or_default();
        let level = levels.get(&permission).and_then(|number| Level::from_number(*number));
        let Some(level) = level else {
            around.has_odd_levels = true;
            continue;
        };
        for user in holders.get(&permission).into_iter().flatten() {
            let held = around.levels.entry(*user).or_default();
            *held = held.and([level].into_iter().collect());
        }
    }
    Ok(all)
}

/// What a table says belongs to these: pairs of two columns, by their rows' ids.
pub(super) async fn links(
    source: &mut Source,
    table: &str,
    (from, to): (&str, &str),
    of: &[i64],
) -> anyhow::Result<Vec<(i64, i64)>> {
    if of.is_empty() || !source.has(table) {
        return Ok(Vec::new());
    }
    let columns = [from, to].map(|name| Some(Column::Own(name.to_owned()))).to_vec();
    let reading = Reading { table: table.to_owned(), join: None, columns };
    let rows = source.among(&reading, from, of).await?;
    Ok(rows.iter().filter_map(|row| row.number(0).zip(row.number(1))).collect())
}

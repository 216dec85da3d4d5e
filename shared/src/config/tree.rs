//! Paths into a TOML tree.

use toml::{Table, Value};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into a table.
    Key(String),
    /// Into an array.
    Index(usize),
}

/// The path as people write it, below `base`: `sms.providers.x.lines[2]`.
pub(super) fn join(base: &str, path: &[Step]) -> String {
    path.iter().fold(base.to_owned(), |text, step| match step {
        Step::Key(key) if text.is_empty() => key.clone(),
        Step::Key(key) => format!("{text}.{key}"),
        Step::Index(index) => format!("{text}[{index}]"),
    })
}

/// What stands at `path`.
pub(super) fn get<'a>(root: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// Puts `new` at `path`, creating the last key if it is missing. `false` if its parent is no table
/// or has no such element.
pub(super) fn set(root: &mut Value, path: &[Step], new: Value) -> bool {
    let Some((last, parent)) = path.split_last() else {
        return false;
    };
    match (last, get_mut(root, parent)) {
        (Step::Key(key), Some(Value::Table(table))) => {
            table.insert(key.clone(), new);
            true
        }
        (Step::Index(index), Some(Value::Array(items))) => {
            items.get_mut(*index).map(|slot| *slot = new).is_some()
        }
        _ => false,
    }
}

/// Takes the key at the end of `path` out of its table. `false` if it is not there, or if `path`
/// ends in an array.
pub(super) fn remove(root: &mut Value, path: &[Step]) -> bool {
    let Some((Step::Key(key), parent)) = path.split_last() else {
        return false;
    };
    let table = get_mut(root, parent).and_then(Value::as_table_mut);
    table.and_then(|table| table.remove(key)).is_some()
}

/// Puts `new` at a path of keys, creating the tables on the way. `false`, and nothing changed, if
/// something on the way is no table.
pub(super) fn plant(table: &mut Table, keys: &[String], new: Value) -> bool {
    match keys {
        [] => false,
        [last] => {
            table.insert(last.clone(), new);
            true
        }
        [first, rest @ ..] => table
            .entry(first.clone())
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .is_some_and(|inner| plant(inner, rest, new)),
    }
}

fn get_mut<'a>(root: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

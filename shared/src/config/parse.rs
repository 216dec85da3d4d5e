//! TOML tables to types, naming everything that is wrong instead of the first thing.
//!
//! Serde stops at the first error. So the error is noted, the value is taken out of the tree
//! (its default then applies) and the tree is read again, until nothing is wrong any more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::de::DeserializeOwned;
use serde_path_to_error::{Segment, Track};
use toml::{Table, Value};

use super::{
    error::ConfigError,
    sms::ProviderSettings,
    tree::{self, Step},
    wording::{WRONG_TYPE, missing_field, without_value},
};

/// What every provider's table may hold, and no provider reads.
const COMMON: [&str; 2] = ["kind", "per_second"];

/// Reads what every provider's table may hold; otherwise as [`parse_table`].
pub(crate) fn parse_common(
    table: &Table,
    path: &str,
    errors: &mut Vec<ConfigError>,
) -> Option<ProviderSettings> {
    let common = |name: &String| name != "kind" && COMMON.contains(&name.as_str());
    let settings = table.iter().filter(|(name, _)| common(name));
    let settings = settings.map(|(name, value)| (name.clone(), value.clone()));
    let before = errors.len();
    let parsed = parse_all(settings.collect(), path, errors);
    parsed.filter(|_| errors.len() == before)
}

/// Reads a provider's table into its own type. `path` is where the table stands
/// (`sms.providers.kavenegar`) and begins the path of every error.
///
/// Everything wrong is pushed to `errors`: unknown keys, missing keys, wrong types. What every table
/// may hold (`kind`, `per_second`) is ignored here. A string that does not fit is tried as a TOML literal and as a comma
/// list, because values from the environment are strings. `None` means errors were pushed.
pub fn parse_table<T: DeserializeOwned>(
    table: &Table,
    path: &str,
    errors: &mut Vec<ConfigError>,
) -> Option<T> {
    let mut table = table.clone();
    table.retain(|name, _| !COMMON.contains(&name));
    let before = errors.len();
    let parsed = parse_all(table, path, errors);
    parsed.filter(|_| errors.len() == before)
}

/// [`parse_table`] that answers with what could be read, defaults in place of what could not.
/// `None` only if a required key is wrong at the top.
pub(super) fn parse_all<T: DeserializeOwned>(
    table: Table,
    base: &str,
    errors: &mut Vec<ConfigError>,
) -> Option<T> {
    let mut repair = Repair { root: Value::Table(table), base, trials: BTreeMap::new(), errors };
    let mut unknown = BTreeSet::new();
    let parsed = loop {
        match attempt(&repair.root, &mut unknown) {
            Ok(parsed) => break Some(parsed),
            Err(failure) => {
                if !repair.step(failure) {
                    break None;
                }
            }
        }
    };
    let unknown = unknown.iter().map(|path| tree::join(base, path));
    errors.extend(unknown.map(|path| ConfigError::new(path, "unknown key")));
    parsed
}

/// Where serde stopped and what it said.
struct Failure {
    path: Vec<Step>,
    message: String,
}

fn attempt<T: DeserializeOwned>(
    root: &Value,
    unknown: &mut BTreeSet<Vec<Step>>,
) -> Result<T, Failure> {
    let mut track = Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(root.clone(), &mut track);
    let parsed = serde_ignored::deserialize(deserializer, |path| {
        unknown.insert(ignored_path(&path));
    });
    parsed.map_err(|error: toml::de::Error| Failure {
        path: track.path().iter().map_while(step_of).collect(),
        message: error.message().to_owned(),
    })
}

fn step_of(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Enum { variant } => Some(Step::Key(variant.clone())),
        Segment::Unknown => None,
    }
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> Vec<Step> {
    use serde_ignored::Path;
    let (parent, step) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(Step::Index(*index))),
        Path::Map { parent, key } => (parent, Some(Step::Key(key.clone()))),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => (parent, None),
    };
    ignored_path(parent).into_iter().chain(step).collect()
}

/// The tree being made readable.
struct Repair<'a> {
    root: Value,
    base: &'a str,
    trials: BTreeMap<Vec<Step>, Trial>,
    errors: &'a mut Vec<ConfigError>,
}

/// What else may stand at a path where serde stopped.
struct Trial {
    /// Reported if no candidate fits: what serde said first, or later of a candidate that had the
    /// right type. `None`: already reported.
    message: Option<String>,
    candidates: VecDeque<Value>,
}

impl Repair<'_> {
    /// Changes the tree at the failure; `false` if nothing is left to change. Every call uses up
    /// a candidate or removes a value, so the loop around it ends.
    fn step(&mut self, failure: Failure) -> bool {
        let Failure { mut path, message } = failure;
        if let Some(field) = missing_field(&message) {
            path.push(Step::Key(field.to_owned()));
            if !self.trials.contains_key(&path) {
                self.report(&path, "is required".to_owned());
                let trial = Trial { message: None, candidates: stand_ins() };
                self.trials.insert(path.clone(), trial);
            }
        }
        let value = tree::get(&self.root, &path);
        let said = without_value(&message, value);
        let trial = self.trials.entry(path.clone()).or_insert_with(|| Trial {
            message: Some(said.clone()),
            candidates: value.and_then(Value::as_str).map_or_else(VecDeque::new, |text| {
                readings(text, message.ends_with("expected a sequence"))
            }),
        });
        if trial.message.is_some() && !said.starts_with(WRONG_TYPE) {
            trial.message = Some(said);
        }
        match trial.candidates.pop_front() {
            Some(candidate) => tree::set(&mut self.root, &path, candidate),
            None => self.give_up(path),
        }
    }

    fn give_up(&mut self, mut path: Vec<Step>) -> bool {
        let message = self.trials.get_mut(&path).and_then(|trial| trial.message.take());
        if let Some(message) = message {
            self.report(&path, message);
        }
        // An array goes as a whole: without one element the others would change their index.
        while let Some(last) = path.last() {
            let removed = match last {
                Step::Index(_) => false,
                Step::Key(_) => tree::remove(&mut self.root, &path),
            };
            if removed {
                return true;
            }
            path.pop();
        }
        false
    }

    fn report(&mut self, path: &[Step], message: String) {
        self.errors.push(ConfigError::new(tree::join(self.base, path), message));
    }
}

/// Something of every type, so that reading goes on behind a missing key and finds the others.
/// The result is thrown away: an error has been reported.
fn stand_ins() -> VecDeque<Value> {
    [
        Value::String(String::new()),
        Value::Integer(1),
        Value::Boolean(false),
        Value::Array(Vec::new()),
        Value::Table(Table::new()),
    ]
    .into()
}

/// What else a string may mean: a TOML literal (`100`, `true`, `[0, 1]`), then, where a list is
/// wanted, a comma list.
fn readings(text: &str, list_wanted: bool) -> VecDeque<Value> {
    let literal = text.trim().parse::<Value>().ok().filter(|value| !value.is_str());
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let list = list_wanted.then(|| Value::Array(items.map(Value::from).collect()));
    literal.into_iter().chain(list).collect()
}

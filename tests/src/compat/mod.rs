//! Plays recorded conversations with the systems Peyk replaces, and compares.
//!
//! A scenario (`tests/compat/*.json`) is a list of steps: a request, the newest text a handset
//! received, a look into a token, a meddling with the database. What a step gave is compared with
//! what was recorded; objects may hold more members than the recorded ones, because Peyk's answers
//! are supersets. Where Peyk differs on purpose, `tests/compat/differences.toml` says so, with
//! the reason and with Peyk's own answer, which is then checked instead.

mod judge;
mod matcher;
mod player;
mod sockets;
mod steps;
mod table;
mod variables;

use std::{fs, path::PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

pub use self::{
    judge::{Judgement, judge},
    matcher::mismatches,
    player::Player,
    table::{Difference, Everywhere, Setting, Skipped, StepName, Table},
    variables::Variables,
};

/// One recorded conversation.
#[derive(Debug, Clone, Deserialize)]
pub struct Scenario {
    /// Its name; also the file's.
    pub scenario: String,
    /// Variables it begins with: values, or `{"gen": kind}` for fresh ones.
    #[serde(default)]
    pub vars: Map<String, Value>,
    /// What happened, in order.
    pub steps: Vec<Step>,
}

/// One step: exactly one kind of action, and what to make of its outcome.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Step {
    /// Names the step to people and to the table of differences. Need not be unique.
    #[serde(default)]
    pub id: String,
    /// What was recorded; none means the step is only done.
    pub expect: Option<Map<String, Value>>,
    /// Variables taken from the outcome's JSON: name to path, such as `$.user_id|int`.
    #[serde(default)]
    pub capture: Map<String, Value>,
    /// Why what was recorded is a bug or a hole of the old system.
    pub peer_defect: Option<String>,
    /// The action under its kind (`http`, `sms`, `hook` …), and remarks.
    #[serde(flatten)]
    pub action: Map<String, Value>,
}

impl Scenario {
    /// Reads `tests/compat/<name>.json`.
    ///
    /// # Panics
    /// When there is no such file or it is no scenario.
    pub fn read(name: &str) -> Self {
        let file = folder().join(format!("{name}.json"));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names of all scenarios there are, sorted.
    ///
    /// # Panics
    /// When the folder cannot be read.
    pub fn names() -> Vec<String> {
        let files = fs::read_dir(folder()).expect("tests/compat can be listed");
        let mut names: Vec<_> = files
            .map(|file| file.expect("tests/compat can be listed").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        names
    }
}

/// `tests/compat`.
fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/compat"))
}

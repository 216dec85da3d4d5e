//! `tests/compat/differences.toml`: the one table of what Peyk does otherwise.

use std::fs;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Scenario, Step, folder, steps::HOOKS};

/// The whole table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// How Peyk is configured for the recordings.
    pub setting: Vec<Setting>,
    /// The rule about the content type of errors.
    pub everywhere: Everywhere,
    /// Steps that cannot be played yet.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// Steps with another answer.
    #[serde(default)]
    pub difference: Vec<Difference>,
}

/// A setting that is not the default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its environment name without the leading `PEYK__`.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Why.
    pub reason: String,
}

/// The content type all errors have, whatever was recorded.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Everywhere {
    /// What the old systems sent.
    pub recorded: String,
    /// What Peyk sends.
    pub ours: String,
    /// Why.
    pub reason: String,
}

/// A step that is not played.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// The scenario's name.
    pub scenario: String,
    /// Which of its steps.
    pub step: StepName,
    /// Why.
    pub reason: String,
}

/// A step that Peyk answers otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The scenario's name.
    pub scenario: String,
    /// Which of its steps.
    pub step: StepName,
    /// Why.
    pub reason: String,
    /// Peyk's own answer, as a step's `expect`.
    pub expect: Map<String, Value>,
}

/// A step by its id or, where several have the same, by its place from 0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum StepName {
    /// The place.
    Index(usize),
    /// The id, which must be unique in its scenario.
    Id(String),
}

impl StepName {
    fn names(&self, index: usize, step: &Step) -> bool {
        match self {
            Self::Index(place) => *place == index,
            Self::Id(id) => *id == step.id,
        }
    }
}

impl Table {
    /// Reads the table.
    ///
    /// # Panics
    /// When it is not there or no such table.
    pub fn read() -> Self {
        let text = fs::read_to_string(folder().join("differences.toml"));
        let text = text.expect("tests/compat/differences.toml can be read");
        toml::from_str(&text).unwrap_or_else(|error| panic!("differences.toml: {error}"))
    }

    /// The entry about this step, if it has one.
    pub fn difference(&self, scenario: &str, index: usize, step: &Step) -> Option<&Difference> {
        let entry =
            |entry: &&Difference| entry.scenario == scenario && entry.step.names(index, step);
        self.difference.iter().find(entry)
    }

    /// Why this step is not played, if it is not.
    pub fn skipped(&self, scenario: &str, index: usize, step: &Step) -> Option<&Skipped> {
        let entry = |entry: &&Skipped| entry.scenario == scenario && entry.step.names(index, step);
        self.skipped.iter().find(entry)
    }

    /// Entries that do not name exactly one step of a scenario that is there, that have no reason,
    /// or that skip what can be played, which WebSockets cannot.
    pub fn faults(&self) -> Vec<String> {
        let scenarios: Vec<_> = Scenario::names().iter().map(|name| Scenario::read(name)).collect();
        let entries = self.difference.iter().map(|it| (&it.scenario, &it.step, &it.reason));
        let skipped = self.skipped.iter().map(|it| (&it.scenario, &it.step, &it.reason));
        let mut faults = Vec::new();
        let mut seen = Vec::new();
        for (name, step, reason) in entries.chain(skipped) {
            let found: Vec<_> = scenarios
                .iter()
                .filter(|scenario| scenario.scenario == *name)
                .flat_map(|scenario| scenario.steps.iter().enumerate())
                .filter(|(index, candidate)| step.names(*index, candidate))
                .map(|(index, _)| (name, index))
                .collect();
            if found.len() != 1 {
                faults.push(format!("{name} {step:?} names {} steps", found.len()));
            }
            if found.iter().any(|step| seen.contains(step)) {
                faults.push(format!("{name} {step:?} is listed twice"));
            }
            seen.extend(found);
            if reason.len() < 10 {
                faults.push(format!("{name} {step:?} has no reason"));
            }
        }
        faults.extend(self.skipped_in_vain(&scenarios));
        faults
    }

    fn skipped_in_vain(&self, scenarios: &[Scenario]) -> Vec<String> {
        let steps = scenarios.iter().flat_map(|scenario| {
            scenario.steps.iter().enumerate().map(|(index, step)| (&scenario.scenario, index, step))
        });
        steps
            .filter(|(name, index, step)| self.skipped(name, *index, step).is_some())
            .filter(|(_, _, step)| {
                let hook = step.action.get("hook").and_then(Value::as_str);
                let is_socket = step.action.contains_key("ws");
                !is_socket && hook.is_none_or(|hook| HOOKS.contains(&hook))
            })
            .map(|(name, index, step)| format!("{name} {index} ({}) can be played", step.id))
            .collect()
    }
}

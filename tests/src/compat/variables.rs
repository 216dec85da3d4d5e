//! The variables of a scenario: `{{name}}` in what is sent and in what is expected.

use std::{collections::BTreeMap, sync::LazyLock};

use rand::seq::IndexedRandom;
use regex::{Captures, Regex};
use serde_json::{Map, Value};

/// A variable in a text.
static VARIABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{(\w+)\}\}").expect("a constant pattern"));

/// Values by name.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<String, Value>);

impl Variables {
    /// The variables a scenario begins with; `{"gen": kind}` becomes a fresh value.
    ///
    /// # Panics
    /// On a kind nobody can generate.
    pub fn begin(vars: &Map<String, Value>) -> Self {
        let fresh = |value: &Value| match value["gen"].as_str() {
            Some(kind) => Value::String(generate(kind)),
            None => value.clone(),
        };
        Self(vars.iter().map(|(name, value)| (name.clone(), fresh(value))).collect())
    }

    /// Sets one.
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// One, if it is set.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Replaces variables in every text and every member name of `value`. A text that is nothing
    /// but one variable becomes its value, with its type.
    ///
    /// # Panics
    /// On a variable that is not set: the step that captures it must have failed.
    pub fn substitute(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.substitute_text(text),
            Value::Array(items) => items.iter().map(|item| self.substitute(item)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (self.interpolate(name), self.substitute(value)))
                .collect(),
            other => other.clone(),
        }
    }

    /// Replaces the variables in a text.
    ///
    /// # Panics
    /// As [`Variables::substitute`].
    pub fn interpolate(&self, text: &str) -> String {
        self.replace(text, str::to_owned)
    }

    /// Replaces the variables in a regular expression by expressions for exactly their values.
    ///
    /// # Panics
    /// As [`Variables::substitute`].
    pub fn interpolate_pattern(&self, pattern: &str) -> String {
        self.replace(pattern, regex::escape)
    }

    fn substitute_text(&self, text: &str) -> Value {
        let whole = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        match whole.filter(|name| is_name(name)) {
            Some(name) => self.value(name).clone(),
            None => Value::String(self.interpolate(text)),
        }
    }

    fn replace(&self, text: &str, write: impl Fn(&str) -> String) -> String {
        let replaced = VARIABLE.replace_all(text, |found: &Captures<'_>| {
            let value = self.value(&found[1]);
            write(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        });
        replaced.into_owned()
    }

    fn value(&self, name: &str) -> &Value {
        self.get(name).unwrap_or_else(|| panic!("no step captured the variable {name}"))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn generate(kind: &str) -> String {
    match kind {
        // Without 0 at its end and beginning the subscriber's part is one in every spelling.
        "mobile" => format!("091{}", random(b"123456789", 8)),
        "username" => format!("u{}", random(b"abcdefghjkmnpqrstuvwxyz23456789", 12)),
        "junk" => format!("abc!{}", random(b"abcdefgh-+", 7)),
        other => panic!("no variable of the kind {other} can be made"),
    }
}

fn random(alphabet: &[u8], length: usize) -> String {
    let rng = &mut rand::rng();
    (0..length)
        .map(|_| char::from(*alphabet.choose(rng).expect("an alphabet is not empty")))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_text_takes_the_variables_type_and_a_part_its_text() {
        let mut variables = Variables::default();
        variables.set("n", json!(7));
        let sent = json!({"a": "{{n}}", "b": ["no {{n}}"], "k{{n}}": null});
        let expected = json!({"a": 7, "b": ["no 7"], "k7": null});
        assert_eq!(variables.substitute(&sent), expected);
    }

    #[test]
    fn a_variable_in_a_pattern_stands_for_itself_only() {
        let mut variables = Variables::default();
        variables.set("v", json!("a.b"));
        assert_eq!(variables.interpolate_pattern(r"\d+{{v}}"), r"\d+a\.b");
    }

    #[test]
    fn generated_values_have_their_form() {
        let vars = json!({"m": {"gen": "mobile"}, "j": {"gen": "junk"}, "c": "fixed"});
        let variables = Variables::begin(vars.as_object().unwrap());
        let text = |name: &str| variables.get(name).unwrap().as_str().unwrap().to_owned();
        assert!(text("m").starts_with("091") && text("m").len() == 11);
        assert!(text("j").starts_with("abc!") && text("j").len() == 11);
        assert_eq!(text("c"), "fixed");
    }
}

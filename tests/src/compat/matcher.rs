//! Compares an answer with a pattern.
//!
//! A literal wants itself with the same JSON type (`1` is neither `1.0` nor `true`). An object
//! wants its members and allows others. An object with members that begin with `$` is a matcher:
//!
//! - `{"$type": "int"}` (`float number str bool null list object datetime jwt url`)
//! - `{"$re": "pattern"}` for the whole text
//! - `{"$each": pattern}`, `{"$len": n}` for lists
//! - `{"$any_of": [pattern, …]}`, `{"$subset": {…}}`, `{"$ignore": true}`
//! - `{"$optional": pattern}`: the member may be absent

use regex::Regex;
use serde_json::{Map, Value};

use super::Variables;

/// What is wrong with `actual`, each with its path; empty when it matches.
///
/// # Panics
/// On a pattern that is none.
pub fn mismatches(expected: &Value, actual: &Value, variables: &Variables) -> Vec<String> {
    let mut comparison = Comparison { variables, found: Vec::new() };
    comparison.compare("$", expected, actual);
    comparison.found
}

struct Comparison<'a> {
    variables: &'a Variables,
    found: Vec<String>,
}

impl Comparison<'_> {
    fn compare(&mut self, path: &str, expected: &Value, actual: &Value) {
        match expected {
            Value::Object(members) if members.keys().any(|name| name.starts_with('$')) => {
                self.matcher(path, members, actual);
            }
            Value::Object(members) => self.members(path, members, actual),
            Value::Array(items) => self.items(path, items, actual),
            literal => {
                let literal = self.variables.substitute(literal);
                self.require(literal == *actual, || {
                    format!("{path}: expected {literal}, got {}", short(actual))
                });
            }
        }
    }

    fn require(&mut self, fine: bool, complaint: impl FnOnce() -> String) {
        if !fine {
            self.found.push(complaint());
        }
    }

    fn members(&mut self, path: &str, expected: &Map<String, Value>, actual: &Value) {
        let Some(actual) = actual.as_object() else {
            self.found.push(format!("{path}: expected an object, got {}", short(actual)));
            return;
        };
        for (name, pattern) in expected {
            let name = self.variables.interpolate(name);
            match actual.get(&name) {
                Some(value) => self.compare(&format!("{path}.{name}"), pattern, value),
                None => self.require(pattern.get("$optional").is_some(), || {
                    format!("{path}.{name}: missing")
                }),
            }
        }
    }

    fn items(&mut self, path: &str, expected: &[Value], actual: &Value) {
        match actual.as_array() {
            Some(actual) if actual.len() == expected.len() => {
                for (at, (pattern, value)) in expected.iter().zip(actual).enumerate() {
                    self.compare(&format!("{path}[{at}]"), pattern, value);
                }
            }
            _ => self.found.push(format!(
                "{path}: expected a list of {}, got {}",
                expected.len(),
                short(actual)
            )),
        }
    }

    fn matcher(&mut self, path: &str, rules: &Map<String, Value>, actual: &Value) {
        if rules.get("$ignore") == Some(&Value::Bool(true)) {
            return;
        }
        for (name, rule) in rules {
            match name.as_str() {
                "$optional" => self.compare(path, rule, actual),
                "$subset" => {
                    let members = rule.as_object().expect("$subset takes an object");
                    self.members(path, members, actual);
                }
                "$type" => {
                    let kind = rule.as_str().expect("$type takes a name");
                    self.require(is_type(kind, actual), || {
                        format!("{path}: expected a {kind}, got {}", short(actual))
                    });
                }
                "$re" => self.pattern(path, rule, actual),
                "$len" => self.require(length(actual) == rule.as_u64(), || {
                    format!("{path}: expected the length {rule}, got {}", short(actual))
                }),
                "$each" => self.each(path, rule, actual),
                "$any_of" => self.any_of(path, rule, actual),
                other => panic!("no such matcher: {other}"),
            }
        }
    }

    fn pattern(&mut self, path: &str, rule: &Value, actual: &Value) {
        let rule = rule.as_str().expect("$re takes a pattern");
        let pattern = self.variables.interpolate_pattern(rule);
        let whole = Regex::new(&format!(r"\A(?s:{pattern})\z")).expect("a valid pattern");
        let fine = actual.as_str().is_some_and(|text| whole.is_match(text));
        self.require(fine, || format!("{path}: {} does not match {pattern}", short(actual)));
    }

    fn each(&mut self, path: &str, rule: &Value, actual: &Value) {
        let Some(items) = actual.as_array() else {
            self.found.push(format!("{path}: expected a list, got {}", short(actual)));
            return;
        };
        for (at, item) in items.iter().enumerate() {
            self.compare(&format!("{path}[{at}]"), rule, item);
        }
    }

    /// Reports the alternative with the fewest faults.
    fn any_of(&mut self, path: &str, rule: &Value, actual: &Value) {
        let alternatives = rule.as_array().expect("$any_of takes a list").iter();
        let best = alternatives
            .map(|alternative| {
                let mut tried = Comparison { variables: self.variables, found: Vec::new() };
                tried.compare(path, alternative, actual);
                tried.found
            })
            .min_by_key(Vec::len);
        self.found.extend(best.expect("$any_of has alternatives"));
    }
}

fn is_type(kind: &str, actual: &Value) -> bool {
    let text = |pattern: &str| {
        let pattern = Regex::new(pattern).expect("a constant pattern");
        actual.as_str().is_some_and(|text| pattern.is_match(text))
    };
    match kind {
        "int" => actual.is_i64() || actual.is_u64(),
        "float" => actual.is_f64(),
        "number" => actual.is_number(),
        "str" => actual.is_string(),
        "bool" => actual.is_boolean(),
        "null" => actual.is_null(),
        "list" => actual.is_array(),
        "object" => actual.is_object(),
        "datetime" => text(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)\z"),
        "jwt" => text(r"\A[\w-]+\.[\w-]+\.[\w-]+\z"),
        "url" => text(r"\Ahttps?://"),
        other => panic!("no such type: {other}"),
    }
}

fn length(actual: &Value) -> Option<u64> {
    let length = match actual {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => return None,
    };
    u64::try_from(length).ok()
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(expected: &Value, actual: &Value) -> bool {
        let mut variables = Variables::default();
        variables.set("v", json!("a+b"));
        mismatches(expected, actual, &variables).is_empty()
    }

    #[test]
    fn literals_want_the_same_type_and_objects_allow_more() {
        for (expected, actual, fine) in [
            (json!(1), json!(1), true),
            (json!(1), json!(1.0), false),
            (json!(1), json!(true), false),
            (json!("{{v}}"), json!("a+b"), true),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), true),
            (json!({"a": 1, "b": 2}), json!({"a": 1}), false),
            (json!([1, 2]), json!([1]), false),
            (json!([{"a": 1}]), json!([{"a": 1, "b": 2}]), true),
            (json!({"a": {"$optional": 1}}), json!({}), true),
            (json!({"a": {"$optional": 1}}), json!({"a": 2}), false),
        ] {
            assert_eq!(fits(&expected, &actual), fine, "{expected} {actual}");
        }
    }

    #[test]
    fn matchers_accept_what_they_describe_and_nothing_else() {
        for (expected, good, bad) in [
            (json!({"$type": "int"}), json!(1), json!(1.5)),
            (json!({"$type": "jwt"}), json!("a.b-_.c"), json!("a.b")),
            (json!({"$type": "datetime"}), json!("2026-01-02T03:04:05Z"), json!("2026-01-02")),
            (json!({"$re": "{{v}}\\d"}), json!("a+b7"), json!("aab7")),
            (json!({"$re": "a"}), json!("a"), json!("ab")),
            (json!({"$len": 2}), json!([1, 2]), json!([1])),
            (json!({"$each": {"$type": "str"}}), json!(["a"]), json!(["a", 1])),
            (json!({"$any_of": [1, 2]}), json!(2), json!(3)),
            (json!({"$subset": {"a": 1}}), json!({"a": 1, "b": 1}), json!({"b": 1})),
        ] {
            assert!(fits(&expected, &good), "{expected} {good}");
            assert!(!fits(&expected, &bad), "{expected} {bad}");
        }
        assert!(fits(&json!({"$ignore": true}), &json!([1])));
    }
}

//! Decides about one step: as recorded, as the table says, or wrong. Pure.

use serde_json::{Map, Value};

use super::{Difference, Everywhere, Step, Variables, mismatches};

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// As recorded.
    Matches,
    /// Otherwise, and exactly as the table says.
    Differs,
    /// Neither; the complaints.
    Wrong(Vec<String>),
}

/// Compares a step's outcome with the recording and with its entry in the table, if it has one.
/// An entry for a step that goes as recorded is stale, and that is an error too.
pub fn judge(
    step: &Step,
    outcome: &Map<String, Value>,
    variables: &Variables,
    entry: Option<&Difference>,
    everywhere: &Everywhere,
) -> Judgement {
    let Some(recorded) = &step.expect else {
        return match entry {
            Some(_) => Judgement::Wrong(vec!["listed, but nothing was recorded".to_owned()]),
            None => Judgement::Matches,
        };
    };
    let as_recorded = compare(&translate(recorded, outcome, everywhere), outcome, variables);
    match entry {
        None if as_recorded.is_empty() => Judgement::Matches,
        None => Judgement::Wrong(as_recorded),
        Some(_) if as_recorded.is_empty() => {
            Judgement::Wrong(vec!["listed as a difference, but as recorded: stale".to_owned()])
        }
        Some(entry) => {
            let ours = compare(&with_content_type(&entry.expect, everywhere), outcome, variables);
            if ours.is_empty() { Judgement::Differs } else { Judgement::Wrong(ours) }
        }
    }
}

/// The recorded expectation with our content type where an error has the old one.
fn translate(
    recorded: &Map<String, Value>,
    outcome: &Map<String, Value>,
    everywhere: &Everywhere,
) -> Map<String, Value> {
    let mut expected = recorded.clone();
    let is_error =
        outcome.get("status").and_then(Value::as_u64).is_some_and(|status| status >= 400);
    if let Some(sent) = expected.get_mut("headers").and_then(|it| it.get_mut("content-type"))
        && is_error
        && *sent == *everywhere.recorded
    {
        *sent = everywhere.ours.clone().into();
    }
    expected
}

/// Our own expectation, with the content type all our errors have.
fn with_content_type(ours: &Map<String, Value>, everywhere: &Everywhere) -> Map<String, Value> {
    let mut expected = ours.clone();
    if ours.get("status").and_then(Value::as_u64).is_some_and(|status| status >= 400) {
        let headers = expected.entry("headers").or_insert_with(|| Map::new().into());
        headers["content-type"] = everywhere.ours.clone().into();
    }
    expected
}

fn compare(
    expected: &Map<String, Value>,
    outcome: &Map<String, Value>,
    variables: &Variables,
) -> Vec<String> {
    let mut found = Vec::new();
    for (name, pattern) in expected {
        match (name.as_str(), outcome.get(name)) {
            ("headers", Some(headers)) => {
                found.extend(compare_headers(pattern, headers, variables));
            }
            (_, Some(value)) => found.extend(mismatches(pattern, value, variables)),
            (_, None) => found.push(format!("no {name} in {}", short(outcome))),
        }
    }
    found
}

/// Names in any case; `null` means the header must be absent; others are not looked at.
fn compare_headers(expected: &Value, actual: &Value, variables: &Variables) -> Vec<String> {
    let mut found = Vec::new();
    for (name, pattern) in expected.as_object().into_iter().flatten() {
        match (actual.get(name.to_ascii_lowercase()), pattern) {
            (None, Value::Null) => {}
            (None, _) => found.push(format!("header {name}: missing")),
            (Some(_), Value::Null) => found.push(format!("header {name}: unexpected")),
            (Some(value), _) => found.extend(
                mismatches(pattern, value, variables)
                    .into_iter()
                    .map(|complaint| format!("header {name}: {complaint}")),
            ),
        }
    }
    found
}

fn short(outcome: &Map<String, Value>) -> String {
    Value::Object(outcome.clone()).to_string().chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compat::StepName;

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    fn judged(recorded: Value, outcome: Value, listed: Option<Value>) -> Judgement {
        let step = Step { expect: Some(object(recorded)), ..Step::default() };
        let entry = listed.map(|expect| Difference {
            scenario: String::new(),
            step: StepName::Index(0),
            reason: String::new(),
            expect: object(expect),
        });
        let everywhere = Everywhere {
            recorded: "application/json".to_owned(),
            ours: "application/problem+json".to_owned(),
            reason: String::new(),
        };
        judge(&step, &object(outcome), &Variables::default(), entry.as_ref(), &everywhere)
    }

    fn error(content_type: &str) -> Value {
        json!({"status": 400, "headers": {"content-type": content_type}, "json": {"a": 1}})
    }

    #[test]
    fn an_unlisted_step_must_go_as_recorded() {
        let good = json!({"status": 200, "json": {"a": 1}});
        assert_eq!(judged(good.clone(), good.clone(), None), Judgement::Matches);
        let bad = judged(good, json!({"status": 201, "json": {"a": 1}}), None);
        assert!(matches!(bad, Judgement::Wrong(_)));
    }

    #[test]
    fn a_listed_step_must_answer_what_the_table_says() {
        let recorded = json!({"status": 204});
        let ours = error("application/problem+json");
        let judge = |listed| judged(recorded.clone(), ours.clone(), Some(listed));
        assert_eq!(judge(json!({"status": 400, "json": {"a": 1}})), Judgement::Differs);
        assert!(matches!(judge(json!({"status": 400, "json": {"a": 2}})), Judgement::Wrong(_)));
        assert!(matches!(judge(json!({"status": 204})), Judgement::Wrong(_)));
    }

    #[test]
    fn an_entry_for_a_step_that_goes_as_recorded_is_stale() {
        let good = json!({"status": 200});
        assert!(matches!(judged(good.clone(), good.clone(), Some(good)), Judgement::Wrong(_)));
    }

    #[test]
    fn errors_are_problem_documents_wherever_json_was_recorded() {
        let recorded = error("application/json");
        let ours = error("application/problem+json");
        assert_eq!(judged(recorded.clone(), ours, None), Judgement::Matches);
        assert!(matches!(judged(recorded.clone(), recorded, None), Judgement::Wrong(_)));
        let wrong_type = error("text/html");
        let listed = json!({"status": 400});
        let judgement = judged(json!({"status": 500}), wrong_type, Some(listed));
        assert!(matches!(judgement, Judgement::Wrong(_)));
    }

    #[test]
    fn a_header_may_be_wanted_absent() {
        let outcome = json!({"status": 200, "headers": {"a": "1"}});
        let absent = |name: &str| json!({"headers": {name: null}});
        assert_eq!(judged(absent("b"), outcome.clone(), None), Judgement::Matches);
        assert!(matches!(judged(absent("A"), outcome, None), Judgement::Wrong(_)));
    }
}

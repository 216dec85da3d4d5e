//! Serde's messages, turned into ours: without values, in the words of TOML.

use toml::Value;

/// How messages about the type begin.
pub(super) const WRONG_TYPE: &str = "has the wrong type";

/// Serde's name of a key without default that is not there.
pub(super) fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// Serde's message without the offending value, which may be a secret.
pub(super) fn without_value(message: &str, value: Option<&Value>) -> String {
    // The last one: the value before it may say anything.
    let expected = message.rsplit_once(", expected ").map(|(_, text)| plainly(text));
    let found = value.map_or("nothing", Value::type_str);
    match (message.split_once(':').map(|(what, _)| what), expected) {
        (Some("invalid type"), Some(expected)) => {
            format!("{WRONG_TYPE}: {found}, expected {expected}")
        }
        (Some("invalid value"), Some(expected)) => format!("is out of range, expected {expected}"),
        _ if message.starts_with("unknown variant") => match expected {
            Some(expected) => format!("is not one of the choices, expected {expected}"),
            None => "is not one of the choices".to_owned(),
        },
        _ if value.is_some_and(|value| repeats(message, value)) => "is not valid".to_owned(),
        _ => message.to_owned(),
    }
}

/// Serde's words for those who write TOML.
fn plainly(expected: &str) -> &str {
    match expected {
        "a map" => "a table",
        "a sequence" => "an array",
        "string only" => "a string",
        _ if expected.starts_with("struct ") => "a table",
        _ => expected,
    }
}

/// Whether `message` holds any text of `value`.
fn repeats(message: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => text.split_whitespace().any(|word| message.contains(word)),
        Value::Array(items) => items.iter().any(|item| repeats(message, item)),
        Value::Table(table) => table.values().any(|item| repeats(message, item)),
        other => message.contains(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_out_of_every_kind_of_message() {
        let value = Value::from("s3cret, expected nothing\nPEM");
        let wrong = "has the wrong type: string, expected u64";
        for (message, expected) in [
            ("invalid type: string \"s3cret, expected x\", expected u64", wrong),
            ("invalid value: string \"s3cret\", expected i8", "is out of range, expected i8"),
            ("unknown variant `s3cret`, expected `a`", "is not one of the choices, expected `a`"),
            ("unknown variant `s3cret`, there are no variants", "is not one of the choices"),
            ("cannot use `s3cret,`", "is not valid"),
            ("odd line: \"x\\nPEM\"", "is not valid"),
            ("must be a rate", "must be a rate"),
        ] {
            assert_eq!(without_value(message, Some(&value)), expected);
        }
    }

    #[test]
    fn a_missing_field_is_recognised_by_its_message() {
        assert_eq!(missing_field("missing field `api_key`"), Some("api_key"));
        assert_eq!(missing_field("invalid type"), None);
    }
}

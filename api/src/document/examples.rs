//! An example on every field. poem-openapi has them for whole objects only; a type says its own
//! with `#[oai(example)]` and an `impl Example` beside it, and here its members become the examples
//! of the fields and of the types below it.

use serde_json::{Map, Value, json};

const SCHEMAS: &str = "#/components/schemas/";

/// Fields that are not in the example of their type, because no single request or answer has them all.
fn elsewhere() -> Vec<(&'static str, &'static str, Value)> {
    let person = json!({ "id": 17, "username": "sara" });
    vec![
        ("Problem", "retry_after", json!(12)),
        ("AddChatRoomMembers", "user_id", json!(18)),
        ("ChatEvent", "by", person.clone()),
        ("ChatEvent", "client_id", json!("c-7f3a")),
        ("ChatEvent", "data", json!({ "emoji": "👍", "on": true, "count": 2 })),
        ("ChatEvent", "edited_at", json!("2026-11-21T09:30:00Z")),
        ("ChatEvent", "event", json!("joined")),
        ("ChatEvent", "file_url", json!(FILE)),
        ("ChatEvent", "lat", json!(35.7)),
        ("ChatEvent", "lng", json!(51.4)),
        ("ChatEvent", "reply_to", json!(40)),
        ("ChatEvent", "user", person),
        ("ChatReport", "note", json!("He writes this to everybody.")),
        ("ChatReport", "outcome", json!("removed")),
        ("ChatReport", "settled_at", json!("2026-11-21T10:00:00Z")),
        ("ChatReport", "settled_by", json!(2)),
        ("ChatRoomMember", "muted_until", json!("2026-11-21T10:00:00Z")),
        ("CreateApiKey", "daily_spend_rials", json!(5_000_000)),
        ("CreateApiKey", "expires_at", json!("2027-01-31T12:00:00Z")),
        ("CreateChatRoom", "descriptions", json!("Everybody of the shop")),
        ("CreateChatRoom", "name", json!("Shop")),
        ("CreateChatRoom", "organization", json!(3)),
        ("CreateChatRoom", "user", json!(18)),
        ("CreateChatRoom", "users", json!([18, 19])),
        ("PostChatMessage", "attach_id", json!(9)),
        ("PostChatMessage", "lat", json!(35.7)),
        ("PostChatMessage", "lng", json!(51.4)),
        ("PostChatMessage", "reply_to", json!(40)),
        ("ReadChatRoom", "message_id", json!(41)),
        ("ReportChatMessage", "note", json!("He writes this to everybody.")),
        ("SocketChatMessage", "truncated", json!(true)),
        ("SocketError", "field", json!("message")),
        ("SocketError", "retry_after", json!(12)),
        ("SocketEvent", "id", json!(41)),
        ("SocketEvent", "message", json!("سلام دوباره")),
        ("SocketEvent", "truncated", json!(true)),
        ("SocketPassing", "expires_in", json!(6)),
        ("SocketPassing", "seq", json!(12)),
        ("SocketPost", "attach_id", json!(9)),
        ("SocketPost", "lat", json!(35.7)),
        ("SocketPost", "lng", json!(51.4)),
        ("SocketPost", "message_type", json!("location")),
        ("SocketPost", "reply_to", json!(40)),
        ("UpdateChatRoom", "descriptions", json!("Everybody of the shop")),
        ("UpdateChatRoom", "slow_seconds", json!(10)),
        ("UpdateChatRoom", "status", json!(2)),
        ("UpdateChatRoom", "tells_by_sms", json!(true)),
        ("UploadFile", "chatroom", json!(5)),
        ("UploadFile", "file", json!("(the bytes of the file)")),
        ("UploadFile", "text", json!("The bill")),
    ]
}

/// Where a file is, as frames have it.
const FILE: &str = "/media/uploads/chat_files/2026/11/21/\
    5a0c3f9e1b7d4c2a8e6f0b1d3c5a7e9f.t3m4k0.9b1f2c3d4e5a6b7c.jpg";

/// Gives every field of every schema the example that the schema's own example, or that of a schema
/// it is part of, has for it.
pub(super) fn spread(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    let examples = schemas
        .iter()
        .filter_map(|(name, schema)| Some((name.clone(), schema.get("example")?.clone())))
        .collect::<Vec<_>>();
    for (name, example) in examples {
        give(schemas, &name, &example);
    }
    for (schema, field, example) in elsewhere() {
        let fields = schemas.get_mut(schema).and_then(|schema| schema.get_mut("properties"));
        if let Some(field) = fields.and_then(|fields| fields.get_mut(field)) {
            field["example"] = example;
        }
    }
}

fn give(schemas: &mut Map<String, Value>, name: &str, example: &Value) {
    let fields = schemas.get_mut(name).and_then(|schema| schema.get_mut("properties"));
    let fields = fields.and_then(Value::as_object_mut);
    let (Some(fields), Value::Object(members)) = (fields, example) else { return };
    let mut parts = Vec::new();
    for (field, example) in members {
        let Some(schema) = fields.get_mut(field) else { continue };
        // Beside a bare `$ref` nothing else may stand; what it names has examples of its own.
        if schema.get("$ref").is_none() && schema.get("example").is_none() {
            schema["example"] = example.clone();
        }
        parts.extend(part_of(schema, example));
    }
    for (name, example) in parts {
        let Some(schema) = schemas.get_mut(&name) else { continue };
        if schema.get("example").is_none() {
            schema["example"] = example.clone();
            give(schemas, &name, &example);
        }
    }
}

/// The schema a field's value, or each of its items, belongs to, with that part of the example.
fn part_of(schema: &Value, example: &Value) -> Option<(String, Value)> {
    let (schema, example) = match example {
        Value::Array(items) => (&schema["items"], items.first()?),
        _ => (schema, example),
    };
    let reference = schema.get("$ref").or_else(|| schema["allOf"][0].get("$ref"))?;
    let name = reference.as_str()?.strip_prefix(SCHEMAS)?;
    Some((name.to_owned(), example.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of a field, or of the schema it only refers to.
    fn example_of<'a>(schemas: &'a Value, field: &'a Value) -> Option<&'a Value> {
        let target = field["$ref"].as_str().and_then(|name| name.strip_prefix(SCHEMAS));
        target.map_or(field, |name| &schemas[name]).get("example")
    }

    #[test]
    fn every_field_of_every_schema_has_an_example() {
        let document = super::super::document();
        let schemas = &document["components"]["schemas"];
        let mut missing = Vec::new();
        for (name, schema) in schemas.as_object().unwrap() {
            for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                if example_of(schemas, schema).is_none() {
                    missing.push(format!("{name}.{field}"));
                }
            }
        }
        assert!(missing.is_empty(), "no example (see document/examples.rs): {missing:?}");
    }

    #[test]
    fn every_parameter_has_an_example() {
        let document = super::super::document();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let name = &parameter["name"];
                    assert!(!parameter["schema"]["example"].is_null(), "{method} {path} {name}");
                }
            }
        }
    }

    #[test]
    fn a_part_takes_its_example_from_the_whole_unless_it_has_its_own() {
        let reference = |name: &str| json!({ "$ref": format!("{SCHEMAS}{name}") });
        let mut document = json!({ "components": { "schemas": {
            "Basket": {
                "example": { "owner": { "name": "Sara", "mood": "good" }, "items": [{ "price": 5 }] },
                "properties": {
                    "owner": { "allOf": [reference("Person")] },
                    "items": { "type": "array", "items": reference("Item") },
                },
            },
            "Item": { "example": { "price": 7 }, "properties": { "price": {} } },
            "Person": { "properties": { "name": {}, "mood": reference("Mood") } },
            "Mood": { "enum": ["good", "bad"] },
        }}});
        spread(&mut document);
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Person"]["properties"]["name"]["example"], "Sara");
        assert_eq!(schemas["Item"]["properties"]["price"]["example"], 7);
        let fields = &schemas["Basket"]["properties"];
        assert_eq!(fields["owner"]["example"], json!({ "name": "Sara", "mood": "good" }));
        assert_eq!(schemas["Mood"], json!({ "enum": ["good", "bad"], "example": "good" }));
        assert_eq!(fields["items"]["example"], json!([{ "price": 5 }]));
    }
}

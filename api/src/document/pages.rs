//! Pages of lists: their ends are there and null, as old clients read them.

use serde_json::{Map, Value, json};

/// Members of every page that say where the neighbours are.
const NEIGHBOURS: [&str; 2] = ["next", "previous"];

/// Says of every page's neighbours that they may be null and are never absent.
pub(super) fn add(document: &mut Value) {
    let schemas = document["components"]["schemas"].as_object_mut();
    for schema in schemas.into_iter().flat_map(Map::values_mut) {
        if NEIGHBOURS.iter().any(|name| schema["properties"].get(name).is_none()) {
            continue;
        }
        for name in NEIGHBOURS {
            schema["properties"][name]["nullable"] = true.into();
        }
        match &mut schema["required"] {
            Value::Array(required) => required.extend(NEIGHBOURS.map(Value::from)),
            none => *none = json!(NEIGHBOURS),
        }
    }
}

/// Members that are there and null if there is nothing to say, as old clients read them.
const SAID: [(&str, &[&str]); 4] = [
    ("VerifyDetails", &["status_code", "data_verify"]),
    (
        "ChatRoom",
        &[
            "user_1",
            "user_2",
            "name",
            "descriptions",
            "organization",
            "last_message",
            "avatar_url",
            "muted_until",
        ],
    ),
    ("RoomOfMessage", &["user_1", "user_2", "name", "descriptions", "organization"]),
    ("ChatMessage", &["file_url", "lat", "lng", "client_id", "reply_to", "edited_at", "file"]),
];

/// Says so.
pub(super) fn add_answers(document: &mut Value) {
    for (schema, names) in SAID {
        let schema = &mut document["components"]["schemas"][schema];
        if schema.is_null() {
            continue;
        }
        for name in names {
            schema["properties"][name]["nullable"] = true.into();
        }
        let names = names.iter().copied().map(Value::from);
        match &mut schema["required"] {
            Value::Array(required) => required.extend(names),
            none => *none = names.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_ends_of_a_list_are_null_and_there() {
        let schemas = &super::super::document()["components"]["schemas"];
        for page in ["MessagePage", "InboundPage", "StaffUserPage", "AuditPage", "OrganizationPage"]
        {
            for name in super::NEIGHBOURS {
                let schema = &schemas[page];
                assert_eq!(schema["properties"][name]["nullable"], true, "{page}.{name}");
                let required = schema["required"].as_array().unwrap();
                assert!(required.contains(&name.into()), "{page}.{name}");
            }
        }
    }
}

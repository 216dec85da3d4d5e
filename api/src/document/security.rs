//! Which operations need credentials: those whose answers speak of scopes.

use serde_json::{Map, Value, json};

/// Declares the API key and demands it of every operation of the tag `Messages`.
pub(super) fn add(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "apiKey": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "Made with `api keys create`. `Authorization: Bearer …` is read too.",
        },
    });
    let operations = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let tags = operation["tags"].as_array();
        if tags.is_some_and(|tags| tags.iter().any(|tag| tag == "Messages")) {
            operation["security"] = json!([{ "apiKey": [] }]);
        }
    }
}

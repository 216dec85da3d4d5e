//! The header `Idempotency-Key` of the operations that read it.

use serde_json::{Map, Value, json};

use crate::idempotency::{DEMANDING, HEADER, LONGEST, OPERATIONS};

/// Adds the parameter to each of [`OPERATIONS`].
pub(super) fn add(document: &mut Value) {
    let operations = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        if OPERATIONS.contains(&id) {
            let parameter = parameter(DEMANDING.contains(&id));
            match &mut operation["parameters"] {
                Value::Array(parameters) => parameters.push(parameter),
                none => *none = json!([parameter]),
            }
        }
    }
}

fn parameter(required: bool) -> Value {
    json!({
        "name": HEADER,
        "in": "header",
        "required": required,
        "deprecated": false,
        "description": "A name for this request, such as a UUID (draft-ietf-httpapi-idempotency-key-header). \
            For 24 hours the same request of the same caller under the same key is carried out once; \
            each repeat is told how what it made stands now. While the first one is at work: 409. \
            Another request under the key: 422. A request that was refused leaves no key, and one \
            whose text every provider refused, or that no payment gateway answered, may be sent again.",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST,
            "pattern": "^[!-~]+$",
            "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_that_read_the_key_say_so_with_its_refusals() {
        let document = super::super::document();
        let paths = document["paths"].as_object().unwrap().values();
        let operations: Vec<_> =
            paths.flat_map(|item| item.as_object().unwrap().values()).collect();
        let has_key = |operation: &&&Value| {
            let parameters = operation["parameters"].as_array();
            parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == HEADER))
        };
        let keyed: Vec<_> = operations.iter().filter(has_key).collect();
        assert_eq!(keyed.len(), OPERATIONS.len());
        for operation in keyed {
            for status in ["400", "409", "422"] {
                let answer = &operation["responses"][status];
                assert!(answer.is_object(), "{} {status}", operation["operationId"]);
            }
        }
    }
}

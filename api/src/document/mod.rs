//! The OpenAPI document as it is committed, served and generated from: what poem-openapi says of
//! the operations, with the paths clients really use.

mod examples;
mod headers;
mod idempotency;
mod pages;
mod security;

use poem_openapi::{OpenApi, OpenApiService};
use serde_json::{Map, Value, json};

use crate::{legacy::rest_sms_auth::DOCUMENTED_MOUNT, routes};

const DESCRIPTION: &str = "Self-hosted backend for apps built around a phone number: log in by \
one-time code, send SMS, take payments, chat in real time.\n\n\
Every path is also served without its trailing slash and below every configured prefix. \
Every error is a `Problem` (RFC 9457, `application/problem+json`).\n\n\
Operations that can answer 429 say in every answer how the caller stands: `RateLimit-Policy` lists \
the limits the request was measured by (`q` units in `w` seconds), `RateLimit` what is left of each \
(`r` now, one more in `t` seconds). Units come back one by one, evenly over the window.";

/// The document. Needs neither configuration nor database.
pub(crate) fn document() -> Value {
    let read = |spec: String| serde_json::from_str(&spec).expect("poem-openapi writes JSON");
    let mut whole: Value = read(routes::service().spec());
    let mut mounted: Value = read(routes::mounted_service().spec());
    whole["paths"] = at_prefix(&whole["paths"], routes::DOCUMENTED_PREFIX);
    let paths = at_prefix(&mounted["paths"], DOCUMENTED_MOUNT);
    join(&mut whole["paths"], paths);
    join(&mut whole["components"]["schemas"], mounted["components"]["schemas"].take());
    finish(whole)
}

fn join(into: &mut Value, from: Value) {
    let Value::Object(from) = from else { return };
    into.as_object_mut().expect("poem-openapi writes objects").extend(from);
}

/// The paths below a prefix, with the final slash of the old systems.
fn at_prefix(paths: &Value, prefix: &str) -> Value {
    let paths = paths.as_object().into_iter().flatten();
    let whole = paths.map(|(path, item)| (format!("{prefix}{path}/"), item.clone()));
    Value::Object(whole.collect::<Map<_, _>>())
}

/// The document as this server serves it: with its own address, so that the page can try
/// operations and generated clients find it.
pub(crate) fn served_at(public_url: &str) -> Value {
    let mut document = document();
    document["servers"][0]["url"] = public_url.into();
    document
}

/// A document as JSON text.
pub(crate) fn json_text(document: &Value) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("a JSON value is writable");
    text.push('\n');
    text
}

/// A document as YAML text.
pub(crate) fn yaml_text(document: &Value) -> String {
    serde_yaml::to_string(document).expect("a JSON value is writable")
}

/// The documentation UI over a document, from embedded assets.
pub(crate) fn ui_html<T: OpenApi>(service: &OpenApiService<T, ()>, document: &Value) -> String {
    let finished = serde_json::to_string(document).expect("a JSON value is writable");
    // In a script element no other sequence can end the script.
    let finished = finished.replace("</", "<\\/");
    let page = service.swagger_ui_html().replace(&service.spec(), &finished);
    page.replace("<title>Swagger UI</title>", "<title>Peyk API</title>")
}

fn finish(mut document: Value) -> Value {
    document["info"]["description"] = DESCRIPTION.into();
    document["info"]["license"] = json!({ "name": "MIT" });
    let address = "The address in `http.public_url`; this is the one of `script/dev`";
    document["servers"] = json!([{ "url": "http://127.0.0.1:8080", "description": address }]);
    tidy(&mut document);
    describe_answers(&mut document);
    headers::add(&mut document);
    idempotency::add(&mut document);
    pages::add(&mut document);
    pages::add_answers(&mut document);
    security::add(&mut document);
    examples::spread(&mut document);
    document
}

/// A success without words of its own is described by what it returns.
fn describe_answers(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let operations = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let operations = operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    let answers = operations.filter_map(|operation| operation["responses"].as_object_mut());
    for answer in answers.flat_map(Map::values_mut) {
        let schema = &answer["content"]["application/json"]["schema"]["$ref"];
        let name = schema.as_str().and_then(|path| path.rsplit('/').next());
        if let Some(name) = name.filter(|_| answer["description"] == "") {
            answer["description"] = schemas[name]["description"].clone();
        }
    }
}

/// Media types without parameters (generators compare them literally), whole numbers as integers,
/// header names in their usual spelling, references in one form.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(schema) = members.remove("application/json; charset=utf-8") {
                members.insert("application/json".to_owned(), schema);
            }
            for (written, usual) in
                [("LOCATION", "Location"), ("LINK", "Link"), ("SET-COOKIE", "Set-Cookie")]
            {
                if let Some(header) = members.remove(written) {
                    members.insert(usual.to_owned(), header);
                }
            }
            if members.get("in") == Some(&json!("header"))
                && members.get("name") == Some(&json!("PREFER"))
            {
                members.insert("name".to_owned(), json!("Prefer"));
            }
            unwrap_annotations(members);
            members.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Number(number) => {
            if let Some(whole) = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 1e15) {
                // Exact: checked to be whole and small.
                if let Ok(integer) = format!("{whole:.0}").parse::<i64>() {
                    *value = integer.into();
                }
            }
        }
        _ => {}
    }
}

/// poem-openapi writes a described reference as `allOf` of the reference and a schema that only
/// describes. Generators take that second one for a type of its own: an object joined with an enum,
/// which some refuse. Its members belong beside an `allOf` of the reference alone.
fn unwrap_annotations(members: &mut Map<String, Value>) {
    const ANNOTATIONS: [&str; 7] =
        ["default", "deprecated", "description", "example", "readOnly", "title", "writeOnly"];
    let Some(Value::Array(parts)) = members.get_mut("allOf") else { return };
    let describes = |part: &Value| {
        let keys = part.as_object().map(|part| part.keys());
        keys.is_some_and(|mut keys| keys.all(|key| ANNOTATIONS.contains(&key.as_str())))
    };
    let [reference, annotations] = parts.as_mut_slice() else { return };
    if reference.get("$ref").is_some() && describes(annotations) {
        let annotations = annotations.take();
        parts.truncate(1);
        members.extend(annotations.as_object().cloned().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(document: &Value) -> Vec<(String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        let each = paths.iter().flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| (format!("{method} {path}"), operation.clone()))
        });
        each.collect()
    }

    #[test]
    fn the_committed_document_is_current() {
        for (committed, current) in [
            (include_str!("../../../openapi/openapi.json"), json_text(&document())),
            (include_str!("../../../openapi/openapi.yaml"), yaml_text(&document())),
        ] {
            assert!(committed == current, "run `just openapi` and commit the result");
        }
    }

    #[test]
    fn paths_are_whole_and_end_in_a_slash() {
        let document = document();
        assert!(document["paths"]["/api/otp/send/"]["post"].is_object());
        assert!(document["paths"]["/api/otp/{request_id}/"]["get"].is_object());
    }

    #[test]
    fn every_operation_is_named_tagged_and_lists_its_problems() {
        for (name, operation) in operations(&document()) {
            assert!(operation["operationId"].is_string(), "{name}");
            assert!(operation["summary"].is_string(), "{name}");
            assert!(operation["tags"][0].is_string(), "{name}");
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses {
                let content = &response["content"];
                if status == "204" {
                    assert!(content.is_null(), "{name}: nothing is in it");
                } else if status.starts_with('2') {
                    assert!(content["application/json"].is_object(), "{name} {status}");
                } else if status.starts_with('3') {
                    assert!(response["headers"]["Location"].is_object(), "{name} {status}");
                } else {
                    let schema = &content["application/problem+json"]["schema"]["$ref"];
                    assert_eq!(schema, "#/components/schemas/Problem", "{name} {status}");
                }
            }
            assert!(responses.contains_key("500") && responses.contains_key("503"), "{name}");
        }
    }

    #[test]
    fn a_described_reference_is_one_reference_with_the_description_beside_it() {
        let document = document();
        let status = &document["components"]["schemas"]["OtpRequest"]["properties"]["status"];
        assert_eq!(status["allOf"], json!([{ "$ref": "#/components/schemas/OtpStatus" }]));
        assert_eq!(status["description"], "Where the text is.");
        let constrained = json!({ "allOf": [{ "$ref": "a" }, { "minLength": 1 }] });
        let mut tidied = constrained.clone();
        tidy(&mut tidied);
        assert_eq!(tidied, constrained);
    }

    #[test]
    fn every_answer_is_described() {
        for (name, operation) in operations(&document()) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert_ne!(response["description"], "", "{name} {status}");
            }
        }
    }

    #[test]
    fn the_documentation_page_shows_this_document_and_loads_nothing_from_elsewhere() {
        let page = ui_html(&routes::service(), &document());
        assert!(page.contains("/api/otp/send/") && !page.contains("\"/otp/send\""));
        assert!(!page.contains("<script src") && !page.contains("<link"));
    }
}

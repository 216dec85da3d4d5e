//! Headers that answers have because of the edge, not of their operation: they are documented
//! here, beside the middleware's work, and not by every handler.

use serde_json::{Map, Value, json};

/// Statuses that are answered before anything is measured.
const UNMEASURED: [&str; 5] = ["400", "408", "413", "415", "422"];
/// Statuses that say when to try again, where that is known.
const WAIT: [&str; 3] = ["409", "429", "503"];

/// Adds `RateLimit-Policy` and `RateLimit` to the answers of limited operations and `Retry-After`
/// to every answer that can be waited out.
pub(super) fn add(document: &mut Value) {
    let operations = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let operations = operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for answers in operations.filter_map(|operation| operation["responses"].as_object_mut()) {
        let limited = answers.contains_key("429");
        for (status, answer) in answers {
            if limited && !UNMEASURED.contains(&status.as_str()) {
                answer["headers"]["RateLimit-Policy"] = policy();
                answer["headers"]["RateLimit"] = state();
            }
            if WAIT.contains(&status.as_str()) {
                answer["headers"]["Retry-After"] = retry_after();
            }
        }
    }
}

fn policy() -> Value {
    json!({
        "description": "The limits this request was measured by: a list of names, each with `q` \
            units in `w` seconds (draft-ietf-httpapi-ratelimit-headers). Absent if nothing was \
            measured.",
        "schema": { "type": "string", "example": "\"otp-send-ip\";q=60;w=60, \"otp-send-target\";q=10;w=3600" },
    })
}

fn state() -> Value {
    json!({
        "description": "How they stand: `r` units are left now, and there is one more in `t` \
            seconds. Absent if nothing was measured.",
        "schema": { "type": "string", "example": "\"otp-send-ip\";r=59;t=1, \"otp-send-target\";r=9;t=360" },
    })
}

fn retry_after() -> Value {
    json!({
        "description": "Seconds until trying again makes sense, as `retry_after` in the body; \
            absent if that is not known.",
        "schema": { "type": "integer", "minimum": 1, "example": 12 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<'a>(answers: &'a Value, status: &str) -> Vec<&'a str> {
        let headers = answers[status]["headers"].as_object();
        headers.map(|headers| headers.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    #[test]
    fn limited_operations_document_how_the_caller_stands() {
        let document = super::super::document();
        let send = &document["paths"]["/api/otp/send/"]["post"]["responses"];
        let both = ["RateLimit", "RateLimit-Policy"];
        assert_eq!(headers(send, "200"), both);
        assert_eq!(headers(send, "202"), ["Location", both[0], both[1]]);
        assert_eq!(headers(send, "502"), both);
        for status in WAIT {
            assert_eq!(headers(send, status), [both[0], both[1], "Retry-After"], "{status}");
        }
        assert_eq!(headers(send, "400"), Vec::<&str>::new());
        let login = &document["paths"]["/api/authenticate/"]["post"]["responses"];
        for status in ["200", "401"] {
            assert_eq!(headers(login, status), both, "{status}");
        }
    }

    #[test]
    fn other_operations_document_only_when_to_try_again() {
        let document = super::super::document();
        let status = &document["paths"]["/api/otp/{request_id}/"]["get"]["responses"];
        assert_eq!(headers(status, "200"), Vec::<&str>::new());
        assert_eq!(headers(status, "503"), ["Retry-After"]);
    }

    #[test]
    fn every_documented_header_is_described_and_has_an_example() {
        let document = super::super::document();
        let operations = document["paths"].as_object().unwrap().values();
        let answers = operations.flat_map(|item| item.as_object().unwrap().values());
        let answers = answers.flat_map(|one| one["responses"].as_object().unwrap().values());
        for (name, header) in
            answers.flat_map(|one| one["headers"].as_object().into_iter().flatten())
        {
            assert!(header["description"].as_str().is_some_and(|text| text.len() > 10), "{name}");
            let documented = ["Location", "Link", "Set-Cookie"].contains(&&**name)
                || !header["schema"]["example"].is_null();
            assert!(documented, "{name}");
        }
    }
}

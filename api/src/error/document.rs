//! How operations document their problems: every status with the one schema.

use poem_openapi::{
    registry::{MetaMediaType, MetaResponse, MetaResponses},
    types::Type,
};

use super::ProblemBody;

/// The documented responses of these statuses, all with the schema `Problem`.
///
/// # Panics
///
/// On a status without a description here: the document would not explain it.
pub(crate) fn problem_responses(statuses: &[u16]) -> MetaResponses {
    let responses = statuses.iter().map(|&status| MetaResponse {
        description: describe(status),
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType {
            content_type: "application/problem+json",
            schema: ProblemBody::schema_ref(),
        }],
        headers: vec![],
    });
    MetaResponses { responses: responses.collect() }
}

fn describe(status: u16) -> &'static str {
    match status {
        400 => "The request is malformed, or some of its fields are not valid.",
        401 => "The credentials are missing or wrong.",
        403 => "The caller may not do this.",
        404 => "There is no such thing, or it is not the caller's.",
        405 => "The path has no such method.",
        408 => "The request took too long to arrive.",
        409 => "The request does not fit the current state, or must wait.",
        413 => "The request body is too large.",
        415 => "The media type of the request body is not supported.",
        422 => "The idempotency key was used with another request.",
        429 => "Too many requests; try again after `retry_after` seconds.",
        500 => "An error of the server.",
        502 => "The provider behind this operation refused or failed.",
        503 => "The service is temporarily unavailable, or took too long.",
        other => unreachable!("problem status {other} has no description"),
    }
}

/// Declares the problems of one operation, for its documentation:
/// `problems!(pub(crate) SendOtpProblem: 400, 409, 429);`. The type is made from a
/// [`Problem`](super::Problem) by `?` and ends in the problem middleware.
macro_rules! problems {
    ($(#[$doc:meta])* $visibility:vis $name:ident: $($status:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug)]
        $visibility struct $name($crate::error::Problem);

        impl From<$crate::error::Problem> for $name {
            fn from(problem: $crate::error::Problem) -> Self {
                Self(problem)
            }
        }

        impl From<$name> for ::poem::Error {
            fn from($name(problem): $name) -> Self {
                problem.into()
            }
        }

        impl ::poem_openapi::ApiResponse for $name {
            fn meta() -> ::poem_openapi::registry::MetaResponses {
                $crate::error::problem_responses(&[$($status),+])
            }

            fn register(registry: &mut ::poem_openapi::registry::Registry) {
                <$crate::error::ProblemBody as ::poem_openapi::types::Type>::register(registry);
            }
        }
    };
}
pub(crate) use problems;

#[cfg(test)]
mod tests {
    #![expect(clippy::unused_async, reason = "operations are async, these await nothing")]

    use poem_openapi::{OpenApi, OpenApiService, payload::Json};
    use serde_json::Value;

    use crate::error::{Code, Problem};

    problems!(
        /// What can go wrong in the test.
        TestProblem: 400, 409, 429
    );

    struct Api;

    #[OpenApi]
    impl Api {
        #[oai(path = "/thing", method = "get", operation_id = "getThing")]
        async fn thing(&self) -> Result<Json<String>, TestProblem> {
            Err(Problem::new(Code::OtpCooldown))?
        }
    }

    #[test]
    fn an_operation_documents_its_problems_with_one_schema() {
        let spec = OpenApiService::new(Api, "test", "1").spec();
        let document: Value = serde_json::from_str(&spec).unwrap();
        let responses = &document["paths"]["/thing"]["get"]["responses"];
        for status in ["400", "409", "429"] {
            let schema = &responses[status]["content"]["application/problem+json"]["schema"];
            assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{status}");
            assert!(responses[status]["description"].as_str().is_some_and(|text| text.len() > 10));
        }
        let schema = &document["components"]["schemas"]["Problem"];
        assert_eq!(schema["properties"]["status"]["type"], "integer");
        assert!(schema["properties"].get("type").is_some());
        assert_eq!(schema["required"].as_array().unwrap().len(), 11);
        let field = &document["components"]["schemas"]["ProblemFieldError"];
        assert_eq!(field["properties"]["field"]["nullable"], true);
        assert_eq!(field["required"].as_array().unwrap().len(), 3);
    }
}
